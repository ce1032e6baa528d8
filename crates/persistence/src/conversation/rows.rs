//! Rows of conversations and messages, and the statements that select them.

use domain::conversation::message::{Message, Role};
use domain::conversation::{Conversation, MessageCursor, MessageOrder};
use domain::id::{ConversationId, UserId};
use domain::storage::StorageError;
use sea_orm::prelude::Json;
use sea_orm::sea_query::{Expr, Query, ReturningClause, SelectStatement};
use sea_orm::{ColumnTrait as _, Condition, ExprTrait as _, FromQueryResult, JoinType, Order, QueryResult};
use uuid::Uuid;

use crate::entity::conversation::{Column, Entity};
use crate::entity::{Timestamp, message, turn};
use crate::error::{corrupt, storage};
use crate::json::from_json;
use crate::turn::{is_running, state};

/// A conversation with its running turn.
pub(super) struct Row;

impl Row {
    /// Read by position, because RETURNING does not name expressions. The active turn follows them.
    const COLUMNS: [Column; 6] =
        [Column::Id, Column::UserId, Column::Title, Column::MessageCount, Column::CreatedAt, Column::UpdatedAt];

    pub(super) fn select() -> SelectStatement {
        let mut select = Query::select();
        select.columns(Self::COLUMNS.map(|column| (Entity, column))).expr(Self::active_turn()).from(Entity);
        select
    }

    pub(super) fn returning() -> ReturningClause {
        Query::returning().exprs(Self::COLUMNS.map(Expr::col).into_iter().chain([Self::active_turn()]))
    }

    pub(super) fn read(row: &QueryResult) -> Result<Conversation, StorageError> {
        let id: Uuid = row.try_get_by_index(0).map_err(storage)?;
        let user_id: Uuid = row.try_get_by_index(1).map_err(storage)?;
        let title: String = row.try_get_by_index(2).map_err(storage)?;
        let message_count: i64 = row.try_get_by_index(3).map_err(storage)?;
        let created_at: Timestamp = row.try_get_by_index(4).map_err(storage)?;
        let updated_at: Timestamp = row.try_get_by_index(5).map_err(storage)?;
        let active_turn: Option<Uuid> = row.try_get_by_index(6).map_err(storage)?;
        Ok(Conversation {
            id: id.into(),
            user_id: user_id.into(),
            title: title.parse().map_err(corrupt)?,
            active_turn: active_turn.map(Into::into),
            message_count: u32::try_from(message_count).map_err(corrupt)?,
            created_at: created_at.into(),
            updated_at: updated_at.into(),
        })
    }

    /// Selects the id of the running turn. A unique partial index ensures that there is at most one.
    fn active_turn() -> Expr {
        let mut running = Query::select();
        running
            .column((turn::Entity, turn::Column::Id))
            .from(turn::Entity)
            .and_where(Expr::col((turn::Entity, turn::Column::ConversationId)).equals((Entity, Column::Id)))
            .and_where(Expr::col((turn::Entity, turn::Column::UserId)).equals((Entity, Column::UserId)))
            .and_where(is_running());
        Expr::from(running)
    }
}

/// Alias of the subquery that selects a page.
const PAGE: &str = "page";

/// A message of an existing conversation, or NULLs if the page is empty.
#[derive(FromQueryResult)]
pub(super) struct MessageRow {
    id: Option<Uuid>,
    conversation_id: Option<Uuid>,
    position: Option<i64>,
    role: Option<String>,
    parts: Option<Json>,
    status: Option<String>,
    created_at: Option<Timestamp>,
}

impl MessageRow {
    /// Selects at most `limit` messages of a conversation after the cursor, or one row without a message.
    pub(super) fn select(
        owner: UserId,
        id: ConversationId,
        order: MessageOrder,
        after: Option<MessageCursor>,
        limit: u64,
    ) -> SelectStatement {
        use message::Column as M;
        let columns = [M::Id, M::ConversationId, M::Position, M::Role, M::Parts, M::Status, M::CreatedAt];
        let (direction, after) = match order {
            MessageOrder::Ascending => (Order::Asc, after.map(|last| M::Position.gt(i64::from(last.0)))),
            MessageOrder::Descending => (Order::Desc, after.map(|last| M::Position.lt(i64::from(last.0)))),
        };
        // Limited before the join, which would otherwise read and sort all messages.
        let mut page = Query::select();
        page.columns(columns.into_iter().chain([M::UserId]))
            .from(message::Entity)
            .and_where(M::UserId.eq(owner.as_uuid()))
            .and_where(M::ConversationId.eq(id.as_uuid()))
            .and_where_option(after)
            .order_by(M::Position, direction.clone())
            .limit(limit);
        let mut select = Query::select();
        select
            .columns(columns.map(|column| (PAGE, column)))
            .from(Entity)
            // A left join, so that a conversation without messages differs from a missing one.
            .join_subquery(
                JoinType::LeftJoin,
                page,
                PAGE,
                Condition::all()
                    .add(Expr::col((PAGE, M::ConversationId)).equals((Entity, Column::Id)))
                    .add(Expr::col((PAGE, M::UserId)).equals((Entity, Column::UserId))),
            )
            .and_where(Column::UserId.eq(owner.as_uuid()))
            .and_where(Column::Id.eq(id.as_uuid()))
            .order_by((PAGE, M::Position), direction);
        select
    }

    /// Returns `None` for the row without a message.
    pub(super) fn read(row: &QueryResult) -> Result<Option<Message>, StorageError> {
        let row = Self::from_query_result(row, "").map_err(storage)?;
        let Self {
            id: Some(id),
            conversation_id: Some(conversation),
            position: Some(position),
            role: Some(role),
            parts: Some(parts),
            status: Some(status),
            created_at: Some(created_at),
        } = row
        else {
            return Ok(None);
        };
        Ok(Some(Message {
            id: id.into(),
            conversation: conversation.into(),
            position: u32::try_from(position).map_err(corrupt)?,
            role: self::role(&role)?,
            parts: from_json(parts)?,
            status: state(&status)?,
            created_at: created_at.into(),
        }))
    }
}

fn role(text: &str) -> Result<Role, StorageError> {
    let found = [Role::User, Role::Assistant].into_iter().find(|role| role.as_str() == text);
    found.ok_or_else(|| corrupt(format!("unknown role '{text}'")))
}
