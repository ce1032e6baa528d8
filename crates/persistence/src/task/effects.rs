//! Effects: writes that a chat turn's tool calls ask for, each of which happens once.
//!
//! The write comes first and its record second, in one transaction, so that the record holds what the write found. If
//! the record is there already, the transaction is undone and the record answers. If there is neither a record nor the
//! attempt at the turn that the call belongs to, the transaction is undone, too: whoever works on an earlier attempt, or
//! on a turn that has ended, changes nothing.

use chrono::{DateTime, Utc};
use domain::change::{Change, EffectId};
use domain::id::{TaskId, UserId};
use domain::storage::StorageError;
use domain::task::{Task, TaskChange, TaskEffect, TaskRepoError, Version};
use domain::turn::Attempt;
use sea_orm::prelude::Json;
use sea_orm::sea_query::{Expr, InsertStatement, LockType, OnConflict, Query, SelectStatement};
use sea_orm::{ColumnTrait as _, Condition, ConnectionTrait, QueryResult, StatementBuilder};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::statements::delete_many;
use crate::Database;
use crate::entity::effect::{Column, Entity};
use crate::entity::{self, Timestamp, turn};
use crate::error::{corrupt, storage};
use crate::json::{from_json, to_json};
use crate::turn::running_at;

/// Why what is on record does not answer a write.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error("the effect is on record as another kind of write")]
    OtherKind,
    #[error("the id is that of another task")]
    OtherTask,
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

/// The call that asks for a write.
#[derive(Clone, Copy)]
pub(super) struct Call {
    owner: UserId,
    effect: EffectId,
    /// `None` if the write does not tell, or tells of another turn than the effect's: then it is taken for one that is
    /// over.
    attempt: Option<Attempt>,
    at: Timestamp,
}

impl Call {
    /// The call that `change` comes from; `None` if no call asked for it.
    pub(super) fn of(owner: UserId, change: &Change) -> Option<Self> {
        let effect = change.call?;
        let attempt = change.turn.filter(|attempt| attempt.turn == effect.turn);
        Some(Self { owner, effect, attempt, at: change.at.into() })
    }
}

/// Creates `task` by `insert` and puts that on record. Returns what was created, now or before.
pub(super) async fn create_once(
    database: &Database,
    call: Call,
    mut insert: InsertStatement,
    task: Task,
) -> Result<Task, TaskRepoError> {
    // A task with this id may be there if this has happened.
    insert.on_conflict(OnConflict::column(entity::task::Column::Id).do_nothing().to_owned());
    let transaction = database.begin().await?;
    // The task first here, too: it waits for its user if they are being deleted, who in turn wait for the turn.
    let created = transaction.execute(&insert).await.map_err(storage)?.rows_affected() > 0;
    if created && record(&transaction, call, &[(0, creation(&task))]).await? {
        transaction.commit().await.map_err(storage)?;
        return Ok(task);
    }
    transaction.rollback().await.map_err(storage)?;
    match find(database, call.owner, call.effect).await? {
        Some(happened) => Ok(into_after(happened)?),
        None if created => Err(TaskRepoError::TurnEnded),
        None => Err(other(Unanswered::OtherTask).into()),
    }
}

/// Sends a write of one row, which `what` reads, and puts it on record. Returns what it did, now or before; `None` if
/// there is no such row and the effect has not happened.
pub(super) async fn once<S: StatementBuilder + Sync>(
    database: &Database,
    call: Call,
    write: &S,
    what: fn(&QueryResult) -> Result<TaskEffect, StorageError>,
) -> Result<Option<TaskEffect>, TaskRepoError> {
    let transaction = database.begin().await?;
    let Some(row) = transaction.query_one(write).await.map_err(storage)? else {
        let runs = runs(&transaction, call).await?;
        transaction.rollback().await.map_err(storage)?;
        let happened = find(database, call.owner, call.effect).await?;
        return if happened.is_some() || runs { Ok(happened) } else { Err(TaskRepoError::TurnEnded) };
    };
    let done = what(&row)?;
    if record(&transaction, call, &[(0, done.clone())]).await? {
        transaction.commit().await.map_err(storage)?;
        return Ok(Some(done));
    }
    transaction.rollback().await.map_err(storage)?;
    find(database, call.owner, call.effect).await?.ok_or(TaskRepoError::TurnEnded).map(Some)
}

/// Sends a write that deletes those of `tasks` that are there, which `what` reads, and puts each deletion on record by
/// the task's place. Returns what was deleted, now or before.
pub(super) async fn delete_once(
    database: &Database,
    call: Call,
    tasks: &[(TaskId, Version)],
    what: fn(&QueryResult) -> Result<Task, StorageError>,
) -> Result<Vec<Task>, TaskRepoError> {
    let Call { owner, effect, .. } = call;
    let transaction = database.begin().await?;
    let rows = transaction.query_all(&delete_many(owner, tasks)).await.map_err(storage)?;
    let gone = rows.iter().map(what).collect::<Result<Vec<_>, _>>()?;
    // What is missing may be missing because this has happened.
    let all = gone.len() == tasks.len();
    let happened = if all { Vec::new() } else { find_many(&transaction, owner, effect, tasks.len()).await? };
    if happened.is_empty() {
        let place = |task: &Task| tasks.iter().position(|(id, _)| *id == task.id).unwrap_or_default();
        let done: Vec<_> = gone.iter().map(|task| (place(task), deleted(task.clone()))).collect();
        // Nothing to put on record is as good as a record, in a turn that runs.
        let recorded =
            if done.is_empty() { runs(&transaction, call).await? } else { record(&transaction, call, &done).await? };
        if recorded {
            transaction.commit().await.map_err(storage)?;
            return Ok(gone);
        }
    }
    transaction.rollback().await.map_err(storage)?;
    let happened = find_many(&database.reader().await?, owner, effect, tasks.len()).await?;
    if happened.is_empty() {
        return Err(TaskRepoError::TurnEnded);
    }
    Ok(happened.into_iter().map(into_before).collect::<Result<_, _>>()?)
}

/// Whether the attempt at the turn runs that the call belongs to.
async fn runs<C: ConnectionTrait>(db: &C, call: Call) -> Result<bool, StorageError> {
    let Some(attempt) = call.attempt else { return Ok(false) };
    let mut select = Query::select();
    select.column(turn::Column::Id).from(turn::Entity).cond_where(running_at(call.owner, attempt));
    Ok(db.query_one(&select).await.map_err(storage)?.is_some())
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

/// Puts effects on record, each by the number that is added to the index of the first. Returns whether it has done so:
/// none of them was on record before, and the attempt at the turn runs that the call belongs to.
async fn record<C: ConnectionTrait>(db: &C, call: Call, effects: &[(usize, TaskEffect)]) -> Result<bool, StorageError> {
    let Some(attempt) = call.attempt else { return Ok(false) };
    let recorded = db.execute(&insert(call, attempt, effects)?).await.map_err(storage)?;
    Ok(recorded.rows_affected() == effects.len() as u64)
}

/// Inserts nothing where the attempt does not run. Where it does, the turn stays as it is until the transaction is over:
/// whoever ends it, or begins another attempt, comes before or after all of it. A task is changed before its turn is
/// held, and never the other way round, so that no two transactions wait for each other. (SQLite has one writer at a
/// time, and no locks of rows.)
fn insert(call: Call, attempt: Attempt, effects: &[(usize, TaskEffect)]) -> Result<InsertStatement, StorageError> {
    let row = |task: &Option<Task>| task.as_ref().map(|task| to_json(&Row::from(task))).transpose();
    let mut rows = Vec::with_capacity(effects.len());
    for (place, effect) in effects {
        let Some(task) = effect.after.as_ref().or(effect.before.as_ref()) else { continue };
        let index = index(call.effect, *place)?;
        rows.push((index, task.id.as_uuid(), row(&effect.before)?, row(&effect.after)?));
    }
    let mut select = Query::select();
    select
        .columns([turn::Column::UserId, turn::Column::Id].map(|column| (turn::Entity, column)))
        .expr(Expr::val(i32::from(call.effect.round)))
        .columns(["column1", "column2", "column3", "column4"].map(|column| ("these", column)))
        .expr(Expr::val(call.at))
        .from(turn::Entity)
        // A list of values, whose columns both databases call so.
        .from_values(rows, "these")
        .cond_where(running_at(call.owner, attempt))
        .lock_with_tables(LockType::Share, [turn::Entity]);
    let mut insert = Query::insert();
    insert
        .into_table(Entity)
        .columns([
            Column::UserId,
            Column::TurnId,
            Column::Round,
            Column::CallIndex,
            Column::TaskId,
            Column::Before,
            Column::After,
            Column::At,
        ])
        .select_from(select)
        .map_err(|error| StorageError::Other(error.into()))?
        .on_conflict(OnConflict::columns([Column::TurnId, Column::Round, Column::CallIndex]).do_nothing().to_owned());
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

fn creation(task: &Task) -> TaskEffect {
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
