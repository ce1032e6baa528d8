//! SeaORM's connections, and their replacement behind a connection pooler: [`Connection`] and [`Transaction`].
//!
//! A pooler may give a connection to another server for each transaction, where a statement that was prepared on the
//! last one is missing, or is another client's. SeaORM cannot do without prepared statements. Here each statement is sent
//! in a transaction, and is prepared without a name.

use std::sync::Arc;

use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait as _, Values,
};
use sea_query_sqlx::SqlxValues;
use sqlx::{AssertSqlSafe, Executor as _, PgPool, Postgres};
use tokio::sync::Mutex;

use super::options::StatementObserver;
use crate::error::{is_disconnected, is_terminated};

/// A pool behind a pooler.
#[derive(Clone)]
pub(crate) struct Pooler {
    pool: PgPool,
    /// The statements that begin a transaction.
    begin: Arc<str>,
    observer: Option<StatementObserver>,
}

/// A connection of a pool for each statement. If it turns out to have been cut, the statement is repeated on another one,
/// unless it may have been done.
pub(crate) struct Connection {
    pub(super) pool: Pool,
    pub(super) only_reads: bool,
}

/// A pool, and the number of its connections, all of which may have been cut.
#[derive(Clone)]
pub(super) struct Pool {
    pub(super) kind: PoolKind,
    pub(super) size: u32,
}

#[derive(Clone)]
pub(super) enum PoolKind {
    SeaOrm(DatabaseConnection),
    Pooler(Pooler),
}

/// A transaction, which is rolled back on drop.
pub(crate) enum Transaction {
    SeaOrm(DatabaseTransaction),
    Pooler(PoolerTransaction),
}

pub(crate) struct PoolerTransaction {
    transaction: Mutex<sqlx::Transaction<'static, Postgres>>,
    observer: Option<StatementObserver>,
}

impl Pool {
    /// Repeats `work` after errors for which `is_undone`, at most once for each connection of the pool.
    async fn repeat<T, F: Future<Output = Result<T, DbErr>>>(
        &self,
        is_undone: fn(&DbErr) -> bool,
        work: impl Fn() -> F,
    ) -> Result<T, DbErr> {
        let mut repeats = self.size;
        loop {
            match work().await {
                Err(error) if repeats > 0 && is_undone(&error) => repeats -= 1,
                outcome => return outcome,
            }
        }
    }

    /// Begins a transaction. On SQLite it takes the write lock immediately.
    pub(super) async fn begin(&self) -> Result<Transaction, DbErr> {
        match &self.kind {
            PoolKind::SeaOrm(connection) => {
                let options = || TransactionOptions {
                    // A deferred transaction that reads before it writes fails with SQLITE_BUSY_SNAPSHOT, which no busy
                    // timeout prevents.
                    sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                    ..TransactionOptions::default()
                };
                let begin = self.repeat(is_disconnected, || connection.begin_with_options(options()));
                begin.await.map(Transaction::SeaOrm)
            }
            PoolKind::Pooler(pooler) => self.begin_behind(pooler).await.map(Transaction::Pooler),
        }
    }

    async fn begin_behind(&self, pooler: &Pooler) -> Result<PoolerTransaction, DbErr> {
        let begin = self.repeat(is_disconnected, async || {
            let begin = AssertSqlSafe(pooler.begin.to_string());
            pooler.pool.begin_with(begin).await.map_err(|error| DbErr::Conn(cause(error)))
        });
        Ok(PoolerTransaction { transaction: Mutex::new(begin.await?), observer: pooler.observer.clone() })
    }
}

impl Pooler {
    pub(super) fn new(pool: PgPool, begin: String, observer: Option<StatementObserver>) -> Self {
        Self { pool, begin: begin.into(), observer }
    }
}

impl Connection {
    /// Whether a statement that failed was not done, or may be done twice.
    fn is_undone(&self) -> fn(&DbErr) -> bool {
        if self.only_reads { is_disconnected } else { is_terminated }
    }

    pub(super) async fn ping(&self) -> Result<(), DbErr> {
        match &self.pool.kind {
            PoolKind::SeaOrm(connection) => self.pool.repeat(is_disconnected, || connection.ping()).await,
            PoolKind::Pooler(_) => self.execute_unprepared("SELECT 1").await.map(drop),
        }
    }
}

#[async_trait]
impl ConnectionTrait for Connection {
    fn get_database_backend(&self) -> DbBackend {
        match &self.pool.kind {
            PoolKind::SeaOrm(connection) => connection.get_database_backend(),
            PoolKind::Pooler(_) => DbBackend::Postgres,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let work = async || match &self.pool.kind {
            PoolKind::SeaOrm(connection) => connection.execute_raw(statement.clone()).await,
            PoolKind::Pooler(pooler) => {
                let transaction = self.pool.begin_behind(pooler).await?;
                let result = transaction.execute_raw(statement.clone()).await?;
                transaction.commit().await.map(|()| result)
            }
        };
        self.pool.repeat(self.is_undone(), work).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let work = async || match &self.pool.kind {
            PoolKind::SeaOrm(connection) => connection.execute_unprepared(sql).await,
            PoolKind::Pooler(pooler) => {
                let transaction = self.pool.begin_behind(pooler).await?;
                let result = transaction.execute_unprepared(sql).await?;
                transaction.commit().await.map(|()| result)
            }
        };
        self.pool.repeat(self.is_undone(), work).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let work = async || match &self.pool.kind {
            PoolKind::SeaOrm(connection) => connection.query_all_raw(statement.clone()).await,
            PoolKind::Pooler(pooler) => {
                let transaction = self.pool.begin_behind(pooler).await?;
                let rows = transaction.query_all_raw(statement.clone()).await?;
                transaction.commit().await.map(|()| rows)
            }
        };
        self.pool.repeat(self.is_undone(), work).await
    }
}

impl Transaction {
    pub(super) async fn commit(self) -> Result<(), DbErr> {
        match self {
            Self::SeaOrm(transaction) => transaction.commit().await,
            Self::Pooler(transaction) => transaction.commit().await,
        }
    }

    pub(super) async fn rollback(self) -> Result<(), DbErr> {
        match self {
            Self::SeaOrm(transaction) => transaction.rollback().await,
            Self::Pooler(transaction) => {
                transaction.transaction.into_inner().rollback().await.map_err(|error| DbErr::Exec(cause(error)))
            }
        }
    }
}

#[async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        match self {
            Self::SeaOrm(transaction) => transaction.get_database_backend(),
            Self::Pooler(_) => DbBackend::Postgres,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match self {
            Self::SeaOrm(transaction) => transaction.execute_raw(statement).await,
            Self::Pooler(transaction) => transaction.execute_raw(statement).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match self {
            Self::SeaOrm(transaction) => transaction.execute_unprepared(sql).await,
            Self::Pooler(transaction) => transaction.execute_unprepared(sql).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Self::SeaOrm(transaction) => transaction.query_all_raw(statement).await,
            Self::Pooler(transaction) => transaction.query_all_raw(statement).await,
        }
    }
}

impl PoolerTransaction {
    async fn commit(self) -> Result<(), DbErr> {
        self.transaction.into_inner().commit().await.map_err(|error| DbErr::Exec(cause(error)))
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.observe(&statement);
        let query = sqlx::query_with(AssertSqlSafe(statement.sql), values(statement.values)).persistent(false);
        let result = query.execute(&mut **self.transaction.lock().await).await;
        result.map(Into::into).map_err(|error| DbErr::Exec(cause(error)))
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let result = self.transaction.lock().await.execute(AssertSqlSafe(sql.to_owned())).await;
        result.map(Into::into).map_err(|error| DbErr::Exec(cause(error)))
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.observe(&statement);
        let query = sqlx::query_with(AssertSqlSafe(statement.sql), values(statement.values)).persistent(false);
        let rows = query.fetch_all(&mut **self.transaction.lock().await).await;
        let rows = rows.map_err(|error| DbErr::Query(cause(error)))?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// Tells the observer, as SeaORM does.
    fn observe(&self, statement: &Statement) {
        // The values are personal data and must not be logged.
        tracing::trace!(sql = statement.sql, "statement");
        if let Some(observer) = &self.observer {
            observer(statement);
        }
    }
}

fn values(values: Option<Values>) -> SqlxValues {
    SqlxValues(values.unwrap_or_else(|| Values(Vec::new())))
}

fn cause(error: sqlx::Error) -> RuntimeErr {
    RuntimeErr::SqlxError(Arc::new(error))
}
