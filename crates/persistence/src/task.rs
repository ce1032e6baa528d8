//! Reads of tasks. `change` writes them.

mod statements;

use async_trait::async_trait;
use domain::id::{TaskId, UserId};
use domain::page::{Page, PageRequest};
use domain::storage::StorageError;
use domain::task::{Task, TaskCounts, TaskCursor, TaskFilter, TaskRepo, TaskRepoError, TrashCursor, Version};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QueryResult,
    QuerySelect as _,
};

use crate::database::{Database, VALUES_PER_STATEMENT};
use crate::entity::task::{Column, Entity, Model};
use crate::error::{corrupt, storage};

/// [`TaskRepo`] on SeaORM.
#[derive(Clone)]
pub struct SeaTaskRepo {
    database: Database,
}

impl SeaTaskRepo {
    /// Creates the repository on `database`.
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl TaskRepo for SeaTaskRepo {
    async fn get(&self, owner: UserId, id: TaskId) -> Result<Task, TaskRepoError> {
        let reader = self.database.reader().await?;
        let select = Entity::find().filter(statements::not_deleted(owner)).filter(Column::Id.eq(id.as_uuid()));
        let found = select.one(&reader).await.map_err(storage)?;
        Ok(Task::try_from(found.ok_or(TaskRepoError::NotFound)?)?)
    }

    async fn get_many(&self, owner: UserId, ids: &[TaskId]) -> Result<Vec<Task>, TaskRepoError> {
        let mut tasks = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(VALUES_PER_STATEMENT) {
            let reader = self.database.reader().await?;
            let select = Entity::find()
                .filter(Column::UserId.eq(owner.as_uuid()))
                .filter(Column::Id.is_in(chunk.iter().map(|id| id.as_uuid())));
            for row in select.all(&reader).await.map_err(storage)? {
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
            .filter(statements::not_deleted(owner))
            .filter(statements::matches(filter))
            .order_by_desc(Column::Id)
            .limit(u64::from(limit.get()) + 1);
        if let Some(TaskCursor(last)) = after {
            select = select.filter(Column::Id.lt(last.as_uuid()));
        }
        let reader = self.database.reader().await?;
        let rows = select.all(&reader).await.map_err(storage)?;
        let tasks = rows.into_iter().map(Task::try_from).collect::<Result<_, _>>()?;
        Ok(Page::from_surplus(tasks, limit, |last: &Task| TaskCursor(last.id)))
    }

    async fn list_trash(
        &self,
        owner: UserId,
        page: PageRequest<TrashCursor>,
    ) -> Result<Page<Task, TrashCursor>, TaskRepoError> {
        let PageRequest { limit, after } = page;
        let select = statements::trash(owner, after).limit(u64::from(limit.get()) + 1);
        let reader = self.database.reader().await?;
        let rows = select.all(&reader).await.map_err(storage)?;
        let tasks = rows.into_iter().map(Task::try_from).collect::<Result<_, _>>()?;
        // Every row in the trash has `deleted_at`.
        let cursor = |last: &Task| TrashCursor { deleted_at: last.deleted_at.unwrap_or(last.updated_at), id: last.id };
        Ok(Page::from_surplus(tasks, limit, cursor))
    }

    async fn counts(&self, owner: UserId) -> Result<TaskCounts, TaskRepoError> {
        let reader = self.database.reader().await?;
        let row = reader.query_one(&statements::counts(owner)).await.map_err(storage)?;
        let (all, completed) = row.map_or(Ok((0, 0)), |row| counts(&row)).map_err(storage)?;
        let completed = u64::try_from(completed).map_err(corrupt)?;
        Ok(TaskCounts { pending: u64::try_from(all).map_err(corrupt)?.saturating_sub(completed), completed })
    }
}

fn counts(row: &QueryResult) -> Result<(i64, i64), DbErr> {
    Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))
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
            deleted_at: row.deleted_at.map(Into::into),
            version: Version::new(version).ok_or("task has version 0").map_err(corrupt)?,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        })
    }
}
