//! The statements about turns. Each of them has the owner in it; [`fail`] has whatever its caller puts there.

use domain::conversation::{ConversationTitle, NewTurn};
use domain::id::{ConversationId, TurnId, UserId};
use domain::message::Role;
use domain::turn::TurnState;
use sea_orm::prelude::Json;
use sea_orm::sea_query::{Expr, InsertStatement, OnConflict, Query, UpdateStatement};
use sea_orm::{ColumnTrait as _, Condition, ConnectionTrait, DbErr, ExprTrait as _};

use crate::entity::{Timestamp, conversation, message, turn};

/// Whether a turn runs, in the words of the indexes on running turns: a parameter would not be recognised.
pub(crate) fn is_running() -> Expr {
    Expr::col((turn::Entity, turn::Column::State)).eq(Expr::cust("'running'"))
}

/// Running turns that nobody works on any more.
pub(crate) struct Abandoned {
    /// Which, of those that run.
    pub(crate) which: Condition,
    /// The code of the error that they end with.
    pub(crate) code: &'static str,
}

/// Marks turns, and then their messages, as failed. Returns how many turns there were.
pub(crate) async fn fail<C: ConnectionTrait>(db: &C, turns: Abandoned, at: Timestamp) -> Result<u64, DbErr> {
    let Abandoned { which, code } = turns;
    let mut update = Query::update();
    update
        .table(turn::Entity)
        .value(turn::Column::State, TurnState::Failed.as_str())
        .value(turn::Column::EndedAt, at)
        .value(turn::Column::ErrorCode, code)
        .cond_where(which)
        .and_where(is_running())
        .returning(Query::returning().columns([turn::Column::UserId, turn::Column::Id]));
    let failed = db.query_all(&update).await?;
    for row in &failed {
        let (owner, id): (uuid::Uuid, uuid::Uuid) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        let mut update = Query::update();
        update
            .table(message::Entity)
            .value(message::Column::Status, TurnState::Failed.as_str())
            .and_where(message::Column::UserId.eq(owner))
            .and_where(message::Column::TurnId.eq(id))
            .and_where(message::Column::Role.eq(Role::Assistant.as_str()));
        db.execute(&update).await?;
    }
    Ok(failed.len() as u64)
}

pub(super) fn insert_conversation(
    owner: UserId,
    id: ConversationId,
    title: &ConversationTitle,
    messages: i64,
    at: Timestamp,
) -> InsertStatement {
    use conversation::Column;
    let mut insert = Query::insert();
    insert
        .into_table(conversation::Entity)
        .columns([
            Column::Id,
            Column::UserId,
            Column::Title,
            Column::MessageCount,
            Column::CreatedAt,
            Column::UpdatedAt,
        ])
        .values_panic([
            id.as_uuid().into(),
            owner.as_uuid().into(),
            title.as_str().into(),
            messages.into(),
            at.into(),
            at.into(),
        ]);
    insert
}

/// Makes room for more messages, and returns how many there are with them.
pub(super) fn extend_conversation(owner: UserId, id: ConversationId, messages: i64, at: Timestamp) -> UpdateStatement {
    use conversation::Column;
    let mut update = Query::update();
    update
        .table(conversation::Entity)
        .value(Column::MessageCount, Column::MessageCount.into_expr().add(messages))
        .value(Column::UpdatedAt, at)
        .and_where(Column::UserId.eq(owner.as_uuid()))
        .and_where(Column::Id.eq(id.as_uuid()))
        .returning(Query::returning().columns([Column::MessageCount]));
    update
}

/// Inserts nothing if another turn runs in the conversation.
pub(super) fn insert_turn(
    owner: UserId,
    conversation: ConversationId,
    new: &NewTurn,
    at: Timestamp,
) -> InsertStatement {
    use turn::Column;
    let one_at_a_time = OnConflict::columns([Column::UserId, Column::ConversationId])
        .target_and_where(Expr::cust("state = 'running'"))
        .do_nothing()
        .to_owned();
    let mut insert = Query::insert();
    insert
        .into_table(turn::Entity)
        .columns([
            Column::Id,
            Column::UserId,
            Column::ConversationId,
            Column::State,
            Column::Instance,
            Column::LeaseUntil,
            Column::Provider,
            Column::Model,
            Column::StartedAt,
        ])
        .values_panic([
            new.id.as_uuid().into(),
            owner.as_uuid().into(),
            conversation.as_uuid().into(),
            TurnState::Running.as_str().into(),
            new.lease.instance.as_str().into(),
            Timestamp::from(new.lease.until).into(),
            new.provider.as_str().into(),
            new.model.as_str().into(),
            at.into(),
        ])
        .on_conflict(one_at_a_time);
    insert
}

/// The user's message and the assistant's empty one, as the last two of `message_count`.
pub(super) fn insert_messages(
    owner: UserId,
    conversation: ConversationId,
    new: &NewTurn,
    user_parts: Json,
    message_count: i64,
    at: Timestamp,
) -> InsertStatement {
    use message::Column;
    let row = |id: uuid::Uuid, position: i64, role: Role, parts: Json, status: TurnState| -> [Expr; 10] {
        [
            id.into(),
            owner.as_uuid().into(),
            conversation.as_uuid().into(),
            new.id.as_uuid().into(),
            position.into(),
            role.as_str().into(),
            parts.into(),
            status.as_str().into(),
            true.into(),
            at.into(),
        ]
    };
    let question = row(new.user_message.as_uuid(), message_count - 1, Role::User, user_parts, TurnState::Complete);
    let answer = row(
        new.assistant_message.as_uuid(),
        message_count,
        Role::Assistant,
        Json::Array(Vec::new()),
        TurnState::Running,
    );
    let mut insert = Query::insert();
    insert
        .into_table(message::Entity)
        .columns([
            Column::Id,
            Column::UserId,
            Column::ConversationId,
            Column::TurnId,
            Column::Position,
            Column::Role,
            Column::Parts,
            Column::Status,
            Column::Grounded,
            Column::CreatedAt,
        ])
        .values_panic(question)
        .values_panic(answer);
    insert
}

/// Marks the conversation of a running turn as active.
pub(super) fn touch_conversation_of(owner: UserId, turn: TurnId, at: Timestamp) -> UpdateStatement {
    use conversation::Column;
    let mut of_turn = Query::select();
    of_turn
        .column(turn::Column::ConversationId)
        .from(turn::Entity)
        .and_where(turn::Column::UserId.eq(owner.as_uuid()))
        .and_where(turn::Column::Id.eq(turn.as_uuid()))
        .and_where(is_running());
    let mut update = Query::update();
    update
        .table(conversation::Entity)
        .value(Column::UpdatedAt, at)
        .and_where(Column::UserId.eq(owner.as_uuid()))
        .and_where(Column::Id.in_subquery(of_turn));
    update
}
