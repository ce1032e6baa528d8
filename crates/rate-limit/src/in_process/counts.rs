//! Counts by key, in bounded memory: governor's own stores grow with every key, and clients choose keys.
//!
//! An evicted key has its whole quota again. The cache evicts by a form of CLOCK-PRO, which evicts keys that were used
//! once before keys that were used repeatedly: no number of one-time keys evicts a key that is in use. To evict one, an
//! attacker has to use about [`Counts::CAPACITY`] other keys, most of them several times, and gains one quota.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use governor::nanos::Nanos;
use governor::state::StateStore;
use quick_cache::unsync::Cache;

/// For each key the time at which its whole quota is restored. Clones share the counts.
#[derive(Clone)]
pub(super) struct Counts(Arc<Mutex<Cache<u64, Nanos>>>);

impl Counts {
    /// Maximum number of keys, about 5 MB.
    pub(super) const CAPACITY: usize = 65_536;

    /// Restores the quota of `key` earlier by `interval`. A time in the past means the whole quota too.
    pub(super) fn restore(&self, key: u64, interval: Nanos) {
        if let Some(mut full_at) = self.lock().peek_mut(&key) {
            *full_at = full_at.saturating_sub(interval);
        }
    }

    /// Ignores poisoning: no holder of the lock panics halfway through an update.
    fn lock(&self) -> MutexGuard<'_, Cache<u64, Nanos>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Cache::new(Self::CAPACITY))))
    }
}

impl StateStore for Counts {
    type Key = u64;

    /// Holds the lock while it measures, so that concurrent requests cannot both take the last of a quota.
    fn measure_and_replace<T, F, E>(&self, key: &u64, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut counts = self.lock();
        if let Some(mut full_at) = counts.get_mut(key) {
            let (outcome, next) = measure(Some(*full_at))?;
            *full_at = next;
            return Ok(outcome);
        }
        let (outcome, full_at) = measure(None)?;
        counts.insert(*key, full_at);
        Ok(outcome)
    }
}
