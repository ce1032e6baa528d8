//! SQLite only: pragmas, the single writer, a full disk, the folder of the file.

use std::path::Path;
use std::time::Duration;

use domain::change::{ChangeRepo as _, ChangeRepoError, Seq, Write};
use domain::conversation::{ConversationRepo as _, ConversationRepoError};
use domain::storage::StorageError;
use domain::task::{TaskRepo as _, TaskRepoError};
use persistence::{Database, DatabaseOptions, SeaChangeRepo, SeaConversationRepo, SeaTaskRepo};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement, TransactionTrait as _};
use test_database::{Kind, TestDatabase};

use crate::fixture::{Fixture, at, change, id, new_conversation, new_task, new_turn, options};

async fn fixture() -> anyhow::Result<Fixture> {
    Fixture::new(TestDatabase::create(Kind::Sqlite).await?).await
}

async fn pragma(db: &impl sea_orm::ConnectionTrait, name: &str) -> anyhow::Result<String> {
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), format!("PRAGMA {name}"))).await?;
    let row = row.ok_or_else(|| anyhow::anyhow!("no answer"))?;
    Ok(row.try_get_by_index::<String>(0).or_else(|_| row.try_get_by_index::<i64>(0).map(|value| value.to_string()))?)
}

#[tokio::test]
async fn every_connection_has_the_configured_pragmas() -> anyhow::Result<()> {
    let fixture = fixture().await?;
    let pools: [(&DatabaseConnection, usize, &str); 2] =
        [(fixture.database.connection_for_migrations(), 1, "0"), (fixture.database.pool_for_reads(), 9, "1")];
    for (pool, connections, query_only) in pools {
        // All connections at once, so that they are distinct.
        let mut connections_in_use = Vec::new();
        for _ in 0..connections {
            connections_in_use.push(pool.begin().await?);
        }
        for connection in &connections_in_use {
            for (name, expected) in [
                ("journal_mode", "wal"),
                ("foreign_keys", "1"),
                ("synchronous", "2"),
                ("busy_timeout", "5000"),
                ("query_only", query_only),
            ] {
                assert_eq!(pragma(connection, name).await?, expected, "{name}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn reads_proceed_during_a_write() -> anyhow::Result<()> {
    let fixture = fixture().await?;
    let owner = fixture.user().await?;
    let task = fixture.task(owner, "Milk").await?;
    let writing = fixture.database.connection_for_migrations().begin().await?;
    writing.execute_unprepared("UPDATE tasks SET title = 'Bread'").await?;
    // Uncommitted changes are invisible.
    assert_eq!(fixture.tasks.get(owner, task.id).await?, task);
    writing.commit().await?;
    assert_eq!(fixture.tasks.get(owner, task.id).await?.title.as_str(), "Bread");
    Ok(())
}

/// A second pool, as of another process, writes to the file continuously.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_after_a_read_does_not_fail_under_contention() -> anyhow::Result<()> {
    let fixture = fixture().await?;
    let owner = fixture.user().await?;
    let other = Database::connect(&options(&fixture.test)).await?;
    let writer = tokio::spawn(async move {
        let changes = SeaChangeRepo::new(other);
        for _ in 0..200 {
            let write = Write::create(new_task(owner, "Bread")?);
            changes.commit(owner, &[write], &change(owner, at(0))).await?;
        }
        anyhow::Ok(())
    });
    // Each of these reads before it writes, in one transaction.
    let (conversation, mut turn) = fixture.conversation(owner).await?;
    for round in 1..=50 {
        let target = domain::conversation::ConversationTarget::Existing(conversation);
        fixture.expire(owner, turn.attempt()).await?;
        turn = fixture.begin(owner, new_turn(target, at(round))?).await?;
    }
    writer.await??;
    assert_eq!(fixture.conversations.get(owner, conversation).await?.message_count, 102);
    assert_eq!(fixture.tasks.counts(owner).await?.pending, 200);
    Ok(())
}

#[tokio::test]
async fn a_long_write_of_another_process_returns_exhausted() -> anyhow::Result<()> {
    let fixture = fixture().await?;
    let owner = fixture.user().await?;
    let other = Database::connect(&options(&fixture.test)).await?;
    let lock = other.connection_for_migrations().begin().await?;
    lock.execute_unprepared("UPDATE users SET name = 'Eve'").await?;
    // Shortens the busy timeout of 5 s.
    fixture.database.connection_for_migrations().execute_unprepared("PRAGMA busy_timeout = 50").await?;
    let outcome = fixture.write(owner, Write::create(new_task(owner, "Milk")?)).await;
    assert!(matches!(outcome, Err(ChangeRepoError::Storage(StorageError::Exhausted(_)))), "{outcome:?}");
    let outcome = fixture.conversations.begin_turn(owner, new_turn(new_conversation()?, at(0))?).await;
    let ConversationRepoError::Storage(error) = outcome.err().ok_or_else(|| anyhow::anyhow!("the turn began"))? else {
        anyhow::bail!("another error")
    };
    assert!(matches!(error, StorageError::Exhausted(_)), "{error:?}");
    lock.rollback().await?;
    fixture.task(owner, "Milk").await?;
    Ok(())
}

#[tokio::test]
async fn a_full_disk_returns_full_and_keeps_the_database_intact() -> anyhow::Result<()> {
    let fixture = fixture().await?;
    let owner = fixture.user().await?;
    let db = fixture.database.connection_for_migrations();
    let pages: u32 = pragma(db, "page_count").await?.parse()?;
    let mut limited = options(&fixture.test);
    limited.sqlite_max_pages = Some(pages + 2);
    let limited = Database::connect(&limited).await?;
    let (changes, conversations) = (SeaChangeRepo::new(limited.clone()), SeaConversationRepo::new(limited));
    // Several at once share a transaction, and the one that finds the disk full takes the others with it.
    let mut created = 0;
    let error = loop {
        let writes = (0..4).map(|_| async {
            let write = Write::create(new_task(owner, &"x".repeat(500))?);
            anyhow::Ok(changes.commit(owner, &[write], &change(owner, at(0))).await)
        });
        let mut error = None;
        for outcome in futures_util::future::join_all(writes).await {
            match outcome? {
                Ok(_) => created += 1,
                Err(refused) => error = Some(refused),
            }
        }
        if let Some(error) = error {
            break error;
        }
        anyhow::ensure!(created < 1000, "the disk did not become full");
    };
    assert!(matches!(error, ChangeRepoError::Storage(StorageError::Full(_))), "{error:?}");
    let mut turns = 0;
    let error = loop {
        match conversations.begin_turn(owner, new_turn(new_conversation()?, at(0))?).await {
            Ok(_) => turns += 1,
            Err(error) => break error,
        }
        anyhow::ensure!(turns < 1000, "the disk did not become full");
    };
    assert!(matches!(error, ConversationRepoError::Storage(StorageError::Full(_))), "{error:?}");
    let page = domain::page::PageRequest::first(std::num::NonZeroU16::MAX);
    assert_eq!(fixture.conversations.list(owner, page).await?.items.len(), turns);
    assert_eq!(fixture.tasks.counts(owner).await?.pending, created);
    assert_eq!(fixture.changes.head(owner).await?.seq, Seq(created));
    assert_eq!(pragma(db, "integrity_check").await?, "ok");
    // Where there is space.
    fixture.task(owner, "Milk").await?;
    // Visible to other connections, so that the write was committed and is not part of a transaction left open.
    assert_eq!(fixture.tasks.counts(owner).await?.pending, created + 1);
    assert_eq!(fixture.changes.head(owner).await?.seq, Seq(created + 1));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_open_a_new_file_concurrently() -> anyhow::Result<()> {
    for _ in 0..20 {
        let test = TestDatabase::create(Kind::Sqlite).await?;
        let open = || {
            let options = options(&test);
            tokio::spawn(async move {
                let database = Database::connect(&options).await?;
                migrations::up(database.connection_for_migrations()).await?;
                anyhow::Ok(database)
            })
        };
        let (one, other) = (open(), open());
        one.await??.ping().await?;
        other.await??.ping().await?;
    }
    Ok(())
}

/// The switch to WAL ignores the busy timeout.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opening_waits_for_the_process_that_creates_the_file() -> anyhow::Result<()> {
    let test = TestDatabase::create(Kind::Sqlite).await?;
    let maker = sea_orm::Database::connect(test.url()).await?;
    let making = maker.begin().await?;
    making.execute_unprepared("CREATE TABLE t (i integer)").await?;
    let options = options(&test);
    let mut opening = tokio::spawn(async move { Database::connect(&options).await });
    let early = tokio::time::timeout(Duration::from_millis(200), &mut opening).await;
    assert!(early.is_err(), "{:?}", early.map(|opened| opened.map(|opened| opened.map(|_| ()))));
    making.commit().await?;
    opening.await??.ping().await?;
    Ok(())
}

#[tokio::test]
async fn a_missing_file_is_created_with_its_folder() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    for (path, parameters) in [("a/b/one.db", ""), ("two.db", "?mode=rwc")] {
        let file = folder.path().join(path);
        let url = format!("sqlite://{}{parameters}", file.display());
        let database = Database::connect(&DatabaseOptions::new(url.into())).await?;
        database.ping().await?;
        database.close().await;
        assert!(file.is_file());
    }
    assert_private(&folder.path().join("a/b"))?;
    // Unless the URL forbids it.
    let url = format!("sqlite://{}?mode=rw", folder.path().join("three.db").display());
    assert!(Database::connect(&DatabaseOptions::new(url.into())).await.is_err());
    Ok(())
}

fn assert_private(folder: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(folder.metadata()?.permissions().mode() & 0o777, 0o700);
    Ok(())
}

#[tokio::test]
async fn an_in_memory_database_is_shared_by_reads_and_writes() -> anyhow::Result<()> {
    for url in ["sqlite::memory:", "sqlite://?mode=memory"] {
        let mut options = DatabaseOptions::new(url.into());
        options.acquire_timeout = Duration::from_millis(500);
        let database = Database::connect(&options).await?;
        migrations::up(database.connection_for_migrations()).await?;
        assert_eq!(migrations::pending(database.pool_for_reads()).await?, 0);
        let missing = SeaTaskRepo::new(database).get(id(), id()).await;
        assert!(matches!(missing, Err(TaskRepoError::NotFound)), "{missing:?}");
    }
    Ok(())
}

/// The last connection that closes moves the log into the file, so that a copy of the file is complete.
#[tokio::test]
async fn a_closed_database_has_no_write_ahead_log() -> anyhow::Result<()> {
    let fixture = fixture().await?;
    let owner = fixture.user().await?;
    fixture.task(owner, "Milk").await?;
    assert_eq!(fixture.tasks.counts(owner).await?.pending, 1);
    let file = fixture.test.url().trim_start_matches("sqlite://").split('?').next().unwrap_or_default().to_owned();
    let log = format!("{file}-wal");
    assert!(Path::new(&log).exists());
    fixture.database.close().await;
    assert!(!Path::new(&log).exists());
    Ok(())
}
