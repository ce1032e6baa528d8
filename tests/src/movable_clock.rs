//! A clock that a test moves forward.

use std::sync::atomic::{AtomicI64, Ordering};

use app::runtime::SystemClock;
use chrono::{DateTime, TimeDelta, Utc};
use domain::runtime::Clock;

/// The system's time plus an offset.
#[derive(Debug, Default)]
pub(crate) struct MovableClock {
    ahead_micros: AtomicI64,
}

impl MovableClock {
    pub fn advance(&self, by: TimeDelta) {
        self.ahead_micros.fetch_add(by.num_microseconds().unwrap_or_default(), Ordering::SeqCst);
    }

    fn ahead(&self) -> TimeDelta {
        TimeDelta::microseconds(self.ahead_micros.load(Ordering::SeqCst))
    }
}

impl Clock for MovableClock {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + self.ahead()
    }
}
