//! Resilience around the port: [`ResilientClient`] gives a provider deadlines, retries and a circuit breaker, and
//! [`FallbackClient`] lets another model stand in for one that cannot answer. Both wrap any `LlmClient`.
//!
//! Deliberately not here: the deadline for connecting and what an HTTP status means (the transport's, which alone sees
//! a connection), and what a user is told (`domain` and `http-api`). Why own code, where there are crates: the breakers
//! (failsafe, recloser, circuitbreaker-rs) read the system's clock and guard a future, not a stream that fails later or
//! is dropped; backon adds jitter to a delay, where full jitter draws the whole of it.

mod answer;
mod breaker;
mod deadline;
mod fallback;
mod options;
mod retry;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::llm::{LlmClient, LlmError, LlmRequest, LlmStream};
use domain::runtime::{Timer, with_causes};

use answer::{Answer, first_event};
use breaker::{Admission, Breaker};
use deadline::{Deadline, Overdue};
use retry::Jitter;

pub use fallback::FallbackClient;
pub use options::{BreakerOptions, Deadlines, ResilienceOptions, RetryOptions};

/// A provider's client with deadlines, retries and a circuit breaker.
///
/// The question is asked again only while no event was handed out, and only after [`LlmError::RateLimited`] and
/// [`LlmError::Unavailable`]: any other error would be the same again, and words that were shown cannot be taken back.
/// `LlmEvent::Thinking` is an event like others here: a model that thinks is given the time between events and not that
/// for the first one, and whoever watches is told so at once instead of after a retry.
/// [`LlmClient::respond`] answers when the first event is there, and fails with the last try's error. Whoever drops the
/// future or the stream ends the call, its waits included.
pub struct ResilientClient {
    inner: Arc<dyn LlmClient>,
    timer: Arc<dyn Timer>,
    options: ResilienceOptions,
    breaker: Arc<Breaker>,
    jitter: Jitter,
}

impl ResilientClient {
    /// `inner` with `options`. It has a circuit breaker of its own: make one of these for each provider and keep it.
    pub fn new(inner: Arc<dyn LlmClient>, timer: Arc<dyn Timer>, options: ResilienceOptions) -> Self {
        let breaker = Arc::new(Breaker::new(inner.provider().to_owned(), timer.clone(), options.breaker));
        Self { inner, timer, options, breaker, jitter: Box::new(retry::random_part) }
    }

    /// With another source of chance for the waits between tries: `jitter` is handed the longest wait and answers with
    /// one from zero to that. A longer one is cut.
    #[must_use]
    pub fn with_jitter(mut self, jitter: impl Fn(Duration) -> Duration + Send + Sync + 'static) -> Self {
        self.jitter = Box::new(jitter);
        self
    }

    /// One try: from the question to the first event.
    async fn ask(&self, request: LlmRequest, total: Deadline, admission: Admission) -> Result<LlmStream, LlmError> {
        let deadlines = self.options.deadlines;
        let first = Deadline::from(self.timer.elapsed(), Overdue::FirstEvent(deadlines.first_event));
        let answer = first.or(total).hold(self.timer.as_ref(), async {
            let stream = self.inner.respond(request).await?;
            first_event(stream).await
        });
        match answer.await.unwrap_or_else(|overdue| Err(overdue.into())) {
            Ok((first, rest)) => {
                Ok(Answer::new(rest, self.timer.clone(), total, deadlines.between_events, admission).stream(first))
            }
            Err(error) => {
                admission.settle((&error).into());
                Err(error)
            }
        }
    }

    /// Returns how long to wait before the next try after `error`; `None` if there is to be none.
    fn next_try(&self, error: &LlmError, retries: u32, total: Deadline) -> Option<Duration> {
        let wait = retry::wait(&self.options.retries, error, retries, &self.jitter)?;
        // Neither a try that would come too late is waited for, nor one that the breaker would refuse.
        if !total.is_open(self.timer.elapsed().saturating_add(wait)) || !self.breaker.is_closed() {
            return None;
        }
        tracing::info!(
            provider = self.provider(),
            wait = ?wait,
            error = with_causes(error),
            "the provider will be asked again"
        );
        Some(wait)
    }
}

#[async_trait]
impl LlmClient for ResilientClient {
    fn provider(&self) -> &str {
        self.inner.provider()
    }

    fn model(&self) -> &str {
        self.inner.model()
    }

    async fn respond(&self, request: LlmRequest) -> Result<LlmStream, LlmError> {
        let total = Deadline::from(self.timer.elapsed(), Overdue::Total(self.options.deadlines.total));
        let mut admission = self.breaker.admit().map_err(|open| LlmError::Unavailable(open.into()))?;
        let mut retries = 0;
        loop {
            let error = match self.ask(request.clone(), total, admission).await {
                Ok(stream) => return Ok(stream),
                Err(error) => error,
            };
            let Some(wait) = self.next_try(&error, retries, total) else { return Err(error) };
            self.timer.sleep(wait).await;
            // Another call may have opened the breaker meanwhile. This call's own error says more than that.
            let Ok(admitted) = self.breaker.admit() else { return Err(error) };
            admission = admitted;
            retries += 1;
        }
    }
}
