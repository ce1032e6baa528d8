//! Temporary databases for tests: an SQLite file, or a new database on a PostgreSQL server.
//!
//! The server is the one at `TEST_DATABASE_URL`, or else one that is started for this process from installed programs
//! ([`Server`]). If there is neither, tests on PostgreSQL are skipped with a line on stderr, or fail if `CI` is `true`.
//!
//! With `TEST_PGBOUNCER=1` the URL of a database on PostgreSQL is one of a [`Pooler`] before the server.
//!
//! The databases are empty; tests apply the migrations themselves. [`RedisServer`] is a server of Redis or Valkey for one
//! test.

mod pooler;
mod programs;
mod redis_server;
mod server;

use std::io::Write as _;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tempfile::TempDir;
use url::Url;

pub use pooler::Pooler;
pub use redis_server::RedisServer;
pub use server::Server;

/// Maximum time until connections have ended.
const END_TIMEOUT: Duration = Duration::from_secs(20);

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
    direct_url: String,
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
                let (server, pooler) = tokio::task::spawn_blocking(|| {
                    let server = server_url()?;
                    let pooler = pooler_url(&server)?;
                    anyhow::Ok((server, pooler))
                })
                .await??;
                let database = Self::create_on(server).await?;
                Ok(match pooler {
                    Some(pooler) => database.through(&pooler),
                    None => database,
                })
            }
        }
    }

    /// Creates an empty database; returns `None` and writes a line to stderr if the test has to be skipped.
    ///
    /// # Errors
    /// As [`create`](Self::create), and if there is no PostgreSQL although `CI` is `true`.
    pub async fn create_or_skip(kind: Kind, test: &str) -> anyhow::Result<Option<Self>> {
        if kind == Kind::Postgres && postgres_is_missing() {
            if is_ci() {
                bail!("no PostgreSQL for {test}: set TEST_DATABASE_URL or install the server's programs");
            }
            // Not `eprintln!`, which the test runner captures.
            writeln!(std::io::stderr(), "SKIPPED (no PostgreSQL): {test}")?;
            return Ok(None);
        }
        Self::create(kind).await.map(Some)
    }

    /// Creates an empty database on PostgreSQL with a [`Pooler`] of its own before it; returns `None` and writes a line to
    /// stderr if one of them is not installed.
    ///
    /// # Errors
    /// As [`create_or_skip`](Self::create_or_skip), and if the pooler does not start.
    pub async fn create_behind_pooler_or_skip(test: &str) -> anyhow::Result<Option<(Self, Pooler)>> {
        if pooler::find().is_none() {
            writeln!(std::io::stderr(), "SKIPPED (no PgBouncer): {test}")?;
            return Ok(None);
        }
        let Some(database) = Self::create_or_skip(Kind::Postgres, test).await? else { return Ok(None) };
        let server = Url::parse(&database.direct_url)?;
        let pooler = tokio::task::spawn_blocking(move || Pooler::start(&server)).await??;
        Ok(Some((database.through(pooler.url()), pooler)))
    }

    /// The database at the address of a pooler.
    fn through(self, pooler: &Url) -> Self {
        let mut url = pooler.clone();
        url.set_path(self.direct_url.rsplit('/').next().unwrap_or_default());
        Self { url: url.into(), ..self }
    }

    /// Returns the kind of database.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the URL in the format of `DATABASE_URL`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the URL of the same database past a pooler.
    pub fn direct_url(&self) -> &str {
        &self.direct_url
    }

    /// Executes statements on a database on PostgreSQL, past a pooler.
    ///
    /// # Errors
    /// If the database cannot be reached, or refuses one.
    pub async fn execute(&self, statements: &str) -> anyhow::Result<()> {
        let mut connection = PgConnection::connect(&self.direct_url).await?;
        connection.execute(sqlx::AssertSqlSafe(statements.to_owned())).await?;
        Ok(connection.close().await?)
    }

    /// Ends every connection to a database on PostgreSQL, and waits until they have ended.
    ///
    /// # Errors
    /// If the database cannot be reached, or a connection remains for too long.
    pub async fn end_connections(&self) -> anyhow::Result<()> {
        let mut connection = PgConnection::connect(&self.direct_url).await?;
        let others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        connection.execute(sqlx::AssertSqlSafe(format!("SELECT pg_terminate_backend(pid) {others}"))).await?;
        let count = format!("SELECT count(*)::text {others}");
        let deadline = Instant::now() + END_TIMEOUT;
        while sqlx::query_scalar::<_, String>(sqlx::AssertSqlSafe(count.clone())).fetch_one(&mut connection).await?
            != "0"
        {
            anyhow::ensure!(Instant::now() < deadline, "a connection remains");
        }
        Ok(connection.close().await?)
    }

    fn create_file() -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("doable-test-")?;
        let path = folder.path().join("doable.db");
        let path = path.to_str().context("the temporary folder's path is not UTF-8")?;
        let url = format!("sqlite://{path}?mode=rwc");
        Ok(Self { kind: Kind::Sqlite, direct_url: url.clone(), url, _cleanup: Cleanup::File(folder) })
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
        let (url, cleanup) = (String::from(url), Cleanup::Server(DropDatabase { server, name }));
        Ok(Self { kind: Kind::Postgres, direct_url: url.clone(), url, _cleanup: cleanup })
    }
}

/// Whether a test must fail instead of being skipped.
fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
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

/// Returns the URL of the pooler before `server`, with `TEST_PGBOUNCER=1`: the one at `TEST_POOLER_URL`, or one that is
/// started on the first call.
fn pooler_url(server: &Url) -> anyhow::Result<Option<Url>> {
    static POOLER: OnceLock<Result<Pooler, String>> = OnceLock::new();
    if let Ok(url) = std::env::var("TEST_POOLER_URL") {
        return Url::parse(&url).context("TEST_POOLER_URL").map(Some);
    }
    if !wants_pooler() {
        return Ok(None);
    }
    match POOLER.get_or_init(|| Pooler::start(server).map_err(|error| format!("{error:#}"))) {
        Ok(pooler) => Ok(Some(pooler.url().clone())),
        Err(error) => Err(anyhow!("cannot start the pooler: {error}")),
    }
}

/// Whether databases on PostgreSQL are to be reached through a pooler.
pub fn wants_pooler() -> bool {
    std::env::var("TEST_PGBOUNCER").is_ok_and(|value| value == "1")
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
