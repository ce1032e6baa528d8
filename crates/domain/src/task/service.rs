//! The use cases of tasks.

use std::num::NonZeroU16;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{
    Task, TaskCounts, TaskCursor, TaskFilter, TaskPatch, TaskRepo, TaskRepoError, Title, TrashCursor, Version,
};
use crate::change::{
    ChangeRepoError, EntityId, Entry, EntrySelector, IdempotencyError, KeyedAnswer, Ledger, MAX_ATTEMPTS, Origin, Row,
    Seq, Write,
};
use crate::id::{TaskId, UserId};
use crate::page::{Page, PageRequest};
use crate::principal::{InsufficientScope, Principal, Scope};
use crate::storage::StorageError;

/// Maximum number of tasks that are purged in one transaction.
const PURGE_BATCH_SIZE: NonZeroU16 = NonZeroU16::new(500).unwrap();

/// Number of changes of a task that are searched for an earlier version.
const SEARCH_LIMIT: NonZeroU16 = NonZeroU16::new(1000).unwrap();

/// Errors of [`TaskService`].
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// The caller lacks a scope.
    #[error(transparent)]
    InsufficientScope(#[from] InsufficientScope),
    /// The caller has no such task.
    #[error("no such task")]
    NotFound,
    /// The task is not at the expected version.
    #[error("the task has changed")]
    Stale,
    /// Concurrent changes exhausted the retries.
    #[error("the task kept changing")]
    Contention,
    /// The turn's attempt that requested the change is not running any more; nothing was changed.
    #[error("the turn has ended")]
    LeaseLost,
    /// The same request was answered with a task that was purged since.
    #[error("the task was purged")]
    Purged,
    /// The request has an idempotency key, for which it cannot be answered.
    #[error(transparent)]
    Idempotency(#[from] IdempotencyError),
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<TaskRepoError> for TaskError {
    fn from(error: TaskRepoError) -> Self {
        match error {
            TaskRepoError::NotFound => Self::NotFound,
            TaskRepoError::Storage(error) => Self::Storage(error),
        }
    }
}

impl From<ChangeRepoError> for TaskError {
    fn from(error: ChangeRepoError) -> Self {
        match error {
            ChangeRepoError::NotFound => Self::NotFound,
            ChangeRepoError::Stale => Self::Stale,
            ChangeRepoError::LeaseLost => Self::LeaseLost,
            ChangeRepoError::KeyUsed => IdempotencyError::InProgress.into(),
            ChangeRepoError::Storage(error) => Self::Storage(error),
        }
    }
}

/// A task before and after a change. Without an entry, nothing was changed, or the request was answered before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskChange {
    /// `None` if the task was created, or if the request was answered before.
    pub before: Option<Task>,
    /// The current task, or the one of the earlier answer.
    pub after: Task,
    /// The entry in the ledger.
    pub entry: Option<Entry>,
}

/// Creates, lists, changes and deletes the tasks of the acting user. Every change is recorded in the ledger.
#[derive(Clone)]
pub struct TaskService {
    tasks: Arc<dyn TaskRepo>,
    ledger: Ledger,
}

impl TaskService {
    /// Creates the service.
    pub fn new(tasks: Arc<dyn TaskRepo>, ledger: Ledger) -> Self {
        Self { tasks, ledger }
    }

    /// Creates a task. A request with an idempotency key is processed once.
    ///
    /// # Errors
    /// [`TaskError`] without the scope `tasks:write`, if the task of an earlier identical request was purged, or if storage
    /// fails.
    pub async fn create(&self, origin: &Origin, title: Title, completed: bool) -> Result<TaskChange, TaskError> {
        origin.principal.require(Scope::TasksWrite)?;
        let run = async {
            let now = self.ledger.clock.now();
            let task = Task::new(self.ledger.ids.next().into(), origin.principal.user, title, completed, now);
            let write = Write::create(task.clone());
            let entries = self.ledger.commit_answered(origin, &[write], now, |_| answered_with(&task)).await?;
            Ok(committed(None, task, entries))
        };
        self.once(origin, run).await
    }

    /// Returns one task.
    ///
    /// # Errors
    /// [`TaskError`] without the scope `tasks:read`, if the caller has no such task, or if storage fails.
    pub async fn get(&self, principal: &Principal, id: TaskId) -> Result<Task, TaskError> {
        principal.require(Scope::TasksRead)?;
        Ok(self.tasks.get(principal.user, id).await?)
    }

    /// Returns a page of tasks, newest first.
    ///
    /// # Errors
    /// [`TaskError`] without the scope `tasks:read`, or if storage fails.
    pub async fn list(
        &self,
        principal: &Principal,
        filter: &TaskFilter,
        page: PageRequest<TaskCursor>,
    ) -> Result<Page<Task, TaskCursor>, TaskError> {
        principal.require(Scope::TasksRead)?;
        Ok(self.tasks.list(principal.user, filter, page).await?)
    }

    /// Returns the numbers of tasks.
    ///
    /// # Errors
    /// [`TaskError`] without the scope `tasks:read`, or if storage fails.
    pub async fn counts(&self, principal: &Principal) -> Result<TaskCounts, TaskError> {
        principal.require(Scope::TasksRead)?;
        Ok(self.tasks.counts(principal.user).await?)
    }

    /// Returns a page of the trash, last deleted first.
    ///
    /// # Errors
    /// [`TaskError`] without the scope `tasks:read`, or if storage fails.
    pub async fn list_trash(
        &self,
        principal: &Principal,
        page: PageRequest<TrashCursor>,
    ) -> Result<Page<Task, TrashCursor>, TaskError> {
        principal.require(Scope::TasksRead)?;
        Ok(self.tasks.list_trash(principal.user, page).await?)
    }

    /// Changes a task, if it is still at the `expected` version.
    ///
    /// # Errors
    /// [`TaskError`] without the scope `tasks:write`, if the caller has no such task, if it is at another version, if it
    /// keeps changing, or if storage fails.
    pub async fn update(
        &self,
        origin: &Origin,
        id: TaskId,
        patch: &TaskPatch,
        expected: Option<Version>,
    ) -> Result<TaskChange, TaskError> {
        self.change(origin, id, expected, |task, now| task.apply(patch, now)).await
    }

    /// Completes a pending task or reopens a completed one, if it is still at the `expected` version.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub async fn toggle(
        &self,
        origin: &Origin,
        id: TaskId,
        expected: Option<Version>,
    ) -> Result<TaskChange, TaskError> {
        self.change(origin, id, expected, Task::toggle).await
    }

    /// Moves a task to the trash, if it is still at the `expected` version.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub async fn delete(
        &self,
        origin: &Origin,
        id: TaskId,
        expected: Option<Version>,
    ) -> Result<TaskChange, TaskError> {
        self.change(origin, id, expected, Task::delete).await
    }

    async fn change(
        &self,
        origin: &Origin,
        id: TaskId,
        expected: Option<Version>,
        rule: impl Fn(&Task, DateTime<Utc>) -> Task + Send + Sync,
    ) -> Result<TaskChange, TaskError> {
        let owner = origin.principal.user;
        self.write(origin, expected, rule, || async { Ok(self.tasks.get(owner, id).await?) }).await
    }

    /// Restores a task from the trash. A task that is not in the trash stays unchanged. A request with an idempotency key is
    /// processed once.
    ///
    /// # Errors
    /// As [`update`](Self::update), without a version, and if the task of an earlier identical request was purged.
    pub async fn restore(&self, origin: &Origin, id: TaskId) -> Result<TaskChange, TaskError> {
        let owner = origin.principal.user;
        origin.principal.require(Scope::TasksWrite)?;
        self.once(origin, self.write(origin, None, Task::restore, || self.get_with_trash(owner, id))).await
    }

    /// Runs a request that has not been answered; otherwise returns the task as it was in the answer.
    async fn once(
        &self,
        origin: &Origin,
        run: impl Future<Output = Result<TaskChange, TaskError>> + Send,
    ) -> Result<TaskChange, TaskError> {
        let owner = origin.principal.user;
        self.ledger.once(owner, origin.idempotency.as_ref(), run, |answer| self.replay(owner, answer)).await
    }

    async fn replay(&self, owner: UserId, answer: KeyedAnswer) -> Result<TaskChange, TaskError> {
        let KeyedAnswer::Task { id, version } = answer else { return Err(KeyedAnswer::corrupt().into()) };
        let current = self.tasks.get_many(owner, &[id]).await?.pop();
        let after = match current.filter(|task| task.version == version) {
            Some(task) => task,
            None => self.find_version(owner, id, version).await?,
        };
        Ok(TaskChange { before: None, after, entry: None })
    }

    /// Returns an earlier version of a task from the ledger.
    async fn find_version(&self, owner: UserId, id: TaskId, version: Version) -> Result<Task, TaskError> {
        let selector = EntrySelector::Rows { rows: vec![EntityId::Task(id)], after: Seq(0), limit: SEARCH_LIMIT };
        let entries = self.ledger.repo.find(owner, &selector).await?;
        let rows = entries.into_iter().flat_map(|entry| [entry.before, entry.after]).flatten();
        let mut tasks = rows.map(|Row::Task(task)| task);
        tasks.find(|task| task.version == version).ok_or(TaskError::Purged)
    }

    /// Reads a task, applies a rule and commits the result; repeats that if the task was changed concurrently.
    async fn write<R: Future<Output = Result<Task, TaskError>> + Send>(
        &self,
        origin: &Origin,
        expected: Option<Version>,
        rule: impl Fn(&Task, DateTime<Utc>) -> Task + Send + Sync,
        read: impl Fn() -> R + Send + Sync,
    ) -> Result<TaskChange, TaskError> {
        origin.principal.require(Scope::TasksWrite)?;
        for _ in 0..MAX_ATTEMPTS {
            let before = read().await?;
            if expected.is_some_and(|expected| expected != before.version) {
                return Err(TaskError::Stale);
            }
            let now = self.ledger.clock.now();
            let after = rule(&before, now);
            if after == before {
                let owner = origin.principal.user;
                self.ledger.store_answer(owner, origin.idempotency.as_ref(), answered_with(&after), now).await?;
                return Ok(TaskChange { before: Some(before), after, entry: None });
            }
            let write = Write::replace(before.clone(), after.clone());
            match self.ledger.commit_answered(origin, &[write], now, |_| answered_with(&after)).await {
                Ok(entries) => return Ok(committed(Some(before), after, entries)),
                // The task was changed or deleted concurrently: read it again.
                Err(ChangeRepoError::Stale) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(TaskError::Contention)
    }

    /// Permanently removes a task from the trash.
    ///
    /// # Errors
    /// [`TaskError`] without the scope `tasks:write`, if the trash has no such task, or if storage fails.
    pub async fn purge(&self, origin: &Origin, id: TaskId) -> Result<(), TaskError> {
        origin.principal.require(Scope::TasksWrite)?;
        for _ in 0..MAX_ATTEMPTS {
            let task = self.get_with_trash(origin.principal.user, id).await?;
            if task.deleted_at.is_none() {
                return Err(TaskError::NotFound);
            }
            match self.ledger.commit(origin, &[Write::purge(task)], self.ledger.clock.now()).await {
                Err(ChangeRepoError::Stale) => {}
                done => return done.map(|_| ()).map_err(TaskError::from),
            }
        }
        Err(TaskError::Contention)
    }

    /// Permanently removes the tasks that were moved to the trash, and last changed, at `until` or before. Returns their
    /// number. A task that an undo moved back into the trash keeps its time of deletion, but was changed by the undo.
    ///
    /// # Errors
    /// [`TaskError`] without the scope `tasks:write`, or if storage fails. Tasks that are already removed stay removed.
    pub async fn empty_trash(&self, origin: &Origin, until: DateTime<Utc>) -> Result<u64, TaskError> {
        origin.principal.require(Scope::TasksWrite)?;
        let (mut purged, mut failures) = (0, 0);
        // The position before the newest task that was deleted at `until`.
        let mut after = TrashCursor { deleted_at: until, id: uuid::Uuid::max().into() };
        while failures < MAX_ATTEMPTS {
            let page = PageRequest { limit: PURGE_BATCH_SIZE, after: Some(after) };
            let Page { items: mut tasks, next } = self.tasks.list_trash(origin.principal.user, page).await?;
            tasks.retain(|task| task.updated_at <= until);
            if tasks.is_empty() {
                let Some(next) = next else { return Ok(purged) };
                after = next;
                continue;
            }
            let count = tasks.len() as u64;
            let writes: Vec<_> = tasks.into_iter().map(Write::purge).collect();
            match self.ledger.commit(origin, &writes, self.ledger.clock.now()).await {
                Ok(_) => purged += count,
                Err(ChangeRepoError::Stale) => failures += 1,
                Err(error) => return Err(error.into()),
            }
        }
        Err(TaskError::Contention)
    }

    async fn get_with_trash(&self, owner: UserId, id: TaskId) -> Result<Task, TaskError> {
        self.tasks.get_many(owner, &[id]).await?.pop().ok_or(TaskError::NotFound)
    }
}

fn answered_with(task: &Task) -> KeyedAnswer {
    KeyedAnswer::Task { id: task.id, version: task.version }
}

/// The committed change by its entry, which may be that of an earlier call with the same effect.
fn committed(before: Option<Task>, after: Task, mut entries: Vec<Entry>) -> TaskChange {
    let task = |row: &Option<Row>| row.as_ref().and_then(Row::as_task).cloned();
    match entries.pop() {
        Some(entry) if entry.after.is_some() => {
            TaskChange { before: task(&entry.before), after: task(&entry.after).unwrap_or(after), entry: Some(entry) }
        }
        entry => TaskChange { before, after, entry },
    }
}

#[cfg(test)]
mod tests;
