//! Calls of the repositories in a run, and failures of single steps.

use std::sync::Mutex;

use chrono::TimeDelta;
use domain::change::{Change, ChangeRepoError, Ledger, MockChangeRepo, MockChangeSignals, Write};
use domain::id::UserId;
use domain::page::Page;
use domain::principal::Via;
use domain::runtime::{ManualClock, MockIdGenerator};
use domain::storage::StorageError;
use domain::system::MockSystemRepo;
use domain::task::{MockTaskRepo, Task};
use uuid::Uuid;

use super::*;

const RETENTION: RetentionSettings =
    RetentionSettings { change_retention: TimeDelta::days(90), trash_retention: TimeDelta::days(30) };

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(10_000)
}

fn user(n: u128) -> UserId {
    Uuid::from_u128(n).into()
}

/// The arguments of one commit.
type Commit = (Vec<Write>, Change);

/// An in-memory trash.
#[derive(Clone, Default)]
struct Trash {
    /// Number of old tasks per user.
    left: Arc<Mutex<Vec<(UserId, u128)>>>,
    committed: Arc<Mutex<Vec<Commit>>>,
}

impl Trash {
    fn of(users: impl IntoIterator<Item = (u128, u128)>) -> Self {
        let users = users.into_iter().map(|(n, tasks)| (user(n), tasks)).collect();
        Self { left: Arc::new(Mutex::new(users)), committed: Arc::default() }
    }

    /// The first `limit` users with old tasks, as [`SystemRepo::users_with_trash`] lists them.
    fn users(&self, limit: usize) -> Vec<UserId> {
        let left = self.left.lock().unwrap();
        left.iter().filter(|(_, tasks)| *tasks > 0).map(|(user, _)| *user).take(limit).collect()
    }

    fn tasks(&self, owner: UserId) -> Vec<Task> {
        let left = self.left.lock().unwrap().iter().find(|(user, _)| *user == owner).map_or(0, |(_, tasks)| *tasks);
        let deleted = now() - TimeDelta::days(40);
        let task =
            |n| Task::new(Uuid::from_u128(n).into(), owner, "a".parse().unwrap(), false, deleted).delete(deleted);
        (0..left).map(task).collect()
    }

    fn commit(&self, owner: UserId, writes: &[Write], change: &Change) {
        let mut left = self.left.lock().unwrap();
        if let Some((_, tasks)) = left.iter_mut().find(|(user, _)| *user == owner) {
            *tasks -= writes.len() as u128;
        }
        self.committed.lock().unwrap().push((writes.to_vec(), change.clone()));
    }
}

/// Upkeep over this trash, in which the commits of the users in `refused` fail.
fn upkeep(system: MockSystemRepo, trash: &Trash, refused: &'static [u128]) -> Upkeep {
    let mut tasks = MockTaskRepo::new();
    let stored = trash.clone();
    tasks.expect_list_trash().returning(move |owner, page| {
        assert_eq!(page.after.unwrap().deleted_at, now() - RETENTION.trash_retention);
        Ok(Page { items: stored.tasks(owner), next: None })
    });
    let mut repo = MockChangeRepo::new();
    let stored = trash.clone();
    repo.expect_commit().returning(move |owner, writes, change| {
        if refused.iter().any(|n| user(*n) == owner) {
            return Err(ChangeRepoError::Storage(StorageError::Unavailable("down".into())));
        }
        stored.commit(owner, writes, change);
        Ok(Vec::new())
    });
    let mut signals = MockChangeSignals::new();
    signals.expect_notify().return_const(());
    let mut ids = MockIdGenerator::new();
    ids.expect_next().returning(|| Uuid::from_u128(77));
    let (clock, ids): (Arc<dyn Clock>, Arc<dyn IdGenerator>) = (Arc::new(ManualClock::at(now())), Arc::new(ids));
    let ledger = Ledger { repo: Arc::new(repo), signals: Arc::new(signals), clock: clock.clone(), ids: ids.clone() };
    let tasks = TaskService::new(Arc::new(tasks), ledger);
    Upkeep { system: Arc::new(system), tasks, clock, ids, retention: RETENTION }
}

/// A system repository that lists the users of `trash`, two at a time.
fn system(trash: &Trash) -> MockSystemRepo {
    let mut system = MockSystemRepo::new();
    let stored = trash.clone();
    system.expect_users_with_trash().returning(move |until| {
        assert_eq!(until, now() - RETENTION.trash_retention);
        Ok(stored.users(2))
    });
    system
}

fn unavailable<T>() -> Result<T, StorageError> {
    Err(StorageError::Unavailable("down".into()))
}

#[tokio::test]
async fn a_run_prunes_old_ledger_entries_and_purges_all_old_trash() {
    let trash = Trash::of([(1, 3), (2, 1), (3, 2), (4, 1), (5, 1)]);
    let mut system = system(&trash);
    system.expect_fail_expired_turns().times(1).withf(|at| *at == now()).returning(|_| Ok(1));
    system.expect_delete_expired().times(1).withf(|at| *at == now()).returning(|_| Ok(1));
    let until = now() - RETENTION.change_retention;
    system.expect_delete_changes().times(1).withf(move |at| *at == until).returning(|_| Ok(1));
    upkeep(system, &trash, &[]).run().await;
    assert_eq!(trash.users(5), []);
    let committed = trash.committed.lock().unwrap();
    assert_eq!(committed.len(), 5);
    for (writes, change) in committed.iter() {
        assert!(writes.iter().all(|write| write.action() == domain::change::Action::Purged));
        assert_eq!((change.actor.via, change.call, change.at), (Via::System, None, now()));
        assert_eq!(change.request_id, RequestId::from(Uuid::from_u128(77)));
    }
}

#[tokio::test]
async fn a_failed_step_does_not_prevent_the_others() {
    let trash = Trash::of([(1, 1)]);
    let mut system = system(&trash);
    system.expect_fail_expired_turns().times(1).returning(|_| unavailable());
    system.expect_delete_expired().times(1).returning(|_| unavailable());
    system.expect_delete_changes().times(1).returning(|_| unavailable());
    upkeep(system, &trash, &[]).run().await;
    assert_eq!(trash.users(5), []);
}

#[tokio::test]
async fn a_trash_that_cannot_be_emptied_does_not_prevent_the_others() {
    let trash = Trash::of([(1, 1), (2, 1), (3, 1), (4, 1)]);
    let upkeep = upkeep(system(&trash), &trash, &[2]);
    assert_eq!(upkeep.empty_trash(now() - RETENTION.trash_retention).await, 3);
    assert_eq!(trash.users(5), [user(2)]);
}

#[tokio::test]
async fn a_failure_to_list_users_ends_the_step() {
    let trash = Trash::of([(1, 1)]);
    let mut system = MockSystemRepo::new();
    system.expect_users_with_trash().times(1).returning(|_| unavailable());
    assert_eq!(upkeep(system, &trash, &[]).empty_trash(now() - RETENTION.trash_retention).await, 0);
}

#[tokio::test(start_paused = true)]
async fn upkeep_runs_at_once_and_every_minute() {
    let trash = Trash::default();
    let mut system = system(&trash);
    system.expect_fail_expired_turns().times(3).returning(|_| Ok(0));
    system.expect_delete_expired().times(3).returning(|_| Ok(0));
    system.expect_delete_changes().times(3).returning(|_| Ok(0));
    let running = tokio::spawn(upkeep(system, &trash, &[]).run_periodically());
    tokio::time::sleep(INTERVAL * 2 + INTERVAL / 2).await;
    running.abort();
    // Expectations of mocks are verified when they are dropped.
    running.await.unwrap_err();
}
