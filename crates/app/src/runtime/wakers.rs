//! Wakes the readers of what is stored, by a key: at once when this process stores it, and by polling for other processes.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use domain::runtime::with_causes;
use domain::storage::StorageError;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::lock::lock;

/// The subscriptions of this process by key, and the version of what is stored under each key.
#[derive(Debug)]
pub(super) struct Wakers<K, V>(Arc<Mutex<Followed<K, V>>>);

#[derive(Debug)]
struct Followed<K, V> {
    keys: HashMap<K, FollowedKey<V>>,
    is_shut_down: bool,
    /// The end of the last poll that succeeded or had nothing to do; `None` before the first one.
    polled_at: Option<Instant>,
}

/// A key with at least one subscription.
#[derive(Debug)]
struct FollowedKey<V> {
    /// Number of open subscriptions.
    readers: usize,
    wake: watch::Sender<()>,
    polled: Polled<V>,
}

/// What the last poll has found under a key.
#[derive(Debug, PartialEq, Eq)]
enum Polled<V> {
    /// There was no poll since the subscription.
    Never,
    /// Nothing is stored, or no longer.
    Nothing,
    Version(V),
}

impl<K, V> Clone for Wakers<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, V> Default for Wakers<K, V> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Followed { keys: HashMap::new(), is_shut_down: false, polled_at: None })))
    }
}

impl<K, V> Wakers<K, V>
where
    K: Copy + Eq + Hash + Send + 'static,
    V: Eq + Send + 'static,
{
    /// Ends every subscription, including later ones.
    pub(super) fn shut_down(&self) {
        let mut followed = self.locked();
        followed.is_shut_down = true;
        followed.keys.clear();
    }

    /// The number of open subscriptions.
    pub(super) fn readers(&self) -> usize {
        self.locked().keys.values().map(|key| key.readers).sum()
    }

    /// Time since the last poll that succeeded or had nothing to do; `None` before the first one.
    pub(super) fn poll_age(&self) -> Option<Duration> {
        self.locked().polled_at.map(|at| at.elapsed())
    }

    /// The number of keys with at least one subscription.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.locked().keys.len()
    }

    /// Wakes the readers of `key`.
    pub(super) fn notify(&self, key: K) {
        if let Some(followed) = self.locked().keys.get(&key) {
            followed.wake.send_replace(());
        }
    }

    /// Returns a stream that yields an item for the signals since the previous item, or since this call.
    pub(super) fn subscribe(&self, key: K) -> BoxStream<'static, ()> {
        let mut followed = self.locked();
        if followed.is_shut_down {
            return stream::empty().boxed();
        }
        let new = || FollowedKey { readers: 0, wake: watch::Sender::default(), polled: Polled::Never };
        let entry = followed.keys.entry(key).or_insert_with(new);
        entry.readers += 1;
        let subscription = Subscription { wakes: entry.wake.subscribe(), key, wakers: self.clone() };
        stream::unfold(subscription, Subscription::next).boxed()
    }

    /// Reads the versions of all followed keys at once, every `interval` until [`shut_down`](Self::shut_down), and wakes the
    /// readers of those that have changed. Of consecutive failures only the first is logged. `subject` is for the log.
    pub(super) async fn poll<F>(self, interval: Duration, subject: &'static str, read: impl Fn(Vec<K>) -> F)
    where
        F: Future<Output = Result<Vec<(K, V)>, StorageError>>,
    {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_failing = false;
        while !self.locked().is_shut_down {
            ticks.tick().await;
            let keys: Vec<_> = self.locked().keys.keys().copied().collect();
            if keys.is_empty() {
                self.locked().polled_at = Some(Instant::now());
                continue;
            }
            match (read(keys.clone()).await, is_failing) {
                (Ok(versions), was_failing) => {
                    self.wake_changed(&keys, versions);
                    is_failing = false;
                    if was_failing {
                        tracing::info!("polling for {subject} of other processes has recovered");
                    }
                }
                (Err(_), true) => {}
                (Err(error), false) => {
                    is_failing = true;
                    let error = with_causes(&error);
                    tracing::warn!(error, "polling for {subject} of other processes failed; retrying");
                }
            }
        }
    }

    fn wake_changed(&self, keys: &[K], versions: Vec<(K, V)>) {
        let mut versions: HashMap<K, V> = versions.into_iter().collect();
        let mut followed = self.locked();
        followed.polled_at = Some(Instant::now());
        for key in keys {
            let polled = versions.remove(key).map_or(Polled::Nothing, Polled::Version);
            // The first poll of a key always wakes, because it may have changed since the subscription.
            if let Some(key) = followed.keys.get_mut(key).filter(|key| key.polled != polled) {
                key.polled = polled;
                key.wake.send_replace(());
            }
        }
    }

    fn locked(&self) -> MutexGuard<'_, Followed<K, V>> {
        lock(&self.0)
    }
}

/// One reader of a key. Dropping the last one removes the key.
struct Subscription<K: Copy + Eq + Hash, V> {
    wakes: watch::Receiver<()>,
    key: K,
    wakers: Wakers<K, V>,
}

impl<K: Copy + Eq + Hash, V> Subscription<K, V> {
    /// Waits for the next signal. Signals since the last call are merged into one.
    async fn next(mut self) -> Option<((), Self)> {
        // Fails after a shutdown, which drops the sender.
        self.wakes.changed().await.ok()?;
        Some(((), self))
    }
}

impl<K: Copy + Eq + Hash, V> Drop for Subscription<K, V> {
    fn drop(&mut self) {
        let mut followed = lock(&self.wakers.0);
        if let Some(key) = followed.keys.get_mut(&self.key) {
            key.readers -= 1;
            if key.readers == 0 {
                followed.keys.remove(&self.key);
            }
        }
    }
}
