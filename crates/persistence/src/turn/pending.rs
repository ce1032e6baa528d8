//! Pending actions, which wait for the user's confirmation.

use domain::conversation::PendingAction;
use domain::id::{ConversationId, PendingActionId, TurnId, UserId};
use domain::storage::StorageError;
use sea_orm::prelude::Json;
use sea_orm::sea_query::{InsertStatement, Query, SelectStatement, UpdateStatement};
use sea_orm::{ColumnTrait as _, Condition, ConnectionTrait, Order, QueryResult};
use uuid::Uuid;

use crate::entity::Timestamp;
use crate::entity::pending_action::{Column, Entity};
use crate::error::storage;
use crate::json::{from_json, to_json};

/// Inserts a pending action of the turn.
pub(super) fn insert(
    owner: UserId,
    conversation: ConversationId,
    turn: TurnId,
    action: &PendingAction,
    at: Timestamp,
) -> Result<InsertStatement, StorageError> {
    let mut insert = Query::insert();
    insert
        .into_table(Entity)
        .columns([
            Column::Id,
            Column::UserId,
            Column::ConversationId,
            Column::TurnId,
            Column::MessageId,
            Column::Items,
            Column::CreatedAt,
            Column::ExpiresAt,
        ])
        .values_panic([
            action.id.as_uuid().into(),
            owner.as_uuid().into(),
            conversation.as_uuid().into(),
            turn.as_uuid().into(),
            action.message.as_uuid().into(),
            to_json(&action.items)?.into(),
            at.into(),
            Timestamp::from(action.expires_at).into(),
        ]);
    Ok(insert)
}

/// Returns the conversation's pending action at `now`, created before `created_before` if that is given; `None` if
/// there is none.
pub(crate) async fn find<C: ConnectionTrait>(
    db: &C,
    (owner, conversation): (UserId, ConversationId),
    now: Timestamp,
    created_before: Option<Timestamp>,
) -> Result<Option<PendingAction>, StorageError> {
    let select = select(owner, conversation, now, created_before);
    db.query_one(&select).await.map_err(storage)?.map(|row| read(&row)).transpose()
}

/// Selects the newest pending action. A failed turn does not settle earlier ones, so there may be several.
fn select(
    owner: UserId,
    conversation: ConversationId,
    now: Timestamp,
    created_before: Option<Timestamp>,
) -> SelectStatement {
    let mut select = Query::select();
    select
        .columns([Column::Id, Column::MessageId, Column::Items, Column::ExpiresAt])
        .from(Entity)
        .cond_where(unsettled(owner, conversation))
        .and_where(Column::ExpiresAt.gt(now))
        .and_where_option(created_before.map(|at| Column::CreatedAt.lt(at)))
        .order_by(Column::CreatedAt, Order::Desc)
        .limit(1);
    select
}

/// Settles the pending actions of the conversation, whose row must be locked.
pub(super) fn settle(owner: UserId, conversation: ConversationId, at: Timestamp) -> UpdateStatement {
    let mut update = Query::update();
    update.table(Entity).value(Column::SettledAt, at).cond_where(unsettled(owner, conversation));
    update
}

/// Settles one pending action.
pub(crate) fn settle_one(owner: UserId, id: PendingActionId, at: Timestamp) -> UpdateStatement {
    let mut update = Query::update();
    update
        .table(Entity)
        .value(Column::SettledAt, at)
        .and_where(Column::UserId.eq(owner.as_uuid()))
        .and_where(Column::Id.eq(id.as_uuid()))
        .and_where(Column::SettledAt.is_null());
    update
}

fn unsettled(owner: UserId, conversation: ConversationId) -> Condition {
    Condition::all()
        .add(Column::UserId.eq(owner.as_uuid()))
        .add(Column::ConversationId.eq(conversation.as_uuid()))
        .add(Column::SettledAt.is_null())
}

fn read(row: &QueryResult) -> Result<PendingAction, StorageError> {
    let id: Uuid = row.try_get_by_index(0).map_err(storage)?;
    let message: Uuid = row.try_get_by_index(1).map_err(storage)?;
    let items: Json = row.try_get_by_index(2).map_err(storage)?;
    let expires_at: Timestamp = row.try_get_by_index(3).map_err(storage)?;
    Ok(PendingAction {
        id: id.into(),
        message: message.into(),
        items: from_json(items)?,
        expires_at: expires_at.into(),
    })
}
