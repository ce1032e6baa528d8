//! A fallback for a model that cannot answer. The stream then begins with [`LlmEvent::FallbackUsed`], which `domain` reports
//! to the user.

use std::sync::Arc;

use async_trait::async_trait;
use domain::llm::{LlmClient, LlmError, LlmEvent, LlmRequest, LlmStream};
use domain::runtime::with_causes;
use futures_util::{StreamExt as _, stream};

use super::answer::first_event;

/// A model, and another that answers in its place when it fails before its first event, whatever the error: a wrong key
/// is the operator's to mend, and the log says so each time, but the user is served meanwhile. A failure behind the
/// first event is handed on, because two models' words do not make one answer. That a model thinks is no word of it:
/// [`LlmEvent::Thinking`] before the first other event is waited through and not handed on.
///
/// The primary's error goes to the log as a warning, with its causes; if the stand-in fails too, so does the
/// stand-in's, and the caller gets the primary's.
pub struct FallbackClient {
    primary: Arc<dyn LlmClient>,
    stand_in: Arc<dyn LlmClient>,
}

impl FallbackClient {
    /// `primary`, and `stand_in` in its place. Deadlines, retries and breakers are inside of them.
    pub fn new(primary: Arc<dyn LlmClient>, stand_in: Arc<dyn LlmClient>) -> Self {
        Self { primary, stand_in }
    }
}

/// Asks `client` and waits for the first event that is no thought, so that an error before it is one of the call and not of the stream.
async fn begun(client: &dyn LlmClient, request: LlmRequest) -> Result<LlmStream, LlmError> {
    let (mut first, mut rest) = first_event(client.respond(request).await?).await?;
    while first == LlmEvent::Thinking {
        (first, rest) = first_event(rest).await?;
    }
    Ok(stream::iter([Ok(first)]).chain(rest).boxed())
}

#[async_trait]
impl LlmClient for FallbackClient {
    fn provider(&self) -> &str {
        self.primary.provider()
    }

    fn model(&self) -> &str {
        self.primary.model()
    }

    async fn respond(&self, request: LlmRequest) -> Result<LlmStream, LlmError> {
        let error = match begun(self.primary.as_ref(), request.clone()).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let (provider, model) = (self.stand_in.provider(), self.stand_in.model());
        tracing::warn!(
            provider = self.provider(),
            model = self.model(),
            code = error.code().as_str(),
            error = with_causes(&error),
            stand_in = provider,
            "the assistant cannot answer and another stands in"
        );
        match begun(self.stand_in.as_ref(), request).await {
            Ok(answer) => {
                let stood_in = LlmEvent::FallbackUsed { provider: provider.to_owned(), model: model.to_owned() };
                Ok(stream::iter([Ok(stood_in)]).chain(answer).boxed())
            }
            Err(second) => {
                tracing::warn!(
                    provider,
                    model,
                    code = second.code().as_str(),
                    error = with_causes(&second),
                    "the stand-in cannot answer either"
                );
                Err(error)
            }
        }
    }
}
