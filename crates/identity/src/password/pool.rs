//! A thread pool for hashing with a bounded queue.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use domain::account::HashError;
use tokio::runtime::{self, Handle, Runtime};
use tokio::sync::Semaphore;

/// Limits of concurrent and queued hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashingLimits {
    /// Maximum number of hashes computed at the same time. Each takes a core and the memory of its cost.
    pub concurrent: NonZeroUsize,
    /// Maximum number of queued hashes. Further ones fail immediately with [`HashError::Overloaded`].
    pub queued: usize,
}

impl Default for HashingLimits {
    /// One hash per core and 64 in the queue, which is about one second of work on two cores.
    fn default() -> Self {
        Self { concurrent: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN), queued: 64 }
    }
}

/// Runs work on its own threads within [`HashingLimits`].
///
/// The pool has as many threads as hashes run at the same time. Allocators cache freed memory per thread, so hashing on
/// tokio's shared blocking threads, of which there are hundreds, would retain the memory of a hash for each of them.
pub(super) struct HashingPool {
    threads: Handle,
    /// Owner of the threads. `None` only during `drop`.
    runtime: Option<Runtime>,
    /// A permit for each hash that is queued or running.
    queue: Arc<Semaphore>,
    /// A permit for each running hash.
    running: Arc<Semaphore>,
}

impl HashingPool {
    /// # Errors
    /// Returns an error if the operating system provides no event queue for the runtime.
    pub(super) fn new(limits: HashingLimits) -> io::Result<Self> {
        let concurrent = limits.concurrent.get();
        let runtime =
            runtime::Builder::new_current_thread().max_blocking_threads(concurrent).thread_name("hashing").build()?;
        Ok(Self {
            threads: runtime.handle().clone(),
            runtime: Some(runtime),
            queue: Arc::new(Semaphore::new(concurrent.saturating_add(limits.queued).min(Semaphore::MAX_PERMITS))),
            running: Arc::new(Semaphore::new(concurrent.min(Semaphore::MAX_PERMITS))),
        })
    }

    /// Runs `work` in first-in, first-out order. Dropping the future while it is queued releases its place. Later, the
    /// work continues and counts against the limits until it ends.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, HashError>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, HashError> + Send + 'static,
    {
        let queued = Arc::clone(&self.queue).try_acquire_owned().map_err(|error| match error {
            tokio::sync::TryAcquireError::NoPermits => HashError::Overloaded,
            tokio::sync::TryAcquireError::Closed => HashError::Failed(error.into()),
        })?;
        let running =
            Arc::clone(&self.running).acquire_owned().await.map_err(|error| HashError::Failed(error.into()))?;
        let computed = self.threads.spawn_blocking(move || {
            // Held by the work, because it continues when the caller is dropped.
            let _permits = (queued, running);
            work()
        });
        computed.await.map_err(|error| HashError::Failed(error.into()))?
    }

    /// Available permits of the queue and of running hashes.
    #[cfg(test)]
    pub(super) fn available(&self) -> (usize, usize) {
        (self.queue.available_permits(), self.running.available_permits())
    }
}

impl Drop for HashingPool {
    fn drop(&mut self) {
        // Dropping a runtime blocks until its threads end, which panics in an asynchronous context.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
