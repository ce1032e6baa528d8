//! Answers with another model if one fails. The stream then starts with [`LlmEvent::FallbackUsed`], which `domain`
//! reports to the user.

use std::sync::Arc;

use async_trait::async_trait;
use domain::llm::{LlmClient, LlmError, LlmEvent, LlmMessage, LlmRequest, LlmStream};
use domain::runtime::with_causes;
use futures_util::{StreamExt as _, stream};

use super::guarded_stream::first_event;

/// A client whose fallback answers if the primary fails before its first event, with any error: an invalid key is for
/// the operator to fix, but users are served meanwhile. Later errors are passed on, because the texts of two models do
/// not make one reply. [`LlmEvent::Thinking`] is not counted as the first event, and is dropped before it.
///
/// The primary's error is logged as a warning with its causes. If the fallback fails too, its error is logged as well
/// and the caller gets the primary's.
pub struct FallbackClient {
    primary: Arc<dyn LlmClient>,
    fallback: Arc<dyn LlmClient>,
}

impl FallbackClient {
    /// Combines two clients. Timeouts, retries and circuit breakers are theirs.
    pub fn new(primary: Arc<dyn LlmClient>, fallback: Arc<dyn LlmClient>) -> Self {
        Self { primary, fallback }
    }
}

/// Sends the request and waits for the first event other than `Thinking`.
async fn respond_from_first_event(client: &dyn LlmClient, request: LlmRequest) -> Result<LlmStream, LlmError> {
    let (mut first, mut rest) = first_event(client.respond(request).await?).await?;
    while first == LlmEvent::Thinking {
        (first, rest) = first_event(rest).await?;
    }
    Ok(stream::iter([Ok(first)]).chain(rest).boxed())
}

fn without_provider_data(mut request: LlmRequest) -> LlmRequest {
    for message in &mut request.messages {
        if let LlmMessage::Assistant { provider_data, .. } = message {
            *provider_data = None;
        }
    }
    request
}

#[async_trait]
impl LlmClient for FallbackClient {
    fn provider(&self) -> &str {
        self.primary.provider()
    }

    fn model(&self) -> &str {
        self.primary.model()
    }

    /// The primary's: the fallback gets no provider data.
    fn source(&self) -> String {
        self.primary.source()
    }

    async fn respond(&self, request: LlmRequest) -> Result<LlmStream, LlmError> {
        let error = match respond_from_first_event(self.primary.as_ref(), request.clone()).await {
            Ok(reply) => return Ok(reply),
            Err(error) => error,
        };
        let (provider, model) = (self.fallback.provider(), self.fallback.model());
        tracing::warn!(
            provider = self.provider(),
            model = self.model(),
            code = error.code().as_str(),
            error = with_causes(&error),
            fallback = provider,
            "using fallback provider"
        );
        match respond_from_first_event(self.fallback.as_ref(), without_provider_data(request)).await {
            Ok(reply) => {
                let used = LlmEvent::FallbackUsed { provider: provider.to_owned(), model: model.to_owned() };
                Ok(stream::iter([Ok(used)]).chain(reply).boxed())
            }
            Err(second) => {
                tracing::warn!(
                    provider,
                    model,
                    code = second.code().as_str(),
                    error = with_causes(&second),
                    "the fallback provider failed as well"
                );
                Err(error)
            }
        }
    }
}
