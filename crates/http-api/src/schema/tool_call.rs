//! Tool calls of the assistant, and its token usage.

use domain::conversation::message::{ToolCall, ToolResult};
use domain::conversation::turn::Usage;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A tool call of the assistant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ToolCall)]
pub(crate) struct ToolCallBody {
    /// The id of the call.
    id: String,
    /// The name of the tool.
    #[schema(example = "add_task")]
    tool: String,
    /// The parameters; a string if they were not valid JSON.
    #[schema(value_type = Value)]
    parameters: Value,
    /// The result; null if the turn ended first.
    #[schema(required)]
    result: Option<ToolResultBody>,
    /// The same as `success` of the result; null without a result.
    #[schema(required)]
    success: Option<bool>,
    /// The message of the result if the tool failed; null otherwise.
    #[schema(required)]
    error: Option<String>,
}

/// The result of a tool call.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ToolResult)]
pub(crate) struct ToolResultBody {
    /// Whether the tool succeeded.
    success: bool,
    /// The result as text.
    #[schema(example = "Task 'Buy groceries' created successfully")]
    message: String,
    /// The result as data, whose form depends on the tool.
    #[schema(value_type = Value)]
    data: Value,
}

/// The token usage of a language model.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = Usage)]
pub(crate) struct UsageBody {
    /// Tokens read by the model.
    tokens_in: u64,
    /// Tokens written by the model.
    tokens_out: u64,
}

impl From<Usage> for UsageBody {
    fn from(Usage { tokens_in, tokens_out }: Usage) -> Self {
        Self { tokens_in, tokens_out }
    }
}

impl From<ToolCall> for ToolCallBody {
    fn from(call: ToolCall) -> Self {
        let success = call.result.as_ref().map(|result| result.success);
        let error = call.result.as_ref().filter(|result| !result.success).map(|result| result.message.clone());
        let result = call.result.map(ToolResultBody::from);
        Self { id: call.id, tool: call.tool, parameters: call.parameters, result, success, error }
    }
}

impl From<ToolResult> for ToolResultBody {
    fn from(ToolResult { success, message, data }: ToolResult) -> Self {
        Self { success, message, data }
    }
}
