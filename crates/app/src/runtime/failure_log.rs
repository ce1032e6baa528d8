//! Failures that no caller hears of, in the log.

use std::error::Error;
use std::fmt::Write as _;

use domain::runtime::FailureLog;

/// Writes failures to the log, in the span of the request that began the work.
#[derive(Clone, Copy, Debug)]
pub struct TracedFailures;

impl FailureLog for TracedFailures {
    fn failed(&self, what: &'static str, error: &dyn Error) {
        tracing::error!(cause = with_causes(error), "{what} failed");
    }
}

/// An error with its causes, in one line.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a text does not fail.
        let _written = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use domain::storage::StorageError;

    use super::*;
    use crate::telemetry::tests::{Captured, captured};

    #[test]
    fn a_failure_is_logged_with_its_causes_in_the_requests_span() {
        let log = Captured::default();
        let _guard = captured(&log);
        let span = tracing::info_span!("request", request_id = "r-1");
        let error = StorageError::Other("connection refused".into());
        span.in_scope(|| TracedFailures.failed("a turn", &error));
        let text = log.text();
        assert!(
            text.contains("a turn failed") && text.contains(": connection refused") && text.contains("r-1"),
            "{text}"
        );
    }
}
