//! Ports to the runtime: time, ids, background work and the log of its failures, the log of events, rate limits, readiness.

pub mod event_log;
#[cfg(any(test, feature = "mock"))]
mod manual_clock;
pub mod rate_limit;
pub mod readiness;

use std::error::Error;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use uuid::Uuid;

#[cfg(any(test, feature = "mock"))]
pub use manual_clock::ManualClock;

/// The wall clock.
pub trait Clock: Send + Sync {
    /// Returns the current time in UTC, in whole microseconds, which is the precision of storage.
    fn now(&self) -> DateTime<Utc>;
}

/// Monotonic time, for measuring and waiting. Setting the wall clock has no effect on it.
pub trait Timer: Send + Sync {
    /// Returns the time since an arbitrary fixed start. MUST NOT decrease.
    fn elapsed(&self) -> Duration;

    /// Returns a future that completes once `duration` has passed since this call.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// Generates identifiers.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
pub trait IdGenerator: Send + Sync {
    /// Returns a new UUID version 7 (RFC 9562). MUST be greater than all that this generator returned before.
    fn next(&self) -> Uuid;
}

/// Runs work independently of the caller.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
pub trait Background: Send + Sync {
    /// Starts `work` and returns at once. `work` MUST run to completion even if the caller is dropped, and a shutdown MUST
    /// wait for it, within its own time limit.
    fn spawn(&self, work: BoxFuture<'static, ()>);
}

/// Formats an error with its causes in one line, for the log: the JSON log format shows an error without its causes.
pub fn with_causes(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}

/// Logs failures that are returned to no caller.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
pub trait FailureLog: Send + Sync {
    /// Logs that `operation` failed with `error`. MUST keep the error's causes.
    fn record(&self, operation: &'static str, error: &dyn Error);
}
