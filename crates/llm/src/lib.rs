//! Clients of language models over HTTP: adapters of the port [`domain::llm::LlmClient`], one module for each provider.

mod cohere;
mod error;
mod history;
mod marked_text;
mod openai;
mod provider;
mod provider_data;
mod reply_reader;
mod request;
mod resilience;
mod tool_calls;
mod transport;
mod wire;

pub use cohere::Cohere;
pub use error::{ErrorBody, ErrorMapper, MAX_RETRY_AFTER, ReportedError, parse_retry_after};
pub use openai::OpenAi;
pub use provider::{Deviation, Provider, ReplyDecoder};
pub use reply_reader::ReplyReader;
pub use resilience::{
    BreakerOptions, BreakerState, FallbackClient, ResilienceOptions, ResilientClient, RetryOptions, Timeouts,
};
pub use transport::{HttpClient, HttpOptions, HttpOptionsError};

/// Client of Cohere.
pub type CohereClient = HttpClient<Cohere>;
/// Client of OpenAI and compatible servers.
pub type OpenAiClient = HttpClient<OpenAi>;
