//! The wall clock.

use chrono::{DateTime, SubsecRound as _, Utc};
use domain::runtime::Clock;

/// [`Clock`] of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, Timelike as _};

    use super::*;

    #[test]
    fn the_current_time_is_in_whole_microseconds() {
        let before = Utc::now() - TimeDelta::microseconds(1);
        let times: Vec<_> = (0..1000).map(|_| SystemClock.now()).collect();
        let after = Utc::now();
        assert!(times.iter().all(|time| time.nanosecond() % 1000 == 0));
        assert!(times.iter().all(|time| (before..=after).contains(time)));
    }
}
