//! A clock that stands still until it is moved.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use domain::runtime::Clock;
use tokio::sync::watch;

pub struct ManualClock(watch::Sender<DateTime<Utc>>);

impl ManualClock {
    pub fn at(now: DateTime<Utc>) -> Self {
        Self(watch::Sender::new(now))
    }

    pub fn advance(&self, by: TimeDelta) {
        self.0.send_modify(|now| *now += by);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.borrow()
    }

    async fn sleep_until(&self, until: DateTime<Utc>) {
        // The sender is held here, so the wait ends with the time reached and in no other way.
        drop(self.0.subscribe().wait_for(|now| *now >= until).await);
    }
}
