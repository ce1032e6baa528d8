//! Time as it elapses, which is what governor counts by: the clock's, save that it never goes back.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::runtime::Clock;
use governor::clock;
use governor::nanos::Nanos;

use super::locked;

/// The longest step ahead that is believed: longer than any limit's window, after which nothing is left to wait for
/// anyway. A clock that is put ahead again and again does not exceed what governor can count then, which is 584 years.
const LONGEST_STEP: Duration = Duration::from_hours(24);

/// Time since the first look at the clock.
pub(super) struct ElapsedTime {
    clock: Arc<dyn Clock>,
    seen: Mutex<Option<Seen>>,
}

/// The last look at the clock.
#[derive(Clone, Copy)]
struct Seen {
    at: DateTime<Utc>,
    elapsed: Duration,
}

impl ElapsedTime {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, seen: Mutex::new(None) }
    }
}

impl clock::Clock for ElapsedTime {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let mut seen = locked(&self.seen);
        // Asked under the lock, because of two times in the wrong order one would look like a clock that was put back.
        let at = self.clock.now();
        let elapsed = seen.map_or(Duration::ZERO, |last| {
            // A negative step is no duration: the clock was put back, and no time is known to have elapsed.
            let step = (at - last.at).to_std().unwrap_or_default();
            last.elapsed + step.min(LONGEST_STEP)
        });
        *seen = Some(Seen { at, elapsed });
        elapsed.into()
    }
}
