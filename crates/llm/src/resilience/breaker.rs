//! The circuit breaker: leaves a provider alone for a while when it keeps failing. Its rules stand at
//! [`BreakerOptions`].
//!
//! Each change of state begins a new era. An admission remembers its era, and what comes of it counts only while that
//! lasts: a slow call from before the breaker opened says nothing about now.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::llm::LlmError;
use domain::runtime::{Timer, with_causes};

use super::BreakerOptions;

/// The breaker refuses the call.
#[derive(Debug, thiserror::Error)]
#[error("the circuit breaker of {provider} is open for another {rest:?}")]
pub(super) struct BreakerOpen {
    provider: String,
    rest: Duration,
}

/// What came of a call, as the breaker sees it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The provider is there.
    Answered,
    /// It is not, for this reason.
    Failed(String),
}

impl From<&LlmError> for Outcome {
    fn from(error: &LlmError) -> Self {
        match error {
            LlmError::Timeout(_) | LlmError::Unavailable(_) => Self::Failed(with_causes(error)),
            LlmError::RateLimited { .. }
            | LlmError::Unauthorized(_)
            | LlmError::ModelRetired { .. }
            | LlmError::BadReply(_) => Self::Answered,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Every call is let through; so many failed since the last one that was answered.
    Closed { failures: u32 },
    /// No call is let through before `until`, and then one.
    Open { until: Duration },
    /// That one is under way. `until` is when the breaker had been open long enough.
    Trial { until: Duration },
}

#[derive(Debug)]
struct Inner {
    state: State,
    era: u64,
}

impl Inner {
    fn enter(&mut self, state: State) {
        self.state = state;
        self.era = self.era.wrapping_add(1);
    }
}

/// One provider's circuit breaker.
pub(super) struct Breaker {
    provider: String,
    timer: Arc<dyn Timer>,
    options: BreakerOptions,
    inner: Mutex<Inner>,
}

impl Breaker {
    /// A closed one.
    pub(super) fn new(provider: String, timer: Arc<dyn Timer>, options: BreakerOptions) -> Self {
        let inner = Mutex::new(Inner { state: State::Closed { failures: 0 }, era: 0 });
        Self { provider, timer, options, inner }
    }

    /// Whether calls are let through freely.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.locked().state, State::Closed { .. })
    }

    /// Lets a call through, or not.
    pub(super) fn admit(self: &Arc<Self>) -> Result<Admission, BreakerOpen> {
        let now = self.timer.elapsed();
        let mut inner = self.locked();
        match inner.state {
            State::Closed { .. } => {}
            State::Open { until } if now >= until => inner.enter(State::Trial { until }),
            State::Open { until } | State::Trial { until } => {
                return Err(BreakerOpen { provider: self.provider.clone(), rest: until.saturating_sub(now) });
            }
        }
        Ok(Admission { breaker: self.clone(), era: inner.era, settled: false })
    }

    fn settle(&self, era: u64, outcome: Option<Outcome>) {
        let open = State::Open { until: self.timer.elapsed().saturating_add(self.options.open_for) };
        let mut inner = self.locked();
        if inner.era != era {
            return;
        }
        match (inner.state, outcome) {
            (State::Closed { .. }, Some(Outcome::Answered)) => inner.state = State::Closed { failures: 0 },
            (State::Closed { failures }, Some(Outcome::Failed(error))) => {
                let failures = failures.saturating_add(1);
                inner.state = State::Closed { failures };
                if failures >= self.options.failures {
                    inner.enter(open);
                    self.tell(failures, &error);
                }
            }
            (State::Trial { .. }, Some(Outcome::Answered)) => {
                inner.enter(State::Closed { failures: 0 });
                tracing::info!(provider = self.provider, "the provider answers again");
            }
            (State::Trial { .. }, Some(Outcome::Failed(error))) => {
                inner.enter(open);
                self.tell(1, &error);
            }
            // Nobody knows what would have come of it: the next caller may try.
            (State::Trial { until }, None) => inner.enter(State::Open { until }),
            (State::Closed { .. }, None) | (State::Open { .. }, _) => {}
        }
    }

    /// Says that it has opened.
    fn tell(&self, failures: u32, error: &str) {
        tracing::warn!(
            provider = self.provider,
            failures,
            open_for = ?self.options.open_for,
            error,
            "the provider keeps failing and is left alone"
        );
    }

    /// No code that holds the lock can panic half way through a change.
    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that was let through. Dropped without [`settle`](Self::settle), it counts neither as answered nor as failed,
/// and gives a trial's place free.
pub(super) struct Admission {
    breaker: Arc<Breaker>,
    era: u64,
    settled: bool,
}

impl Admission {
    /// Says what came of the call.
    pub(super) fn settle(mut self, outcome: Outcome) {
        self.settled = true;
        self.breaker.settle(self.era, Some(outcome));
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if !self.settled {
            self.breaker.settle(self.era, None);
        }
    }
}
