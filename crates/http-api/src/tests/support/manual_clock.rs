//! A clock that stands still until a test moves it on, and tells which waits it has been asked for.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::runtime::Clock;
use futures_channel::oneshot;

/// So long a test waits for something that does not come.
const WAIT_TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Default)]
pub(crate) struct ManualClock {
    time: Mutex<Time>,
    changed: Condvar,
}

#[derive(Default)]
struct Time {
    passed: TimeDelta,
    /// Waits of this length are over at once, and whether there was one.
    skipped: Option<(TimeDelta, bool)>,
    sleepers: Vec<(DateTime<Utc>, oneshot::Sender<()>)>,
}

impl Time {
    fn now(&self) -> DateTime<Utc> {
        super::now() + self.passed
    }
}

impl ManualClock {
    /// Moves on, and wakes everybody whose time has come.
    pub(crate) fn advance(&self, length: TimeDelta) {
        let mut time = self.time.lock().unwrap();
        time.passed += length;
        let now = time.now();
        // Who goes is dropped, which wakes as well as a word does.
        time.sleepers.retain(|(until, _)| *until > now);
    }

    /// From now on, waits of `length` are over at once: for those that may end by themselves before a test sees them.
    pub(crate) fn skip(&self, length: TimeDelta) {
        self.time.lock().unwrap().skipped = Some((length, false));
    }

    /// Blocks until somebody waits for the time that is `length` away.
    #[track_caller]
    pub(crate) fn await_sleeper(&self, length: TimeDelta) {
        self.await_that(|time| {
            time.sleepers.retain(|(_, sleeper)| !sleeper.is_canceled());
            time.sleepers.iter().any(|(until, _)| *until == time.now() + length)
        });
    }

    /// Blocks until a wait was skipped.
    #[track_caller]
    pub(crate) fn await_skip(&self) {
        self.await_that(|time| time.skipped.is_some_and(|(_, done)| done));
    }

    #[track_caller]
    fn await_that(&self, holds: impl Fn(&mut Time) -> bool) {
        let time = self.time.lock().unwrap();
        let (_time, given_up) = self.changed.wait_timeout_while(time, WAIT_TIMEOUT, |time| !holds(time)).unwrap();
        assert!(!given_up.timed_out(), "nobody waits for it");
    }
}

#[async_trait::async_trait]
impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        self.time.lock().unwrap_or_else(PoisonError::into_inner).now()
    }

    async fn sleep_until(&self, until: DateTime<Utc>) {
        let over = {
            let mut time = self.time.lock().unwrap_or_else(PoisonError::into_inner);
            let length = until - time.now();
            if let Some((skipped, done)) = &mut time.skipped
                && *skipped == length
            {
                *done = true;
                self.changed.notify_all();
                return;
            }
            if length <= TimeDelta::zero() {
                return;
            }
            let (sleeper, over) = oneshot::channel();
            time.sleepers.push((until, sleeper));
            self.changed.notify_all();
            over
        };
        let _over = over.await;
    }
}
