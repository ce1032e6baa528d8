//! The way to the database: [`Database`].
//!
//! Every statement of the repositories goes through a [`PooledConnection`] connection, which bounds how long it is waited for.
//! Deliberately not here: what the statements say.

mod bounded_pool;
mod options;
mod pooled_connection;
mod postgres;
mod sqlite;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use domain::storage::StorageError;
use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbBackend, SqliteTransactionMode, TransactionOptions,
    TransactionTrait as _,
};
use secrecy::ExposeSecret as _;

use crate::error::storage;
use bounded_pool::BoundedPool;
pub(crate) use pooled_connection::PooledConnection;

pub use options::{DatabaseOptions, StatementObserver};

/// How many values a list in one statement has at most: SQLite allows 32 766 parameters.
pub(crate) const VALUES_PER_STATEMENT: usize = 10_000;

/// How long [`Database::ping`] waits: whoever asks wants to know now.
const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// How long [`Database::close`] waits for statements that are under way.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a database cannot be used. The URL is not in it.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL begins with something else than `sqlite:`, `postgres:` or `postgresql:`.
    #[error("must begin with sqlite:, postgres: or postgresql:")]
    Scheme,
    /// The URL cannot be understood.
    #[error("is not a valid database URL")]
    Url(#[source] sqlx::Error),
    /// The folder of an SQLite file cannot be made.
    #[error("the folder of the database's file cannot be made")]
    Folder(#[source] io::Error),
    /// The database cannot be opened or reached.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A database with its connections. Clones share them.
///
/// PostgreSQL has one pool. SQLite has a single connection for writing, so that writers wait in line instead of being
/// refused, and a few for reading, which WAL lets go on beside it.
#[derive(Clone)]
pub struct Database {
    reads: Arc<BoundedPool>,
    writes: Arc<BoundedPool>,
}

impl Database {
    /// Opens the database. The file of an SQLite database is made if it is missing, with its folder.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(options: &DatabaseOptions) -> Result<Self, ConnectError> {
        let url = options.url.expose_secret();
        match url.split_once(':') {
            Some(("sqlite", _)) => sqlite::connect(options, url).await,
            Some(("postgres" | "postgresql", _)) => postgres::connect(options, url).await,
            _ => Err(ConnectError::Scheme),
        }
    }

    /// "SQLite" or "PostgreSQL".
    pub fn backend_name(&self) -> &'static str {
        if self.writes.backend() == DbBackend::Sqlite { "SQLite" } else { "PostgreSQL" }
    }

    /// Whether the database answers, within 3 s.
    ///
    /// # Errors
    /// If it does not, or if no connection was free.
    pub async fn ping(&self) -> Result<(), StorageError> {
        let ping = async {
            let connection = self.reader().await?;
            connection.ping().await.map_err(storage)
        };
        match tokio::time::timeout(PING_TIMEOUT, ping).await {
            Ok(answer) => answer,
            Err(elapsed) => Err(StorageError::Unavailable(elapsed.into())),
        }
    }

    /// The connection that migrations are to be applied through.
    pub fn connection_for_migrations(&self) -> &DatabaseConnection {
        self.writes.connection()
    }

    /// The connection through which to ask which migrations are applied: it does not wait for writers.
    pub fn connection_for_status(&self) -> &DatabaseConnection {
        self.reads.connection()
    }

    /// Waits for what is under way, 1 s at most, and closes every connection.
    pub async fn close(&self) {
        let close = async {
            self.reads.close().await;
            self.writes.close().await;
        };
        if tokio::time::timeout(CLOSE_TIMEOUT, close).await.is_err() {
            tracing::warn!("database connections were still in use when they were closed");
        }
    }

    /// A connection for one or more statements that only read.
    pub(crate) async fn reader(&self) -> Result<PooledConnection<'_, DatabaseConnection>, StorageError> {
        let permit = self.reads.permit().await?;
        Ok(PooledConnection::new(self.reads.connection().clone(), permit, self.reads.answer_within()))
    }

    /// A connection for a single statement that writes.
    pub(crate) async fn writer(&self) -> Result<PooledConnection<'_, DatabaseConnection>, StorageError> {
        let permit = self.writes.permit().await?;
        Ok(PooledConnection::new(self.writes.connection().clone(), permit, self.writes.answer_within()))
    }

    /// A transaction. It is rolled back unless it is committed.
    pub(crate) async fn begin(&self) -> Result<PooledConnection<'_, DatabaseTransaction>, StorageError> {
        let permit = self.writes.permit().await?;
        let options = TransactionOptions {
            // A deferred one that reads before it writes fails with SQLITE_BUSY_SNAPSHOT, however long it may wait.
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let begin = self.writes.connection().begin_with_options(options);
        let transaction = pooled_connection::within(self.writes.answer_within(), begin).await.map_err(storage)?;
        Ok(PooledConnection::new(transaction, permit, self.writes.answer_within()))
    }
}
