//! The phases of a shutdown, from the signal to the exit.

use std::time::Duration;

/// Maximum time from the signal until the database is closed, which takes a second at most: 9 s in all, and a second less than
/// the 10 s that a container engine waits before it kills the process.
const LIMIT: Duration = Duration::from_secs(8);

/// Maximum of `SHUTDOWN_DRAIN`. It leaves a second for open requests and one for storing stopped turns.
pub const MAX_DRAIN: Duration = Duration::from_secs(6);

/// A request to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGTERM: a supervisor stops or replaces the process, and balancers may still send requests to it.
    Terminate,
    /// Ctrl-C: a person waits for the end.
    Interrupt,
}

/// Maximum durations of the phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShutdownTimeouts {
    /// Time during which the process is not ready and still serves, so that balancers stop sending requests to it.
    pub drain: Duration,
    /// Time after it until running chat turns are stopped.
    pub turns: Duration,
    /// Time after the drain until open requests are cut, including those that wait for a stopped turn. Whole seconds.
    pub requests: Duration,
    /// Time after that for storing stopped turns.
    pub final_write: Duration,
}

impl ShutdownTimeouts {
    /// Divides what the drain leaves of the time.
    pub(crate) fn after(drain: Duration) -> Self {
        let rest = LIMIT.saturating_sub(drain);
        let requests = Duration::from_secs((rest * 3 / 4).as_secs());
        Self { drain, turns: requests / 2, requests, final_write: rest.saturating_sub(requests) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_has_time_and_all_end_within_the_limit() {
        for millis in (0..=6000).step_by(100) {
            let drain = Duration::from_millis(millis);
            let ShutdownTimeouts { drain, turns, requests, final_write } = ShutdownTimeouts::after(drain);
            let shortest = Duration::from_millis(500);
            assert!(turns >= shortest && requests >= turns + shortest && final_write >= shortest, "{drain:?}");
            assert_eq!(drain + requests + final_write, LIMIT);
        }
        assert_eq!(MAX_DRAIN, Duration::from_secs(6));
    }

    #[test]
    fn without_a_drain_turns_have_three_seconds() {
        let [turns, requests, final_write] = [3, 6, 2].map(Duration::from_secs);
        let expected = ShutdownTimeouts { drain: Duration::ZERO, turns, requests, final_write };
        assert_eq!(ShutdownTimeouts::after(Duration::ZERO), expected);
    }
}
