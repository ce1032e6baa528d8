//! Observes the calls of a language model.

use std::future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::llm::{LlmClient, LlmError, LlmEvent, LlmRequest, LlmStream};
use domain::runtime::Timer;
use futures_util::{StreamExt as _, stream};
use tracing::{Instrument as _, Span};

use super::spans;
use crate::metrics::Metrics;

/// A client whose calls are counted, timed and traced. A call that fails over to another model is a call of each.
pub(crate) struct ObservedLlm {
    inner: Arc<dyn LlmClient>,
    metrics: Metrics,
    timer: Arc<dyn Timer>,
}

impl ObservedLlm {
    /// Observes `inner`.
    pub fn new(inner: Arc<dyn LlmClient>, metrics: Metrics, timer: Arc<dyn Timer>) -> Self {
        Self { inner, metrics, timer }
    }
}

#[async_trait]
impl LlmClient for ObservedLlm {
    fn provider(&self) -> &str {
        self.inner.provider()
    }

    fn model(&self) -> &str {
        self.inner.model()
    }

    fn source(&self) -> String {
        self.inner.source()
    }

    async fn respond(&self, request: LlmRequest) -> Result<LlmStream, LlmError> {
        let mut call = Call {
            inner: self.inner.clone(),
            metrics: self.metrics.clone(),
            timer: self.timer.clone(),
            started: self.timer.elapsed(),
            has_first_token: false,
            has_ended: false,
            span: spans::model_call(self.provider(), self.model()),
        };
        match self.inner.respond(request).instrument(call.span.clone()).await {
            Ok(mut reply) => {
                let span = call.span.clone();
                let reply = stream::poll_fn(move |context| span.in_scope(|| reply.poll_next_unpin(context)));
                let items = reply.map(Some).chain(stream::iter([None]));
                Ok(items.filter_map(move |item| future::ready(call.pass(item))).boxed())
            }
            Err(error) => {
                call.end(error.code().as_str());
                Err(error)
            }
        }
    }
}

/// A call in progress. Dropped before its end, it was cancelled.
struct Call {
    inner: Arc<dyn LlmClient>,
    metrics: Metrics,
    timer: Arc<dyn Timer>,
    started: Duration,
    has_first_token: bool,
    has_ended: bool,
    span: Span,
}

impl Call {
    /// Observes the next item of the reply; `None` is the end of the stream.
    fn pass(&mut self, item: Option<Result<LlmEvent, LlmError>>) -> Option<Result<LlmEvent, LlmError>> {
        match &item {
            Some(Ok(LlmEvent::Finished { usage, .. })) => {
                if let Some(usage) = usage {
                    spans::add_usage(&self.span, *usage);
                }
                let usage = usage.unwrap_or_default();
                for (direction, tokens) in [("input", usage.tokens_in), ("output", usage.tokens_out)] {
                    let labels = [self.inner.provider(), self.inner.model(), direction];
                    self.metrics.model.tokens.with_label_values(&labels).inc_by(tokens);
                }
                self.end("success");
            }
            Some(Ok(
                LlmEvent::TextDelta(_)
                | LlmEvent::PlanDelta(_)
                | LlmEvent::ToolCallStarted { .. }
                | LlmEvent::ToolCallComplete { .. },
            )) => self.first_token(),
            Some(Ok(
                LlmEvent::Thinking
                | LlmEvent::ToolCallArguments { .. }
                | LlmEvent::ProviderData(_)
                | LlmEvent::FallbackUsed { .. },
            )) => {}
            Some(Err(error)) => self.end(error.code().as_str()),
            None => self.end("truncated"),
        }
        item
    }

    fn first_token(&mut self) {
        if !self.has_first_token {
            self.has_first_token = true;
            let labels = [self.inner.provider(), self.inner.model()];
            self.metrics.model.first_token.with_label_values(&labels).observe(self.seconds());
        }
    }

    fn end(&mut self, result: &str) {
        if !self.has_ended {
            self.has_ended = true;
            let (provider, model) = (self.inner.provider(), self.inner.model());
            self.metrics.model.calls.with_label_values(&[provider, model, result]).inc();
            self.metrics.model.duration.with_label_values(&[provider, model]).observe(self.seconds());
            if result != "success" {
                spans::fail(&self.span, result);
            }
        }
    }

    fn seconds(&self) -> f64 {
        self.timer.elapsed().saturating_sub(self.started).as_secs_f64()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.end("cancelled");
    }
}
