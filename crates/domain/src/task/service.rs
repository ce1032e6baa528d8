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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::principal::{Scopes, Via};
    use crate::runtime::{MockClock, MockIdGenerator};
    use crate::task::MockTaskRepo;

    fn at() -> chrono::DateTime<chrono::Utc> {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    fn service(tasks: MockTaskRepo) -> TaskService {
        let mut clock = MockClock::new();
        clock.expect_now().returning(at);
        let mut ids = MockIdGenerator::new();
        ids.expect_next().returning(|| Uuid::from_u128(42));
        TaskService::new(Arc::new(tasks), Arc::new(clock), Arc::new(ids))
    }

    fn who(scopes: Scopes) -> Principal {
        Principal { user: Uuid::from_u128(7).into(), session: None, via: Via::Http, scopes }
    }

    #[tokio::test]
    async fn a_task_is_created_for_whoever_acts_and_the_change_says_why() {
        let mut tasks = MockTaskRepo::new();
        let actor = who(Scopes::all());
        let expected = Change { actor, turn: None, call: None, request_id: "r1".parse().unwrap(), at: at() };
        tasks
            .expect_create()
            .withf(move |owner, new, change| {
                *owner == expected.actor.user && new.id.as_uuid() == Uuid::from_u128(42) && *change == expected
            })
            .times(1)
            .returning(|user_id, new, change| {
                Ok(Task {
                    id: new.id,
                    user_id,
                    title: new.title,
                    completed_at: None,
                    version: Version::FIRST,
                    created_at: change.at,
                    updated_at: change.at,
                })
            });
        let request = "r1".parse().unwrap();
        let task = service(tasks).create(&who(Scopes::all()), &request, "Milk".parse().unwrap(), false).await.unwrap();
        assert_eq!(task.title.as_str(), "Milk");
    }

    #[tokio::test]
    async fn without_the_scope_storage_is_not_asked() {
        let service = service(MockTaskRepo::new());
        let (reader, writer) =
            (who([Scope::TasksRead].into_iter().collect()), who([Scope::TasksWrite].into_iter().collect()));
        let (request, id): (RequestId, TaskId) = ("r".parse().unwrap(), Uuid::from_u128(1).into());
        let refused = |error: TaskError| assert!(matches!(error, TaskError::InsufficientScope(_)), "{error:?}");
        refused(service.create(&reader, &request, "a".parse().unwrap(), false).await.unwrap_err());
        refused(service.update(&reader, &request, id, TaskPatch::default(), None).await.unwrap_err());
        refused(service.toggle(&reader, &request, id, None).await.unwrap_err());
        refused(service.delete(&reader, &request, id, None).await.unwrap_err());
        refused(service.get(&writer, id).await.unwrap_err());
    }
}
