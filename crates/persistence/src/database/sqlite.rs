//! Opening an SQLite database.

use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::{DatabaseConnection, SqlxSqliteConnector};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqlitePool};
use tokio::time::Instant;

use super::bounded_pool::{BoundedPool, Pools};
use super::connect_error::ConnectError;
use super::direct::Direct;
use super::direct::sqlite::{OpenOptions, SqliteThreads};
use super::options::DatabaseOptions;
use crate::error::sqlx_storage;

/// Maximum time that a statement waits for the write lock of another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Delay before opening is retried while another process holds the lock.
const OPEN_RETRY_DELAY: Duration = Duration::from_millis(20);

pub(super) async fn connect(options: &DatabaseOptions, url: &str) -> Result<(Pools, Direct), ConnectError> {
    let mut connect = SqliteConnectOptions::from_str(url)
        .map_err(ConnectError::Url)?
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging();
    if let Some(pages) = options.sqlite_max_pages {
        connect = connect.pragma("max_page_count", pages.to_string());
    }
    if !url.contains("mode=") {
        connect = connect.create_if_missing(true);
    }
    if url.contains(":memory:") || url.contains("mode=memory") {
        // One connection only: each would have a database of its own, which exists until it is closed.
        let pools = Pools::single(bounded("pool", open_writer(connect, options).await?, 1, options));
        return Ok((pools, Direct::Pooled));
    }
    create_folder(connect.get_filename()).map_err(ConnectError::Folder)?;
    connect = connect.journal_mode(SqliteJournalMode::Wal);
    let writer = open_writer(connect.clone(), options).await?;
    // Opened on demand and never closed.
    let readers = options.max_connections.saturating_sub(1).max(1);
    let file = connect.get_filename().to_owned();
    let reader = pool(options).max_connections(readers).connect_lazy_with(connect.pragma("query_only", "ON"));
    let pools =
        Pools::separate(bounded("pool_reads", reader, readers, options), bounded("pool_writes", writer, 1, options));
    let open = OpenOptions {
        file: &file,
        is_read_only: url.contains("mode=ro"),
        busy_timeout: BUSY_TIMEOUT,
        max_pages: options.sqlite_max_pages,
        acquire_timeout: options.acquire_timeout,
    };
    let threads = SqliteThreads::start(&open, Arc::clone(&pools.writes))?;
    Ok((pools, Direct::Sqlite(threads)))
}

fn bounded(name: &'static str, pool: SqlitePool, size: u32, options: &DatabaseOptions) -> BoundedPool {
    let connection: DatabaseConnection = SqlxSqliteConnector::from_sqlx_sqlite_pool(pool);
    BoundedPool::new(name, connection, size, options)
}

/// A pool whose connections neither expire nor are tested before use.
fn pool(options: &DatabaseOptions) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .acquire_timeout(options.acquire_timeout)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// Opens the pool of the single connection for writes.
///
/// SQLite may roll back a transaction by itself when a statement fails, for example on a full disk. The driver's
/// ROLLBACK fails then, and the driver still counts the transaction as open, so that later ones would become savepoints
/// in it and never be committed. A connection that is released in this state is closed and replaced.
async fn open_writer(connect: SqliteConnectOptions, options: &DatabaseOptions) -> Result<SqlitePool, ConnectError> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        let pool = pool(options).max_connections(1).after_release(|connection, _| {
            Box::pin(async move {
                // Waits for a rollback that a dropped transaction has queued.
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        });
        let opened = pool.connect_with(connect.clone()).await;
        match opened.map_err(sqlx_storage) {
            Ok(pool) => return Ok(pool),
            // The switch to WAL ignores the busy timeout, and two processes may start concurrently.
            Err(domain::storage::StorageError::Exhausted(_)) if Instant::now() < deadline => {
                tokio::time::sleep(OPEN_RETRY_DELAY).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Creates the folder of `file` with mode 0700, because the database contains personal data.
fn create_folder(file: &Path) -> std::io::Result<()> {
    let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) else {
        return Ok(());
    };
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}
