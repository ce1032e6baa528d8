//! Time, ids, work in the background and the log of what fails there: what a runtime gives, as ports, so that tests
//! decide them.

use std::error::Error;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use uuid::Uuid;

/// Tells the time.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait Clock: Send + Sync {
    /// The time now, in UTC, in whole microseconds: what storage keeps.
    fn now(&self) -> DateTime<Utc>;

    /// Returns when [`now`](Self::now) has reached `until`, at once if it already has.
    async fn sleep_until(&self, until: DateTime<Utc>);
}

/// Makes identifiers.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
pub trait IdGenerator: Send + Sync {
    /// A new UUID version 7 (RFC 9562). MUST be greater than every one that this generator made before.
    fn next(&self) -> Uuid;
}

/// Runs work apart from the caller.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
pub trait Background: Send + Sync {
    /// Starts `work` and returns at once. It MUST run to its end even if the caller goes away, and MUST be waited
    /// for (within the time that a shutdown has) before the process ends.
    fn spawn(&self, work: BoxFuture<'static, ()>);
}

/// An error with its causes, in one line, as logs tell it: a log that is written as JSON shows an error without them.
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

/// Takes note of failures that no caller hears of.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
pub trait FailureLog: Send + Sync {
    /// `what` failed because of `error`, whose causes MUST be kept too.
    fn record(&self, what: &'static str, error: &dyn Error);
}
