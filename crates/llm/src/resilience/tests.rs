//! Timeouts, retries, circuit breaker and fallback on a manual clock.

mod breaker;
mod fallback;
mod log;
mod retries;
mod timeouts;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use domain::llm::{FinishReason, LlmClient, LlmError, LlmEvent, LlmRequest, LlmStream, ScriptedLlm, Step};
use futures_util::{StreamExt as _, future, stream};

use super::{ResilienceOptions, ResilientClient};
use crate::error::{ErrorBody, ErrorMapper};
use domain::runtime::{ManualClock, Timer as _};

const SECOND: Duration = Duration::from_secs(1);

fn request() -> LlmRequest {
    LlmRequest { system: String::new(), messages: Vec::new(), tools: Arc::from([]) }
}

/// Wraps `inner` with the maximum delay before each retry.
fn resilient(inner: Arc<dyn LlmClient>, clock: &Arc<ManualClock>, options: ResilienceOptions) -> ResilientClient {
    ResilientClient::new(inner, clock.clone(), options).with_jitter(|max| max)
}

fn scripted(steps: impl IntoIterator<Item = Step>) -> Arc<ScriptedLlm> {
    Arc::new(ScriptedLlm::new(steps))
}

fn delta(text: &str) -> LlmEvent {
    LlmEvent::TextDelta(text.to_owned())
}

fn finished() -> LlmEvent {
    LlmEvent::Finished { reason: FinishReason::Stop, usage: None }
}

fn unavailable() -> LlmError {
    LlmError::Unavailable("refused".into())
}

fn rate_limited(retry_after: Option<Duration>) -> LlmError {
    LlmError::RateLimited { retry_after, source: "429".into() }
}

fn unauthorized() -> LlmError {
    LlmError::Unauthorized("401".into())
}

/// The error of a model that generated an invalid call, as Groq reports it.
fn failed_call() -> LlmError {
    let body = r#"{"error":{"message":"Failed to call a function.","type":"invalid_request_error","code":"tool_use_failed","failed_generation":""}}"#;
    ErrorMapper::new("m", "OPENAI_MODEL", None).map_response(400, ErrorBody::parse(body), None)
}

/// Every error, and whether it is retried.
fn errors() -> [(LlmError, bool); 8] {
    let retired = LlmError::ModelRetired { model: "m".into(), setting: "COHERE_MODEL", source: "404".into() };
    [
        (rate_limited(None), true),
        (unavailable(), true),
        (failed_call(), true),
        (LlmError::QuotaExhausted("429".into()), false),
        (unauthorized(), false),
        (retired, false),
        (LlmError::Timeout("slow".into()), false),
        (LlmError::BadReply("garbage".into()), false),
    ]
}

/// Returns the given streams, the last one first.
struct StreamingLlm(Mutex<Vec<LlmStream>>);

impl StreamingLlm {
    /// Sends `events` and then nothing.
    fn stalling_after(events: impl IntoIterator<Item = LlmEvent>) -> Arc<Self> {
        let events: Vec<_> = events.into_iter().map(Ok).collect();
        Self::new(stream::iter(events).chain(stream::pending()).boxed())
    }

    fn new(stream: LlmStream) -> Arc<Self> {
        Arc::new(Self(Mutex::new(vec![stream])))
    }
}

#[async_trait]
impl LlmClient for StreamingLlm {
    fn provider(&self) -> &'static str {
        "streaming"
    }

    fn model(&self) -> &'static str {
        "stream"
    }

    fn source(&self) -> String {
        "streaming".to_owned()
    }

    async fn respond(&self, _request: LlmRequest) -> Result<LlmStream, LlmError> {
        let next = self.0.lock().unwrap().pop();
        match next {
            Some(stream) => Ok(stream),
            None => future::pending().await,
        }
    }
}

/// Makes a call and returns its events and its error, if any. The clock advances while the call waits.
async fn outcome(client: &dyn LlmClient, clock: &ManualClock) -> (Vec<LlmEvent>, Option<LlmError>) {
    clock
        .run(async {
            let mut events = Vec::new();
            let mut stream = match client.respond(request()).await {
                Ok(stream) => stream,
                Err(error) => return (events, Some(error)),
            };
            while let Some(item) = stream.next().await {
                match item {
                    Ok(event) => events.push(event),
                    Err(error) => return (events, Some(error)),
                }
            }
            (events, None)
        })
        .await
}

/// Makes a call and returns the code of its error.
async fn error_code(client: &dyn LlmClient, clock: &ManualClock) -> Option<&'static str> {
    outcome(client, clock).await.1.map(|error| error.code().as_str())
}
