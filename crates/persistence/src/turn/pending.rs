//! What waits for the user's consent.

use domain::conversation::PendingAction;
use domain::id::{ConversationId, TurnId, UserId};
use domain::storage::StorageError;
use sea_orm::prelude::Json;
use sea_orm::sea_query::{InsertStatement, Query};
use sea_orm::{ColumnTrait as _, ConnectionTrait, DbErr, QueryResult};
use uuid::Uuid;

use crate::entity::Timestamp;
use crate::entity::pending_action::{Column, Entity};
use crate::error::storage;
use crate::json::{from_json, to_json};

/// Puts `action` on offer, in the name of the turn that makes the offer.
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
            Column::Tool,
            Column::Parameters,
            Column::Tasks,
            Column::CreatedAt,
        ])
        .values_panic([
            action.id.as_uuid().into(),
            owner.as_uuid().into(),
            conversation.as_uuid().into(),
            turn.as_uuid().into(),
            action.tool.as_str().into(),
            // Nothing beside the tasks can be on offer today.
            Json::Object(serde_json::Map::new()).into(),
            to_json(&action.tasks)?.into(),
            at.into(),
        ]);
    Ok(insert)
}

/// Takes what is on offer in the conversation off the table, and returns the last offer. The conversation must be
/// locked.
pub(super) async fn settle<C: ConnectionTrait>(
    db: &C,
    owner: UserId,
    conversation: ConversationId,
    at: Timestamp,
) -> Result<Option<PendingAction>, StorageError> {
    let mut update = Query::update();
    update
        .table(Entity)
        .value(Column::SettledAt, at)
        .and_where(Column::UserId.eq(owner.as_uuid()))
        .and_where(Column::ConversationId.eq(conversation.as_uuid()))
        .and_where(Column::SettledAt.is_null())
        .returning(Query::returning().columns([Column::CreatedAt, Column::Id, Column::Tool, Column::Tasks]));
    let rows = db.query_all(&update).await.map_err(storage)?;
    let offers = rows.iter().map(offer).collect::<Result<Vec<_>, _>>().map_err(storage)?;
    let last = offers.into_iter().max_by_key(|(made_at, id, ..)| (*made_at, *id));
    last.map(|(_, id, tool, tasks)| Ok(PendingAction { id: id.into(), tool, tasks: from_json(tasks)? })).transpose()
}

fn offer(row: &QueryResult) -> Result<(Timestamp, Uuid, String, Json), DbErr> {
    Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?, row.try_get_by_index(2)?, row.try_get_by_index(3)?))
}
