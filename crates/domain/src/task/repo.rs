//! Storage of tasks.

use async_trait::async_trait;

use super::{NewTask, Task, TaskChange, TaskCounts, TaskCursor, TaskEffect, TaskFilter, TaskPatch, Version};
use crate::change::{Change, EffectId};
use crate::id::{TaskId, UserId};
use crate::page::{Page, PageRequest};
use crate::storage::StorageError;

/// Why tasks cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum TaskRepoError {
    /// The owner has no such task.
    #[error("no such task")]
    NotFound,
    /// The task is there, at another version than the expected one.
    #[error("the task has changed meanwhile")]
    Stale,
    /// The turn that the change belongs to does not run any more, or another try at it does; nothing was changed.
    #[error("the turn has ended")]
    TurnEnded,
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Stores tasks. Every call is scoped to one owner; a row of another owner does not exist for it.
///
/// A write that names an `expected` version MUST change nothing and return [`TaskRepoError::Stale`] if the row is at
/// another one. A write MUST happen entirely or not at all, and MUST be durable when it returns.
///
/// An effect ([`Change::call`]) happens once: a write whose effect has happened MUST change nothing and return what that
/// write returned. The effect is on record together with what it did, or neither is. A write with an effect whose
/// attempt ([`Change::turn`]) is not the running one MUST change nothing and return [`TaskRepoError::TurnEnded`], unless
/// the effect has happened.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait TaskRepo: Send + Sync {
    /// Creates a task at [`Version::FIRST`], created and changed at `change.at`.
    async fn create(&self, owner: UserId, task: NewTask, change: &Change) -> Result<Task, TaskRepoError>;

    /// MUST return [`TaskRepoError::NotFound`] when `owner` has no such task.
    async fn get(&self, owner: UserId, id: TaskId) -> Result<Task, TaskRepoError>;

    /// Those of `ids` that `owner` has, in any order; what is not there is left out.
    async fn get_many(&self, owner: UserId, ids: &[TaskId]) -> Result<Vec<Task>, TaskRepoError>;

    /// A page of the owner's tasks, newest first.
    async fn list(
        &self,
        owner: UserId,
        filter: &TaskFilter,
        page: PageRequest<TaskCursor>,
    ) -> Result<Page<Task, TaskCursor>, TaskRepoError>;

    /// How many tasks the owner has.
    async fn counts(&self, owner: UserId) -> Result<TaskCounts, TaskRepoError>;

    /// Changes a task. A patch that changes nothing MUST leave version and times as they are. `completed_at` MUST
    /// become `change.at` when the task becomes done, and stay when it already was.
    async fn update(
        &self,
        owner: UserId,
        id: TaskId,
        patch: TaskPatch,
        expected: Option<Version>,
        change: &Change,
    ) -> Result<TaskChange, TaskRepoError>;

    /// Makes a pending task done, and a done one pending.
    async fn toggle(
        &self,
        owner: UserId,
        id: TaskId,
        expected: Option<Version>,
        change: &Change,
    ) -> Result<TaskChange, TaskRepoError>;

    /// Deletes a task and returns it as it was.
    async fn delete(
        &self,
        owner: UserId,
        id: TaskId,
        expected: Option<Version>,
        change: &Change,
    ) -> Result<Task, TaskRepoError>;

    /// Deletes those of `tasks` that are there at these versions, all in one, and returns them as they were, in any
    /// order. If the change has an effect, the one of the task at place n of `tasks` is that with n added to its index.
    async fn delete_many(
        &self,
        owner: UserId,
        tasks: &[(TaskId, Version)],
        change: &Change,
    ) -> Result<Vec<Task>, TaskRepoError>;

    /// What an effect did; `None` if it has not happened.
    async fn effect(&self, owner: UserId, effect: EffectId) -> Result<Option<TaskEffect>, TaskRepoError>;
}
