//! Effects: writes that a chat turn's tool calls ask for, each of which happens once.
//!
//! The write comes first and its record second, in one transaction, so that the record holds what the write found. If
//! the record is there already, the transaction is undone and the record answers.

use chrono::{DateTime, Utc};
use domain::change::EffectId;
use domain::id::{TaskId, UserId};
use domain::storage::StorageError;
use domain::task::{Task, TaskChange, TaskEffect, Version};
use sea_orm::prelude::Json;
use sea_orm::sea_query::{InsertStatement, OnConflict, Query, SelectStatement};
use sea_orm::{ColumnTrait as _, Condition, ConnectionTrait, QueryResult, StatementBuilder};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::statements::delete_many;
use crate::Database;
use crate::entity::Timestamp;
use crate::entity::effect::{Column, Entity};
use crate::error::{corrupt, storage};
use crate::json::{from_json, to_json};

/// Why what is on record does not answer a write.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error("the effect is on record as another kind of write")]
    OtherKind,
    #[error("the effect's turn is gone, or another user's")]
    NoTurn,
}

/// A task's row in a record. It is a form of its own, so that records outlive changes of the domain's type.
#[derive(Serialize, Deserialize)]
struct Row {
    id: Uuid,
    title: String,
    /// This time and the others are in microseconds since 1970.
    completed_at: Option<i64>,
    version: u32,
    created_at: i64,
    updated_at: i64,
}

impl From<&Task> for Row {
    fn from(task: &Task) -> Self {
        Self {
            id: task.id.as_uuid(),
            title: task.title.as_str().to_owned(),
            completed_at: task.completed_at.map(|at| at.timestamp_micros()),
            version: task.version.get(),
            created_at: task.created_at.timestamp_micros(),
            updated_at: task.updated_at.timestamp_micros(),
        }
    }
}

impl Row {
    fn into_task(self, owner: UserId) -> Result<Task, StorageError> {
        Ok(Task {
            id: self.id.into(),
            user_id: owner,
            title: self.title.parse().map_err(corrupt)?,
            completed_at: self.completed_at.map(time).transpose()?,
            version: Version::new(self.version).ok_or("a task at version 0").map_err(corrupt)?,
            created_at: time(self.created_at)?,
            updated_at: time(self.updated_at)?,
        })
    }
}

fn time(microseconds: i64) -> Result<DateTime<Utc>, StorageError> {
    DateTime::from_timestamp_micros(microseconds).ok_or("a time out of range").map_err(corrupt)
}

/// Creates `task` by `insert` and puts that on record. Returns what was created, now or before.
pub(super) async fn create_once(
    database: &Database,
    owner: UserId,
    effect: EffectId,
    insert: &InsertStatement,
    task: Task,
    at: Timestamp,
) -> Result<Task, StorageError> {
    let transaction = database.begin().await?;
    // The record first, because the row is known: a task with this id may be there if this has happened.
    if record(&transaction, owner, effect, &[(0, created(&task))], at).await? {
        transaction.execute(insert).await.map_err(storage)?;
        transaction.commit().await.map_err(storage)?;
        return Ok(task);
    }
    transaction.rollback().await.map_err(storage)?;
    into_after(find(database, owner, effect).await?.ok_or(Unanswered::NoTurn).map_err(other)?)
}

/// Sends a write of one row, which `what` reads, and puts it on record. Returns what it did, now or before; `None` if
/// there is no such row and the effect has not happened.
pub(super) async fn once<S: StatementBuilder + Sync>(
    database: &Database,
    owner: UserId,
    effect: EffectId,
    write: &S,
    what: fn(&QueryResult) -> Result<TaskEffect, StorageError>,
    at: Timestamp,
) -> Result<Option<TaskEffect>, StorageError> {
    let transaction = database.begin().await?;
    let Some(row) = transaction.query_one(write).await.map_err(storage)? else {
        transaction.rollback().await.map_err(storage)?;
        return find(database, owner, effect).await;
    };
    let done = what(&row)?;
    if record(&transaction, owner, effect, &[(0, done.clone())], at).await? {
        transaction.commit().await.map_err(storage)?;
        return Ok(Some(done));
    }
    transaction.rollback().await.map_err(storage)?;
    let happened = find(database, owner, effect).await?;
    happened.ok_or(Unanswered::NoTurn).map_err(other).map(Some)
}

/// Sends a write that deletes those of `tasks` that are there, which `what` reads, and puts each deletion on record by
/// the task's place. Returns what was deleted, now or before.
pub(super) async fn delete_once(
    database: &Database,
    owner: UserId,
    effect: EffectId,
    tasks: &[(TaskId, Version)],
    what: fn(&QueryResult) -> Result<Task, StorageError>,
    at: Timestamp,
) -> Result<Vec<Task>, StorageError> {
    let transaction = database.begin().await?;
    let rows = transaction.query_all(&delete_many(owner, tasks)).await.map_err(storage)?;
    let gone = rows.iter().map(what).collect::<Result<Vec<_>, _>>()?;
    // What is missing may be missing because this has happened.
    let all = gone.len() == tasks.len();
    let happened = if all { Vec::new() } else { find_many(&transaction, owner, effect, tasks.len()).await? };
    if happened.is_empty() {
        let place = |task: &Task| tasks.iter().position(|(id, _)| *id == task.id).unwrap_or_default();
        let done: Vec<_> = gone.iter().map(|task| (place(task), deleted(task.clone()))).collect();
        if done.is_empty() || record(&transaction, owner, effect, &done, at).await? {
            transaction.commit().await.map_err(storage)?;
            return Ok(gone);
        }
    }
    transaction.rollback().await.map_err(storage)?;
    let happened = find_many(&database.reader().await?, owner, effect, tasks.len()).await?;
    if happened.is_empty() { Err(other(Unanswered::NoTurn)) } else { happened.into_iter().map(into_before).collect() }
}

/// What the effect did; `None` if it has not happened.
pub(super) async fn find(
    database: &Database,
    owner: UserId,
    effect: EffectId,
) -> Result<Option<TaskEffect>, StorageError> {
    let reader = database.reader().await?;
    let row = reader.query_one(&select(owner, effect, 1)).await.map_err(storage)?;
    row.map(|row| read(owner, &row)).transpose()
}

async fn find_many<C: ConnectionTrait>(
    db: &C,
    owner: UserId,
    first: EffectId,
    count: usize,
) -> Result<Vec<TaskEffect>, StorageError> {
    let rows = db.query_all(&select(owner, first, count)).await.map_err(storage)?;
    rows.iter().map(|row| read(owner, row)).collect()
}

/// Puts effects on record, each by the number that is added to the index of the first. Returns whether none of them was
/// on record before.
async fn record<C: ConnectionTrait>(
    db: &C,
    owner: UserId,
    first: EffectId,
    effects: &[(usize, TaskEffect)],
    at: Timestamp,
) -> Result<bool, StorageError> {
    let recorded = db.execute(&insert(owner, first, effects, at)?).await.map_err(storage)?;
    Ok(recorded.rows_affected() == effects.len() as u64)
}

fn insert(
    owner: UserId,
    first: EffectId,
    effects: &[(usize, TaskEffect)],
    at: Timestamp,
) -> Result<InsertStatement, StorageError> {
    let row = |task: &Option<Task>| task.as_ref().map(|task| to_json(&Row::from(task))).transpose();
    let mut insert = Query::insert();
    insert.into_table(Entity).columns([
        Column::UserId,
        Column::TurnId,
        Column::Round,
        Column::CallIndex,
        Column::TaskId,
        Column::Before,
        Column::After,
        Column::At,
    ]);
    for (place, effect) in effects {
        let Some(task) = effect.after.as_ref().or(effect.before.as_ref()) else { continue };
        insert.values_panic([
            owner.as_uuid().into(),
            first.turn.as_uuid().into(),
            i32::from(first.round).into(),
            index(first, *place)?.into(),
            task.id.as_uuid().into(),
            row(&effect.before)?.into(),
            row(&effect.after)?.into(),
            at.into(),
        ]);
    }
    let once = OnConflict::columns([Column::TurnId, Column::Round, Column::CallIndex]).do_nothing().to_owned();
    insert.on_conflict(once);
    Ok(insert)
}

fn index(first: EffectId, place: usize) -> Result<i32, StorageError> {
    Ok(i32::from(first.index).saturating_add(i32::try_from(place).map_err(corrupt)?))
}

/// The records of `count` effects from `first` on.
fn select(owner: UserId, first: EffectId, count: usize) -> SelectStatement {
    let from = i32::from(first.index);
    let until = from.saturating_add(i32::try_from(count).unwrap_or(i32::MAX));
    let these = Condition::all().add(Column::CallIndex.gte(from)).add(Column::CallIndex.lt(until));
    let mut select = Query::select();
    select
        .columns([Column::Before, Column::After])
        .from(Entity)
        .and_where(Column::UserId.eq(owner.as_uuid()))
        .and_where(Column::TurnId.eq(first.turn.as_uuid()))
        .and_where(Column::Round.eq(i32::from(first.round)))
        .cond_where(these);
    select
}

fn read(owner: UserId, row: &QueryResult) -> Result<TaskEffect, StorageError> {
    let task = |column| -> Result<Option<Task>, StorageError> {
        let json: Option<Json> = row.try_get_by_index(column).map_err(storage)?;
        json.map(|json| from_json::<Row>(json)?.into_task(owner)).transpose()
    };
    Ok(TaskEffect { before: task(0)?, after: task(1)? })
}

fn other(reason: Unanswered) -> StorageError {
    StorageError::Other(reason.into())
}

fn created(task: &Task) -> TaskEffect {
    TaskEffect { before: None, after: Some(task.clone()) }
}

pub(super) fn changed(change: TaskChange) -> TaskEffect {
    TaskEffect { before: Some(change.before), after: Some(change.after) }
}

pub(super) fn deleted(task: Task) -> TaskEffect {
    TaskEffect { before: Some(task), after: None }
}

/// What a creation returns.
fn into_after(effect: TaskEffect) -> Result<Task, StorageError> {
    match effect {
        TaskEffect { before: None, after: Some(task) } => Ok(task),
        _ => Err(other(Unanswered::OtherKind)),
    }
}

/// What a change returns.
pub(super) fn into_change(effect: TaskEffect) -> Result<TaskChange, StorageError> {
    match effect {
        TaskEffect { before: Some(before), after: Some(after) } => Ok(TaskChange { before, after }),
        _ => Err(other(Unanswered::OtherKind)),
    }
}

/// What a deletion returns.
pub(super) fn into_before(effect: TaskEffect) -> Result<Task, StorageError> {
    match effect {
        TaskEffect { before: Some(task), after: None } => Ok(task),
        _ => Err(other(Unanswered::OtherKind)),
    }
}
