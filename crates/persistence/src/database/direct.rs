//! Ways to the database for the statements that are sent most: past SeaORM and `SQLx`, on the drivers.

pub(super) mod connector;
pub(super) mod driver_connection;
mod parameters;
pub(super) mod pooled;
pub(super) mod postgres;
mod probe;
pub(super) mod sqlite;

use postgres::PostgresClients;
use sqlite::SqliteThreads;

use super::load::PoolStatus;

/// The way that a database's reads and batches go.
pub(super) enum Direct {
    /// The pools of SeaORM.
    Pooled,
    /// Threads with connections of rusqlite.
    Sqlite(SqliteThreads),
    /// Clients of tokio-postgres.
    Postgres(Box<PostgresClients>),
}

impl Direct {
    /// The status of the connections.
    pub(super) fn status(&self) -> Vec<PoolStatus> {
        match self {
            Self::Pooled => Vec::new(),
            Self::Sqlite(threads) => threads.status(),
            Self::Postgres(clients) => clients.status(),
        }
    }

    /// Closes the connections that are not in use.
    pub(super) async fn close(&self) {
        match self {
            Self::Pooled => {}
            Self::Sqlite(threads) => threads.close().await,
            Self::Postgres(clients) => clients.close().await,
        }
    }
}
