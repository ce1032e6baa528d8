//! A connection or a transaction while a repository has it.

use std::time::Duration;

use async_trait::async_trait;
use domain::storage::StorageError;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr,
    Statement,
};
use tokio::sync::SemaphorePermit;

use crate::error::storage;

/// A connection (or a transaction, which has one) with the right to use it. Every statement is waited for within
/// bounds: a server that hangs does not end its own statements.
pub(crate) struct PooledConnection<'a, C> {
    // Before the permit: what comes next must find the connection free.
    inner: C,
    answer_within: Duration,
    _permit: SemaphorePermit<'a>,
}

impl<'a, C> PooledConnection<'a, C> {
    pub(super) fn new(inner: C, permit: SemaphorePermit<'a>, answer_within: Duration) -> Self {
        Self { inner, answer_within, _permit: permit }
    }
}

impl PooledConnection<'_, DatabaseConnection> {
    pub(super) async fn ping(&self) -> Result<(), DbErr> {
        within(self.answer_within, self.inner.ping()).await
    }
}

impl PooledConnection<'_, DatabaseTransaction> {
    /// Makes it durable.
    pub(crate) async fn commit(self) -> Result<(), DbErr> {
        within(self.answer_within, self.inner.commit()).await
    }

    /// Undoes it, and waits until that is done: its locks are gone when this returns. (Dropping it only asks for that.)
    pub(crate) async fn rollback(self) -> Result<(), DbErr> {
        within(self.answer_within, self.inner.rollback()).await
    }

    /// Undoes it, for `reason`.
    pub(crate) async fn undo<T, E: From<StorageError>>(self, reason: E) -> Result<T, E> {
        self.rollback().await.map_err(storage)?;
        Err(reason)
    }
}

#[async_trait]
impl<C: ConnectionTrait + Send> ConnectionTrait for PooledConnection<'_, C> {
    fn get_database_backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        within(self.answer_within, self.inner.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        within(self.answer_within, self.inner.execute_unprepared(sql)).await
    }

    /// The first row of all: for a single one, `SQLx` leaves an SQLite statement as soon as it has its row. Where that
    /// statement writes, what fails when it then ends, which is its commit, would not be told.
    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        within(self.answer_within, self.inner.query_all_raw(statement)).await
    }
}

/// `work`'s result, unless it takes longer than `limit`.
pub(super) async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(DbErr::Conn(RuntimeErr::Internal(format!("no answer within {limit:?}")))),
    }
}
