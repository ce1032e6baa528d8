//! A time by which something must have come, measured by the [`Timer`] port.
//!
//! Deliberately not here: how long the deadlines are, which [`super::Deadlines`] says.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use domain::llm::LlmError;
use domain::runtime::Timer;
use futures_util::future::{Either, select};

/// What did not come in time, and the time that it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Overdue {
    /// The first event.
    #[error("no first event within {0:?}")]
    FirstEvent(Duration),
    /// The next event.
    #[error("no event for {0:?}")]
    NextEvent(Duration),
    /// The whole answer.
    #[error("no whole answer within {0:?}, retries included")]
    Total(Duration),
}

impl Overdue {
    fn allowed(self) -> Duration {
        match self {
            Self::FirstEvent(allowed) | Self::NextEvent(allowed) | Self::Total(allowed) => allowed,
        }
    }
}

impl From<Overdue> for LlmError {
    fn from(overdue: Overdue) -> Self {
        Self::Timeout(overdue.into())
    }
}

/// A point in time, and what has not come if it passes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    /// Elapsed time of the [`Timer`].
    at: Duration,
    overdue: Overdue,
}

impl Deadline {
    /// What `overdue` allows, counted from `start`.
    pub(super) fn from(start: Duration, overdue: Overdue) -> Self {
        Self { at: start.saturating_add(overdue.allowed()), overdue }
    }

    /// The sooner one of the two.
    pub(super) fn or(self, other: Self) -> Self {
        if other.at < self.at { other } else { self }
    }

    /// Whether it has not passed at `time`.
    pub(super) fn is_open(self, time: Duration) -> bool {
        time < self.at
    }

    /// What `work` comes to, unless the deadline passes first. Work that is always ready cannot outrun it: once it has
    /// passed, none is begun.
    pub(super) async fn hold<T>(self, timer: &dyn Timer, work: impl Future<Output = T>) -> Result<T, Overdue> {
        let now = timer.elapsed();
        if !self.is_open(now) {
            return Err(self.overdue);
        }
        match select(pin!(work), timer.sleep(self.at.saturating_sub(now))).await {
            Either::Left((done, _)) => Ok(done),
            Either::Right(((), _)) => Err(self.overdue),
        }
    }
}
