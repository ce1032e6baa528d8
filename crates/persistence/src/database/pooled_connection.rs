//! A connection or transaction that is checked out of a pool.

use std::time::Duration;

use async_trait::async_trait;
use domain::storage::StorageError;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};

use super::permits::Permit;
use super::session::{Connection, Transaction};
use super::statement_span::{self, recorded};
use crate::error::storage;

/// A connection (or a transaction, which has one) with its permit. Every statement has a timeout on the client, because
/// a server that hangs does not enforce its own.
pub(crate) struct PooledConnection<'a, C> {
    // Dropped before the permit, so that the next holder finds the connection idle.
    inner: C,
    response_timeout: Duration,
    _permit: Permit<'a>,
}

impl<'a, C> PooledConnection<'a, C> {
    pub(super) fn new(inner: C, permit: Permit<'a>, response_timeout: Duration) -> Self {
        Self { inner, response_timeout, _permit: permit }
    }
}

impl PooledConnection<'_, Connection> {
    pub(super) async fn ping(&self) -> Result<(), DbErr> {
        with_timeout(self.response_timeout, self.inner.ping()).await
    }
}

impl PooledConnection<'_, Transaction> {
    /// Commits the transaction.
    pub(crate) async fn commit(self) -> Result<(), DbErr> {
        let span = statement_span::of(self.inner.get_database_backend(), ["COMMIT"]);
        recorded(span, with_timeout(self.response_timeout, self.inner.commit())).await
    }

    /// Rolls back and waits for completion, so that the locks are released on return. (Dropping only queues a
    /// rollback.)
    pub(crate) async fn rollback(self) -> Result<(), DbErr> {
        let span = statement_span::of(self.inner.get_database_backend(), ["ROLLBACK"]);
        recorded(span, with_timeout(self.response_timeout, self.inner.rollback())).await
    }

    /// Rolls back and returns `error`.
    pub(crate) async fn abort<T, E: From<StorageError>>(self, error: E) -> Result<T, E> {
        self.rollback().await.map_err(storage)?;
        Err(error)
    }
}

#[async_trait]
impl<C: ConnectionTrait + Send> ConnectionTrait for PooledConnection<'_, C> {
    fn get_database_backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let span = statement_span::of(self.get_database_backend(), [&*statement.sql]);
        recorded(span, with_timeout(self.response_timeout, self.inner.execute_raw(statement))).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        with_timeout(self.response_timeout, self.inner.execute_unprepared(sql)).await
    }

    /// Fetches all rows and returns the first: to fetch a single row, `SQLx` resets an SQLite statement as soon as it
    /// has one, and an error of the implicit commit of a write would be lost.
    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let span = statement_span::of(self.get_database_backend(), [&*statement.sql]);
        recorded(span, with_timeout(self.response_timeout, self.inner.query_all_raw(statement))).await
    }
}

/// Returns the result of `work`, or an error if it takes longer than `limit`.
pub(super) async fn with_timeout<T>(limit: Duration, work: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(DbErr::Conn(RuntimeErr::Internal(format!("no response within {limit:?}")))),
    }
}
