//! Slow readers do not delay writers.

use domain::conversation::ConversationRepo as _;
use domain::conversation::turn::TurnState;
use domain::task::{TaskRepo as _, TaskRepoError};
use persistence::Database;
use sea_orm::{ConnectionTrait as _, Statement, TransactionTrait as _};
use test_database::{Kind, TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, end, id, options};

on_both_databases!(writes_go_on_during_a_long_read_transaction,);

/// Number of writes. On SQLite they write more pages than the log keeps without a reader.
const WRITES: u64 = 300;

async fn writes_go_on_during_a_long_read_transaction(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    fixture.task(owner, "Milk").await?;
    let reading = fixture.raw_reads().begin().await?;
    if fixture.test.kind() == Kind::Postgres {
        reading.execute_unprepared("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
    }
    let count = async || {
        let count = Statement::from_string(reading.get_database_backend(), "SELECT COUNT(*) FROM tasks");
        let row = reading.query_one_raw(count).await?.ok_or_else(|| anyhow::anyhow!("no row"))?;
        anyhow::Ok(row.try_get_by_index::<i64>(0)?)
    };
    assert_eq!(count().await?, 1);
    for _ in 0..WRITES {
        fixture.task(owner, "Bread").await?;
    }
    // The snapshot of the long transaction is older.
    assert_eq!(count().await?, 1);
    assert_eq!(fixture.tasks.counts(owner).await?.pending, 1 + WRITES);
    reading.rollback().await?;
    fixture.task(owner, "Eggs").await?;
    Ok(())
}

/// The reads wait for a lock, and fill the connections for reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_go_on_while_reads_wait_for_a_lock() -> anyhow::Result<()> {
    let name = "batches_go_on_while_reads_wait_for_a_lock";
    let Some(test) = TestDatabase::create_or_skip(Kind::Postgres, name).await? else { return Ok(()) };
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let other = Database::connect(&options(&fixture.test)).await?;
    let lock = other.connection_for_migrations().begin().await?;
    lock.execute_unprepared("LOCK TABLE tasks").await?;
    let reads: Vec<_> = (0..100)
        .map(|_| {
            let tasks = fixture.tasks.clone();
            tokio::spawn(async move { tasks.get(owner, id()).await })
        })
        .collect();
    for _ in 0..10 {
        let (_, turn) = fixture.conversation(owner).await?;
        fixture.conversations.end_turn(owner, turn.attempt(), end(TurnState::Complete, at(1))).await?;
    }
    assert!(reads.iter().all(|read| !read.is_finished()));
    lock.rollback().await?;
    for read in reads {
        let read = read.await?;
        assert!(matches!(read, Err(TaskRepoError::NotFound)), "{read:?}");
    }
    Ok(())
}
