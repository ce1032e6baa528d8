//! What was counted, by key, in bounded memory. Governor's own stores grow with every key, and whoever asks chooses keys.
//!
//! A key that is forgotten has its whole quota again, so it matters which ones are. The cache evicts by a form of
//! CLOCK-PRO: keys that came once make room for each other, and keys that came back stay. A flood of one-time keys,
//! however long, does not free a key that is tried meanwhile. To have one forgotten takes about as many requests with
//! other keys as there is room for, most of those keys coming several times, and it gives one quota. Each of those
//! requests is counted as well, and waiting is cheaper.

use std::sync::Mutex;

use governor::nanos::Nanos;
use governor::state::StateStore;
use quick_cache::unsync::Cache;

use super::locked;

/// What was counted: for each key the time at which its whole quota is there again.
pub(super) struct Counts(Mutex<Cache<u64, Nanos>>);

impl Counts {
    /// The most keys that are held, about 5 MB of them.
    pub(super) const CAPACITY: usize = 65_536;

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        locked(&self.0).len()
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self(Mutex::new(Cache::new(Self::CAPACITY)))
    }
}

impl StateStore for Counts {
    type Key = u64;

    /// One at a time, so that no two of a key ever both take the last one.
    fn measure_and_replace<T, F, E>(&self, key: &u64, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut counts = locked(&self.0);
        if let Some(mut full_at) = counts.get_mut(key) {
            let (taken, next) = measure(Some(*full_at))?;
            *full_at = next;
            return Ok(taken);
        }
        let (taken, full_at) = measure(None)?;
        counts.insert(*key, full_at);
        Ok(taken)
    }
}
