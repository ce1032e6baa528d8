//! The statements on turns. Each of them is filtered by the owner, except the ones of [`fail`], which takes its filter
//! from the caller.

use domain::conversation::message::{Part, Role};
use domain::conversation::turn::{FailureCode, Turn, TurnState};
use domain::conversation::{ClientKey, ConversationTitle, IdempotencyKey, NewTurn};
use domain::id::{ConversationId, TurnId, UserId};
use domain::storage::StorageError;
use sea_orm::prelude::Json;
use sea_orm::sea_query::{Expr, InsertStatement, OnConflict, Query, SelectStatement, UpdateStatement};
use sea_orm::{ColumnTrait as _, Condition, ConnectionTrait, DbErr, ExprTrait as _};

use crate::entity::{Timestamp, conversation, message, turn, user};
use crate::json::to_json;

/// Whether a turn is running. The state is a literal, because a parameter would not match the partial indexes on
/// running turns.
pub(crate) fn is_running() -> Expr {
    Expr::col((turn::Entity, turn::Column::State)).eq(Expr::cust("'running'"))
}

/// Running turns whose instance has restarted or whose lease has expired.
pub(crate) struct AbandonedTurns {
    /// Selects them among the running turns.
    pub(crate) filter: Condition,
    /// The error code that they end with.
    pub(crate) code: FailureCode,
}

/// Marks turns as failed.
fn fail_turns(AbandonedTurns { filter, code }: AbandonedTurns, at: Timestamp) -> UpdateStatement {
    let mut update = Query::update();
    update
        .table(turn::Entity)
        .value(turn::Column::State, TurnState::Failed.as_str())
        .value(turn::Column::EndedAt, at)
        .value(turn::Column::ErrorCode, code.as_str())
        .cond_where(filter)
        .and_where(is_running());
    update
}

/// Marks turns, and then their messages, as failed. Returns the number of turns.
pub(crate) async fn fail<C: ConnectionTrait>(db: &C, turns: AbandonedTurns, at: Timestamp) -> Result<u64, DbErr> {
    let mut update = fail_turns(turns, at);
    update.returning(Query::returning().columns([turn::Column::UserId, turn::Column::Id]));
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

/// Marks the conversation's running turn as failed if its lease has expired at the database's time `now`, and then its
/// message.
pub(super) fn fail_expired(owner: UserId, conversation: &Expr, at: Timestamp, now: Expr) -> [UpdateStatement; 2] {
    let of_conversation = || {
        Condition::all()
            .add(turn::Column::UserId.eq(owner.as_uuid()))
            .add(turn::Column::ConversationId.into_expr().eq(conversation.clone()))
    };
    let filter = of_conversation().add(turn::Column::LeaseUntil.into_expr().lte(now));
    let turns = fail_turns(AbandonedTurns { filter, code: FailureCode::LeaseExpired }, at);
    let mut failed = Query::select();
    failed
        .column(turn::Column::Id)
        .from(turn::Entity)
        .cond_where(of_conversation())
        .and_where(turn::Column::State.eq(TurnState::Failed.as_str()))
        .and_where(turn::Column::EndedAt.eq(at));
    let mut messages = Query::update();
    messages
        .table(message::Entity)
        .value(message::Column::Status, TurnState::Failed.as_str())
        .and_where(message::Column::UserId.eq(owner.as_uuid()))
        .and_where(message::Column::TurnId.in_subquery(failed))
        .and_where(message::Column::Role.eq(Role::Assistant.as_str()));
    [turns, messages]
}

/// The id of the conversation of a turn.
pub(super) fn conversation_of(owner: UserId, turn: TurnId) -> Expr {
    let mut select = Query::select();
    select
        .column(turn::Column::ConversationId)
        .from(turn::Entity)
        .and_where(turn::Column::UserId.eq(owner.as_uuid()))
        .and_where(turn::Column::Id.eq(turn.as_uuid()));
    Expr::from(select)
}

/// The id of the conversation with the client's key.
pub(super) fn conversation_with_key(owner: UserId, key: &ClientKey) -> Expr {
    use conversation::Column;
    let mut select = Query::select();
    select
        .column(Column::Id)
        .from(conversation::Entity)
        .and_where(Column::UserId.eq(owner.as_uuid()))
        .and_where(Column::ClientKey.eq(key.as_str()));
    Expr::from(select)
}

/// Inserts the conversation, or adds `messages` to the message count of the one that already has the client's key.
/// Returns the id and the message count.
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
        let same_key = OnConflict::columns([Column::UserId, Column::ClientKey])
            .value(Column::MessageCount, Expr::col((Entity, Column::MessageCount)).add(messages))
            .value(Column::UpdatedAt, at)
            .to_owned();
        insert.on_conflict(same_key);
    }
    insert
}

/// Adds `messages` to the message count of the conversation. Returns the id and the message count.
pub(super) fn extend_conversation(owner: UserId, id: ConversationId, messages: i64, at: Timestamp) -> UpdateStatement {
    use conversation::Column;
    let mut update = touch_conversation(owner, id, at);
    update
        .value(Column::MessageCount, Column::MessageCount.into_expr().add(messages))
        .returning(Query::returning().columns([Column::Id, Column::MessageCount]));
    update
}

/// Sets the conversation's time of last activity.
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

/// Inserts nothing if another turn is running in the conversation or has the same idempotency key.
pub(super) fn insert_turn(owner: UserId, conversation: Expr, new: &NewTurn, lease_until: Expr) -> InsertStatement {
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
            conversation,
            TurnState::Running.as_str().into(),
            new.lease.instance.as_str().into(),
            lease_until,
            new.provider.as_str().into(),
            new.model.as_str().into(),
            Timestamp::from(new.at).into(),
            request.map(|request| request.key.as_str()).into(),
            request.map(|request| request.fingerprint.0.to_vec()).into(),
            1_i64.into(),
        ])
        // Without a target, because either unique index may conflict.
        .on_conflict(OnConflict::new().do_nothing().to_owned());
    insert
}

/// Releases the idempotency key of a turn that began at or before `until`.
pub(super) fn release_key(owner: UserId, key: &IdempotencyKey, until: Timestamp) -> UpdateStatement {
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

/// Begins the next attempt at a failed turn for `new`, if the turn still has its idempotency key and no other turn is
/// running in its conversation, whose row must be locked. Returns the number of the attempt, the input and output
/// tokens so far, and when the first attempt began.
pub(super) fn resume_turn(
    owner: UserId,
    turn: &Turn,
    key: &IdempotencyKey,
    new: &NewTurn,
    lease_until: Expr,
) -> UpdateStatement {
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
        .value(Column::LeaseUntil, lease_until)
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

/// Selects the turn's id if it has failed.
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

/// Marks the assistant's message of a turn as running. Returns its parts.
pub(super) fn resume_message(owner: UserId, turn: TurnId) -> UpdateStatement {
    let mut update = Query::update();
    update
        .table(message::Entity)
        .value(message::Column::Status, TurnState::Running.as_str())
        .cond_where(answer(owner, turn))
        .returning(Query::returning().column(message::Column::Parts));
    update
}

/// Selects the user's time zone.
pub(super) fn time_zone(owner: UserId) -> SelectStatement {
    let mut select = Query::select();
    select.column(user::Column::TimeZone).from(user::Entity).and_where(user::Column::Id.eq(owner.as_uuid()));
    select
}

/// Sets the parts of the assistant's message of the turn.
pub(crate) fn set_parts(owner: UserId, turn: TurnId, parts: &[Part]) -> Result<UpdateStatement, StorageError> {
    let mut update = Query::update();
    update.table(message::Entity).value(message::Column::Parts, to_json(parts)?).cond_where(answer(owner, turn));
    Ok(update)
}

/// Matches the assistant's message of the turn.
pub(super) fn answer(owner: UserId, turn: TurnId) -> Condition {
    Condition::all()
        .add(message::Column::UserId.eq(owner.as_uuid()))
        .add(message::Column::TurnId.eq(turn.as_uuid()))
        .add(message::Column::Role.eq(Role::Assistant.as_str()))
}

/// Inserts the user's message and the assistant's empty one as the last two of the conversation's message count.
pub(super) fn insert_messages(
    owner: UserId,
    conversation: &Expr,
    new: &NewTurn,
    user_parts: Json,
    at: Timestamp,
) -> InsertStatement {
    use message::Column;
    let message_count = || {
        let mut select = Query::select();
        select
            .column(conversation::Column::MessageCount)
            .from(conversation::Entity)
            .and_where(conversation::Column::UserId.eq(owner.as_uuid()))
            .and_where(conversation::Column::Id.into_expr().eq(conversation.clone()));
        Expr::from(select)
    };
    let row = |id: uuid::Uuid, position: Expr, role: Role, parts: Json, status: TurnState| -> [Expr; 9] {
        [
            id.into(),
            owner.as_uuid().into(),
            conversation.clone(),
            new.id.as_uuid().into(),
            position,
            role.as_str().into(),
            parts.into(),
            status.as_str().into(),
            at.into(),
        ]
    };
    let question =
        row(new.user_message.as_uuid(), message_count().sub(1_i64), Role::User, user_parts, TurnState::Complete);
    let answer = row(
        new.assistant_message.as_uuid(),
        message_count(),
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

/// Sets the time of last activity of the conversation of the owner's turn that matches `filter`.
pub(super) fn touch_conversation_of(owner: UserId, filter: Condition, at: Timestamp) -> UpdateStatement {
    use conversation::Column;
    let mut of_turn = Query::select();
    of_turn.column(turn::Column::ConversationId).from(turn::Entity).cond_where(filter);
    let mut update = Query::update();
    update
        .table(conversation::Entity)
        .value(Column::UpdatedAt, at)
        .and_where(Column::UserId.eq(owner.as_uuid()))
        .and_where(Column::Id.in_subquery(of_turn));
    update
}
