//! Tasks.

mod effects;
mod statements;

use std::num::NonZeroU16;

use async_trait::async_trait;
use domain::change::{Change, EffectId};
use domain::id::{TaskId, UserId};
use domain::page::{Page, PageRequest};
use domain::storage::StorageError;
use domain::task::{
    NewTask, Task, TaskChange, TaskCounts, TaskCursor, TaskEffect, TaskFilter, TaskPatch, TaskRepo, TaskRepoError,
    Version,
};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DbErr, EntityTrait as _, FromQueryResult as _, QueryFilter as _,
    QueryOrder as _, QueryResult, QuerySelect as _, StatementBuilder,
};

use crate::Database;
use crate::entity::Timestamp;
use crate::entity::task::{Column, Entity, Model};
use crate::error::{corrupt, storage};
use effects::Call;

/// How many ids one statement takes: SQLite allows 32 766 parameters.
const IDS_PER_STATEMENT: usize = 10_000;

/// [`TaskRepo`] on SeaORM.
#[derive(Clone)]
pub struct SeaTaskRepo {
    database: Database,
}

impl SeaTaskRepo {
    /// Tasks in `database`.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Sends a statement that writes one row, which `what` reads. A write that is an effect happens once.
    async fn write<S: StatementBuilder + Sync>(
        &self,
        (owner, id, expected): (UserId, TaskId, Option<Version>),
        change: &Change,
        statement: &S,
        what: fn(&QueryResult) -> Result<TaskEffect, StorageError>,
    ) -> Result<TaskEffect, TaskRepoError> {
        let done = if let Some(call) = Call::of(owner, change) {
            effects::once(&self.database, call, statement, what).await?
        } else {
            let row = self.database.writer().await?.query_one(statement).await.map_err(storage)?;
            row.map(|row| what(&row)).transpose()?
        };
        if let Some(done) = done {
            return Ok(done);
        }
        // Why nothing was written matters only where a version was named.
        if expected.is_none() {
            return Err(TaskRepoError::NotFound);
        }
        let writer = self.database.writer().await?;
        let there = writer.query_one(&statements::exists(owner, id)).await.map_err(storage)?;
        Err(if there.is_some() { TaskRepoError::Stale } else { TaskRepoError::NotFound })
    }
}

#[async_trait]
impl TaskRepo for SeaTaskRepo {
    async fn create(&self, owner: UserId, task: NewTask, change: &Change) -> Result<Task, TaskRepoError> {
        let at = Timestamp::from(change.at);
        let insert = statements::insert(owner, &task, at);
        let task = Task {
            id: task.id,
            user_id: owner,
            title: task.title,
            completed_at: task.completed.then(|| at.into()),
            version: Version::FIRST,
            created_at: at.into(),
            updated_at: at.into(),
        };
        if let Some(call) = Call::of(owner, change) {
            return effects::create_once(&self.database, call, insert, task).await;
        }
        self.database.writer().await?.execute(&insert).await.map_err(storage)?;
        Ok(task)
    }

    async fn get(&self, owner: UserId, id: TaskId) -> Result<Task, TaskRepoError> {
        let reader = self.database.reader().await?;
        let select = Entity::find().filter(Column::UserId.eq(owner.as_uuid())).filter(Column::Id.eq(id.as_uuid()));
        let found = select.one(&reader).await.map_err(storage)?;
        Ok(Task::try_from(found.ok_or(TaskRepoError::NotFound)?)?)
    }

    async fn get_many(&self, owner: UserId, ids: &[TaskId]) -> Result<Vec<Task>, TaskRepoError> {
        let mut tasks = Vec::with_capacity(ids.len());
        for some in ids.chunks(IDS_PER_STATEMENT) {
            let reader = self.database.reader().await?;
            let these = Entity::find()
                .filter(Column::UserId.eq(owner.as_uuid()))
                .filter(Column::Id.is_in(some.iter().map(|id| id.as_uuid())));
            for row in these.all(&reader).await.map_err(storage)? {
                tasks.push(Task::try_from(row)?);
            }
        }
        Ok(tasks)
    }

    async fn list(
        &self,
        owner: UserId,
        filter: &TaskFilter,
        page: PageRequest<TaskCursor>,
    ) -> Result<Page<Task, TaskCursor>, TaskRepoError> {
        let PageRequest { limit, after } = page;
        let mut select = Entity::find()
            .filter(Column::UserId.eq(owner.as_uuid()))
            .filter(statements::matches(filter))
            .order_by_desc(Column::Id)
            .limit(surplus(limit));
        if let Some(TaskCursor(last)) = after {
            select = select.filter(Column::Id.lt(last.as_uuid()));
        }
        let reader = self.database.reader().await?;
        let rows = select.all(&reader).await.map_err(storage)?;
        let tasks = rows.into_iter().map(Task::try_from).collect::<Result<_, _>>()?;
        Ok(Page::from_surplus(tasks, limit, |last: &Task| TaskCursor(last.id)))
    }

    async fn counts(&self, owner: UserId) -> Result<TaskCounts, TaskRepoError> {
        let reader = self.database.reader().await?;
        let row = reader.query_one(&statements::counts(owner)).await.map_err(storage)?;
        let (all, completed) = row.map_or(Ok((0, 0)), |row| counts(&row)).map_err(storage)?;
        let completed = u64::try_from(completed).map_err(corrupt)?;
        Ok(TaskCounts { pending: u64::try_from(all).map_err(corrupt)?.saturating_sub(completed), completed })
    }

    async fn update(
        &self,
        owner: UserId,
        id: TaskId,
        patch: TaskPatch,
        expected: Option<Version>,
        change: &Change,
    ) -> Result<TaskChange, TaskRepoError> {
        let row = (owner, id, expected);
        let update = statements::update(owner, id, &patch, expected, change.at.into());
        // An effect is put on record even if it changes nothing.
        let update = update.or_else(|| change.call.map(|_| statements::keep(owner, id, expected)));
        if let Some(update) = update {
            return Ok(effects::into_change(self.write(row, change, &update, changed).await?)?);
        }
        let task = self.get(owner, id).await?;
        if expected.is_some_and(|expected| expected != task.version) {
            return Err(TaskRepoError::Stale);
        }
        Ok(TaskChange { before: task.clone(), after: task })
    }

    async fn toggle(
        &self,
        owner: UserId,
        id: TaskId,
        expected: Option<Version>,
        change: &Change,
    ) -> Result<TaskChange, TaskRepoError> {
        let toggle = statements::toggle(owner, id, expected, change.at.into());
        Ok(effects::into_change(self.write((owner, id, expected), change, &toggle, changed).await?)?)
    }

    async fn delete(
        &self,
        owner: UserId,
        id: TaskId,
        expected: Option<Version>,
        change: &Change,
    ) -> Result<Task, TaskRepoError> {
        let delete = statements::delete(owner, id, expected);
        Ok(effects::into_before(self.write((owner, id, expected), change, &delete, deleted).await?)?)
    }

    async fn delete_many(
        &self,
        owner: UserId,
        tasks: &[(TaskId, Version)],
        change: &Change,
    ) -> Result<Vec<Task>, TaskRepoError> {
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(call) = Call::of(owner, change) {
            return effects::delete_once(&self.database, call, tasks, task).await;
        }
        let writer = self.database.writer().await?;
        let rows = writer.query_all(&statements::delete_many(owner, tasks)).await.map_err(storage)?;
        Ok(rows.iter().map(task).collect::<Result<_, _>>()?)
    }

    async fn effect(&self, owner: UserId, effect: EffectId) -> Result<Option<TaskEffect>, TaskRepoError> {
        Ok(effects::find(&self.database, owner, effect).await?)
    }
}

/// One row more than a page shows tells whether there is a next page.
fn surplus(limit: NonZeroU16) -> u64 {
    u64::from(limit.get()) + 1
}

fn task(row: &QueryResult) -> Result<Task, StorageError> {
    Model::from_query_result(row, "").map_err(storage)?.try_into()
}

/// What an UPDATE did that returned this row.
fn changed(row: &QueryResult) -> Result<TaskEffect, StorageError> {
    Ok(effects::changed(Model::from_query_result(row, "").map_err(storage)?.into_change()?))
}

/// What a DELETE did that returned this row.
fn deleted(row: &QueryResult) -> Result<TaskEffect, StorageError> {
    Ok(effects::deleted(task(row)?))
}

fn counts(row: &QueryResult) -> Result<(i64, i64), DbErr> {
    Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))
}

/// An UPDATE sets what it found beside what it made of it; a row without that was not updated.
#[derive(Debug, thiserror::Error)]
#[error("the updated row does not say what it was before")]
struct NoPrevious;

impl Model {
    /// The row as its last UPDATE found it and left it.
    fn into_change(self) -> Result<TaskChange, StorageError> {
        let previous_title = self.previous_title.as_ref().ok_or(NoPrevious).map_err(corrupt)?;
        let previous_completed_at = self.previous_completed_at.map(Into::into);
        let previous_updated_at = self.previous_updated_at.ok_or(NoPrevious).map_err(corrupt)?;
        let title = previous_title.parse().map_err(corrupt)?;
        let after = Task::try_from(self)?;
        // An UPDATE counts up if it changes the title or the completion, and only then.
        let changed = after.title != title || after.completed_at != previous_completed_at;
        let version = if changed { Version::new(after.version.get() - 1) } else { Some(after.version) };
        let before = Task {
            title,
            completed_at: previous_completed_at,
            version: version.ok_or(NoPrevious).map_err(corrupt)?,
            updated_at: previous_updated_at.into(),
            ..after.clone()
        };
        Ok(TaskChange { before, after })
    }
}

impl TryFrom<Model> for Task {
    type Error = StorageError;
    fn try_from(row: Model) -> Result<Self, StorageError> {
        let version = u32::try_from(row.version).map_err(corrupt)?;
        Ok(Self {
            id: row.id.into(),
            user_id: row.user_id.into(),
            title: row.title.parse().map_err(corrupt)?,
            completed_at: row.completed_at.map(Into::into),
            version: Version::new(version).ok_or("a task at version 0").map_err(corrupt)?,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        })
    }
}
