//! What the steps of a turn share: what it is about, the message that it writes, and why it may end early.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::{BoxFuture, Shared};

use super::super::part_diff::PartDiff;
use super::super::ports::{ChatOptions, ChatPorts};
use crate::change::{CallOrigin, Origin, RequestId};
use crate::conversation::ConversationRepoError;
use crate::id::UserId;
use crate::llm::LlmError;
use crate::message::{Part, ToolCall, ToolResult, receipts};
use crate::principal::Principal;
use crate::storage::StorageError;
use crate::tool::{ToolContext, ToolError};
use crate::turn::{StopReason, Turn, TurnEvent};

/// Why a turn ends without an answer.
#[derive(Debug)]
pub(in super::super) enum Failure {
    Model(LlmError),
    Storage(StorageError),
    /// Somebody wants the turn to end.
    Stopped(StopReason),
    /// The turn was ended from outside, or its lease was lost.
    LeaseLost,
    /// Our own code panicked.
    Panicked,
}

impl From<ConversationRepoError> for Failure {
    fn from(error: ConversationRepoError) -> Self {
        error.into_storage().map_or(Self::LeaseLost, Self::Storage)
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

/// What a turn is about, from its beginning to its end.
pub(super) struct TurnContext {
    pub ports: ChatPorts,
    pub options: ChatOptions,
    pub principal: Principal,
    pub request_id: RequestId,
    pub turn: Turn,
    /// Ends when the turn is to end.
    pub stopped: Shared<BoxFuture<'static, StopReason>>,
}

impl TurnContext {
    pub fn owner(&self) -> UserId {
        self.principal.user
    }

    /// The context in which the call at `index` of `round` runs.
    pub fn tool_context(&self, round: u8, index: usize) -> ToolContext {
        let call = CallOrigin {
            conversation: self.turn.conversation,
            message: self.turn.assistant_message,
            attempt: self.turn.attempt(),
            round,
            index: u8::try_from(index).unwrap_or(u8::MAX),
        };
        let origin =
            Origin { principal: self.principal.clone(), request_id: self.request_id.clone(), call: Some(call) };
        ToolContext { origin, target: None }
    }

    pub fn publish(&self, event: TurnEvent) {
        self.ports.signals.publish(self.turn.attempt(), event);
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.ports.clock.now()
    }

    /// Monotonic time, for intervals.
    pub fn elapsed(&self) -> Duration {
        self.ports.timer.elapsed()
    }
}

/// The assistant's message while it is written.
pub(super) struct Draft {
    pub parts: Vec<Part>,
    diff: PartDiff,
    /// Elapsed time of the timer when the parts were last stored.
    pub saved_at: Duration,
}

impl Draft {
    pub fn new(parts: Vec<Part>, saved_at: Duration) -> Self {
        Self { parts, diff: PartDiff::default(), saved_at }
    }

    /// Whether the turn has changed something.
    pub fn has_changes(&self) -> bool {
        receipts(&self.parts).next().is_some()
    }

    /// Publishes what is new in the message.
    pub fn publish(&mut self, context: &TurnContext) {
        for event in self.diff.tell(&self.parts) {
            context.publish(event);
        }
    }

    /// Publishes what is left to be told when the message is whole.
    pub fn publish_end(&mut self, context: &TurnContext) {
        for event in self.diff.end() {
            context.publish(event);
        }
    }

    /// Stores the message as it is so far, unless the turn was ended from outside.
    pub async fn save(&mut self, context: &TurnContext) -> Result<(), Failure> {
        self.saved_at = context.elapsed();
        let attempt = context.turn.attempt();
        Ok(context.ports.conversations.save_progress(context.owner(), attempt, &self.parts).await?)
    }

    /// Adds a text in the server's own name.
    pub fn notice(&mut self, context: &TurnContext, text: String) {
        self.parts.push(Part::Notice { text });
        self.publish(context);
    }

    /// Adds a call that has no result yet.
    pub fn push_call(&mut self, context: &TurnContext, call: ToolCall) {
        self.parts.push(Part::ToolCall(call));
        self.publish(context);
    }

    /// Gives the last call its result.
    ///
    /// What changed nothing is stored before it is told: the ledger does not know of it, and a retry must not act on it
    /// later.
    pub async fn answer_call(&mut self, context: &TurnContext, ran: Ran) -> Result<(), Failure> {
        let unrecorded = ran.changes.is_empty() && !ran.read_only;
        if let Some(Part::ToolCall(call)) = self.parts.last_mut() {
            call.result = Some(ran.result);
            call.changes = ran.changes;
        }
        if unrecorded {
            self.save(context).await?;
        }
        self.publish(context);
        Ok(())
    }
}

/// What came of one call.
pub(super) struct Ran {
    pub result: ToolResult,
    pub changes: Vec<crate::change::Receipt>,
    /// The model got the call itself wrong.
    pub mistaken: bool,
    /// The tool changes nothing, whatever it is told.
    pub read_only: bool,
}

impl Ran {
    /// A call that did nothing.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { result: failed(message.into()), changes: Vec::new(), mistaken: false, read_only: false }
    }
}

pub(super) fn failed(message: String) -> ToolResult {
    ToolResult { success: false, message, data: serde_json::json!({}) }
}

/// What a tool's error means to the turn: a result that the model is told, or the end.
pub(super) fn on_tool_error(error: ToolError) -> Result<Ran, Failure> {
    match error {
        ToolError::UnknownTool(_) | ToolError::BadParameters(_) => {
            Ok(Ran { mistaken: true, ..Ran::failed(format!("{error}. Nothing was changed.")) })
        }
        ToolError::InsufficientScope(_) | ToolError::Contention => {
            Ok(Ran::failed(format!("{error}. Nothing was changed.")))
        }
        ToolError::LeaseLost => Err(Failure::LeaseLost),
        ToolError::Storage(error) => Err(Failure::Storage(error)),
    }
}
