//! Reads of tasks. `change` writes them.

mod statements;

use async_trait::async_trait;
use domain::id::{TaskId, UserId};
use domain::page::{Page, PageRequest};
use domain::storage::StorageError;
use domain::task::{Task, TaskCounts, TaskCursor, TaskFilter, TaskRepo, TaskRepoError, TrashCursor, Version};
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _,
};
use uuid::Uuid;

use crate::database::{Database, Row, VALUES_PER_STATEMENT};
use crate::entity::Timestamp;
use crate::entity::task::{Column, Entity};
use crate::error::corrupt;

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
        let select = Entity::find().filter(statements::not_deleted(owner)).filter(Column::Id.eq(id.as_uuid()));
        let found = self.database.read(&select.into_query(), task).await?;
        found.into_iter().next().ok_or(TaskRepoError::NotFound)
    }

    async fn get_many(&self, owner: UserId, ids: &[TaskId]) -> Result<Vec<Task>, TaskRepoError> {
        let mut tasks = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(VALUES_PER_STATEMENT) {
            let select = Entity::find()
                .filter(Column::UserId.eq(owner.as_uuid()))
                .filter(Column::Id.is_in(chunk.iter().map(|id| id.as_uuid())));
            tasks.extend(self.database.read(&select.into_query(), task).await?);
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
        let tasks = self.database.read(&select.into_query(), task).await?;
        Ok(Page::from_surplus(tasks, limit, |last: &Task| TaskCursor(last.id)))
    }

    async fn list_trash(
        &self,
        owner: UserId,
        page: PageRequest<TrashCursor>,
    ) -> Result<Page<Task, TrashCursor>, TaskRepoError> {
        let PageRequest { limit, after } = page;
        let select = statements::trash(owner, after).limit(u64::from(limit.get()) + 1);
        let tasks = self.database.read(&select.into_query(), task).await?;
        // Every row in the trash has `deleted_at`.
        let cursor = |last: &Task| TrashCursor { deleted_at: last.deleted_at.unwrap_or(last.updated_at), id: last.id };
        Ok(Page::from_surplus(tasks, limit, cursor))
    }

    async fn counts(&self, owner: UserId) -> Result<TaskCounts, TaskRepoError> {
        let rows = self.database.read(&statements::counts(owner), |row| Ok((row.get(0)?, row.get(1)?))).await?;
        let (all, completed): (i64, i64) = rows.first().copied().unwrap_or_default();
        let completed = u64::try_from(completed).map_err(corrupt)?;
        Ok(TaskCounts { pending: u64::try_from(all).map_err(corrupt)?.saturating_sub(completed), completed })
    }
}

/// Reads a task, whose columns are in the order of the entity.
fn task(row: &Row<'_>) -> Result<Task, StorageError> {
    let version: i64 = row.get(Column::Version as usize)?;
    let version = u32::try_from(version).map_err(corrupt)?;
    let time = |column: Column| row.get::<Timestamp>(column as usize).map(Into::into);
    let optional_time = |column: Column| row.get::<Option<Timestamp>>(column as usize).map(|time| time.map(Into::into));
    Ok(Task {
        id: row.get::<Uuid>(Column::Id as usize)?.into(),
        user_id: row.get::<Uuid>(Column::UserId as usize)?.into(),
        title: row.get::<String>(Column::Title as usize)?.parse().map_err(corrupt)?,
        completed_at: optional_time(Column::CompletedAt)?,
        deleted_at: optional_time(Column::DeletedAt)?,
        version: Version::new(version).ok_or("task has version 0").map_err(corrupt)?,
        created_at: time(Column::CreatedAt)?,
        updated_at: time(Column::UpdatedAt)?,
    })
}
