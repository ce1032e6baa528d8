//! How storage fails, whatever is stored.

/// The cause of a failure, kept for the log and never shown to a caller.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Storage cannot do what it was asked. Every repository's error wraps this one.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No connection was free in time: try again soon.
    #[error("no database connection was free in time")]
    Exhausted(#[source] Cause),
    /// The database cannot be reached or did not answer in time.
    #[error("the database cannot be reached")]
    Unavailable(#[source] Cause),
    /// The disk is full: reads go on, writes do not.
    #[error("the database's disk is full")]
    Full(#[source] Cause),
    /// A stored row does not make sense.
    #[error("a stored row cannot be read")]
    Corrupt(#[source] Cause),
    /// Anything else.
    #[error("the database refused a statement")]
    Other(#[source] Cause),
}
