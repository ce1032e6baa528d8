//! The reply from its first event on: a stream with timeouts that records its outcome at the circuit breaker.

use std::sync::Arc;
use std::time::Duration;

use domain::llm::{LlmError, LlmEvent, LlmStream};
use domain::runtime::Timer;
use futures_util::{StreamExt as _, stream};

use super::breaker::{Outcome, Permit};
use super::timeout::{Deadline, TimeoutError};

/// Waits for the first event, `Thinking` included, and splits it off.
///
/// # Errors
/// The stream's; [`LlmError::Unavailable`], which is retried, if the stream ends without an event.
pub(super) async fn first_event(mut stream: LlmStream) -> Result<(LlmEvent, LlmStream), LlmError> {
    match stream.next().await {
        Some(first) => Ok((first?, stream)),
        None => Err(LlmError::Unavailable("the stream ended before its first event".into())),
    }
}

/// The events after the first one.
pub(super) struct GuardedStream {
    rest: LlmStream,
    timer: Arc<dyn Timer>,
    total: Deadline,
    idle_timeout: Duration,
    /// Taken at the end of the reply. Dropped with the stream, it records an unknown outcome.
    permit: Option<Permit>,
}

impl GuardedStream {
    pub(super) fn new(
        rest: LlmStream,
        timer: Arc<dyn Timer>,
        total: Deadline,
        idle_timeout: Duration,
        permit: Permit,
    ) -> Self {
        Self { rest, timer, total, idle_timeout, permit: Some(permit) }
    }

    /// Returns a stream of `first` and the rest. It ends after `Finished`, an error, or the end of the rest.
    pub(super) fn starting_with(mut self, first: LlmEvent) -> LlmStream {
        let first = Some(Ok(first));
        self.record_if_last(first.as_ref());
        stream::iter(first).chain(stream::unfold(self, Self::next)).boxed()
    }

    async fn next(mut self) -> Option<(Result<LlmEvent, LlmError>, Self)> {
        self.permit.as_ref()?;
        // Starts when the caller polls: a slow reader is not the provider's fault.
        let idle = Deadline::after(self.timer.elapsed(), TimeoutError::NextEvent(self.idle_timeout));
        let item = idle.min(self.total).run(self.timer.as_ref(), self.rest.next()).await;
        let item = item.unwrap_or_else(|elapsed| Some(Err(elapsed.into())));
        self.record_if_last(item.as_ref());
        Some((item?, self))
    }

    /// Records the outcome with the last item, because callers may not poll again after `Finished`.
    fn record_if_last(&mut self, item: Option<&Result<LlmEvent, LlmError>>) {
        let outcome = match item {
            Some(Ok(LlmEvent::Finished { .. })) => Outcome::Success,
            Some(Ok(_)) => return,
            Some(Err(error)) => error.into(),
            None => Outcome::Failure("the stream ended before the reply did".to_owned()),
        };
        if let Some(permit) = self.permit.take() {
            permit.record(outcome);
        }
    }
}
