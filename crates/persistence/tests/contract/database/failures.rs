//! Errors when the database is busy, slow or unreachable.

use std::time::{Duration, Instant};

use domain::change::{ChangeRepo as _, ChangeRepoError, Write};
use domain::storage::StorageError;
use domain::task::{TaskRepo as _, TaskRepoError};
use persistence::{ConnectError, Database, DatabaseOptions};
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use test_database::{Kind, TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, change, id, new_task, options};

on_both_databases!(
    a_database_responds_to_a_ping_and_returns_its_name,
    writes_queue_and_return_exhausted_after_the_acquire_timeout,
    an_invalid_row_is_corrupt,
    a_closed_database_is_unavailable,
    a_write_that_fails_at_commit_returns_an_error,
    a_dropped_transaction_is_rolled_back_and_releases_its_connection,
);

fn error<T: std::fmt::Debug>(outcome: Result<T, TaskRepoError>) -> anyhow::Result<StorageError> {
    match outcome {
        Err(TaskRepoError::Storage(error)) => Ok(error),
        other => anyhow::bail!("{other:?}"),
    }
}

async fn a_database_responds_to_a_ping_and_returns_its_name(test: TestDatabase) -> anyhow::Result<()> {
    let name = if test.kind() == Kind::Sqlite { "SQLite" } else { "PostgreSQL" };
    let fixture = Fixture::new(test).await?;
    fixture.database.ping().await?;
    assert_eq!(fixture.database.backend_name(), name);
    Ok(())
}

/// The only connection is in use by a statement that waits for a lock.
async fn writes_queue_and_return_exhausted_after_the_acquire_timeout(test: TestDatabase) -> anyhow::Result<()> {
    let short = |options: &mut DatabaseOptions| {
        options.max_connections = 1;
        options.acquire_timeout = Duration::from_millis(200);
    };
    let fixture = Fixture::with(test, short).await?;
    let owner = fixture.user().await?;
    let locker = Database::connect(&options(&fixture.test)).await?;
    let lock = locker.connection_for_migrations().begin().await?;
    let sqlite = fixture.test.kind() == Kind::Sqlite;
    lock.execute_unprepared(if sqlite { "UPDATE users SET name = 'Eve'" } else { "LOCK TABLE tasks" }).await?;
    let create = |title: &str| -> anyhow::Result<_> {
        let (changes, write) = (fixture.changes.clone(), Write::create(new_task(owner, title)?));
        Ok(tokio::spawn(async move { changes.commit(owner, &[write], &change(owner, at(0))).await }))
    };
    // One waits for the lock on the only connection, the other waits for the connection.
    let (mut first, mut second) = (create("Milk")?, create("Bread")?);
    let (refused, waiting) = tokio::select! {
        refused = &mut first => (refused?, second),
        refused = &mut second => (refused?, first),
    };
    assert!(matches!(refused, Err(ChangeRepoError::Storage(StorageError::Exhausted(_)))), "{refused:?}");
    lock.rollback().await?;
    waiting.await??;
    assert_eq!(fixture.tasks.counts(owner).await?.pending, 1);
    Ok(())
}

async fn an_invalid_row_is_corrupt(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let task = fixture.task(owner, "Milk").await?;
    let db = fixture.raw();
    // A title of spaces is invalid.
    db.execute_unprepared("UPDATE tasks SET title = '   '").await?;
    let error = error(fixture.tasks.get(owner, task.id).await)?;
    assert!(matches!(error, StorageError::Corrupt(_)), "{error:?}");
    Ok(())
}

async fn a_closed_database_is_unavailable(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    fixture.database.close().await;
    let error = error(fixture.tasks.get(owner, id()).await)?;
    assert!(matches!(error, StorageError::Unavailable(_)), "{error:?}");
    assert!(fixture.database.ping().await.is_err());
    Ok(())
}

/// A deferred constraint fails at commit, after the statement has returned its row.
async fn a_write_that_fails_at_commit_returns_an_error(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let task = fixture.task(owner, "Milk").await?;
    let db = fixture.raw();
    let uuid = if fixture.test.kind() == Kind::Sqlite { "uuid_text" } else { "uuid" };
    db.execute_unprepared(&format!(
        "CREATE TABLE pins (task_id {uuid} REFERENCES tasks (id) DEFERRABLE INITIALLY DEFERRED)"
    ))
    .await?;
    db.execute_unprepared("INSERT INTO pins SELECT id FROM tasks").await?;
    let purged = fixture.write(owner, Write::purge(task.clone())).await;
    assert!(matches!(purged, Err(ChangeRepoError::Storage(StorageError::Other(_)))), "{purged:?}");
    assert_eq!(fixture.tasks.get(owner, task.id).await?, task);
    Ok(())
}

async fn a_dropped_transaction_is_rolled_back_and_releases_its_connection(test: TestDatabase) -> anyhow::Result<()> {
    use domain::conversation::ConversationRepo as _;
    let fixture = Fixture::with(test, |options| options.max_connections = 1).await?;
    let owner = fixture.user().await?;
    for number in 0..40 {
        let new = crate::fixture::new_turn(crate::fixture::new_conversation()?, at(0))?;
        // Cancelled after some steps of its transaction.
        let begin = fixture.conversations.begin_turn(owner, new);
        tokio::time::timeout(Duration::from_micros(number * 50), begin).await.ok();
    }
    let page = domain::page::PageRequest::first(std::num::NonZeroU16::MAX);
    for conversation in fixture.conversations.list(owner, page).await?.items {
        assert_eq!((conversation.message_count, conversation.active_turn.is_some()), (2, true));
    }
    fixture.conversation(owner).await?;
    Ok(())
}

#[tokio::test]
async fn a_slow_statement_is_cancelled_by_the_server() -> anyhow::Result<()> {
    let name = "a_slow_statement_is_cancelled_by_the_server";
    let Some(test) = TestDatabase::create_or_skip(Kind::Postgres, name).await? else { return Ok(()) };
    let fixture = Fixture::with(test, |options| options.statement_timeout = Duration::from_millis(200)).await?;
    let owner = fixture.user().await?;
    let locker = Database::connect(&options(&fixture.test)).await?;
    let lock = locker.connection_for_migrations().begin().await?;
    lock.execute_unprepared("LOCK TABLE tasks").await?;
    let error = error(fixture.tasks.get(owner, id()).await)?;
    assert!(matches!(error, StorageError::Unavailable(_)), "{error:?}");
    // SQLSTATE query_canceled, from the server's statement timeout.
    assert!(format!("{error:?}").contains("57014"), "{error:?}");
    lock.rollback().await?;
    fixture.task(owner, "Milk").await?;
    Ok(())
}

#[tokio::test]
async fn a_server_that_never_responds_is_unavailable() -> anyhow::Result<()> {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("postgres://ada:hunter2@{}/doable", silent.local_addr()?);
    let mut options = DatabaseOptions::new(url.into());
    options.acquire_timeout = Duration::from_millis(200);
    let began = Instant::now();
    let outcome = Database::connect(&options).await.map(|_| ());
    assert!(matches!(&outcome, Err(ConnectError::Storage(StorageError::Unavailable(_)))), "{outcome:?}");
    assert!(!format!("{outcome:?}").contains("hunter2"));
    assert!(began.elapsed() < Duration::from_secs(5));
    Ok(())
}

#[tokio::test]
async fn an_unreachable_server_is_unavailable() -> anyhow::Result<()> {
    let address = tokio::net::TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let mut options = DatabaseOptions::new(format!("postgres://ada:hunter2@{address}/doable").into());
    options.acquire_timeout = Duration::from_millis(200);
    let outcome = Database::connect(&options).await.map(|_| ());
    assert!(matches!(&outcome, Err(ConnectError::Storage(StorageError::Unavailable(_)))), "{outcome:?}");
    Ok(())
}
