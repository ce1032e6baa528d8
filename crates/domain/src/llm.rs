//! Language models: one call of a model as a stream of events ([`LlmClient`]).
//!
//! Deliberately not here: providers, wire formats, retries. They are adapters, in the crate `llm`.

mod reply;
#[cfg(any(test, feature = "mock"))]
mod scripted;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use serde_json::Value;

use crate::storage::Cause;
use crate::tool::ToolSpec;
use crate::turn::{FailureCode, Usage};

pub use reply::{LlmReply, MAX_REPLY_BYTES, ReplyBudget, collect};
#[cfg(any(test, feature = "mock"))]
pub use scripted::{ScriptedLlm, Step};

/// What a model is asked.
#[derive(Clone, Debug)]
pub struct LlmRequest {
    /// What the model is told about its work.
    pub system: String,
    /// The conversation so far, the user's newest message or the newest tool results last.
    pub messages: Vec<LlmMessage>,
    /// The tools that it may call.
    pub tools: Arc<[ToolSpec]>,
}

/// One message of the conversation, as a model sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LlmMessage {
    /// What the user said.
    User {
        /// The words.
        text: String,
    },
    /// What the model said and called. Every call is followed by its result.
    Assistant {
        /// The words; may be empty.
        text: String,
        /// What it said that it means to do, if it did.
        plan: Option<String>,
        /// The tools that it called.
        calls: Vec<LlmToolCall>,
    },
    /// What came of a call.
    ToolResult {
        /// The call's id.
        call_id: String,
        /// The tool's name.
        tool: String,
        /// `{"success", "message", "data"}`.
        content: Value,
    },
}

/// A tool call as a model makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LlmToolCall {
    /// The provider's id of the call. Not unique beyond one reply.
    pub id: String,
    /// The tool's name; nothing says that there is such a tool.
    pub tool: String,
    /// The arguments as text; nothing says that they are JSON.
    pub arguments: String,
}

/// Something that happens while a model answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LlmEvent {
    /// More of the answer's text.
    TextDelta(String),
    /// More of what the model says that it means to do.
    PlanDelta(String),
    /// The model thinks: a sign of life, without what it thinks.
    Thinking,
    /// The call at `index` has begun.
    ToolCallStarted {
        /// Its place among the reply's calls, from 0.
        index: usize,
        /// The provider's id of it.
        id: String,
        /// The tool's name.
        tool: String,
    },
    /// More of the arguments' text.
    ToolCallArguments {
        /// The call's place.
        index: usize,
        /// A fragment, cut anywhere.
        fragment: String,
    },
    /// The call at `index` is complete.
    ToolCallComplete {
        /// The call's place.
        index: usize,
        /// The whole call.
        call: LlmToolCall,
    },
    /// Another model answers in the place of the one that was asked. It comes before everything that it says.
    FallbackUsed {
        /// Its provider.
        provider: String,
        /// Its name.
        model: String,
    },
    /// The reply is whole. A stream that ends without this event was cut.
    Finished {
        /// Why the model ended.
        reason: FinishReason,
        /// What it took, if the provider says so.
        usage: Option<Usage>,
    },
}

/// Why a model ended its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// It was done.
    Stop,
    /// It wants tools to be run.
    ToolCalls,
    /// It ran into its limit of tokens.
    Length,
    /// Something else, such as a content filter.
    Other,
}

/// Why a model cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum LlmError {
    /// Too many requests.
    #[error("the provider asks to slow down")]
    RateLimited {
        /// When the provider says that another try makes sense.
        retry_after: Option<Duration>,
        /// The cause.
        #[source]
        source: Cause,
    },
    /// The key is wrong, or may not do this.
    #[error("the provider refused the key")]
    Unauthorized(#[source] Cause),
    /// The provider has no such model, or has it no longer.
    #[error("the provider does not have the model '{model}' (setting {setting})")]
    ModelRetired {
        /// The model that was asked for.
        model: String,
        /// The setting that names it.
        setting: &'static str,
        /// The cause.
        #[source]
        source: Cause,
    },
    /// It took too long.
    #[error("the provider did not answer in time")]
    Timeout(#[source] Cause),
    /// It cannot be reached, or is broken.
    #[error("the provider cannot be reached")]
    Unavailable(#[source] Cause),
    /// It answered with something that makes no sense.
    #[error("the provider's answer makes no sense")]
    BadReply(#[source] Cause),
}

impl LlmError {
    /// The reason, as a turn keeps it.
    pub fn code(&self) -> FailureCode {
        match self {
            Self::RateLimited { .. } => FailureCode::RateLimited,
            Self::Unauthorized(_) => FailureCode::Unauthorized,
            Self::ModelRetired { .. } => FailureCode::ModelRetired,
            Self::Timeout(_) => FailureCode::Timeout,
            Self::Unavailable(_) => FailureCode::Unavailable,
            Self::BadReply(_) => FailureCode::BadReply,
        }
    }
}

/// A model's reply while it comes in. It ends behind [`LlmEvent::Finished`] or an error.
pub type LlmStream = BoxStream<'static, Result<LlmEvent, LlmError>>;

/// Calls a language model.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait LlmClient: Send + Sync {
    /// The provider's name, such as `cohere` or `offline`.
    fn provider(&self) -> &str;

    /// The model's name.
    fn model(&self) -> &str;

    /// Asks the model. Events MUST come while the model answers, calls MUST end with
    /// [`LlmEvent::ToolCallComplete`], and a whole reply MUST end with [`LlmEvent::Finished`].
    async fn respond(&self, request: LlmRequest) -> Result<LlmStream, LlmError>;
}
