//! Time that a test controls.

use std::future::Future;
use std::pin::pin;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_channel::oneshot;
use futures_util::future::{self, BoxFuture};
use futures_util::poll;

use super::{Clock, Timer};

/// Maximum real time for which the `wait_for_` methods block.
const WAIT_TIMEOUT: Duration = Duration::from_secs(20);

/// A wall clock and a timer that stand still until a test advances them.
pub struct ManualClock {
    start: DateTime<Utc>,
    time: Mutex<Time>,
    changed: Condvar,
}

#[derive(Default)]
struct Time {
    elapsed: Duration,
    /// A length of sleeps that complete at once, and whether there has been one.
    skipped: Option<(Duration, bool)>,
    /// Deadlines, with a sender whose drop wakes the sleeper.
    sleepers: Vec<(Duration, oneshot::Sender<()>)>,
}

/// Starts at the Unix epoch.
impl Default for ManualClock {
    fn default() -> Self {
        Self::at(DateTime::UNIX_EPOCH)
    }
}

impl ManualClock {
    /// Starts at `now`.
    pub fn at(now: DateTime<Utc>) -> Self {
        Self { start: now, time: Mutex::default(), changed: Condvar::new() }
    }

    /// Moves time forward and completes the sleeps that are due.
    pub fn advance(&self, by: Duration) {
        let mut time = self.time();
        time.elapsed += by;
        let elapsed = time.elapsed;
        time.sleepers.retain(|(deadline, _)| *deadline > elapsed);
    }

    /// Completes sleeps of exactly this length at once from now on, without moving time.
    pub fn skip(&self, length: Duration) {
        self.time().skipped = Some((length, false));
    }

    /// Whether a sleep is pending.
    pub fn has_sleepers(&self) -> bool {
        self.next_deadline().is_some()
    }

    /// Blocks until a sleep is pending that ends `length` from now.
    ///
    /// # Panics
    /// If there is none within 20 s.
    #[track_caller]
    pub fn wait_for_sleeper(&self, length: Duration) {
        self.wait_until(|time| {
            let deadline = time.elapsed + length;
            time.sleepers.iter().any(|(other, sleeper)| *other == deadline && !sleeper.is_canceled())
        });
    }

    /// Blocks until a sleep was skipped (see [`skip`](Self::skip)).
    ///
    /// # Panics
    /// If none was within 20 s.
    #[track_caller]
    pub fn wait_for_skip(&self) {
        self.wait_until(|time| time.skipped.is_some_and(|(_, happened)| happened));
    }

    /// Runs `work` to completion, advancing time to the next deadline whenever `work` is pending.
    ///
    /// # Panics
    /// If `work` is pending while no sleep is.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            if let Poll::Ready(output) = poll!(&mut work) {
                return output;
            }
            let deadline = self.next_deadline();
            assert!(deadline.is_some(), "the work waits for something other than time");
            self.advance(deadline.unwrap_or_default().saturating_sub(self.elapsed()));
        }
    }

    fn next_deadline(&self) -> Option<Duration> {
        let time = self.time();
        time.sleepers.iter().filter(|(_, sleeper)| !sleeper.is_canceled()).map(|(deadline, _)| *deadline).min()
    }

    #[track_caller]
    fn wait_until(&self, condition: impl Fn(&Time) -> bool) {
        let waiting = self.changed.wait_timeout_while(self.time(), WAIT_TIMEOUT, |time| !condition(time));
        let (_time, timeout) = waiting.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "no such sleep within {WAIT_TIMEOUT:?}");
    }

    /// A poisoned lock means that another thread of the test has panicked, which the test reports itself.
    fn time(&self) -> MutexGuard<'_, Time> {
        self.time.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        self.start + self.elapsed()
    }
}

impl Timer for ManualClock {
    fn elapsed(&self) -> Duration {
        self.time().elapsed
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let mut time = self.time();
        let skipped = time.skipped.as_mut().filter(|(length, _)| *length == duration);
        if let Some((_, happened)) = skipped {
            *happened = true;
            self.changed.notify_all();
            return Box::pin(future::ready(()));
        }
        if duration.is_zero() {
            return Box::pin(future::ready(()));
        }
        let (sleeper, woken) = oneshot::channel();
        let deadline = time.elapsed.saturating_add(duration);
        time.sleepers.push((deadline, sleeper));
        self.changed.notify_all();
        Box::pin(async move {
            let _dropped = woken.await;
        })
    }
}
