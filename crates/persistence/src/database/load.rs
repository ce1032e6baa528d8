//! How much connections are used, and how long callers wait for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The use of some connections at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    /// `pool`, `pool_reads`, `pool_writes`, `direct_reads` or `direct_writes`: lower-case letters and `_`.
    pub name: &'static str,
    /// Maximum number of connections.
    pub size: u32,
    /// Number of statements or transactions that have a connection. Pipelined ones share connections, so that it may
    /// exceed `size`.
    pub in_use: u32,
    /// Number of callers that wait for a connection.
    pub waiting: u32,
    /// Number of times that a connection was acquired.
    pub acquired: u64,
    /// Total time that callers have waited, in vain or not.
    pub waited: Duration,
}

/// Counts the callers that use or wait for some connections.
#[derive(Debug, Default)]
pub(crate) struct Load {
    in_use: AtomicU32,
    waiting: AtomicU32,
    acquired: AtomicU64,
    waited_nanos: AtomicU64,
}

/// A caller that waits, until it is [admitted](Self::admit) or dropped.
#[derive(Debug)]
pub(crate) struct Waiting {
    load: Arc<Load>,
    since: Instant,
}

/// A caller that has a connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct InUse(Arc<Load>);

impl Load {
    /// A caller begins to wait.
    pub(crate) fn wait(self: &Arc<Self>) -> Waiting {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting { load: Arc::clone(self), since: Instant::now() }
    }

    /// A caller gets a connection without waiting.
    pub(crate) fn admit(self: &Arc<Self>) -> InUse {
        self.acquired.fetch_add(1, Ordering::Relaxed);
        self.in_use.fetch_add(1, Ordering::Relaxed);
        InUse(Arc::clone(self))
    }

    pub(crate) fn status(&self, name: &'static str, size: u32) -> PoolStatus {
        PoolStatus {
            name,
            size,
            in_use: self.in_use.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed),
            acquired: self.acquired.load(Ordering::Relaxed),
            waited: Duration::from_nanos(self.waited_nanos.load(Ordering::Relaxed)),
        }
    }
}

impl Waiting {
    /// The caller gets a connection.
    pub(crate) fn admit(self) -> InUse {
        self.load.admit()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let waited = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.load.waited_nanos.fetch_add(waited, Ordering::Relaxed);
        self.load.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.in_use.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(load: &Load) -> (u32, u32, u64) {
        let status = load.status("pool", 1);
        (status.waiting, status.in_use, status.acquired)
    }

    #[test]
    fn a_caller_waits_then_uses_and_then_neither() {
        let load = Arc::<Load>::default();
        let (first, second) = (load.wait(), load.wait());
        assert_eq!(counts(&load), (2, 0, 0));
        let in_use = first.admit();
        drop(second);
        assert_eq!(counts(&load), (0, 1, 1), "one gave up");
        let at_once = load.admit();
        assert_eq!(counts(&load), (0, 2, 2));
        drop((in_use, at_once));
        assert_eq!(counts(&load), (0, 0, 2));
        assert!(load.status("pool", 1).waited > Duration::ZERO);
    }
}
