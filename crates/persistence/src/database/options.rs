//! The options of a [`Database`](super::Database).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::Statement;
use secrecy::SecretString;

/// Receives every statement with its values after it was executed. The values are personal data and must not be logged.
pub type StatementObserver = Arc<dyn Fn(&Statement) + Send + Sync>;

/// Options to open a database with.
#[derive(Clone)]
pub struct DatabaseOptions {
    /// `sqlite:<path>`, `postgres://…` or `postgresql://…`.
    pub url: SecretString,
    /// Maximum number of connections, at least 1. (SQLite uses one of them for writes, and opens a second one for reads
    /// even if the maximum is 1.)
    pub max_connections: u32,
    /// Maximum time to wait for a connection.
    pub acquire_timeout: Duration,
    /// Maximum duration of a statement.
    pub statement_timeout: Duration,
    /// Maximum size of an SQLite file in pages, after which the disk counts as full.
    pub sqlite_max_pages: Option<u32>,
    /// Receives every statement, in tests.
    pub observer: Option<StatementObserver>,
}

impl DatabaseOptions {
    /// Creates options with the defaults: 10 connections, 5 s to acquire one, 10 s for a statement.
    pub fn new(url: SecretString) -> Self {
        Self {
            url,
            max_connections: 10,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
            sqlite_max_pages: None,
            observer: None,
        }
    }
}

impl fmt::Debug for DatabaseOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseOptions")
            .field("url", &self.url)
            .field("max_connections", &self.max_connections)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .finish_non_exhaustive()
    }
}
