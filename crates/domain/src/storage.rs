//! Storage failures.

/// The cause of a failure, for the log only.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Reasons why a storage operation fails. The error of every repository wraps this type.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No connection was available in time; a retry may succeed.
    #[error("no database connection was available in time")]
    Exhausted(#[source] Cause),
    /// The database cannot be reached or did not respond in time.
    #[error("the database cannot be reached")]
    Unavailable(#[source] Cause),
    /// The disk is full; only reads succeed.
    #[error("the database's disk is full")]
    Full(#[source] Cause),
    /// A stored row is invalid.
    #[error("a stored row is invalid")]
    Corrupt(#[source] Cause),
    /// Any other failure.
    #[error("a database statement failed")]
    Other(#[source] Cause),
}
