//! Readiness of the service.

use async_trait::async_trait;

use crate::storage::Cause;

/// Reasons why the service is not ready.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// The database does not respond.
    #[error("the database cannot be reached")]
    Database(#[source] Cause),
    /// The database schema is outdated.
    #[error("migrations are pending")]
    Migrations,
    /// The process is shutting down.
    #[error("shutting down")]
    ShuttingDown,
}

/// Checks whether the service is ready.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait Readiness: Send + Sync {
    /// Checks the database, its schema and whether a shutdown has started. MUST return within a few seconds.
    async fn check(&self) -> Result<(), NotReady>;
}
