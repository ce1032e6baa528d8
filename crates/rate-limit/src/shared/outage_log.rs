//! The log of failures: one line when the server cannot be used, at most one a minute however often it fails, and one when
//! it can be used again.

use std::time::{Duration, Instant};

use super::error::Failure;

/// Minimum time between two warnings.
const WARNING_INTERVAL: Duration = Duration::from_mins(1);

/// Logs the outcomes of attempts to use the server.
pub(super) struct OutageLog {
    server: String,
    effect: &'static str,
    warned: Option<Instant>,
    /// Whether the last line was a warning.
    is_out: bool,
    /// The number of undecided actions in the last line.
    reported: u64,
}

impl OutageLog {
    /// Creates the log of `server`; `effect` says what happens to requests without it.
    pub(super) fn new(server: &str, effect: &'static str) -> Self {
        Self { server: server.to_owned(), effect, warned: None, is_out: false, reported: 0 }
    }

    /// Records a connection, or the failure of one or of an attempt, and how many actions were decided without the server
    /// since the start.
    pub(super) fn record(&mut self, outcome: Result<(), &Failure>, undecided: u64) {
        let server = &self.server;
        let since = undecided.saturating_sub(self.reported);
        match outcome {
            Ok(()) if self.is_out => {
                tracing::info!(server, undecided = since, "rate limits are shared again");
                self.is_out = false;
            }
            Ok(()) => return,
            Err(failure) => {
                if self.warned.is_some_and(|at| at.elapsed() < WARNING_INTERVAL) {
                    return;
                }
                let effect = self.effect;
                tracing::warn!(
                    server, undecided = since, error = %failure,
                    "rate limits are not shared: Redis cannot be used; {effect} until it can (RATE_LIMIT_FALLBACK)"
                );
                self.warned = Some(Instant::now());
                self.is_out = true;
            }
        }
        self.reported = undecided;
    }
}
