//! Reads of tasks. They are written by [`ChangeRepo::commit`](crate::change::ChangeRepo::commit) alone.

use async_trait::async_trait;

use super::{Task, TaskCounts, TaskCursor, TaskFilter, TrashCursor};
use crate::id::{TaskId, UserId};
use crate::page::{Page, PageRequest};
use crate::storage::StorageError;

/// Why tasks cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TaskRepoError {
    /// The owner has no such task.
    #[error("no such task")]
    NotFound,
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Reads tasks. Every call is scoped to one owner; a row of another owner does not exist for it. A task in the trash does
/// not exist for a call either, unless it says so.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait TaskRepo: Send + Sync {
    /// MUST return [`TaskRepoError::NotFound`] when `owner` has no such task.
    async fn get(&self, owner: UserId, id: TaskId) -> Result<Task, TaskRepoError>;

    /// Returns those of `ids` that `owner` has, in the trash or not, in any order.
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

    /// Returns how many tasks the owner has.
    async fn counts(&self, owner: UserId) -> Result<TaskCounts, TaskRepoError>;
}
