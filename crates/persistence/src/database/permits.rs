//! Permits for connections, with a bounded waiting time.

use std::sync::Arc;
use std::time::Duration;

use domain::storage::StorageError;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::load::{InUse, Load, PoolStatus};

/// As many permits as there are connections.
pub(crate) struct Permits {
    name: &'static str,
    size: u32,
    semaphore: Semaphore,
    timeout: Duration,
    load: Arc<Load>,
}

/// The right to use a connection.
pub(crate) struct Permit<'p> {
    _permit: SemaphorePermit<'p>,
    _in_use: InUse,
}

/// The cause of [`StorageError::Exhausted`]: no permit was free in time.
#[derive(Debug, thiserror::Error)]
#[error("all {size} connections were in use for {waited:?}")]
struct PoolExhausted {
    size: u32,
    waited: Duration,
}

impl Permits {
    /// `name` is that of [`PoolStatus`].
    pub(crate) fn new(name: &'static str, size: u32, timeout: Duration) -> Self {
        Self { name, size, semaphore: Semaphore::new(size as usize), timeout, load: Arc::default() }
    }

    pub(crate) fn status(&self) -> PoolStatus {
        self.load.status(self.name, self.size)
    }

    /// Returns a permit if one is free and nobody waits for it.
    pub(crate) fn try_acquire(&self) -> Option<Permit<'_>> {
        self.semaphore.try_acquire().ok().map(|permit| Permit { _permit: permit, _in_use: self.load.admit() })
    }

    pub(crate) async fn acquire(&self) -> Result<Permit<'_>, StorageError> {
        if let Some(permit) = self.try_acquire() {
            return Ok(permit);
        }
        let waiting = self.load.wait();
        match tokio::time::timeout(self.timeout, self.semaphore.acquire()).await {
            Ok(Ok(permit)) => Ok(Permit { _permit: permit, _in_use: waiting.admit() }),
            Ok(Err(closed)) => Err(StorageError::Unavailable(closed.into())),
            Err(_) => Err(StorageError::Exhausted(PoolExhausted { size: self.size, waited: self.timeout }.into())),
        }
    }

    /// Makes every further attempt to acquire a permit fail.
    pub(crate) fn close(&self) {
        self.semaphore.close();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.semaphore.is_closed()
    }
}
