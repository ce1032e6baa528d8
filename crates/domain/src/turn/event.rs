//! What happens in a turn while it runs, for those who follow it.
//!
//! The events tell what the assistant's message becomes, part by part, and nothing else: whoever follows a turn knows in
//! the end what whoever reads the stored message knows.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;

use super::{FailureCode, Turn, TurnState, Usage};
use crate::change::Receipts;
use crate::conversation::PendingAction;
use crate::id::{ConversationId, MessageId};
use crate::message::ToolCall;

/// The assistant's answer to one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnAnswer {
    /// What it says.
    pub response: String,
    /// The conversation that it is said in.
    pub conversation: ConversationId,
    /// The assistant's message.
    pub message: MessageId,
    /// The tools that were called, in order.
    pub tool_calls: Vec<ToolCall>,
    /// What it took.
    pub usage: Usage,
    /// [`TurnState::Complete`], or [`TurnState::Stopped`] if the user stopped it; [`TurnState::Failed`] only in
    /// [`TurnFinished`].
    pub state: TurnState,
    /// What the turn changed.
    pub receipts: Receipts,
    /// What waits for confirmation since, if anything does.
    pub pending: Option<PendingAction>,
    /// When the answer was begun.
    pub created_at: DateTime<Utc>,
}

/// Something that happens in a turn.
#[derive(Clone, Debug, PartialEq)]
pub enum TurnEvent {
    /// It runs. The first event of all.
    Started(Turn),
    /// A round begins: one reply of the model, with the tools that it calls.
    RoundStarted,
    /// The assistant says more. Texts on both sides of another event are two texts.
    TextDelta(String),
    /// The server says something in its own name.
    Notice(String),
    /// A tool is called; it has no result yet.
    ToolCalled(ToolCall),
    /// A tool that was called has a result.
    ToolCompleted(ToolCall),
    /// The round is over.
    RoundFinished,
    /// The turn is over. The last event of all.
    Finished(Box<TurnFinished>),
}

/// How a turn ended.
#[derive(Clone, Debug, PartialEq)]
pub struct TurnFinished {
    /// The message as it was stored.
    pub answer: TurnAnswer,
    /// Why there is no more of it, if the turn failed.
    pub failure: Option<TurnFailure>,
}

/// Why a turn failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnFailure {
    /// The reason.
    pub code: FailureCode,
    /// When another try makes sense, if somebody said so.
    pub retry_after: Option<Duration>,
    /// The setting that is to blame, if one is.
    pub setting: Option<&'static str>,
}

impl From<FailureCode> for TurnFailure {
    fn from(code: FailureCode) -> Self {
        Self { code, retry_after: None, setting: None }
    }
}

/// The events of one turn, from its beginning to [`TurnEvent::Finished`]. A stream that ends without that event belongs
/// to a turn whose process ended.
pub type TurnEvents = BoxStream<'static, TurnEvent>;
