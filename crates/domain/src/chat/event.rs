//! Events of a turn.
//!
//! The events describe how the assistant's message grows, and contain the same information as the stored message.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;

use crate::change::Receipts;
use crate::conversation::PendingAction;
use crate::conversation::message::ToolCall;
use crate::conversation::turn::{FailureCode, Turn, TurnState, Usage};
use crate::id::{ConversationId, MessageId};

/// The assistant's answer to one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnAnswer {
    /// The text of the message.
    pub response: String,
    /// The conversation of the message.
    pub conversation: ConversationId,
    /// The assistant's message.
    pub message: MessageId,
    /// The tool calls, in order.
    pub tool_calls: Vec<ToolCall>,
    /// The usage of all attempts.
    pub usage: Usage,
    /// [`TurnState::Complete`], or [`TurnState::Stopped`] if the user stopped it; [`TurnState::Failed`] only in
    /// [`TurnFinished`].
    pub state: TurnState,
    /// The changes of the turn.
    pub receipts: Receipts,
    /// The action that the turn left pending.
    pub pending: Option<PendingAction>,
    /// The start of the first attempt.
    pub created_at: DateTime<Utc>,
}

/// An event of a turn.
#[derive(Clone, Debug, PartialEq)]
pub enum TurnEvent {
    /// The turn runs. Always the first event.
    Started(Turn),
    /// A round starts: one reply of the model with its tool calls.
    RoundStarted,
    /// More text of the assistant. Text before and after another event belongs to separate parts.
    TextDelta(String),
    /// A notice of the server.
    Notice(String),
    /// A tool call without a result.
    ToolCalled(ToolCall),
    /// A tool call with its result.
    ToolCompleted(ToolCall),
    /// The round ended.
    RoundFinished,
    /// The turn ended. Always the last event.
    Finished(Box<TurnFinished>),
}

/// The end of a turn.
#[derive(Clone, Debug, PartialEq)]
pub struct TurnFinished {
    /// The message as it was stored.
    pub answer: TurnAnswer,
    /// The failure, if the turn failed.
    pub failure: Option<TurnFailure>,
}

/// The failure of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnFailure {
    /// The reason.
    pub code: FailureCode,
    /// Delay before a retry, if the provider sent one.
    pub retry_after: Option<Duration>,
    /// The setting that has to be corrected, if any.
    pub setting: Option<&'static str>,
}

impl From<FailureCode> for TurnFailure {
    fn from(code: FailureCode) -> Self {
        Self { code, retry_after: None, setting: None }
    }
}

/// The events of one turn, from [`TurnEvent::Started`] to [`TurnEvent::Finished`]. A stream that ends without the latter
/// belongs to a turn whose process ended or whose conversation was deleted.
pub type TurnEvents = BoxStream<'static, TurnEvent>;
