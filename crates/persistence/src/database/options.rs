//! What a [`Database`](super::Database) is opened with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::Statement;
use secrecy::SecretString;

/// Is shown every statement that is sent, with its values, after it was answered. The values are the users' data, so an
/// observer must not log them.
pub type StatementObserver = Arc<dyn Fn(&Statement) + Send + Sync>;

/// What a database is opened with.
#[derive(Clone)]
pub struct DatabaseOptions {
    /// Where it is: `sqlite:<path>`, `postgres://…` or `postgresql://…`.
    pub url: SecretString,
    /// At most this many connections, of at least 1. (SQLite takes one of them for writing, and one more for reading if
    /// there is none left.)
    pub max_connections: u32,
    /// How long a free connection is waited for.
    pub acquire_timeout: Duration,
    /// How long a statement may take.
    pub statement_timeout: Duration,
    /// Is shown every statement, for tests.
    pub observer: Option<StatementObserver>,
}

impl DatabaseOptions {
    /// Options for a database with the defaults: 10 connections, 5 s for one of them, 10 s for a statement.
    pub fn new(url: SecretString) -> Self {
        Self {
            url,
            max_connections: 10,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
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
