//! The databases: a file, or a new database on a Postgres server.

use std::time::Duration;

use sqlx::{Connection as _, Executor as _, PgConnection};
use test_database::{Kind, Server, TestDatabase};
use url::Url;

use crate::process_usage;

/// Where new databases are created.
pub(crate) enum Host {
    /// Files in temporary folders.
    Files,
    /// A server at a URL.
    Postgres(Url),
    /// A server that this process has started, with Postgres' default settings.
    OwnPostgres(Server),
}

impl Host {
    /// Returns the place for databases of this kind. Starts a Postgres server if there is no URL.
    ///
    /// # Errors
    /// If the server does not start.
    pub(crate) fn start(kind: Kind, postgres: Option<&Url>) -> anyhow::Result<Self> {
        Ok(match (kind, postgres) {
            (Kind::Sqlite, _) => Self::Files,
            (Kind::Postgres, Some(url)) => Self::Postgres(url.clone()),
            (Kind::Postgres, None) => Self::OwnPostgres(Server::start_durable()?),
        })
    }

    /// Creates an empty database.
    ///
    /// # Errors
    /// If it cannot be created.
    pub(crate) async fn create_database(&self) -> anyhow::Result<TestDatabase> {
        match self {
            Self::Files => TestDatabase::create(Kind::Sqlite).await,
            Self::Postgres(url) => TestDatabase::create_on(url.clone()).await,
            Self::OwnPostgres(server) => TestDatabase::create_on(server.url().clone()).await,
        }
    }

    /// CPU time of the Postgres server since its start, if this process has started it.
    pub(crate) fn cpu_time(&self) -> Option<Duration> {
        match self {
            Self::OwnPostgres(server) => process_usage::family_cpu_time(server.postmaster().ok()?),
            Self::Files | Self::Postgres(_) => None,
        }
    }
}

/// Executes a statement on a Postgres database. It does nothing on SQLite.
///
/// # Errors
/// If it fails.
pub(crate) async fn execute(database: &TestDatabase, statement: &'static str) -> anyhow::Result<()> {
    if database.kind() == Kind::Postgres {
        let mut connection = PgConnection::connect(database.url()).await?;
        connection.execute(statement).await?;
        connection.close().await?;
    }
    Ok(())
}
