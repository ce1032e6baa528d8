//! A clock that stands still until it is moved.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard};
use std::task::{Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::runtime::Clock;
use futures_util::future::poll_fn;
use futures_util::poll;

/// It begins at the epoch of Unix.
#[derive(Default)]
pub(super) struct ManualClock {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    passed: Duration,
    next_id: u64,
    /// Until when whoever waits, waits.
    sleepers: BTreeMap<u64, (DateTime<Utc>, Option<Waker>)>,
}

fn at(passed: Duration) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + passed
}

impl ManualClock {
    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// How much time has passed since the clock was made.
    pub(super) fn passed(&self) -> Duration {
        self.locked().passed
    }

    /// Lets time pass.
    pub(super) fn advance(&self, by: Duration) {
        let mut inner = self.locked();
        inner.passed += by;
        for (_, waker) in inner.sleepers.values_mut() {
            if let Some(waker) = waker.take() {
                waker.wake();
            }
        }
    }

    /// Waits for time to pass.
    pub(super) async fn sleep(&self, duration: Duration) {
        self.sleep_until(at(self.passed() + duration)).await;
    }

    /// Whether somebody waits for a time to come.
    pub(super) fn is_waited_for(&self) -> bool {
        !self.locked().sleepers.is_empty()
    }

    /// Runs `work` to its end. Whenever it does nothing but wait, time passes up to the next thing it waits for.
    pub(super) async fn pass_through<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            if let Poll::Ready(done) = poll!(&mut work) {
                return done;
            }
            let next = self.locked().sleepers.values().map(|(until, _)| *until).min();
            let next = next.expect("it waits for something that no time brings");
            let rest = (next - self.now()).to_std().expect("whoever waited for a time that is over was woken");
            self.advance(rest);
        }
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        at(self.passed())
    }

    async fn sleep_until(&self, until: DateTime<Utc>) {
        let sleeper = Sleeper::new(self, until);
        poll_fn(|context| {
            let mut inner = self.locked();
            if at(inner.passed) >= until {
                return Poll::Ready(());
            }
            inner.sleepers.insert(sleeper.id, (until, Some(context.waker().clone())));
            Poll::Pending
        })
        .await;
    }
}

/// Somebody who waits, and is forgotten when they go.
struct Sleeper<'a> {
    clock: &'a ManualClock,
    id: u64,
}

impl<'a> Sleeper<'a> {
    fn new(clock: &'a ManualClock, until: DateTime<Utc>) -> Self {
        let mut inner = clock.locked();
        let id = inner.next_id;
        inner.next_id += 1;
        inner.sleepers.insert(id, (until, None));
        drop(inner);
        Self { clock, id }
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.clock.locked().sleepers.remove(&self.id);
    }
}
