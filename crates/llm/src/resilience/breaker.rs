//! The circuit breaker; [`BreakerOptions`] documents its rules.
//!
//! Each change of state starts a new generation. An outcome counts only in the generation of its permit: that of a
//! call from before the breaker opened is outdated.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::llm::LlmError;
use domain::runtime::{Timer, with_causes};

use super::options::BreakerOptions;

/// The breaker rejects a call.
#[derive(Debug, thiserror::Error)]
#[error("the circuit breaker of {provider} is open for another {remaining:?}")]
pub(super) struct BreakerOpen {
    provider: String,
    remaining: Duration,
}

/// The result of a call.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The provider responded, possibly with an error.
    Success,
    /// The provider did not respond, with the error for the log.
    Failure(String),
}

impl From<&LlmError> for Outcome {
    fn from(error: &LlmError) -> Self {
        match error {
            LlmError::Timeout(_) | LlmError::Unavailable(_) => Self::Failure(with_causes(error)),
            LlmError::RateLimited { .. }
            | LlmError::QuotaExhausted(_)
            | LlmError::Unauthorized(_)
            | LlmError::ModelRetired { .. }
            | LlmError::BadReply(_) => Self::Success,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Lets every call through; counts the failures since the last success.
    Closed { failures: u32 },
    /// Rejects every call before `until` in the [`Timer`]'s elapsed time.
    Open { until: Duration },
    /// One call is in progress, all others are rejected. `until` is the value of the preceding `Open`.
    HalfOpen { until: Duration },
}

#[derive(Debug)]
struct Inner {
    state: State,
    generation: u64,
}

impl Inner {
    fn enter(&mut self, state: State) {
        self.state = state;
        self.generation = self.generation.wrapping_add(1);
    }
}

/// The state of a circuit breaker, as an operator sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls go through.
    Closed,
    /// Calls are rejected. After a while the next one is let through.
    Open,
    /// One call is in progress, and decides whether the breaker closes.
    HalfOpen,
}

impl BreakerState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// Returns the name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// The circuit breaker of one provider.
pub(super) struct Breaker {
    provider: String,
    timer: Arc<dyn Timer>,
    options: BreakerOptions,
    inner: Mutex<Inner>,
}

impl Breaker {
    /// Creates a closed breaker.
    pub(super) fn new(provider: String, timer: Arc<dyn Timer>, options: BreakerOptions) -> Self {
        let inner = Mutex::new(Inner { state: State::Closed { failures: 0 }, generation: 0 });
        Self { provider, timer, options, inner }
    }

    /// Returns the state, to be shown.
    pub(super) fn state(&self) -> BreakerState {
        match self.lock().state {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.lock().state, State::Closed { .. })
    }

    /// Lets a call through unless the breaker is open.
    pub(super) fn acquire(self: &Arc<Self>) -> Result<Permit, BreakerOpen> {
        let now = self.timer.elapsed();
        let mut inner = self.lock();
        match inner.state {
            State::Closed { .. } => {}
            State::Open { until } if now >= until => inner.enter(State::HalfOpen { until }),
            State::Open { until } | State::HalfOpen { until } => {
                return Err(BreakerOpen { provider: self.provider.clone(), remaining: until.saturating_sub(now) });
            }
        }
        Ok(Permit { breaker: self.clone(), generation: inner.generation, recorded: false })
    }

    /// Records the outcome of a call; `None` if it is unknown.
    fn record(&self, generation: u64, outcome: Option<Outcome>) {
        let open = State::Open { until: self.timer.elapsed().saturating_add(self.options.open_duration) };
        let mut inner = self.lock();
        if inner.generation != generation {
            return;
        }
        match (inner.state, outcome) {
            (State::Closed { .. }, Some(Outcome::Success)) => inner.state = State::Closed { failures: 0 },
            (State::Closed { failures }, Some(Outcome::Failure(error))) => {
                let failures = failures.saturating_add(1);
                inner.state = State::Closed { failures };
                if failures >= self.options.failure_threshold {
                    inner.enter(open);
                    self.log_opened(failures, &error);
                }
            }
            (State::HalfOpen { .. }, Some(Outcome::Success)) => {
                inner.enter(State::Closed { failures: 0 });
                tracing::info!(provider = self.provider, "circuit breaker closed");
            }
            (State::HalfOpen { .. }, Some(Outcome::Failure(error))) => {
                inner.enter(open);
                self.log_opened(1, &error);
            }
            // The next call is let through instead.
            (State::HalfOpen { until }, None) => inner.enter(State::Open { until }),
            (State::Closed { .. }, None) | (State::Open { .. }, _) => {}
        }
    }

    fn log_opened(&self, failures: u32, error: &str) {
        tracing::warn!(
            provider = self.provider,
            failures,
            open_duration = ?self.options.open_duration,
            error,
            "circuit breaker opened"
        );
    }

    /// Ignores poisoning: no code that holds the lock can panic in the middle of a change.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Permission for one call. Dropped without [`record`](Self::record), it records an unknown outcome.
pub(super) struct Permit {
    breaker: Arc<Breaker>,
    generation: u64,
    recorded: bool,
}

impl Permit {
    pub(super) fn record(mut self, outcome: Outcome) {
        self.recorded = true;
        self.breaker.record(self.generation, Some(outcome));
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.recorded {
            self.breaker.record(self.generation, None);
        }
    }
}
