//! Chat: a user's message in, a finished turn out ([`ChatService`]).
//!
//! What a tool does is in [`crate::tool`].

mod following;
mod history;
mod part_diff;
mod ports;
mod service;
mod system_text;
mod turn;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::conversation::{ClientKey, ConversationRepoError, Idempotency};
use crate::id::{ConversationId, MessageId, PendingActionId};
use crate::llm::LlmError;
use crate::principal::InsufficientScope;
use crate::storage::StorageError;
use crate::text::is_blank;

pub use crate::turn::TurnAnswer;
pub use ports::{ChatOptions, ChatPorts};
pub use service::{ChatService, MessageRecord};
pub use turn::MAX_CALLS;

/// What a user says to the assistant: trimmed, 1 to 4000 characters, not only invisible ones; line breaks and tabs
/// may be in it, other control characters may not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserText(String);

impl UserText {
    /// The longest message, in characters.
    pub const MAX: usize = 4000;

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is no [`UserText`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserTextError {
    /// Nothing of it can be seen.
    #[error("Message cannot be empty")]
    Empty,
    /// It is too long.
    #[error("Message cannot be longer than {} characters (this one has {length})", UserText::MAX)]
    TooLong {
        /// Its length in characters.
        length: usize,
    },
    /// A NUL, an escape or their like.
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

/// Something said to the assistant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// Where.
    pub target: MessageTarget,
    /// What.
    pub input: ChatInput,
    /// How it says that it may have been sent before, if it does.
    pub idempotency: Option<Idempotency>,
}

/// What a user tells the assistant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatInput {
    /// A message in words.
    Text(UserText),
    /// A confirmation of what waits for it. No model is asked.
    Confirm(PendingActionId),
}

/// Where something is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageTarget {
    /// In a new conversation.
    New,
    /// In this one.
    Existing(ConversationId),
    /// In the one that the client calls so, by a name of its own or by its id here, or in a new one of this name.
    Keyed(ClientKey),
}

/// Where a turn is kept that ended in an error after the user's message was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredTurn {
    /// The conversation.
    pub conversation: ConversationId,
    /// The assistant's message, which says that it failed.
    pub message: MessageId,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The caller may not do this.
    #[error(transparent)]
    InsufficientScope(#[from] InsufficientScope),
    /// Storage refused or failed before the user's message was stored.
    #[error(transparent)]
    Conversations(#[from] ConversationRepoError),
    /// The model failed. The user's message is kept.
    #[error("the assistant failed")]
    Model {
        /// How.
        #[source]
        source: LlmError,
        /// Where.
        stored: StoredTurn,
    },
    /// Storage failed. The user's message is kept.
    #[error("the turn could not be stored")]
    Interrupted {
        /// How.
        #[source]
        source: StorageError,
        /// Where.
        stored: StoredTurn,
    },
    /// The turn was taken away: its conversation was deleted, or its lease was lost.
    #[error("the turn was ended from outside")]
    LeaseLost {
        /// Where.
        stored: StoredTurn,
    },
    /// Our own code panicked in the turn. The user's message is kept.
    #[error("the turn panicked")]
    Panicked {
        /// Where.
        stored: StoredTurn,
    },
    /// The server was shut down before the turn was over. The user's message is kept.
    #[error("the turn was cut short by a shutdown")]
    ShutDown {
        /// Where.
        stored: StoredTurn,
    },
    /// The work on the turn ended without a word.
    #[error("the turn was abandoned")]
    Abandoned,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_says_has_1_to_4000_characters_in_any_number_of_lines() {
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
