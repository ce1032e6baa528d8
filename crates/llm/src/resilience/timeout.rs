//! Deadlines on the [`Timer`] port; `options.rs` has the durations.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use domain::llm::LlmError;
use domain::runtime::Timer;
use futures_util::future::{Either, select};

/// The timeout that elapsed, with its duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TimeoutError {
    #[error("no first event within {0:?}")]
    FirstEvent(Duration),
    #[error("no event for {0:?}")]
    NextEvent(Duration),
    #[error("no complete reply within {0:?}, retries included")]
    Total(Duration),
}

impl TimeoutError {
    fn duration(self) -> Duration {
        match self {
            Self::FirstEvent(duration) | Self::NextEvent(duration) | Self::Total(duration) => duration,
        }
    }
}

impl From<TimeoutError> for LlmError {
    fn from(error: TimeoutError) -> Self {
        Self::Timeout(error.into())
    }
}

/// A point in time, and the error if it passes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    /// In the [`Timer`]'s elapsed time.
    at: Duration,
    error: TimeoutError,
}

impl Deadline {
    /// Returns `start` plus the duration of the timeout.
    pub(super) fn after(start: Duration, timeout: TimeoutError) -> Self {
        Self { at: start.saturating_add(timeout.duration()), error: timeout }
    }

    /// Returns the earlier of the two.
    pub(super) fn min(self, other: Self) -> Self {
        if other.at < self.at { other } else { self }
    }

    pub(super) fn has_passed(self, now: Duration) -> bool {
        now >= self.at
    }

    /// Runs `work` until the deadline. Does not poll it if the deadline has passed, so that work that is always ready
    /// is stopped as well.
    pub(super) async fn run<T>(self, timer: &dyn Timer, work: impl Future<Output = T>) -> Result<T, TimeoutError> {
        let now = timer.elapsed();
        if self.has_passed(now) {
            return Err(self.error);
        }
        match select(pin!(work), timer.sleep(self.at.saturating_sub(now))).await {
            Either::Left((output, _)) => Ok(output),
            Either::Right(((), _)) => Err(self.error),
        }
    }
}
