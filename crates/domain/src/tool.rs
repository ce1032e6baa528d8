//! Tools: what an assistant or an agent can do, described for models and run for one user ([`ToolExecutor`]).
//! [`TaskTools`] are the five tools on tasks.

mod agreed;
mod outcome;
mod parameters;
mod resolve;
mod task_tools;

use async_trait::async_trait;
use serde_json::Value;

use crate::change::{EffectId, RequestId};
use crate::conversation::PendingAction;
use crate::id::{ConversationId, TaskId};
use crate::message::ToolCall;
use crate::principal::{InsufficientScope, Principal};
use crate::storage::StorageError;
use crate::task::Version;
use crate::turn::Attempt;

pub use task_tools::{TaskTools, specs};

/// What a tool is, for those who may call it.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolSpec {
    /// Its name: letters, digits and `_`.
    pub name: &'static str,
    /// What it does and when to use it.
    pub description: &'static str,
    /// The JSON Schema (2020-12) of its parameters: an object without further properties.
    pub parameters: Value,
    /// It changes nothing.
    pub read_only: bool,
    /// What it does cannot be taken back.
    pub destructive: bool,
    /// Calling it twice with the same parameters does no more than calling it once.
    pub idempotent: bool,
}

/// In whose name and in what surroundings a tool runs.
#[derive(Clone, Debug)]
pub struct ToolContext {
    /// Who acts. The owner comes from here and from nowhere else.
    pub principal: Principal,
    /// The conversation, if the call comes from a chat.
    pub conversation: Option<ConversationId>,
    /// The try at a turn, if the call comes from a chat.
    pub turn: Option<Attempt>,
    /// What makes the effect happen once, if the call comes from a chat.
    pub effect_id: Option<EffectId>,
    /// What the user said, if they did.
    pub user_text: Option<String>,
    /// Whether the user has agreed to this call: beforehand, or by asking for it and all the others of the turn in so
    /// many words. Alone in its turn, or without one, a call needs no more than to be made.
    pub agreed: bool,
    /// The request in which it happens.
    pub request_id: RequestId,
}

/// What came of a tool call.
#[derive(Clone, Debug, PartialEq)]
pub enum ToolOutcome {
    /// It is done.
    Done {
        /// What happened, in words.
        message: String,
        /// What happened, as data.
        data: Value,
        /// Whether a row was changed.
        changed: bool,
    },
    /// It cannot be done as asked; nothing was changed.
    Refused {
        /// Why, in words.
        message: String,
        /// What helps to ask better, as data.
        data: Value,
    },
    /// It can be done once the user says yes; nothing was changed.
    NeedsConfirmation {
        /// What is on offer, in words.
        message: String,
        /// What is on offer, as data.
        data: Value,
        /// The tasks that it would touch, at the versions that were seen.
        tasks: Vec<(TaskId, Version)>,
        /// What they are called.
        title: String,
    },
}

/// Why a tool did not run.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// There is no tool of this name.
    #[error("there is no tool named '{0}'")]
    UnknownTool(String),
    /// The parameters do not fit the schema.
    #[error("{0}")]
    BadParameters(String),
    /// The caller may not do this.
    #[error(transparent)]
    InsufficientScope(#[from] InsufficientScope),
    /// The turn that the call belongs to does not run any more; nothing was changed.
    #[error("the turn has ended")]
    TurnEnded,
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Knows tools and runs them.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait ToolExecutor: Send + Sync {
    /// The tools that there are.
    fn tools(&self) -> Vec<ToolSpec>;

    /// Runs a tool. MUST act as `context.principal` alone, whatever the parameters say. MUST refuse parameters that
    /// do not fit the schema, without any effect.
    async fn run(&self, context: &ToolContext, tool: &str, parameters: Value) -> Result<ToolOutcome, ToolError>;

    /// What the context's effect did, if it has happened: in a turn that was cut short before it could say so. MUST
    /// change nothing.
    async fn done_before(&self, context: &ToolContext) -> Result<Option<ToolOutcome>, ToolError>;

    /// Whether the calls of `tool` that a turn has may be run: those that did something or wait for the user, with their
    /// results, and those that are still to be run, without. Several deletions may be if the user's own words ask for each of them. MUST
    /// change nothing.
    async fn may_run(&self, context: &ToolContext, tool: &str, calls: &[ToolCall]) -> Result<bool, ToolError>;

    /// Does what the user has agreed to, to all of its tasks in one, and returns an outcome for each of them, in their
    /// order. MUST touch no other task, and none that has changed since it was offered. The effect of the task at
    /// place n is the context's with n added to its index.
    async fn run_agreed(&self, context: &ToolContext, action: &PendingAction) -> Result<Vec<ToolOutcome>, ToolError>;

    /// What `text`, said by the assistant, asks to be allowed to do, and to which tasks, if it does. Changes nothing.
    async fn offered_in(&self, context: &ToolContext, text: &str) -> Result<Option<PendingAction>, ToolError>;
}
