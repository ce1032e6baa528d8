//! Logging of failures that are returned to no caller.

use std::error::Error;

use domain::runtime::{FailureLog, with_causes};

/// Logs failures as events, in the span of the request that started the work.
#[derive(Clone, Copy, Debug)]
pub struct TracedFailures;

impl FailureLog for TracedFailures {
    fn record(&self, operation: &'static str, error: &dyn Error) {
        tracing::error!(cause = with_causes(error), "{operation} failed");
    }
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
        span.in_scope(|| TracedFailures.record("a turn", &error));
        let text = log.text();
        assert!(
            text.contains("a turn failed") && text.contains(": connection refused") && text.contains("r-1"),
            "{text}"
        );
    }
}
