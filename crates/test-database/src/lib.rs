//! Throwaway databases for tests: an SQLite file, or a fresh database on a PostgreSQL server.
//!
//! The server is the one that `TEST_DATABASE_URL` names, else one that is started for this test process alone from
//! installed server programs ([`Server`]). Without either, tests on PostgreSQL are skipped with a line on stderr; where
//! `CI` is `true` they fail instead, so that nobody mistakes silence for success.
//!
//! Deliberately not here: the schema. Tests run the migrations themselves.

mod programs;
mod server;

use std::io::Write as _;
use std::sync::OnceLock;

use anyhow::{Context as _, anyhow, bail};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tempfile::TempDir;
use url::Url;

pub use server::Server;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    Sqlite,
    /// A database of its own on a server.
    Postgres,
}

/// An empty database that is gone when this value is dropped.
#[derive(Debug)]
pub struct TestDatabase {
    kind: Kind,
    url: String,
    _keeper: Keeper,
}

/// What removes the database.
#[derive(Debug)]
enum Keeper {
    File(#[expect(dead_code, reason = "held for its Drop")] TempDir),
    Server(#[expect(dead_code, reason = "held for its Drop")] DropsDatabase),
}

impl TestDatabase {
    /// An empty database of this kind.
    ///
    /// # Errors
    /// If there is no PostgreSQL (see [`postgres_is_missing`]), or it cannot be started or reached.
    pub async fn create(kind: Kind) -> anyhow::Result<Self> {
        match kind {
            Kind::Sqlite => Self::create_file(),
            Kind::Postgres => Self::create_on_server().await,
        }
    }

    /// An empty database of this kind; `None`, and a line on stderr, where a test on it has to be skipped.
    ///
    /// # Errors
    /// As [`create`](Self::create), and if there is no PostgreSQL although `CI` is `true`.
    pub async fn create_or_skip(kind: Kind, test: &str) -> anyhow::Result<Option<Self>> {
        if kind == Kind::Postgres && postgres_is_missing() {
            if std::env::var("CI").is_ok_and(|value| value == "true") {
                bail!("no PostgreSQL for {test}: set TEST_DATABASE_URL or install the server's programs");
            }
            // Not by a macro: the test runner would keep that to itself.
            writeln!(std::io::stderr(), "SKIPPED (no PostgreSQL): {test}")?;
            return Ok(None);
        }
        Self::create(kind).await.map(Some)
    }

    /// Which database it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where it is, as `DATABASE_URL` names it.
    pub fn url(&self) -> &str {
        &self.url
    }

    fn create_file() -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("doable-test-")?;
        let path = folder.path().join("doable.db");
        let path = path.to_str().context("the temporary folder's path is not UTF-8")?;
        Ok(Self { kind: Kind::Sqlite, url: format!("sqlite://{path}?mode=rwc"), _keeper: Keeper::File(folder) })
    }

    async fn create_on_server() -> anyhow::Result<Self> {
        // Starting a server takes seconds and blocks; other tests of the process wait for the same one.
        let server = tokio::task::spawn_blocking(server_url).await??;
        let name = format!("doable_test_{}", uuid::Uuid::new_v4().simple());
        let mut connection = PgConnection::connect(server.as_str()).await.context("the test server is not reached")?;
        connection.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await?;
        connection.close().await?;
        let mut url = server.clone();
        url.set_path(&name);
        Ok(Self { kind: Kind::Postgres, url: url.into(), _keeper: Keeper::Server(DropsDatabase { server, name }) })
    }
}

/// Drops a database with whatever is still connected to it.
#[derive(Debug)]
struct DropsDatabase {
    server: Url,
    name: String,
}

impl Drop for DropsDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), std::mem::take(&mut self.name));
        // The test's own runtime may be this very thread, so the work needs another one. Nothing is told of a failure:
        // what is left behind lies on a server for tests.
        let work = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut connection = PgConnection::connect(server.as_str()).await?;
                connection.execute(sqlx::AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await?;
                connection.close().await
            })
        });
        drop(work.join());
    }
}

/// Whether there is neither `TEST_DATABASE_URL` nor an installed server.
pub fn postgres_is_missing() -> bool {
    std::env::var_os("TEST_DATABASE_URL").is_none() && programs::find().is_none()
}

/// The server of this process.
fn server_url() -> anyhow::Result<Url> {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    if let Ok(url) = std::env::var("TEST_DATABASE_URL") {
        return Url::parse(&url).context("TEST_DATABASE_URL");
    }
    match SERVER.get_or_init(|| Server::start().map_err(|error| format!("{error:#}"))) {
        Ok(server) => Ok(server.url().clone()),
        Err(error) => Err(anyhow!("the test server does not start: {error}")),
    }
}

/// Makes two tests out of each function `async fn(TestDatabase) -> anyhow::Result<()>`: `name::sqlite` and
/// `name::postgres`.
#[macro_export]
macro_rules! on_both_databases {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            async fn on(kind: $crate::Kind) -> ::anyhow::Result<()> {
                match $crate::TestDatabase::create_or_skip(kind, stringify!($name)).await? {
                    Some(database) => super::$name(database).await,
                    None => Ok(()),
                }
            }

            #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() -> ::anyhow::Result<()> {
                on($crate::Kind::Sqlite).await
            }

            #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() -> ::anyhow::Result<()> {
                on($crate::Kind::Postgres).await
            }
        }
    )+};
}
