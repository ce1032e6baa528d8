//! Chat with the assistant: a message starts a turn, which ends with an answer ([`ChatService`]).
//!
//! The tools of the assistant are in [`crate::tool`].

mod event;
mod following;
mod history;
mod part_diff;
mod ports;
mod service;
mod signals;
mod system_text;
mod turn;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::change::IdempotencyError;
use crate::conversation::{ClientKey, ConversationRepoError, Idempotency};
use crate::id::{ConversationId, MessageId, PendingActionId};
use crate::llm::LlmError;
use crate::principal::InsufficientScope;
use crate::runtime::rate_limit::RateLimited;
use crate::storage::StorageError;
use crate::text::is_blank;

pub use event::{TurnAnswer, TurnEvent, TurnEvents, TurnFailure, TurnFinished};
pub use ports::{ChatOptions, ChatPorts};
pub use service::{ChatService, MessageRecord};
#[cfg(any(test, feature = "mock"))]
pub use signals::MockTurnSignals;
pub use signals::{StopReason, TurnSignals};
pub use turn::MAX_CALLS;

/// The text of a user's message: trimmed, 1 to 4000 characters, at least one of them visible, no control characters except
/// line breaks and tabs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserText(String);

impl UserText {
    /// Maximum length in characters.
    pub const MAX: usize = 4000;

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Reasons why a text is not a [`UserText`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserTextError {
    /// The text is empty or invisible.
    #[error("Message cannot be empty")]
    Empty,
    /// The text is too long.
    #[error("Message cannot be longer than {} characters (this one has {length})", UserText::MAX)]
    TooLong {
        /// The length in characters.
        length: usize,
    },
    /// The text contains a control character.
    #[error("Message cannot contain control characters other than line breaks and tabs")]
    ControlCharacter,
}

impl FromStr for UserText {
    type Err = UserTextError;
    fn from_str(raw: &str) -> Result<Self, UserTextError> {
        let text = raw.trim();
        match text.chars().count() {
            0 => Err(UserTextError::Empty),
            length if length > Self::MAX => Err(UserTextError::TooLong { length }),
            _ if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) => {
                Err(UserTextError::ControlCharacter)
            }
            _ if is_blank(text) => Err(UserTextError::Empty),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

impl TryFrom<String> for UserText {
    type Error = UserTextError;
    fn try_from(raw: String) -> Result<Self, UserTextError> {
        raw.parse()
    }
}

impl From<UserText> for String {
    fn from(text: UserText) -> Self {
        text.0
    }
}

impl fmt::Display for UserText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A message to the assistant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// The conversation.
    pub target: MessageTarget,
    /// The content.
    pub input: ChatInput,
    /// The idempotency key, if the client sent one.
    pub idempotency: Option<Idempotency>,
}

/// The content of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatInput {
    /// A text.
    Text(UserText),
    /// A confirmation of a pending action. No model is called.
    Confirm(PendingActionId),
}

/// The conversation of a new message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageTarget {
    /// A new conversation.
    New,
    /// An existing conversation.
    Existing(ConversationId),
    /// The conversation with this client key or id; if there is none, a new one with this key.
    Keyed(ClientKey),
}

/// The location of a turn that failed after the user's message was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredTurn {
    /// The conversation.
    pub conversation: ConversationId,
    /// The assistant's message, which contains a notice of the failure.
    pub message: MessageId,
}

/// Reasons why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The caller lacks a scope.
    #[error(transparent)]
    InsufficientScope(#[from] InsufficientScope),
    /// A request to stop has an idempotency key, for which it cannot be answered.
    #[error(transparent)]
    Idempotency(#[from] IdempotencyError),
    /// The turn was not started; the user's message is not stored.
    #[error(transparent)]
    Conversations(#[from] ConversationRepoError),
    /// The user's tokens of the day are used up, until the day ends. The message is not stored.
    #[error("the tokens of the day are used up")]
    TokensUsedUp(#[source] RateLimited),
    /// The model failed. The user's message is kept.
    #[error("the assistant failed")]
    Model {
        /// The cause.
        #[source]
        source: LlmError,
        /// The stored turn.
        stored: StoredTurn,
    },
    /// Storage failed. The user's message is kept.
    #[error("the turn could not be stored")]
    Interrupted {
        /// The cause.
        #[source]
        source: StorageError,
        /// The stored turn.
        stored: StoredTurn,
    },
    /// The turn is not running any more: its conversation was deleted, or its lease was lost.
    #[error("the turn lost its lease")]
    LeaseLost {
        /// The stored turn.
        stored: StoredTurn,
    },
    /// The server's code panicked. The user's message is kept.
    #[error("the turn panicked")]
    Panicked {
        /// The stored turn.
        stored: StoredTurn,
    },
    /// The server was shut down during the turn. The user's message is kept.
    #[error("the turn was interrupted by a shutdown")]
    ShutDown {
        /// The stored turn.
        stored: StoredTurn,
    },
    /// The task that ran the turn ended without a result.
    #[error("the turn was abandoned")]
    Abandoned,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_text_has_1_to_4000_characters_in_any_number_of_lines() {
        assert_eq!(" a\nb\t ".parse::<UserText>().unwrap().as_str(), "a\nb");
        assert!("é".repeat(4000).parse::<UserText>().is_ok());
        assert_eq!("é".repeat(4001).parse::<UserText>(), Err(UserTextError::TooLong { length: 4001 }));
        for text in ["", " \n", "\u{200B}"] {
            assert_eq!(text.parse::<UserText>(), Err(UserTextError::Empty), "{text:?}");
        }
        for text in ["a\0b", "a\u{1b}[31m"] {
            assert_eq!(text.parse::<UserText>(), Err(UserTextError::ControlCharacter), "{text:?}");
        }
    }
}
