//! PostgreSQL only: batches whose statement the server cancels, or whose connection it terminates.

use std::time::Duration;

use domain::change::{ChangeRepo as _, ChangeRepoError, Seq, Write};
use domain::id::UserId;
use domain::storage::StorageError;
use domain::task::{Task, TaskRepo as _};
use persistence::Database;
use sea_orm::{ConnectionTrait as _, DatabaseTransaction, TransactionTrait as _};
use test_database::{Kind, TestDatabase};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::fixture::{Fixture, at, change, options};

/// Number of interrupted batches, which is more than there are connections for them.
const ROUNDS: u64 = 6;

/// Maximum time to wait until a statement waits for a lock.
const WAIT_TIMEOUT: Duration = Duration::from_secs(20);

struct Case {
    fixture: Fixture,
    other: Database,
    owner: UserId,
    task: Task,
}

impl Case {
    async fn new(test: &str, statement_timeout: Duration) -> anyhow::Result<Option<Self>> {
        let Some(test) = TestDatabase::create_or_skip(Kind::Postgres, test).await? else { return Ok(None) };
        let fixture = Fixture::with(test, |options| options.statement_timeout = statement_timeout).await?;
        let owner = fixture.user().await?;
        let task = fixture.task(owner, "Milk").await?;
        let other = Database::connect(&options(&fixture.test)).await?;
        Ok(Some(Self { fixture, other, owner, task }))
    }

    /// Locks the row of the task.
    async fn lock(&self) -> anyhow::Result<DatabaseTransaction> {
        let lock = self.other.connection_for_migrations().begin().await?;
        lock.execute_unprepared("UPDATE tasks SET title = title").await?;
        Ok(lock)
    }

    /// Starts a batch that reserves a sequence number and then waits for the lock.
    fn toggle(&self) -> JoinHandle<Result<(), ChangeRepoError>> {
        let (changes, owner, task) = (self.fixture.changes.clone(), self.owner, self.task.clone());
        let write = Write::replace(task.clone(), task.toggle(at(1)));
        tokio::spawn(async move { changes.commit(owner, &[write], &change(owner, at(1))).await.map(drop) })
    }

    /// Calls a function of the server with the process that waits for the lock.
    async fn interrupt(&self, function: &str) -> anyhow::Result<()> {
        let interrupt = format!(
            "SELECT COUNT({function}(pid)) FROM pg_stat_activity \
             WHERE datname = current_database() AND wait_event_type = 'Lock'"
        );
        let interrupted = async {
            while self.fixture.number(&interrupt).await? == 0 {}
            anyhow::Ok(())
        };
        timeout(WAIT_TIMEOUT, interrupted).await?
    }

    /// Asserts that the batch has failed, with this text in the error, and that nothing of it was done.
    async fn assert_interrupted(
        &self,
        batch: JoinHandle<Result<(), ChangeRepoError>>,
        code: &str,
    ) -> anyhow::Result<()> {
        let outcome = timeout(WAIT_TIMEOUT, batch).await??;
        let is_expected = matches!(&outcome, Err(ChangeRepoError::Storage(StorageError::Unavailable(_))));
        anyhow::ensure!(is_expected && format!("{outcome:?}").contains(code), "{outcome:?}");
        anyhow::ensure!(self.fixture.tasks.get(self.owner, self.task.id).await? == self.task);
        anyhow::ensure!(self.fixture.changes.head(self.owner).await?.seq == Seq(1));
        Ok(())
    }

    /// Asserts that as many batches as were interrupted are done.
    async fn assert_usable(&self) -> anyhow::Result<()> {
        for round in 0..ROUNDS {
            self.fixture.task(self.owner, "Bread").await?;
            assert_eq!(self.fixture.changes.head(self.owner).await?.seq, Seq(2 + round));
        }
        self.toggle().await??;
        Ok(())
    }
}

/// Interrupts batches by a function of the server, which makes them fail with this text in the error.
async fn interrupted_by(test: &str, function: &str, code: &str) -> anyhow::Result<()> {
    let Some(case) = Case::new(test, Duration::from_mins(1)).await? else { return Ok(()) };
    for _ in 0..ROUNDS {
        let lock = case.lock().await?;
        let batch = case.toggle();
        case.interrupt(function).await?;
        case.assert_interrupted(batch, code).await?;
        lock.rollback().await?;
    }
    case.assert_usable().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_the_server_cancels_does_nothing_and_its_connection_is_usable() -> anyhow::Result<()> {
    let name = "a_batch_that_the_server_cancels_does_nothing_and_its_connection_is_usable";
    // SQLSTATE query_canceled.
    interrupted_by(name, "pg_cancel_backend", "57014").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_whose_connection_the_server_terminates_does_nothing_and_the_connection_is_replaced()
-> anyhow::Result<()> {
    let name = "a_batch_whose_connection_the_server_terminates_does_nothing_and_the_connection_is_replaced";
    // The connection may be closed before its error is read.
    interrupted_by(name, "pg_terminate_backend", "").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_exceeds_the_statement_timeout_does_nothing() -> anyhow::Result<()> {
    let name = "a_batch_that_exceeds_the_statement_timeout_does_nothing";
    let Some(case) = Case::new(name, Duration::from_millis(200)).await? else { return Ok(()) };
    let lock = case.lock().await?;
    case.assert_interrupted(case.toggle(), "57014").await?;
    lock.rollback().await?;
    case.assert_usable().await
}
