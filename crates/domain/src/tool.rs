//! Tools for assistants and agents: their descriptions, and running them on behalf of a user ([`ToolExecutor`]).
//! [`TaskTools`] implements the tools on tasks.

mod confirmation;
mod outcome;
mod parameters;
mod resolve;
mod task_tools;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::change::{Origin, Receipt};
use crate::conversation::message::ToolCall;
use crate::conversation::{PendingAction, PendingItem};
use crate::id::ConversationId;
use crate::principal::InsufficientScope;
use crate::storage::StorageError;
use crate::task::Task;

pub use task_tools::{TaskTools, confirm_pending_spec, specs};

/// The description of a tool for its callers.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolSpec {
    /// Letters, digits and `_`.
    pub name: &'static str,
    /// What it does and when to use it.
    pub description: &'static str,
    /// The JSON Schema (2020-12) of the parameters: an object without additional properties.
    pub parameters: Arc<Value>,
    /// Whether it only reads.
    pub read_only: bool,
    /// Whether it may delete or overwrite existing data.
    pub destructive: bool,
    /// Whether a second call with the same parameters has no further effect.
    pub idempotent: bool,
}

/// The context in which a tool runs.
#[derive(Clone, Debug)]
pub struct ToolContext {
    /// The acting user, who is the owner of all rows that the tool may touch, and the tool call if it is part of a chat.
    pub origin: Origin,
    /// What the call's identifier resolved to, if it was resolved before the call.
    pub target: Option<TaskMatch>,
}

impl ToolContext {
    /// Returns the conversation, if the call is part of a chat.
    pub fn conversation(&self) -> Option<ConversationId> {
        self.origin.call.map(|call| call.conversation)
    }
}

/// The result of resolving an identifier.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskMatch {
    /// Exactly one task.
    One(Box<Task>),
    /// The candidates of an ambiguous identifier.
    Several(Vec<Task>),
    /// No task. The tasks with the most similar titles are suggestions.
    None(Vec<Task>),
}

/// A call before it runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResolvedCall {
    /// What its identifier resolved to, if it has one.
    pub target: Option<TaskMatch>,
    /// The existing task that it would delete or overwrite.
    pub overwrites: Option<PendingItem>,
}

/// The outcome of a tool call.
#[derive(Clone, Debug, PartialEq)]
pub enum ToolOutcome {
    /// The tool did what was requested.
    Done {
        /// A description for the user.
        message: String,
        /// The result as data.
        data: Value,
        /// The committed changes.
        changes: Vec<Receipt>,
    },
    /// The request cannot be fulfilled; nothing was changed.
    Refused {
        /// The reason, for the user.
        message: String,
        /// Data that helps to correct the request.
        data: Value,
    },
}

/// Reasons why a tool did not run.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// There is no tool with this name.
    #[error("there is no tool named '{0}'")]
    UnknownTool(String),
    /// The parameters do not match the schema.
    #[error("{0}")]
    BadParameters(String),
    /// The caller lacks a scope.
    #[error(transparent)]
    InsufficientScope(#[from] InsufficientScope),
    /// Concurrent changes exhausted the retries; nothing was changed.
    #[error("the tasks kept changing")]
    Contention,
    /// The call's turn is not running any more; nothing was changed.
    #[error("the turn has ended")]
    LeaseLost,
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Describes tools and runs them.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait ToolExecutor: Send + Sync {
    /// Returns the descriptions of all tools.
    fn tools(&self) -> Vec<ToolSpec>;

    /// Runs a tool. MUST act as the principal of `context.origin`, whatever the parameters are. MUST refuse parameters that
    /// do not match the schema, without any effect.
    async fn run(&self, context: &ToolContext, tool: &str, parameters: Value) -> Result<ToolOutcome, ToolError>;

    /// Returns the outcome of the context's effect if it has already happened. MUST change nothing.
    async fn find_effect(&self, context: &ToolContext, tool: &str) -> Result<Option<ToolOutcome>, ToolError>;

    /// Resolves the identifier of each of `calls`, in order, and returns which existing task each would delete or overwrite.
    /// MUST change nothing.
    async fn resolve(&self, context: &ToolContext, calls: &[ToolCall]) -> Result<Vec<ResolvedCall>, ToolError>;

    /// Runs a confirmed action as one operation. MUST change no other task, and no task that is at another version than
    /// its item.
    async fn run_pending(&self, context: &ToolContext, pending: &PendingAction) -> Result<ToolOutcome, ToolError>;
}

/// The name of the tool that confirms a pending action.
pub const CONFIRM_PENDING: &str = "confirm_pending";
/// The name of the tool that undoes the changes of the last turn.
pub const UNDO: &str = "undo";
