//! The statements of a commit. Each of them is filtered by the owner.

use domain::change::{Change, EntityId, Write};
use domain::id::{ApiTokenId, SessionId, UserId};
use domain::storage::StorageError;
use domain::task::{Task, Version};
use sea_orm::sea_query::{DeleteStatement, Expr, InsertStatement, OnConflict, Query, UpdateStatement};
use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, ExprTrait as _, IntoActiveModel as _, Iterable as _, QueryTrait as _,
};
use uuid::Uuid;

use super::selects::number;
use super::stored_row::task_to_json;
use crate::database::{Batch, Guard};
use crate::entity::{Timestamp, change, task, user};

/// Adds `entries` to the owner's newest sequence number and returns it. As the first statement of the transaction it
/// takes the lock of the user's row, which serializes the user's commits with each other and with the deletion of the
/// user.
pub(super) fn reserve_seqs(owner: UserId, entries: i64) -> UpdateStatement {
    use user::{Column, Entity};
    let mut update = Query::update();
    update
        .table(Entity)
        .value(Column::ChangeSeq, Column::ChangeSeq.into_expr().add(entries))
        .and_where(Column::Id.eq(owner.as_uuid()))
        .returning(Query::returning().column(Column::ChangeSeq));
    update
}

/// Adds the statement that writes one row, at the version that was read.
pub(super) fn write_row(batch: &mut Batch, owner: UserId, write: &Write) {
    let Write::Task { before, after, .. } = write;
    match (before, after) {
        (None, None) => return,
        (None, Some(after)) => batch.execute(&insert(owner, after), Guard::SomeRows),
        (Some(before), Some(after)) => batch.execute(&update(owner, before.version, after), Guard::SomeRows),
        (Some(before), None) => batch.execute(&delete(owner, before), Guard::SomeRows),
    };
}

/// Inserts nothing if the id exists.
fn insert(owner: UserId, task: &Task) -> InsertStatement {
    use task::{Column, Entity, Model};
    let row = Model {
        id: task.id.as_uuid(),
        user_id: owner.as_uuid(),
        title: task.title.as_str().to_owned(),
        title_folded: task.title.normalized().as_str().to_owned(),
        completed_at: task.completed_at.map(Timestamp::from),
        version: i64::from(task.version.get()),
        created_at: task.created_at.into(),
        updated_at: task.updated_at.into(),
        deleted_at: task.deleted_at.map(Timestamp::from),
    };
    let mut insert = Entity::insert(row.into_active_model()).into_query();
    insert.on_conflict(OnConflict::column(Column::Id).do_nothing().to_owned());
    insert
}

fn update(owner: UserId, expected: Version, task: &Task) -> UpdateStatement {
    use task::{Column, Entity};
    let mut update = Query::update();
    update
        .table(Entity)
        .value(Column::Title, task.title.as_str())
        .value(Column::TitleFolded, task.title.normalized().as_str())
        .value(Column::CompletedAt, task.completed_at.map(Timestamp::from))
        .value(Column::DeletedAt, task.deleted_at.map(Timestamp::from))
        .value(Column::Version, i64::from(task.version.get()))
        .value(Column::UpdatedAt, Timestamp::from(task.updated_at))
        .cond_where(at_version(owner, task.id.as_uuid(), expected));
    update
}

fn delete(owner: UserId, task: &Task) -> DeleteStatement {
    let mut delete = Query::delete();
    delete.from_table(task::Entity).cond_where(at_version(owner, task.id.as_uuid(), task.version));
    delete
}

fn at_version(owner: UserId, id: Uuid, version: Version) -> Condition {
    use task::Column;
    Condition::all()
        .add(Column::UserId.eq(owner.as_uuid()))
        .add(Column::Id.eq(id))
        .add(Column::Version.eq(i64::from(version.get())))
}

/// Returns the entries of `writes` in their order, with sequence numbers from 1.
pub(super) fn entries(owner: UserId, writes: &[Write], change: &Change) -> Result<Vec<change::Model>, StorageError> {
    let mut entries: Vec<change::Model> = Vec::with_capacity(writes.len());
    for (part, write) in (0..).zip(writes) {
        let entry = entry(owner, write, change, part)?;
        if is_purge(write) {
            for earlier in entries.iter_mut().filter(|earlier| earlier.entity_id == entry.entity_id) {
                (earlier.before, earlier.after) = (None, None);
            }
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn entry(owner: UserId, write: &Write, change: &Change, part: i32) -> Result<change::Model, StorageError> {
    let entity = write.entity().ok_or_else(|| StorageError::Other("write has neither before nor after".into()))?;
    let Write::Task { before, after, .. } = write;
    let before = if is_purge(write) { &None } else { before };
    let call = change.call;
    Ok(change::Model {
        user_id: owner.as_uuid(),
        seq: i64::from(part) + 1,
        at: change.at.into(),
        operation_id: change.operation.as_uuid(),
        entity: entity.kind().to_owned(),
        entity_id: entity.as_uuid(),
        action: write.action().as_str().to_owned(),
        before: before.as_ref().map(task_to_json).transpose()?,
        after: after.as_ref().map(task_to_json).transpose()?,
        via: change.actor.via.as_str().to_owned(),
        session_id: change.actor.session.map(SessionId::as_uuid),
        api_token_id: change.actor.api_token.map(ApiTokenId::as_uuid),
        turn_id: call.map(|call| call.attempt.turn.as_uuid()),
        conversation_id: call.map(|call| call.conversation.as_uuid()),
        message_id: call.map(|call| call.message.as_uuid()),
        round: call.map(|call| call.round.into()),
        call_index: call.map(|call| call.index.into()),
        part: call.map(|_| part),
        request_id: change.request_id.as_str().to_owned(),
        undoes: write.undoes().map(number),
    })
}

/// Inserts some of the `all` entries whose sequence numbers the transaction has reserved: they end at the owner's newest.
pub(super) fn insert_entries(owner: UserId, entries: &[change::Model], all: i64) -> InsertStatement {
    use change::{Column, Entity};
    let seq = |entry: &change::Model| {
        let mut newest = Query::select();
        newest.column(user::Column::ChangeSeq).from(user::Entity).and_where(user::Column::Id.eq(owner.as_uuid()));
        Expr::from(newest).add(entry.seq - all)
    };
    let mut insert = Query::insert();
    insert.into_table(Entity).columns(Column::iter());
    for entry in entries {
        let seq = seq(entry);
        let entry = entry.clone();
        // In the order of the columns.
        insert.values_panic([
            entry.user_id.into(),
            seq,
            entry.at.into(),
            entry.operation_id.into(),
            entry.entity.into(),
            entry.entity_id.into(),
            entry.action.into(),
            entry.before.into(),
            entry.after.into(),
            entry.via.into(),
            entry.session_id.into(),
            entry.api_token_id.into(),
            entry.turn_id.into(),
            entry.conversation_id.into(),
            entry.message_id.into(),
            entry.round.into(),
            entry.call_index.into(),
            entry.part.into(),
            entry.request_id.into(),
            entry.undoes.into(),
        ]);
    }
    insert
}

/// Clears `before` and `after` in the entries of the rows that `writes` purge; `None` if they purge nothing.
pub(super) fn erase_purged_rows(owner: UserId, writes: &[Write]) -> Option<UpdateStatement> {
    use change::{Column, Entity};
    let purged = writes.iter().filter(|write| is_purge(write)).filter_map(Write::entity);
    let purged: Vec<Uuid> = purged.map(EntityId::as_uuid).collect();
    if purged.is_empty() {
        return None;
    }
    let mut update = Query::update();
    update
        .table(Entity)
        .value(Column::Before, None::<sea_orm::prelude::Json>)
        .value(Column::After, None::<sea_orm::prelude::Json>)
        .and_where(Column::UserId.eq(owner.as_uuid()))
        .and_where(Column::EntityId.is_in(purged));
    Some(update)
}

/// Whether the write deletes its row permanently.
fn is_purge(write: &Write) -> bool {
    let Write::Task { after, .. } = write;
    after.is_none()
}
