//! Temporary databases for tests: an SQLite file, or a new database on a PostgreSQL server.
//!
//! The server is the one at `TEST_DATABASE_URL`, or else one that is started for this process from installed programs
//! ([`Server`]). If there is neither, tests on PostgreSQL are skipped with a line on stderr, or fail if `CI` is `true`.
//!
//! The databases are empty; tests apply the migrations themselves.

mod programs;
mod server;

use std::io::Write as _;
use std::sync::OnceLock;

use anyhow::{Context as _, anyhow, bail};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tempfile::TempDir;
use url::Url;

pub use server::Server;

/// The kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file in a temporary folder.
    Sqlite,
    /// A new database on a server.
    Postgres,
}

/// An empty database that is deleted on drop.
#[derive(Debug)]
pub struct TestDatabase {
    kind: Kind,
    url: String,
    _cleanup: Cleanup,
}

/// Deletes the database on drop.
#[derive(Debug)]
enum Cleanup {
    File(#[expect(dead_code, reason = "kept for its Drop")] TempDir),
    Server(#[expect(dead_code, reason = "kept for its Drop")] DropDatabase),
}

impl TestDatabase {
    /// Creates an empty database of this kind.
    ///
    /// # Errors
    /// If there is no PostgreSQL (see [`postgres_is_missing`]), or it cannot be started or reached.
    pub async fn create(kind: Kind) -> anyhow::Result<Self> {
        match kind {
            Kind::Sqlite => Self::create_file(),
            Kind::Postgres => {
                // Starting a server blocks for seconds; other tests of the process wait for the same server.
                let server = tokio::task::spawn_blocking(server_url).await??;
                Self::create_on(server).await
            }
        }
    }

    /// Creates an empty database; returns `None` and writes a line to stderr if the test has to be skipped.
    ///
    /// # Errors
    /// As [`create`](Self::create), and if there is no PostgreSQL although `CI` is `true`.
    pub async fn create_or_skip(kind: Kind, test: &str) -> anyhow::Result<Option<Self>> {
        if kind == Kind::Postgres && postgres_is_missing() {
            if std::env::var("CI").is_ok_and(|value| value == "true") {
                bail!("no PostgreSQL for {test}: set TEST_DATABASE_URL or install the server's programs");
            }
            // Not `eprintln!`, which the test runner captures.
            writeln!(std::io::stderr(), "SKIPPED (no PostgreSQL): {test}")?;
            return Ok(None);
        }
        Self::create(kind).await.map(Some)
    }

    /// Returns the kind of database.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the URL in the format of `DATABASE_URL`.
    pub fn url(&self) -> &str {
        &self.url
    }

    fn create_file() -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("doable-test-")?;
        let path = folder.path().join("doable.db");
        let path = path.to_str().context("the temporary folder's path is not UTF-8")?;
        Ok(Self { kind: Kind::Sqlite, url: format!("sqlite://{path}?mode=rwc"), _cleanup: Cleanup::File(folder) })
    }

    /// Creates an empty database on this PostgreSQL server.
    ///
    /// # Errors
    /// If the server cannot be reached, or the role may not create databases.
    pub async fn create_on(server: Url) -> anyhow::Result<Self> {
        let name = format!("doable_test_{}", uuid::Uuid::new_v4().simple());
        let mut connection =
            PgConnection::connect(server.as_str()).await.context("cannot connect to the test server")?;
        connection.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await?;
        connection.close().await?;
        let mut url = server.clone();
        url.set_path(&name);
        Ok(Self { kind: Kind::Postgres, url: url.into(), _cleanup: Cleanup::Server(DropDatabase { server, name }) })
    }
}

/// Drops a database and closes the connections to it.
#[derive(Debug)]
struct DropDatabase {
    server: Url,
    name: String,
}

impl Drop for DropDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), std::mem::take(&mut self.name));
        // This thread may belong to the test's runtime, so the work needs another one. Errors are ignored, because a
        // database that remains on a test server does no harm.
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

/// Whether neither `TEST_DATABASE_URL` nor an installed server is available.
pub fn postgres_is_missing() -> bool {
    std::env::var_os("TEST_DATABASE_URL").is_none() && programs::find().is_none()
}

/// Returns the URL of the server, which is started on the first call unless `TEST_DATABASE_URL` is set.
fn server_url() -> anyhow::Result<Url> {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    if let Ok(url) = std::env::var("TEST_DATABASE_URL") {
        return Url::parse(&url).context("TEST_DATABASE_URL");
    }
    match SERVER.get_or_init(|| Server::start().map_err(|error| format!("{error:#}"))) {
        Ok(server) => Ok(server.url().clone()),
        Err(error) => Err(anyhow!("cannot start the test server: {error}")),
    }
}

/// Creates two tests from each function `async fn(TestDatabase) -> anyhow::Result<()>`: `name::sqlite` and
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
