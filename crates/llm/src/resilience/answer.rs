//! The answer from its first event on: a stream with deadlines, which tells the circuit breaker how it ended.
//!
//! Deliberately not here: everything before the first event, retries among it.

use std::sync::Arc;
use std::time::Duration;

use domain::llm::{LlmError, LlmEvent, LlmStream};
use domain::runtime::Timer;
use futures_util::{StreamExt as _, stream};

use super::breaker::{Admission, Outcome};
use super::deadline::{Deadline, Overdue};

/// Waits for the first event, a sign that the model thinks among them, and takes it off the stream. One that ends without any is a connection that was cut, and
/// as nothing was handed out it may be tried again.
pub(super) async fn first_event(mut stream: LlmStream) -> Result<(LlmEvent, LlmStream), LlmError> {
    match stream.next().await {
        Some(first) => Ok((first?, stream)),
        None => Err(LlmError::Unavailable("the stream ended before its first event".into())),
    }
}

/// What is still to come of an answer that has begun.
pub(super) struct Answer {
    rest: LlmStream,
    timer: Arc<dyn Timer>,
    total: Deadline,
    between_events: Duration,
    /// Taken when the answer has ended. Dropped with the stream, it tells the breaker that nobody knows how it ended.
    admission: Option<Admission>,
}

impl Answer {
    pub(super) fn new(
        rest: LlmStream,
        timer: Arc<dyn Timer>,
        total: Deadline,
        between_events: Duration,
        admission: Admission,
    ) -> Self {
        Self { rest, timer, total, between_events, admission: Some(admission) }
    }

    /// `first` and the rest. It ends behind `Finished`, an error, or where the rest ends.
    pub(super) fn stream(mut self, first: LlmEvent) -> LlmStream {
        let first = Some(Ok(first));
        self.settle_at_end(first.as_ref());
        stream::iter(first).chain(stream::unfold(self, Self::next)).boxed()
    }

    async fn next(mut self) -> Option<(Result<LlmEvent, LlmError>, Self)> {
        self.admission.as_ref()?;
        // Counted from the moment somebody waits: a slow reader is not the provider's fault.
        let next = Deadline::from(self.timer.elapsed(), Overdue::NextEvent(self.between_events));
        let item = next.or(self.total).hold(self.timer.as_ref(), self.rest.next()).await;
        let item = item.unwrap_or_else(|overdue| Some(Err(overdue.into())));
        self.settle_at_end(item.as_ref());
        Some((item?, self))
    }

    /// Tells the breaker if `item` is the last one; whoever reads may not ask for another behind `Finished`.
    fn settle_at_end(&mut self, item: Option<&Result<LlmEvent, LlmError>>) {
        let outcome = match item {
            Some(Ok(LlmEvent::Finished { .. })) => Outcome::Answered,
            Some(Ok(_)) => return,
            Some(Err(error)) => error.into(),
            None => Outcome::Failed("the stream ended before the answer did".to_owned()),
        };
        if let Some(admission) = self.admission.take() {
            admission.settle(outcome);
        }
    }
}
