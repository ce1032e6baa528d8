//! The statements about turns. Each of them has the owner in it; [`fail`] has whatever its caller puts there.

use domain::conversation::{ClientKey, ConversationTitle, IdempotencyKey, NewTurn};
use domain::id::{ConversationId, TurnId, UserId};
use domain::message::Role;
use domain::turn::{FailureCode, Turn, TurnState};
use sea_orm::prelude::Json;
use sea_orm::sea_query::{Expr, InsertStatement, OnConflict, Query, SelectStatement, UpdateStatement};
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
    pub(crate) code: FailureCode,
}

/// Marks turns, and then their messages, as failed. Returns how many turns there were.
pub(crate) async fn fail<C: ConnectionTrait>(db: &C, turns: Abandoned, at: Timestamp) -> Result<u64, DbErr> {
    let Abandoned { which, code } = turns;
    let mut update = Query::update();
    update
        .table(turn::Entity)
        .value(turn::Column::State, TurnState::Failed.as_str())
        .value(turn::Column::EndedAt, at)
        .value(turn::Column::ErrorCode, code.as_str())
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

/// Makes the conversation, or makes room for more messages in the one that the client calls so already. Returns its id
/// and how many messages there are with them.
pub(super) fn insert_conversation(
    owner: UserId,
    id: ConversationId,
    title: &ConversationTitle,
    key: Option<&ClientKey>,
    messages: i64,
    at: Timestamp,
) -> InsertStatement {
    use conversation::{Column, Entity};
    let mut insert = Query::insert();
    insert
        .into_table(Entity)
        .columns([
            Column::Id,
            Column::UserId,
            Column::Title,
            Column::MessageCount,
            Column::CreatedAt,
            Column::UpdatedAt,
            Column::ClientKey,
        ])
        .values_panic([
            id.as_uuid().into(),
            owner.as_uuid().into(),
            title.as_str().into(),
            messages.into(),
            at.into(),
            at.into(),
            key.map(ClientKey::as_str).into(),
        ])
        .returning(Query::returning().columns([Column::Id, Column::MessageCount]));
    if key.is_some() {
        let called_so = OnConflict::columns([Column::UserId, Column::ClientKey])
            .value(Column::MessageCount, Expr::col((Entity, Column::MessageCount)).add(messages))
            .value(Column::UpdatedAt, at)
            .to_owned();
        insert.on_conflict(called_so);
    }
    insert
}

/// Makes room for more messages, and returns the conversation's id and how many there are with them.
pub(super) fn extend_conversation(owner: UserId, id: ConversationId, messages: i64, at: Timestamp) -> UpdateStatement {
    use conversation::Column;
    let mut update = touch_conversation(owner, id, at);
    update
        .value(Column::MessageCount, Column::MessageCount.into_expr().add(messages))
        .returning(Query::returning().columns([Column::Id, Column::MessageCount]));
    update
}

/// Marks a conversation as active.
pub(super) fn touch_conversation(owner: UserId, id: ConversationId, at: Timestamp) -> UpdateStatement {
    use conversation::Column;
    let mut update = Query::update();
    update
        .table(conversation::Entity)
        .value(Column::UpdatedAt, at)
        .and_where(Column::UserId.eq(owner.as_uuid()))
        .and_where(Column::Id.eq(id.as_uuid()));
    update
}

/// Inserts nothing if another turn runs in the conversation, or has the same key.
pub(super) fn insert_turn(
    owner: UserId,
    conversation: ConversationId,
    new: &NewTurn,
    at: Timestamp,
) -> InsertStatement {
    use turn::Column;
    let request = new.idempotency.as_ref();
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
            Column::IdempotencyKey,
            Column::Fingerprint,
            Column::Attempt,
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
            request.map(|request| request.key.as_str()).into(),
            request.map(|request| request.fingerprint.0.to_vec()).into(),
            1_i64.into(),
        ])
        // Whichever of the two: one target could not name both.
        .on_conflict(OnConflict::new().do_nothing().to_owned());
    insert
}

/// Lets another turn have a key whose turn began at `until` or before.
pub(super) fn forget_key(owner: UserId, key: &IdempotencyKey, until: Timestamp) -> UpdateStatement {
    use turn::Column;
    let mut update = Query::update();
    update
        .table(turn::Entity)
        .value(Column::IdempotencyKey, None::<String>)
        .value(Column::Fingerprint, None::<Vec<u8>>)
        .and_where(Column::UserId.eq(owner.as_uuid()))
        .and_where(Column::IdempotencyKey.eq(key.as_str()))
        .and_where(Column::StartedAt.lte(until));
    update
}

/// Lets a turn that failed run again for `new`, if its key is still its own and no other turn runs in its conversation,
/// which must be locked. Returns which attempt that is, the tokens in and out so far and when the first one began.
pub(super) fn resume_turn(owner: UserId, turn: &Turn, key: &IdempotencyKey, new: &NewTurn) -> UpdateStatement {
    use turn::Column;
    let mut running = Query::select();
    running
        .column(Column::Id)
        .from(turn::Entity)
        .and_where(Column::UserId.eq(owner.as_uuid()))
        .and_where(Column::ConversationId.eq(turn.conversation.as_uuid()))
        .and_where(is_running());
    let mut update = Query::update();
    update
        .table(turn::Entity)
        .value(Column::State, TurnState::Running.as_str())
        .value(Column::Instance, new.lease.instance.as_str())
        .value(Column::LeaseUntil, Timestamp::from(new.lease.until))
        .value(Column::Provider, new.provider.as_str())
        .value(Column::Model, new.model.as_str())
        .value(Column::ErrorCode, None::<String>)
        .value(Column::EndedAt, None::<Timestamp>)
        .value(Column::Attempt, Column::Attempt.into_expr().add(1_i64))
        .cond_where(failed(owner, turn.id))
        .and_where(Column::IdempotencyKey.eq(key.as_str()))
        .and_where(Expr::not_exists(running))
        .returning(Query::returning().columns([
            Column::Attempt,
            Column::TokensIn,
            Column::TokensOut,
            Column::StartedAt,
        ]));
    update
}

/// The turn's id, if it has failed.
pub(super) fn failed_turn(owner: UserId, id: TurnId) -> SelectStatement {
    let mut select = Query::select();
    select.column(turn::Column::Id).from(turn::Entity).cond_where(failed(owner, id));
    select
}

fn failed(owner: UserId, id: TurnId) -> Condition {
    Condition::all()
        .add(turn::Column::UserId.eq(owner.as_uuid()))
        .add(turn::Column::Id.eq(id.as_uuid()))
        .add(turn::Column::State.eq(TurnState::Failed.as_str()))
}

/// Lets the assistant's message of a turn run again, and returns what it is made of.
pub(super) fn resume_message(owner: UserId, turn: TurnId) -> UpdateStatement {
    let mut update = Query::update();
    update
        .table(message::Entity)
        .value(message::Column::Status, TurnState::Running.as_str())
        .cond_where(answer(owner, turn))
        .returning(Query::returning().column(message::Column::Parts));
    update
}

/// The assistant's message of the turn.
pub(super) fn answer(owner: UserId, turn: TurnId) -> Condition {
    Condition::all()
        .add(message::Column::UserId.eq(owner.as_uuid()))
        .add(message::Column::TurnId.eq(turn.as_uuid()))
        .add(message::Column::Role.eq(Role::Assistant.as_str()))
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
    let row = |id: uuid::Uuid, position: i64, role: Role, parts: Json, status: TurnState| -> [Expr; 9] {
        [
            id.into(),
            owner.as_uuid().into(),
            conversation.as_uuid().into(),
            new.id.as_uuid().into(),
            position.into(),
            role.as_str().into(),
            parts.into(),
            status.as_str().into(),
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
            Column::CreatedAt,
        ])
        .values_panic(question)
        .values_panic(answer);
    insert
}

/// Marks the conversation of the owner's turn that `which` names as active, and returns its id.
pub(super) fn touch_conversation_of(owner: UserId, which: Condition, at: Timestamp) -> UpdateStatement {
    use conversation::Column;
    let mut of_turn = Query::select();
    of_turn.column(turn::Column::ConversationId).from(turn::Entity).cond_where(which);
    let mut update = Query::update();
    update
        .table(conversation::Entity)
        .value(Column::UpdatedAt, at)
        .and_where(Column::UserId.eq(owner.as_uuid()))
        .and_where(Column::Id.in_subquery(of_turn))
        .returning(Query::returning().column(Column::Id));
    update
}
