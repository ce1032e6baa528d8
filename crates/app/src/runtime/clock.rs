//! The system's clock.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound as _, Utc};
use domain::runtime::Clock;

/// The longest sleep without a look at the clock, which may be set while one sleeps.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// Tells the time by the system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }

    async fn sleep_until(&self, until: DateTime<Utc>) {
        // A negative rest is no duration: the time has come.
        while let Ok(rest) = (until - self.now()).to_std()
            && !rest.is_zero()
        {
            tokio::time::sleep(rest.min(LONGEST_SLEEP)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, Timelike as _};
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn the_time_is_now_in_whole_microseconds() {
        let before = Utc::now() - TimeDelta::microseconds(1);
        let times: Vec<_> = (0..1000).map(|_| SystemClock.now()).collect();
        let after = Utc::now();
        assert!(times.iter().all(|time| time.nanosecond() % 1000 == 0));
        assert!(times.iter().all(|time| (before..=after).contains(time)));
    }

    #[tokio::test]
    async fn a_sleep_ends_when_its_time_has_come_and_not_before() {
        let until = SystemClock.now() + TimeDelta::milliseconds(20);
        SystemClock.sleep_until(until).await;
        assert!(SystemClock.now() >= until);
    }

    #[tokio::test]
    async fn a_sleep_until_a_time_that_is_over_ends_at_once() {
        let now = SystemClock.now();
        for over in [now, now - TimeDelta::days(1), DateTime::<Utc>::MIN_UTC] {
            assert!(SystemClock.sleep_until(over).now_or_never().is_some());
        }
        assert!(SystemClock.sleep_until(DateTime::<Utc>::MAX_UTC).now_or_never().is_none());
    }
}
