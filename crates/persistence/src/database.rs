//! Connection pools for reads and writes: [`Database`].
//!
//! Every statement of the repositories is sent through a [`PooledConnection`], which limits its response time.

mod batch;
mod bounded_pool;
mod connect_error;
mod diagnosis;
mod direct;
mod load;
mod options;
mod permits;
mod pooled_connection;
mod postgres;
mod row;
mod session;
mod sqlite;
mod statement_span;

use std::sync::Arc;
use std::time::Duration;

use domain::storage::StorageError;
use sea_orm::sea_query::Expr;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, StatementBuilder};
use secrecy::ExposeSecret as _;

use crate::error::storage;
pub(crate) use batch::{Batch, Guard, Outcome};
use bounded_pool::Pools;
use direct::Direct;
pub(crate) use pooled_connection::PooledConnection;
pub(crate) use row::Row;
use session::{Connection, Transaction};
use statement_span::recorded;

pub use connect_error::ConnectError;
pub use diagnosis::DatabaseFault;
pub use load::PoolStatus;
pub use options::{DatabaseOptions, StatementObserver};

/// Maximum number of values in one statement; SQLite allows 32 766 parameters.
pub(crate) const VALUES_PER_STATEMENT: usize = 10_000;

/// Maximum duration of [`Database::ping`].
const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// Maximum time that [`Database::close`] waits for running statements.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A database with its connection pools. Clones share them.
///
/// PostgreSQL has one pool. SQLite has a single connection for writes, so that writers queue instead of failing with
/// `SQLITE_BUSY`, and several connections for reads, which run concurrently in WAL mode.
#[derive(Clone)]
pub struct Database {
    pools: Arc<Pools>,
    direct: Arc<Direct>,
    observer: Option<StatementObserver>,
}

impl Database {
    /// Opens the database. Creates the file of an SQLite database, and its folder, if they are missing.
    ///
    /// # Errors
    /// If the URL is invalid, or the database cannot be opened or reached.
    pub async fn connect(options: &DatabaseOptions) -> Result<Self, ConnectError> {
        let url = options.url.expose_secret();
        let (pools, direct) = match url.split_once(':') {
            Some(("sqlite", _)) => sqlite::connect(options, url).await?,
            Some(("postgres" | "postgresql", _)) => postgres::connect(options, url).await?,
            _ => return Err(ConnectError::Scheme),
        };
        Ok(Self { pools: Arc::new(pools), direct: Arc::new(direct), observer: options.observer.clone() })
    }

    /// Returns "SQLite" or "PostgreSQL".
    pub fn backend_name(&self) -> &'static str {
        if self.pools.writes.backend() == DbBackend::Sqlite { "SQLite" } else { "PostgreSQL" }
    }

    /// Returns the status of all connections. Sends no statement.
    pub fn pools(&self) -> Vec<PoolStatus> {
        [self.pools.status(), self.direct.status()].concat()
    }

    /// Checks that the database responds within 3 s.
    ///
    /// # Errors
    /// If it does not respond, or no connection is available.
    pub async fn ping(&self) -> Result<(), StorageError> {
        let ping = async {
            let connection = self.reader().await?;
            connection.ping().await.map_err(storage)
        };
        match tokio::time::timeout(PING_TIMEOUT, ping).await {
            Ok(result) => result,
            Err(elapsed) => Err(StorageError::Unavailable(elapsed.into())),
        }
    }

    /// Returns the pool that migrations are applied on, in transactions. (Behind a connection pooler its statements fail
    /// outside of one.)
    pub fn connection_for_migrations(&self) -> &DatabaseConnection {
        self.pools.writes.connection()
    }

    /// Acquires a connection to read the status of migrations from; it does not wait for writers.
    ///
    /// # Errors
    /// If none is available.
    pub async fn connection_for_status(&self) -> Result<impl ConnectionTrait + '_, StorageError> {
        self.reader().await
    }

    /// Returns the pool for reads, of which the same is true as of the one for migrations.
    pub fn pool_for_reads(&self) -> &DatabaseConnection {
        self.pools.reads.connection()
    }

    /// Closes every connection, after waiting at most 1 s for running statements.
    pub async fn close(&self) {
        let close = async {
            self.direct.close().await;
            self.pools.reads.close().await;
            self.pools.writes.close().await;
        };
        if tokio::time::timeout(CLOSE_TIMEOUT, close).await.is_err() {
            tracing::warn!("closed database connections that were still in use");
        }
    }

    /// The database's time as an expression.
    pub(crate) fn now(&self) -> Expr {
        self.now_plus(Duration::ZERO)
    }

    /// The database's time plus `duration`, in whole milliseconds, as an expression in the form of a [`Timestamp`] column:
    /// one clock for all processes that use the database.
    ///
    /// Postgres: the time when the statement was received, which an index can be compared with (`clock_timestamp()` is
    /// volatile) and which does not stand still in a transaction. SQLite has milliseconds.
    ///
    /// [`Timestamp`]: crate::entity::Timestamp
    pub(crate) fn now_plus(&self, duration: Duration) -> Expr {
        let (seconds, milliseconds) = (duration.as_secs(), duration.subsec_millis());
        Expr::cust(match self.pools.writes.backend() {
            DbBackend::Sqlite => {
                format!("strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now', '+{seconds}.{milliseconds:03} seconds')")
            }
            _ => format!("(statement_timestamp() + interval '{seconds}.{milliseconds:03} seconds')"),
        })
    }

    /// Executes a SELECT and converts its rows.
    pub(crate) async fn read<T: Send + 'static, S: StatementBuilder>(
        &self,
        select: &S,
        convert: fn(&Row<'_>) -> Result<T, StorageError>,
    ) -> Result<Vec<T>, StorageError> {
        let select = self.pools.reads.backend().build(select);
        self.observe(&select);
        let span = || statement_span::of(self.pools.reads.backend(), [&*select.sql]);
        match &*self.direct {
            Direct::Pooled => direct::pooled::read(&self.reader().await?, select, convert).await,
            Direct::Sqlite(threads) => recorded(span(), threads.read(select, convert)).await,
            Direct::Postgres(clients) => recorded(span(), clients.read(select, convert)).await,
        }
    }

    /// Begins a list of statements to execute together.
    pub(crate) fn batch(&self) -> Batch {
        Batch::new(self.pools.writes.backend())
    }

    /// Executes the statements of `batch` in one transaction: all of them, or none.
    pub(crate) async fn write(&self, batch: Batch) -> Result<Outcome, StorageError> {
        batch.steps.iter().for_each(|step| self.observe(&step.statement));
        let statements = || batch.steps.iter().map(|step| &*step.statement.sql);
        let span = || statement_span::of(self.pools.writes.backend(), statements());
        match &*self.direct {
            Direct::Pooled => direct::pooled::write(self.begin().await?, batch).await,
            Direct::Sqlite(threads) => recorded(span(), threads.write(batch)).await,
            Direct::Postgres(clients) => recorded(span(), clients.write(batch)).await,
        }
    }

    /// Tells the observer of a statement that goes past SeaORM, which tells it of the others.
    fn observe(&self, statement: &Statement) {
        if matches!(*self.direct, Direct::Pooled) {
            return;
        }
        // The values are personal data and must not be logged.
        tracing::trace!(sql = statement.sql, "statement");
        if let Some(observer) = &self.observer {
            observer(statement);
        }
    }

    /// Acquires a connection for statements that only read.
    pub(crate) async fn reader(&self) -> Result<PooledConnection<'_, Connection>, StorageError> {
        let permit = self.pools.reads.permit().await?;
        Ok(PooledConnection::new(self.pools.reads.connections(true), permit, self.pools.reads.response_timeout()))
    }

    /// Acquires a connection for a single statement that writes.
    pub(crate) async fn writer(&self) -> Result<PooledConnection<'_, Connection>, StorageError> {
        let permit = self.pools.writes.permit().await?;
        Ok(PooledConnection::new(self.pools.writes.connections(false), permit, self.pools.writes.response_timeout()))
    }

    /// Begins a transaction that is rolled back unless it is committed. On SQLite it takes the write lock immediately.
    pub(crate) async fn begin(&self) -> Result<PooledConnection<'_, Transaction>, StorageError> {
        let permit = self.pools.writes.permit().await?;
        let span = statement_span::of(self.pools.writes.backend(), ["BEGIN"]);
        // Boxed, because it is large.
        let begin = Box::pin(self.pools.writes.pool().begin());
        let begin = pooled_connection::with_timeout(self.pools.writes.response_timeout(), begin);
        let transaction = recorded(span, begin).await.map_err(storage)?;
        Ok(PooledConnection::new(transaction, permit, self.pools.writes.response_timeout()))
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::ConnectionTrait as _;

    use super::*;

    /// A deferred transaction would fail with `SQLITE_BUSY_SNAPSHOT` after the other connection's write.
    #[tokio::test]
    async fn an_sqlite_transaction_may_write_after_it_has_read() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("one.db").display());
        let options = DatabaseOptions::new(url.into());
        let database = Database::connect(&options).await.unwrap();
        database.connection_for_migrations().execute_unprepared("CREATE TABLE t (i integer)").await.unwrap();
        let other = Database::connect(&options).await.unwrap();
        other.connection_for_migrations().execute_unprepared("PRAGMA busy_timeout = 1").await.unwrap();

        let transaction = database.begin().await.unwrap();
        transaction.execute_unprepared("SELECT * FROM t").await.unwrap();
        let insert = "INSERT INTO t VALUES (1)";
        let concurrent = other.writer().await.unwrap().execute_unprepared(insert).await.map_err(storage);
        assert!(matches!(concurrent, Err(StorageError::Exhausted(_))), "{concurrent:?}");
        transaction.execute_unprepared(insert).await.unwrap();
        transaction.commit().await.unwrap();
    }
}
