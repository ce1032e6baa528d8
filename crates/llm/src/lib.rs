//! Clients of language models over HTTP: adapters of the port [`domain::llm::LlmClient`], one module for each provider.

mod calls;
mod cohere;
mod content;
mod failure;
mod history;
mod openai;
mod provider;
mod reader;
mod resilience;
mod transport;

pub use cohere::Cohere;
pub use failure::{ErrorBody, FailureContext, MAX_RETRY_AFTER, ReportedError, retry_after};
pub use openai::OpenAi;
pub use provider::{Optional, Provider, ReplyDecoder};
pub use reader::ReplyReader;
pub use resilience::{BreakerOptions, Deadlines, FallbackClient, ResilienceOptions, ResilientClient, RetryOptions};
pub use transport::{HttpClient, HttpOptions, HttpOptionsError};

/// Cohere, over HTTP.
pub type CohereClient = HttpClient<Cohere>;
/// An OpenAI-compatible server, over HTTP.
pub type OpenAiClient = HttpClient<OpenAi>;
