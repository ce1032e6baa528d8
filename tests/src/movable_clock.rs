//! The system's clock, moved forward.

use std::sync::atomic::{AtomicI64, Ordering};

use app::runtime::SystemClock;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use domain::runtime::Clock;

/// Tells the system's time and what a test has added to it. Whoever sleeps already is not woken by a move.
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

#[async_trait]
impl Clock for MovableClock {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + self.ahead()
    }

    async fn sleep_until(&self, until: DateTime<Utc>) {
        let until = until.checked_sub_signed(self.ahead()).unwrap_or(DateTime::<Utc>::MAX_UTC);
        SystemClock.sleep_until(until).await;
    }
}
