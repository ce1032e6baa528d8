//! Opening an SQLite database.

use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use sea_orm::{DatabaseConnection, SqlxSqliteConnector};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqlitePool};
use tokio::time::Instant;

use super::{BoundedPool, ConnectError, Database, DatabaseOptions};
use crate::error::sqlx_storage;

/// How long a statement waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait before a database that somebody else is opening is tried again.
const OPENING_PAUSE: Duration = Duration::from_millis(20);

pub(super) async fn connect(options: &DatabaseOptions, url: &str) -> Result<Database, ConnectError> {
    let mut connect = SqliteConnectOptions::from_str(url)
        .map_err(ConnectError::Url)?
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging();
    if !url.contains("mode=") {
        connect = connect.create_if_missing(true);
    }
    if url.contains(":memory:") || url.contains("mode=memory") {
        // Each connection would be a database of its own, and the last one to go takes the rows along: so there is one.
        let lane = lane(open(connect, options).await?, 1, options).shared();
        return Ok(Database { reads: lane.clone(), writes: lane });
    }
    create_folder(connect.get_filename()).map_err(ConnectError::Folder)?;
    connect = connect.journal_mode(SqliteJournalMode::Wal);
    let writer = open(connect.clone(), options).await?;
    // Opened one by one when they are needed, and kept.
    let readers = options.max_connections.saturating_sub(1).max(1);
    let reader = pool(options).max_connections(readers).connect_lazy_with(connect.pragma("query_only", "ON"));
    Ok(Database { reads: lane(reader, readers, options).shared(), writes: lane(writer, 1, options).shared() })
}

fn lane(pool: SqlitePool, size: u32, options: &DatabaseOptions) -> BoundedPool {
    let connection: DatabaseConnection = SqlxSqliteConnector::from_sqlx_sqlite_pool(pool);
    BoundedPool::new(connection, size, options)
}

/// A pool whose connections neither age nor need to be asked whether they are there.
fn pool(options: &DatabaseOptions) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .acquire_timeout(options.acquire_timeout)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// A pool with its only connection.
///
/// SQLite may end a transaction by itself when a statement fails, as on a full disk. The driver's ROLLBACK fails then, and
/// it goes on counting the transaction as open: later ones would be parts of one that is never committed. A connection
/// that is given back like that is closed, and another one opened.
async fn open(connect: SqliteConnectOptions, options: &DatabaseOptions) -> Result<SqlitePool, ConnectError> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        let pool = pool(options).max_connections(1).after_release(|connection, _| {
            Box::pin(async move {
                // A rollback that was only asked for comes before this.
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        });
        let opened = pool.connect_with(connect.clone()).await;
        match opened.map_err(sqlx_storage) {
            Ok(pool) => return Ok(pool),
            // The switch to WAL does not heed the busy timeout, and two processes may start together.
            Err(domain::storage::StorageError::Exhausted(_)) if Instant::now() < deadline => {
                tokio::time::sleep(OPENING_PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Makes the folder of `file`, open to its owner alone: what is in it is the users'.
fn create_folder(file: &Path) -> std::io::Result<()> {
    let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) else {
        return Ok(());
    };
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

#[cfg(test)]
mod tests {
    use sea_orm::ConnectionTrait as _;

    use super::*;

    /// Otherwise the other process writes in between, and the write fails with `SQLITE_BUSY_SNAPSHOT` at once.
    #[tokio::test]
    async fn a_transaction_that_reads_first_may_write() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("one.db").display());
        let options = DatabaseOptions::new(url.into());
        let database = Database::connect(&options).await.unwrap();
        database.connection_for_migrations().execute_unprepared("CREATE TABLE t (i integer)").await.unwrap();
        let other = Database::connect(&options).await.unwrap();
        other.connection_for_migrations().execute_unprepared("PRAGMA busy_timeout = 1").await.unwrap();

        let transaction = database.begin().await.unwrap();
        transaction.execute_unprepared("SELECT * FROM t").await.unwrap();
        let insert = "INSERT INTO t VALUES (1)";
        let in_between = other.writer().await.unwrap().execute_unprepared(insert).await.map_err(crate::error::storage);
        assert!(matches!(in_between, Err(domain::storage::StorageError::Exhausted(_))), "{in_between:?}");
        transaction.execute_unprepared(insert).await.unwrap();
        transaction.commit().await.unwrap();
    }
}
