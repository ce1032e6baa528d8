//! Keeps hashing off the threads that serve requests, and bounds it: so many at once, so many waiting, no more.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use domain::account::HashError;
use tokio::runtime::{self, Handle, Runtime};
use tokio::sync::Semaphore;

/// How much hashing happens at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashingLimits {
    /// How many hashes are computed at the same time. Each takes a core and the memory of its cost.
    pub at_once: NonZeroUsize,
    /// How many more may wait for their turn. Whoever comes after them is turned away at once.
    pub waiting: usize,
}

impl Default for HashingLimits {
    /// One for each core, and 64 waiting: about a second's work for two cores.
    fn default() -> Self {
        Self { at_once: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN), waiting: 64 }
    }
}

/// Runs work on threads of its own within [`HashingLimits`].
///
/// No more threads than hashes at once, and always the same ones: an allocator keeps what a thread has freed for that
/// thread, so that hashing on whichever of tokio's hundreds of blocking threads is free would keep the memory of a hash
/// for each of them.
pub(super) struct HashingPool {
    threads: Handle,
    /// What they belong to; `drop` ends it.
    runtime: Option<Runtime>,
    /// One for whoever computes or waits.
    places: Arc<Semaphore>,
    /// One for whoever computes.
    permits: Arc<Semaphore>,
}

impl HashingPool {
    /// # Errors
    /// If the system gives no event queue for the threads.
    pub(super) fn new(limits: HashingLimits) -> io::Result<Self> {
        let at_once = limits.at_once.get();
        let runtime =
            runtime::Builder::new_current_thread().max_blocking_threads(at_once).thread_name("hashing").build()?;
        Ok(Self {
            threads: runtime.handle().clone(),
            runtime: Some(runtime),
            places: Arc::new(Semaphore::new(at_once.saturating_add(limits.waiting).min(Semaphore::MAX_PERMITS))),
            permits: Arc::new(Semaphore::new(at_once.min(Semaphore::MAX_PERMITS))),
        })
    }

    /// Runs `work` in its turn, first come, first served. A caller that goes away while it waits gives up its place;
    /// one that goes away later leaves work that is still counted until it is done.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, HashError>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, HashError> + Send + 'static,
    {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|error| match error {
            tokio::sync::TryAcquireError::NoPermits => HashError::Overloaded,
            tokio::sync::TryAcquireError::Closed => HashError::Failed(error.into()),
        })?;
        let permit =
            Arc::clone(&self.permits).acquire_owned().await.map_err(|error| HashError::Failed(error.into()))?;
        let computed = self.threads.spawn_blocking(move || {
            // Held by the work, not by the caller: the work goes on when the caller does not.
            let _held = (place, permit);
            work()
        });
        computed.await.map_err(|error| HashError::Failed(error.into()))?
    }

    /// How many may still come, and how many may still compute.
    #[cfg(test)]
    pub(super) fn free(&self) -> (usize, usize) {
        (self.places.available_permits(), self.permits.available_permits())
    }
}

impl Drop for HashingPool {
    fn drop(&mut self) {
        // A runtime that is merely dropped waits for its threads, which tokio forbids where futures run.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
