//! What can be done with tasks.

use std::sync::Arc;

use super::{NewTask, Task, TaskChange, TaskCursor, TaskFilter, TaskPatch, TaskRepo, TaskRepoError, Title, Version};
use crate::change::{Change, RequestId};
use crate::id::TaskId;
use crate::page::{Page, PageRequest};
use crate::principal::{InsufficientScope, Principal, Scope};
use crate::runtime::{Clock, IdGenerator};

/// Why something cannot be done with a task.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// The caller may not do this.
    #[error(transparent)]
    InsufficientScope(#[from] InsufficientScope),
    /// Storage refused or failed.
    #[error(transparent)]
    Repo(#[from] TaskRepoError),
}

/// Creates, lists, changes and deletes the tasks of whoever acts.
#[derive(Clone)]
pub struct TaskService {
    tasks: Arc<dyn TaskRepo>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdGenerator>,
}

impl TaskService {
    /// A service over these ports.
    pub fn new(tasks: Arc<dyn TaskRepo>, clock: Arc<dyn Clock>, ids: Arc<dyn IdGenerator>) -> Self {
        Self { tasks, clock, ids }
    }

    /// Creates a task.
    ///
    /// # Errors
    /// [`TaskError`] without the scope `tasks:write`, or if storage fails.
    pub async fn create(
        &self,
        who: &Principal,
        request: &RequestId,
        title: Title,
        completed: bool,
    ) -> Result<Task, TaskError> {
        who.require(Scope::TasksWrite)?;
        let task = NewTask { id: self.ids.next().into(), title, completed };
        Ok(self.tasks.create(who.user, task, &self.change(who, request)).await?)
    }

    /// One task.
    ///
    /// # Errors
    /// [`TaskError`] without the scope `tasks:read`, if the caller has no such task, or if storage fails.
    pub async fn get(&self, who: &Principal, id: TaskId) -> Result<Task, TaskError> {
        who.require(Scope::TasksRead)?;
        Ok(self.tasks.get(who.user, id).await?)
    }

    /// A page of tasks, newest first.
    ///
    /// # Errors
    /// [`TaskError`] without the scope `tasks:read`, or if storage fails.
    pub async fn list(
        &self,
        who: &Principal,
        filter: &TaskFilter,
        page: PageRequest<TaskCursor>,
    ) -> Result<Page<Task, TaskCursor>, TaskError> {
        who.require(Scope::TasksRead)?;
        Ok(self.tasks.list(who.user, filter, page).await?)
    }

    /// Changes a task, if it is still at the `expected` version.
    ///
    /// # Errors
    /// [`TaskError`] without the scope `tasks:write`, if the caller has no such task, if it is at another version, or
    /// if storage fails.
    pub async fn update(
        &self,
        who: &Principal,
        request: &RequestId,
        id: TaskId,
        patch: TaskPatch,
        expected: Option<Version>,
    ) -> Result<TaskChange, TaskError> {
        who.require(Scope::TasksWrite)?;
        Ok(self.tasks.update(who.user, id, patch, expected, &self.change(who, request)).await?)
    }

    /// Makes a pending task done and a done one pending, if it is still at the `expected` version.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub async fn toggle(
        &self,
        who: &Principal,
        request: &RequestId,
        id: TaskId,
        expected: Option<Version>,
    ) -> Result<TaskChange, TaskError> {
        who.require(Scope::TasksWrite)?;
        Ok(self.tasks.toggle(who.user, id, expected, &self.change(who, request)).await?)
    }

    /// Deletes a task, if it is still at the `expected` version.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub async fn delete(
        &self,
        who: &Principal,
        request: &RequestId,
        id: TaskId,
        expected: Option<Version>,
    ) -> Result<Task, TaskError> {
        who.require(Scope::TasksWrite)?;
        Ok(self.tasks.delete(who.user, id, expected, &self.change(who, request)).await?)
    }

    fn change(&self, who: &Principal, request: &RequestId) -> Change {
        Change { actor: who.clone(), turn: None, call: None, request_id: request.clone(), at: self.clock.now() }
    }
}
