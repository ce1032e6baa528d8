//! Resilience for any `LlmClient`: [`ResilientClient`] adds timeouts, retries and a circuit breaker, and
//! [`FallbackClient`] answers with another model if one fails.
//!
//! The connect timeout and the meaning of HTTP statuses are in `transport.rs` and `error.rs`. No crate is used because
//! the circuit breakers (failsafe, recloser, circuitbreaker-rs) read the system clock and guard a future, not a stream
//! that fails later or is dropped, and backon adds jitter to a delay, where full jitter draws all of it.

mod backoff;
mod breaker;
mod fallback;
mod guarded_stream;
mod options;
mod timeout;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::llm::{LlmClient, LlmError, LlmRequest, LlmStream};
use domain::runtime::{Timer, with_causes};

use backoff::Jitter;
use breaker::{Breaker, Permit};
use guarded_stream::{GuardedStream, first_event};
use timeout::{Deadline, TimeoutError};

pub use breaker::BreakerState;
pub use fallback::FallbackClient;
pub use options::{BreakerOptions, ResilienceOptions, RetryOptions, Timeouts};

/// A client with timeouts, retries and a circuit breaker.
///
/// A request is retried only before the first event, because emitted text cannot be withdrawn, and only after
/// [`LlmError::RateLimited`] and [`LlmError::Unavailable`], because other errors would recur, and once after a reply
/// whose call the provider reports as invalid (Groq's `tool_use_failed`). `LlmEvent::Thinking`
/// counts as an event, so that it reaches the caller at once and the idle timeout applies from then on.
/// [`LlmClient::respond`] returns at the first event, or fails with the error of the last attempt. Dropping its future
/// or the stream cancels the call.
pub struct ResilientClient {
    inner: Arc<dyn LlmClient>,
    timer: Arc<dyn Timer>,
    options: ResilienceOptions,
    breaker: Arc<Breaker>,
    jitter: Jitter,
}

impl ResilientClient {
    /// Wraps `inner`. Each instance has its own circuit breaker: create one for each provider and share it.
    pub fn new(inner: Arc<dyn LlmClient>, timer: Arc<dyn Timer>, options: ResilienceOptions) -> Self {
        let breaker = Arc::new(Breaker::new(inner.provider().to_owned(), timer.clone(), options.breaker));
        Self { inner, timer, options, breaker, jitter: Box::new(backoff::full_jitter) }
    }

    /// Returns the state of the circuit breaker.
    pub fn breaker_state(&self) -> BreakerState {
        self.breaker.state()
    }

    /// Replaces the random jitter: `jitter` maps the maximum delay to a delay from zero to that; longer ones are
    /// capped.
    #[must_use]
    pub fn with_jitter(mut self, jitter: impl Fn(Duration) -> Duration + Send + Sync + 'static) -> Self {
        self.jitter = Box::new(jitter);
        self
    }

    /// Makes one attempt, from the request to the first event.
    async fn attempt(&self, request: LlmRequest, total: Deadline, permit: Permit) -> Result<LlmStream, LlmError> {
        let timeouts = self.options.timeouts;
        let deadline = Deadline::after(self.timer.elapsed(), TimeoutError::FirstEvent(timeouts.first_event));
        let result = deadline.min(total).run(self.timer.as_ref(), async {
            let stream = self.inner.respond(request).await?;
            first_event(stream).await
        });
        match result.await.unwrap_or_else(|elapsed| Err(elapsed.into())) {
            Ok((first, rest)) => {
                Ok(GuardedStream::new(rest, self.timer.clone(), total, timeouts.idle, permit).starting_with(first))
            }
            Err(error) => {
                permit.record((&error).into());
                Err(error)
            }
        }
    }

    /// Returns the delay before the next attempt; `None` if the request is not retried.
    fn retry_delay(&self, error: &LlmError, retries: u32, total: Deadline) -> Option<Duration> {
        let delay = backoff::delay(&self.options.retries, error, retries, &self.jitter)?;
        // The total timeout or the breaker would reject the attempt.
        if total.has_passed(self.timer.elapsed().saturating_add(delay)) || !self.breaker.is_closed() {
            return None;
        }
        tracing::info!(provider = self.provider(), ?delay, error = with_causes(error), "retrying the request");
        Some(delay)
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

    fn source(&self) -> String {
        self.inner.source()
    }

    async fn respond(&self, request: LlmRequest) -> Result<LlmStream, LlmError> {
        let total = Deadline::after(self.timer.elapsed(), TimeoutError::Total(self.options.timeouts.total));
        let mut permit = self.breaker.acquire().map_err(|open| LlmError::Unavailable(open.into()))?;
        let mut retries = 0;
        loop {
            let error = match self.attempt(request.clone(), total, permit).await {
                Ok(stream) => return Ok(stream),
                Err(error) => error,
            };
            let Some(delay) = self.retry_delay(&error, retries, total) else { return Err(error) };
            self.timer.sleep(delay).await;
            // Another call may have opened the breaker. This call's own error is more specific.
            let Ok(next) = self.breaker.acquire() else { return Err(error) };
            permit = next;
            retries += 1;
        }
    }
}
