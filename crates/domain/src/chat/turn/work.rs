//! What the steps of a turn share: its context, the message that it writes, and the reasons why it ends early.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::{BoxFuture, Shared};

use super::super::part_diff::PartDiff;
use super::super::ports::{ChatOptions, ChatPorts};
use crate::change::{CallOrigin, Origin, RequestId};
use crate::chat::{StopReason, TurnEvent};
use crate::conversation::ConversationRepoError;
use crate::conversation::message::{Part, ToolCall, ToolResult, receipts};
use crate::conversation::turn::Turn;
use crate::id::UserId;
use crate::llm::LlmError;
use crate::principal::Principal;
use crate::storage::StorageError;
use crate::tool::{ToolContext, ToolError};

/// Reasons why a turn ends without an answer.
#[derive(Debug)]
pub(in super::super) enum Failure {
    Model(LlmError),
    Storage(StorageError),
    /// A stop was requested.
    Stopped(StopReason),
    /// The turn is not running any more in storage.
    LeaseLost,
    /// A panic in the server's code.
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

/// The constant context of a turn.
pub(super) struct TurnContext {
    pub ports: ChatPorts,
    pub options: ChatOptions,
    pub principal: Principal,
    pub request_id: RequestId,
    pub turn: Turn,
    /// Completes when a stop is requested.
    pub stopped: Shared<BoxFuture<'static, StopReason>>,
}

impl TurnContext {
    pub fn owner(&self) -> UserId {
        self.principal.user
    }

    /// Returns the context of the call at `index` in `round`, whose change stores `draft` up to the call with it.
    pub fn recording_context(&self, round: u8, index: usize, draft: &Draft) -> ToolContext {
        let mut context = self.tool_context(round, index);
        context.origin.message_parts = Some(draft.parts.as_slice().into());
        context
    }

    /// Returns the context of the call at `index` in `round`.
    pub fn tool_context(&self, round: u8, index: usize) -> ToolContext {
        let call = CallOrigin {
            conversation: self.turn.conversation,
            message: self.turn.assistant_message,
            attempt: self.turn.attempt(),
            round,
            index: u8::try_from(index).unwrap_or(u8::MAX),
        };
        let origin = Origin {
            principal: self.principal.clone(),
            request_id: self.request_id.clone(),
            call: Some(call),
            message_parts: None,
            idempotency: None,
        };
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
    /// Whether there are results of calls that are not stored. They are in the ledger, so that nothing is lost with them.
    pub is_unsaved: bool,
}

impl Draft {
    pub fn new(parts: Vec<Part>, saved_at: Duration) -> Self {
        Self { parts, diff: PartDiff::default(), saved_at, is_unsaved: false }
    }

    /// Whether the turn has changed something.
    pub fn has_changes(&self) -> bool {
        receipts(&self.parts).next().is_some()
    }

    /// Publishes the events of what is new in the message.
    pub fn publish(&mut self, context: &TurnContext) {
        for event in self.diff.new_events(&self.parts) {
            context.publish(event);
        }
    }

    /// Publishes the remaining events of the complete message.
    pub fn publish_end(&mut self, context: &TurnContext) {
        for event in self.diff.finish() {
            context.publish(event);
        }
    }

    /// Stores the message as it is so far. Fails with [`Failure::LeaseLost`] if the turn is not running any more.
    pub async fn save(&mut self, context: &TurnContext) -> Result<(), Failure> {
        (self.saved_at, self.is_unsaved) = (context.elapsed(), false);
        let attempt = context.turn.attempt();
        Ok(context.ports.conversations.save_progress(context.owner(), attempt, &self.parts).await?)
    }

    /// Adds a notice of the server.
    pub fn notice(&mut self, context: &TurnContext, text: String) {
        self.parts.push(Part::Notice { text });
        self.publish(context);
    }

    /// Adds a call without a result.
    pub fn push_call(&mut self, context: &TurnContext, call: ToolCall) {
        self.parts.push(Part::ToolCall(call));
        self.publish(context);
    }

    /// Sets the result of the last call.
    ///
    /// A result without changes is stored before it is published: it is not in the ledger, and a retry must not run the
    /// call again.
    pub async fn answer_call(&mut self, context: &TurnContext, result: CallResult) -> Result<(), Failure> {
        let unrecorded = result.changes.is_empty() && !result.read_only;
        if let Some(Part::ToolCall(call)) = self.parts.last_mut() {
            call.result = Some(result.result);
            call.changes = result.changes;
        }
        if unrecorded {
            self.save(context).await?;
        }
        self.publish(context);
        Ok(())
    }
}

/// The result of a call, and how it affects the turn.
pub(super) struct CallResult {
    pub result: ToolResult,
    pub changes: Vec<crate::change::Receipt>,
    /// Whether the call itself was invalid.
    pub is_invalid: bool,
    /// Whether the tool only reads.
    pub read_only: bool,
}

impl CallResult {
    /// A call without an effect.
    pub fn failed(message: impl Into<String>) -> Self {
        let result = ToolResult { success: false, message: message.into(), data: serde_json::json!({}) };
        Self { result, changes: Vec::new(), is_invalid: false, read_only: false }
    }
}

/// Converts a tool's error to a result for the model, or to a failure of the turn.
pub(super) fn on_tool_error(error: ToolError) -> Result<CallResult, Failure> {
    match error {
        ToolError::UnknownTool(_) | ToolError::BadParameters(_) => {
            Ok(CallResult { is_invalid: true, ..CallResult::failed(format!("{error}. Nothing was changed.")) })
        }
        ToolError::InsufficientScope(_) | ToolError::Contention => {
            Ok(CallResult::failed(format!("{error}. Nothing was changed.")))
        }
        ToolError::LeaseLost => Err(Failure::LeaseLost),
        ToolError::Storage(error) => Err(Failure::Storage(error)),
    }
}
