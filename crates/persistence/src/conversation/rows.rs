//! Rows of conversations and messages, and how they are asked for.

use domain::conversation::{Conversation, MessageCursor, MessageOrder};
use domain::message::{Message, Role};
use domain::storage::StorageError;
use domain::turn::TurnState;
use sea_orm::prelude::Json;
use sea_orm::sea_query::{Expr, Query, ReturningClause, SelectStatement, SimpleExpr};
use sea_orm::{Condition, ExprTrait as _, FromQueryResult, Order, QueryResult};
use uuid::Uuid;

use crate::entity::conversation::{Column, Entity};
use crate::entity::{Timestamp, message};
use crate::error::{corrupt, storage};
use crate::json::from_json;

/// The turn that runs in a conversation: there is one at most, which an index on running turns finds. Both databases
/// read this as it is, in a select as in RETURNING, for which the query builder has no alias.
const ACTIVE_TURN: &str = "(SELECT turns.id FROM turns WHERE turns.conversation_id = conversations.id \
                           AND turns.user_id = conversations.user_id AND turns.state = 'running') AS active_turn";

/// A conversation with the turn that runs in it.
#[derive(FromQueryResult)]
pub(super) struct Row {
    id: Uuid,
    user_id: Uuid,
    title: String,
    message_count: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
    active_turn: Option<Uuid>,
}

impl Row {
    const COLUMNS: [Column; 6] =
        [Column::Id, Column::UserId, Column::Title, Column::MessageCount, Column::CreatedAt, Column::UpdatedAt];

    pub(super) fn select() -> SelectStatement {
        let mut select = Query::select();
        select.columns(Self::COLUMNS.map(|column| (Entity, column))).expr(Expr::cust(ACTIVE_TURN)).from(Entity);
        select
    }

    pub(super) fn returning() -> ReturningClause {
        let mut columns: Vec<SimpleExpr> = Self::COLUMNS.map(Expr::col).into();
        columns.push(Expr::cust(ACTIVE_TURN));
        Query::returning().exprs(columns)
    }

    pub(super) fn read(row: &QueryResult) -> Result<Conversation, StorageError> {
        let row = Self::from_query_result(row, "").map_err(storage)?;
        Ok(Conversation {
            id: row.id.into(),
            user_id: row.user_id.into(),
            title: row.title.parse().map_err(corrupt)?,
            active_turn: row.active_turn.map(Into::into),
            message_count: u32::try_from(row.message_count).map_err(corrupt)?,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        })
    }
}

/// A message, or the want of one, of a conversation that is there.
#[derive(FromQueryResult)]
pub(super) struct MessageRow {
    id: Option<Uuid>,
    conversation_id: Option<Uuid>,
    position: Option<i64>,
    role: Option<String>,
    parts: Option<Json>,
    status: Option<String>,
    grounded: Option<bool>,
    created_at: Option<Timestamp>,
}

impl MessageRow {
    /// The messages behind the cursor of the conversations that are yet to be named.
    pub(super) fn select(order: MessageOrder, after: Option<MessageCursor>) -> SelectStatement {
        use message::Column as M;
        let columns = [M::Id, M::ConversationId, M::Position, M::Role, M::Parts, M::Status, M::Grounded, M::CreatedAt];
        let position = Expr::col((message::Entity, M::Position));
        let (direction, behind) = match order {
            MessageOrder::Ascending => (Order::Asc, after.map(|last| position.clone().gt(i64::from(last.0)))),
            MessageOrder::Descending => (Order::Desc, after.map(|last| position.clone().lt(i64::from(last.0)))),
        };
        let mut select = Query::select();
        select
            .columns(columns.map(|column| (message::Entity, column)))
            .from(Entity)
            // A left join, so that a conversation without messages differs from one that is not there.
            .left_join(
                message::Entity,
                Condition::all()
                    .add(Expr::col((message::Entity, M::ConversationId)).equals((Entity, Column::Id)))
                    .add(Expr::col((message::Entity, M::UserId)).equals((Entity, Column::UserId)))
                    .add_option(behind),
            )
            .order_by((message::Entity, M::Position), direction);
        select
    }

    /// `None` for the want of a message.
    pub(super) fn read(row: &QueryResult) -> Result<Option<Message>, StorageError> {
        let row = Self::from_query_result(row, "").map_err(storage)?;
        let Self {
            id: Some(id),
            conversation_id: Some(conversation),
            position: Some(position),
            role: Some(role),
            parts: Some(parts),
            status: Some(status),
            grounded: Some(grounded),
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
            grounded,
            created_at: created_at.into(),
        }))
    }
}

fn role(text: &str) -> Result<Role, StorageError> {
    let found = [Role::User, Role::Assistant].into_iter().find(|role| role.as_str() == text);
    found.ok_or_else(|| corrupt(format!("a role '{text}'")))
}

fn state(text: &str) -> Result<TurnState, StorageError> {
    let states = [TurnState::Running, TurnState::Complete, TurnState::Stopped, TurnState::Failed];
    let found = states.into_iter().find(|state| state.as_str() == text);
    found.ok_or_else(|| corrupt(format!("a state '{text}'")))
}
