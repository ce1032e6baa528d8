//! Pending actions, which wait for the user's confirmation.

use domain::conversation::PendingAction;
use domain::id::{ConversationId, PendingActionId, TurnId, UserId};
use domain::storage::StorageError;
use sea_orm::prelude::Json;
use sea_orm::sea_query::{Expr, InsertStatement, Query, SelectStatement, UpdateStatement};
use sea_orm::{ColumnTrait as _, Condition, ExprTrait as _, Order};
use uuid::Uuid;

use crate::database::{Database, Row};
use crate::entity::Timestamp;
use crate::entity::pending_action::{Column, Entity};
use crate::json::{from_json, to_json};

/// Inserts a pending action of the turn.
pub(super) fn insert(
    owner: UserId,
    conversation: Expr,
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
            conversation,
            turn.as_uuid().into(),
            action.message.as_uuid().into(),
            to_json(&action.items)?.into(),
            at.into(),
            Timestamp::from(action.expires_at).into(),
        ]);
    Ok(insert)
}

/// Returns the conversation's pending action at `now`; `None` if there is none.
pub(crate) async fn find(
    database: &Database,
    (owner, conversation): (UserId, ConversationId),
    now: Timestamp,
) -> Result<Option<PendingAction>, StorageError> {
    let select = select(owner, conversation.as_uuid().into(), now, None);
    Ok(database.read(&select, read).await?.into_iter().next())
}

/// Selects the newest pending action at `now`, created before `created_before` if that is given. A failed turn does not settle earlier ones, so there may be several.
pub(super) fn select(
    owner: UserId,
    conversation: Expr,
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

/// Selects the id of the newest pending action at `now` if it is `id`.
pub(super) fn select_id(owner: UserId, conversation: Expr, id: PendingActionId, now: Timestamp) -> SelectStatement {
    let mut newest = select(owner, conversation, now, None);
    newest.clear_selects().column(Column::Id);
    let mut select = Query::select();
    select
        .column(Column::Id)
        .from(Entity)
        .and_where(Column::UserId.eq(owner.as_uuid()))
        .and_where(Column::Id.eq(id.as_uuid()))
        .and_where(Column::Id.in_subquery(newest));
    select
}

/// Settles the pending actions of the conversation, whose row must be locked.
pub(super) fn settle(owner: UserId, conversation: Expr, at: Timestamp) -> UpdateStatement {
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

fn unsettled(owner: UserId, conversation: Expr) -> Condition {
    Condition::all()
        .add(Column::UserId.eq(owner.as_uuid()))
        .add(Column::ConversationId.into_expr().eq(conversation))
        .add(Column::SettledAt.is_null())
}

/// Reads a row of [`select`].
pub(super) fn read(row: &Row<'_>) -> Result<PendingAction, StorageError> {
    let (id, message): (Uuid, Uuid) = (row.get(0)?, row.get(1)?);
    let items: Json = row.get(2)?;
    let expires_at: Timestamp = row.get(3)?;
    Ok(PendingAction {
        id: id.into(),
        message: message.into(),
        items: from_json(items)?,
        expires_at: expires_at.into(),
    })
}
