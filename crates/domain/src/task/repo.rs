//! Reads of tasks. Only [`ChangeRepo::commit`](crate::change::ChangeRepo::commit) writes them.

use async_trait::async_trait;

use super::{Task, TaskCounts, TaskCursor, TaskFilter, TrashCursor};
use crate::id::{TaskId, UserId};
use crate::page::{Page, PageRequest};
use crate::storage::StorageError;

/// Reasons why tasks cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TaskRepoError {
    /// The owner has no such task.
    #[error("no such task")]
    NotFound,
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Reads tasks. Every call is scoped to one owner; a row of another owner does not exist for it. Neither does
/// a task in the trash, unless the method says otherwise.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait TaskRepo: Send + Sync {
    /// Returns the task. MUST return [`TaskRepoError::NotFound`] when `owner` has no such task.
    async fn get(&self, owner: UserId, id: TaskId) -> Result<Task, TaskRepoError>;

    /// Returns those of `ids` that `owner` has, including the trash, in any order.
    async fn get_many(&self, owner: UserId, ids: &[TaskId]) -> Result<Vec<Task>, TaskRepoError>;

    /// Returns a page of the owner's tasks, newest first.
    async fn list(
        &self,
        owner: UserId,
        filter: &TaskFilter,
        page: PageRequest<TaskCursor>,
    ) -> Result<Page<Task, TaskCursor>, TaskRepoError>;

    /// Returns a page of the owner's trash, last deleted first.
    async fn list_trash(
        &self,
        owner: UserId,
        page: PageRequest<TrashCursor>,
    ) -> Result<Page<Task, TrashCursor>, TaskRepoError>;

    /// Returns the numbers of the owner's tasks.
    async fn counts(&self, owner: UserId) -> Result<TaskCounts, TaskRepoError>;
}
