//! The error of opening a database.

use std::io;

use domain::storage::StorageError;

/// Why a database cannot be opened. Contains no part of the URL.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL does not begin with `sqlite:`, `postgres:` or `postgresql:`.
    #[error("must begin with sqlite:, postgres: or postgresql:")]
    Scheme,
    /// The URL cannot be parsed.
    #[error("is not a valid database URL")]
    Url(#[source] sqlx::Error),
    /// The folder of an SQLite file cannot be created.
    #[error("the folder of the database file cannot be created")]
    Folder(#[source] io::Error),
    /// The database cannot be opened or reached.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
