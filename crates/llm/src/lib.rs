//! The assistants: adapters that fill the port [`domain::llm::LlmClient`].
//!
//! One module for each provider; [`OfflineClient`] is the one that needs no key and no network. Deliberately not
//! here: what a tool does, how a chat turn runs (both in `domain`), and which provider is used (`app` decides).

mod calls;
mod cohere;
mod content;
mod failure;
mod history;
mod offline;
mod openai;
mod provider;
mod reader;
mod resilience;
mod tls;
mod transport;

pub use cohere::Cohere;
pub use failure::{ErrorBody, FailureContext, MAX_RETRY_AFTER, ReportedError, retry_after};
pub use offline::{ExplainedOutcome, ExplainedReading, Explanation, OfflineClient};
pub use openai::OpenAi;
pub use provider::{Optional, Provider, ReplyDecoder};
pub use reader::ReplyReader;
pub use resilience::{BreakerOptions, Deadlines, FallbackClient, ResilienceOptions, ResilientClient, RetryOptions};
pub use transport::{HttpClient, HttpOptions, HttpOptionsError};

/// Cohere, over HTTP.
pub type CohereClient = HttpClient<Cohere>;
/// An OpenAI-compatible server, over HTTP.
pub type OpenAiClient = HttpClient<OpenAi>;
