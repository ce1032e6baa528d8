//! Whether the service can do its work.

use async_trait::async_trait;

use crate::storage::Cause;

/// Why the service cannot take requests.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// The database did not answer.
    #[error("the database cannot be reached")]
    Database(#[source] Cause),
    /// The database's schema is not the one that this version needs.
    #[error("migrations are pending")]
    Migrations,
    /// The process is about to end.
    #[error("shutting down")]
    ShuttingDown,
}

/// Tells whether the service can do its work.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait Readiness: Send + Sync {
    /// Checks the database, its schema and whether a shutdown has begun. MUST answer within a few seconds.
    async fn check(&self) -> Result<(), NotReady>;
}
