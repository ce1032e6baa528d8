//! Language models: a call of a model as a stream of events ([`LlmClient`]). The adapters are in the crate `llm`.

mod reply;
#[cfg(any(test, feature = "mock"))]
mod scripted;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use serde_json::Value;

use crate::conversation::turn::{FailureCode, Usage};
use crate::storage::Cause;
use crate::tool::ToolSpec;

pub use reply::{LlmReply, MAX_PROVIDER_DATA_BYTES, MAX_REPLY_BYTES, ReplyBudget, collect};
#[cfg(any(test, feature = "mock"))]
pub use scripted::{ScriptedLlm, Step};

/// A request to a model.
#[derive(Clone, Debug)]
pub struct LlmRequest {
    /// The system prompt.
    pub system: String,
    /// The conversation, oldest first. Ends with the user's message or the latest tool results.
    pub messages: Vec<LlmMessage>,
    /// The tools that the model may call.
    pub tools: Arc<[ToolSpec]>,
}

/// A message in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LlmMessage {
    /// A message of the user.
    User {
        /// The text.
        text: String,
    },
    /// A reply of the model, with text or calls. Every call must be followed by its result, in the order of the calls.
    Assistant {
        /// The text; may be empty.
        text: String,
        /// The plan, if the model sent one.
        plan: Option<String>,
        /// The tool calls.
        calls: Vec<LlmToolCall>,
        /// The reply's [`LlmEvent::ProviderData`], if it came from the [source](LlmClient::source) that gets the request.
        provider_data: Option<String>,
    },
    /// The result of a call.
    ToolResult {
        /// The call's id.
        call_id: String,
        /// The tool's name.
        tool: String,
        /// `{"success", "message", "data"}`.
        content: Value,
    },
}

/// A tool call as the model sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LlmToolCall {
    /// The provider's id of the call. Unique within a reply only.
    pub id: String,
    /// The name of the tool, which may not exist.
    pub tool: String,
    /// The arguments, which may be invalid JSON.
    pub arguments: String,
}

/// An event of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LlmEvent {
    /// More text.
    TextDelta(String),
    /// More text of the plan.
    PlanDelta(String),
    /// Progress of the model's reasoning, without its text.
    Thinking,
    /// The call at `index` started.
    ToolCallStarted {
        /// The index of the call in the reply, from 0.
        index: usize,
        /// The provider's id of the call.
        id: String,
        /// The tool's name.
        tool: String,
    },
    /// More text of the arguments.
    ToolCallArguments {
        /// The index of the call in the reply.
        index: usize,
        /// A fragment of the arguments.
        fragment: String,
    },
    /// The call at `index` is complete.
    ToolCallComplete {
        /// The index of the call in the reply.
        index: usize,
        /// The complete call.
        call: LlmToolCall,
    },
    /// What only the sender of the reply understands, such as signatures of its reasoning: it is stored with the reply
    /// and sent back with it, to the same [source](LlmClient::source) and to no other. At most once, after all calls; at
    /// most [`MAX_PROVIDER_DATA_BYTES`].
    ProviderData(String),
    /// Another model replies instead of the requested one. Precedes all its other events.
    FallbackUsed {
        /// The provider of the other model.
        provider: String,
        /// The name of the other model.
        model: String,
    },
    /// The reply is complete. A stream that ends without this event was truncated.
    Finished {
        /// The reason why the reply ended.
        reason: FinishReason,
        /// The usage, if the provider sent it.
        usage: Option<Usage>,
    },
}

/// The reason why a reply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// The model finished.
    Stop,
    /// The model requests tool calls.
    ToolCalls,
    /// The limit of tokens was reached.
    Length,
    /// Another reason, such as a content filter.
    Other,
}

/// Reasons why a model call fails.
#[derive(Debug, thiserror::Error)]
pub enum LlmError {
    /// Too many requests.
    #[error("the provider limits the rate of requests")]
    RateLimited {
        /// The delay before a retry that the provider sent.
        retry_after: Option<Duration>,
        /// The cause.
        #[source]
        source: Cause,
    },
    /// The account's quota or balance is used up: requests fail until its operator has changed that.
    #[error("the quota at the provider is used up")]
    QuotaExhausted(#[source] Cause),
    /// The key is invalid or lacks a permission.
    #[error("the provider refused the key")]
    Unauthorized(#[source] Cause),
    /// The provider has no such model, or has removed it.
    #[error("the provider does not have the model '{model}' (setting {setting})")]
    ModelRetired {
        /// The requested model.
        model: String,
        /// The setting that contains its name.
        setting: &'static str,
        /// The cause.
        #[source]
        source: Cause,
    },
    /// The provider did not respond in time.
    #[error("the provider did not respond in time")]
    Timeout(#[source] Cause),
    /// The provider cannot be reached, or fails.
    #[error("the provider cannot be reached")]
    Unavailable(#[source] Cause),
    /// The provider's response is invalid.
    #[error("the provider's response is invalid")]
    BadReply(#[source] Cause),
}

impl LlmError {
    /// Returns the code of the failure.
    pub fn code(&self) -> FailureCode {
        match self {
            Self::RateLimited { .. } => FailureCode::RateLimited,
            Self::QuotaExhausted(_) => FailureCode::QuotaExhausted,
            Self::Unauthorized(_) => FailureCode::Unauthorized,
            Self::ModelRetired { .. } => FailureCode::ModelRetired,
            Self::Timeout(_) => FailureCode::Timeout,
            Self::Unavailable(_) => FailureCode::Unavailable,
            Self::BadReply(_) => FailureCode::BadReply,
        }
    }
}

/// The events of a reply. Ends after [`LlmEvent::Finished`] or an error.
pub type LlmStream = BoxStream<'static, Result<LlmEvent, LlmError>>;

/// Calls a language model.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait LlmClient: Send + Sync {
    /// Returns the provider's name, such as `cohere` or `offline`.
    fn provider(&self) -> &str;

    /// Returns the model's name.
    fn model(&self) -> &str;

    /// Returns what [`LlmEvent::ProviderData`] is bound to: provider, server and model. MUST NOT contain credentials,
    /// because it is stored with messages.
    fn source(&self) -> String;

    /// Sends a request. MUST yield events as they are received, MUST end each call with
    /// [`LlmEvent::ToolCallComplete`], and MUST end a complete reply with [`LlmEvent::Finished`].
    async fn respond(&self, request: LlmRequest) -> Result<LlmStream, LlmError>;
}
