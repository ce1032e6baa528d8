//! A connection pool with a bounded waiting time.

use std::sync::Arc;
use std::time::Duration;

use domain::storage::StorageError;
use sea_orm::{DatabaseConnection, DbBackend, SqlxPostgresConnector};
use sqlx::PgPool;

use super::load::PoolStatus;
use super::options::DatabaseOptions;
use super::permits::{Permit, Permits};
use super::session::{Connection, Pool, PoolKind, Pooler};

/// Time added to the server's statement timeout before a response is no longer awaited.
pub(super) const RESPONSE_MARGIN: Duration = Duration::from_secs(2);

/// The pools for reads and writes, which may be one.
pub(super) struct Pools {
    pub(super) reads: Arc<BoundedPool>,
    pub(super) writes: Arc<BoundedPool>,
}

impl Pools {
    /// The status of each of them.
    pub(super) fn status(&self) -> Vec<PoolStatus> {
        if Arc::ptr_eq(&self.reads, &self.writes) {
            return vec![self.writes.status()];
        }
        vec![self.reads.status(), self.writes.status()]
    }

    pub(super) fn single(pool: BoundedPool) -> Self {
        let pool = Arc::new(pool);
        Self { reads: Arc::clone(&pool), writes: pool }
    }

    pub(super) fn separate(reads: BoundedPool, writes: BoundedPool) -> Self {
        Self { reads: Arc::new(reads), writes: Arc::new(writes) }
    }
}

/// A pool with as many permits as connections.
///
/// The holder of a permit gets an idle connection or opens one. This distinguishes two failures that `SQLx` reports
/// alike: an exhausted pool (no permit in time) and an unreachable database (a permit, but no connection in time).
pub(super) struct BoundedPool {
    connection: DatabaseConnection,
    pool: Pool,
    permits: Permits,
    response_timeout: Duration,
}

impl BoundedPool {
    /// `name` is that of [`PoolStatus`].
    pub(super) fn new(
        name: &'static str,
        mut connection: DatabaseConnection,
        size: u32,
        options: &DatabaseOptions,
    ) -> Self {
        let observer = options.observer.clone();
        connection.set_metric_callback(move |info| {
            // The values are personal data and must not be logged.
            tracing::trace!(sql = info.statement.sql, elapsed = ?info.elapsed, failed = info.failed, "statement");
            if let Some(observer) = &observer {
                observer(info.statement);
            }
        });
        Self {
            pool: Pool { kind: PoolKind::SeaOrm(connection.clone()), size },
            connection,
            permits: Permits::new(name, size, options.acquire_timeout),
            response_timeout: options.statement_timeout + RESPONSE_MARGIN,
        }
    }

    /// A pool whose connections are those of a pooler, with the statements that begin a transaction on them.
    pub(super) fn behind_pooler(
        name: &'static str,
        pool: PgPool,
        begin: String,
        size: u32,
        options: &DatabaseOptions,
    ) -> Self {
        let kind = PoolKind::Pooler(Pooler::new(pool.clone(), begin, options.observer.clone()));
        let bounded = Self::new(name, SqlxPostgresConnector::from_sqlx_postgres_pool(pool), size, options);
        Self { pool: Pool { kind, size }, ..bounded }
    }

    /// Connections for single statements.
    pub(super) fn connections(&self, only_reads: bool) -> Connection {
        Connection { pool: self.pool.clone(), only_reads }
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(super) fn backend(&self) -> DbBackend {
        self.connection.get_database_backend()
    }

    pub(super) fn connection(&self) -> &DatabaseConnection {
        &self.connection
    }

    pub(super) fn response_timeout(&self) -> Duration {
        self.response_timeout
    }

    pub(super) fn status(&self) -> PoolStatus {
        self.permits.status()
    }

    /// Returns a permit if one is free and nobody waits for it.
    pub(super) fn try_permit(&self) -> Option<Permit<'_>> {
        self.permits.try_acquire()
    }

    pub(super) async fn permit(&self) -> Result<Permit<'_>, StorageError> {
        self.permits.acquire().await
    }

    pub(super) async fn close(&self) {
        self.permits.close();
        if let Err(error) = self.connection.close_by_ref().await {
            tracing::debug!(%error, "database pool was not closed");
        }
    }
}
