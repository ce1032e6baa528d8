//! A pool and the line before it.

use std::sync::Arc;
use std::time::Duration;

use domain::storage::StorageError;
use sea_orm::{DatabaseConnection, DbBackend};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::DatabaseOptions;

/// How much longer than the server's own limit a statement is waited for.
const GRACE: Duration = Duration::from_secs(2);

/// A pool with as many permits as it has connections.
///
/// Whoever has a permit finds a connection free, or can open one. That tells two failures apart which `SQLx` reports
/// alike: all connections in use (no permit in time), and a database that cannot be reached (a permit, and still no
/// connection in time).
pub(super) struct BoundedPool {
    connection: DatabaseConnection,
    permits: Semaphore,
    size: u32,
    acquire_within: Duration,
    answer_within: Duration,
}

/// Every connection was in use.
#[derive(Debug, thiserror::Error)]
#[error("all {size} connections were in use for {waited:?}")]
struct AllInUse {
    size: u32,
    waited: Duration,
}

impl BoundedPool {
    pub(super) fn new(mut connection: DatabaseConnection, size: u32, options: &DatabaseOptions) -> Self {
        let observer = options.observer.clone();
        connection.set_metric_callback(move |info| {
            // The values stay out of the log: they are the users'.
            tracing::trace!(sql = info.statement.sql, elapsed = ?info.elapsed, failed = info.failed, "statement");
            if let Some(observer) = &observer {
                observer(info.statement);
            }
        });
        Self {
            connection,
            permits: Semaphore::new(size as usize),
            size,
            acquire_within: options.acquire_timeout,
            answer_within: options.statement_timeout + GRACE,
        }
    }

    pub(super) fn shared(self) -> Arc<Self> {
        Arc::new(self)
    }

    pub(super) fn backend(&self) -> DbBackend {
        self.connection.get_database_backend()
    }

    pub(super) fn connection(&self) -> &DatabaseConnection {
        &self.connection
    }

    pub(super) fn answer_within(&self) -> Duration {
        self.answer_within
    }

    pub(super) async fn permit(&self) -> Result<SemaphorePermit<'_>, StorageError> {
        match tokio::time::timeout(self.acquire_within, self.permits.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(closed)) => Err(StorageError::Unavailable(closed.into())),
            Err(_) => Err(StorageError::Exhausted(AllInUse { size: self.size, waited: self.acquire_within }.into())),
        }
    }

    pub(super) async fn close(&self) {
        self.permits.close();
        if let Err(error) = self.connection.close_by_ref().await {
            tracing::debug!(%error, "a database pool did not close");
        }
    }
}
