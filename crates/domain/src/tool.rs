//! Tools: what an assistant or an agent can do, described for models and run for one user ([`ToolExecutor`]).
//! [`TaskTools`] are the tools on tasks.

mod confirmation;
mod outcome;
mod parameters;
mod resolve;
mod task_tools;

use async_trait::async_trait;
use serde_json::Value;

use crate::change::{Origin, Receipt};
use crate::conversation::PendingItem;
use crate::id::{ConversationId, TaskId};
use crate::message::ToolCall;
use crate::principal::InsufficientScope;
use crate::storage::StorageError;

pub use task_tools::{TaskTools, confirm_pending_spec, specs};

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

/// In whose name and by which call a tool runs.
#[derive(Clone, Debug)]
pub struct ToolContext {
    /// The acting user, and the tool call if it comes from a chat. The owner comes from here and from nowhere else.
    pub origin: Origin,
    /// The task that the call's identifier was resolved to, if that was done beforehand.
    pub target: Option<TaskId>,
}

impl ToolContext {
    /// The conversation, if the call comes from a chat.
    pub fn conversation(&self) -> Option<ConversationId> {
        self.origin.call.map(|call| call.conversation)
    }
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
        /// The changes that were made.
        changes: Vec<Receipt>,
    },
    /// It cannot be done as asked; nothing was changed.
    Refused {
        /// Why, in words.
        message: String,
        /// What helps to ask better, as data.
        data: Value,
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
    /// Others kept changing the rows; nothing was changed.
    #[error("the tasks kept changing")]
    Contention,
    /// The turn that the call belongs to does not run any more; nothing was changed.
    #[error("the turn has ended")]
    LeaseLost,
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

    /// Returns what the context's effect did, if it has happened. MUST change nothing.
    async fn find_effect(&self, context: &ToolContext, tool: &str) -> Result<Option<ToolOutcome>, ToolError>;

    /// Returns for each of `calls` which existing task it would delete or overwrite, if it would: one that names exactly
    /// one task. MUST change nothing.
    async fn overwrite_targets(
        &self,
        context: &ToolContext,
        calls: &[ToolCall],
    ) -> Result<Vec<Option<PendingItem>>, ToolError>;

    /// Does what the user has confirmed, as one operation. MUST touch no other task, and none that is not at the version
    /// that was seen.
    async fn run_pending(&self, context: &ToolContext, items: &[PendingItem]) -> Result<ToolOutcome, ToolError>;
}

/// The name of the tool that confirms a pending action.
pub const CONFIRM_PENDING: &str = "confirm_pending";
/// The name of the tool that takes back what the last turn changed.
pub const UNDO: &str = "undo";
