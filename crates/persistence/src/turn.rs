//! Leases, progress and ends of turns, with the conversations and messages that change along with them.
//!
//! Lock order: a transaction that changes several of them locks the conversation, then the turn, then the message.
//!
//! The number of the attempt at a turn is a fencing token: a write of an earlier attempt has no effect.

mod begin;
mod pending;
mod rows;
mod statements;
mod tokens;
mod usage;

use std::time::Duration;

use domain::conversation::message::Part;
use domain::conversation::turn::{Attempt, FailureCode, TurnState};
use domain::conversation::{ConversationRepoError, PendingAction, StoredAnswer, TurnResult};
use domain::id::{TurnId, UserId};
use domain::storage::StorageError;
use sea_orm::sea_query::{Expr, Func, LockType, Query, SelectStatement, UpdateStatement};
use sea_orm::{ColumnTrait as _, Condition, ExprTrait as _};

use crate::database::{Database, Guard, Outcome};
use crate::entity::{Timestamp, message, turn};
use crate::error::corrupt;
use crate::json::to_json;
use rows::StoredTurn;

pub(crate) use begin::begin;
pub(crate) use pending::{find as find_pending, settle_one};
pub(crate) use rows::state;
pub(crate) use statements::{AbandonedTurns, fail, is_running, set_parts};
pub(crate) use tokens::count as count_tokens;
pub(crate) use usage::usage;

/// See [`ConversationRepo::renew_lease`](domain::conversation::ConversationRepo::renew_lease).
pub(crate) async fn renew_lease(
    database: &Database,
    owner: UserId,
    attempt: Attempt,
    ttl: Duration,
) -> Result<(), ConversationRepoError> {
    let mut update = Query::update();
    update
        .table(turn::Entity)
        .value(turn::Column::LeaseUntil, database.now_plus(ttl))
        .cond_where(running_attempt(owner, attempt));
    write_one(database, &update).await
}

/// See [`ConversationRepo::save_progress`](domain::conversation::ConversationRepo::save_progress).
pub(crate) async fn save_progress(
    database: &Database,
    owner: UserId,
    attempt: Attempt,
    parts: &[Part],
) -> Result<(), ConversationRepoError> {
    let mut update = set_parts(owner, attempt.turn, parts)?;
    update
        // The share lock delays the next attempt until this statement has committed: the message itself carries no
        // fencing token.
        .and_where(message::Column::TurnId.in_subquery(lock_attempt(owner, attempt)));
    write_one(database, &update).await
}

/// Executes an update of a turn that has to be running.
async fn write_one(database: &Database, update: &UpdateStatement) -> Result<(), ConversationRepoError> {
    let mut batch = database.batch();
    batch.execute(update, Guard::SomeRows);
    match database.write(batch).await? {
        Outcome::Committed(_) => Ok(()),
        Outcome::Refused(_) => Err(ConversationRepoError::NoTurn),
    }
}

/// See [`ConversationRepo::end_turn`](domain::conversation::ConversationRepo::end_turn).
pub(crate) async fn end(
    database: &Database,
    owner: UserId,
    attempt: Attempt,
    end: TurnResult,
) -> Result<(), ConversationRepoError> {
    use turn::Column;
    let at = Timestamp::from(end.at);
    // Usage of earlier attempts is kept.
    let increase = |column: Column, by: i64| column.into_expr().add(by);
    let first_token_at = Expr::value(end.first_token_at.map(Timestamp::from));
    let mut update = Query::update();
    update
        .table(turn::Entity)
        .value(Column::State, end.state.as_str())
        .value(Column::EndedAt, at)
        .value(Column::TokensIn, increase(Column::TokensIn, count(end.usage.tokens_in)?))
        .value(Column::TokensOut, increase(Column::TokensOut, count(end.usage.tokens_out)?))
        .value(Column::ErrorCode, end.error_code.map(FailureCode::as_str))
        .value(Column::Provider, end.provider)
        .value(Column::Model, end.model)
        .value(Column::FirstTokenAt, Func::coalesce([Column::FirstTokenAt.into_expr(), first_token_at]))
        .value(Column::ModelTimeUs, increase(Column::ModelTimeUs, microseconds(end.model_time)?))
        .cond_where(running_attempt(owner, attempt));
    let touch = statements::touch_conversation_of(owner, running_attempt(owner, attempt), at);
    let mut message = ended_message(owner, attempt.turn, end.state);
    message.value(message::Column::Parts, to_json(&end.parts)?);
    finish(database, (owner, attempt.turn), (end.state, at), [touch, update, message], end.pending).await
}

/// See [`ConversationRepo::stop_turn`](domain::conversation::ConversationRepo::stop_turn).
pub(crate) async fn stop(
    database: &Database,
    owner: UserId,
    id: TurnId,
    at: Timestamp,
) -> Result<(), ConversationRepoError> {
    let mut update = Query::update();
    update
        .table(turn::Entity)
        .value(turn::Column::State, TurnState::Stopped.as_str())
        .value(turn::Column::EndedAt, at)
        .cond_where(running(owner, id));
    let touch = statements::touch_conversation_of(owner, running(owner, id), at);
    let message = ended_message(owner, id, TurnState::Stopped);
    finish(database, (owner, id), (TurnState::Stopped, at), [touch, update, message], None).await
}

/// Ends a running turn by the updates of its conversation, of itself and of its message, in this order. Unless the turn
/// has failed, the conversation's earlier pending actions are settled.
async fn finish(
    database: &Database,
    (owner, id): (UserId, TurnId),
    (state, at): (TurnState, Timestamp),
    [touch, turn, message]: [UpdateStatement; 3],
    pending: Option<PendingAction>,
) -> Result<(), ConversationRepoError> {
    let mut batch = database.batch();
    for update in [touch, turn, message] {
        batch.execute(&update, Guard::SomeRows);
    }
    if state != TurnState::Failed {
        batch.execute(&pending::settle(owner, statements::conversation_of(owner, id), at), Guard::None);
    }
    if let Some(action) = pending {
        let insert = pending::insert(owner, statements::conversation_of(owner, id), id, &action, at)?;
        batch.execute(&insert, Guard::None);
    }
    match database.write(batch).await? {
        Outcome::Committed(_) => Ok(()),
        Outcome::Refused(_) => Err(ConversationRepoError::NoTurn),
    }
}

/// See [`ConversationRepo::answer`](domain::conversation::ConversationRepo::answer).
pub(crate) async fn answer(
    database: &Database,
    owner: UserId,
    id: TurnId,
) -> Result<StoredAnswer, ConversationRepoError> {
    let select = StoredTurn::select(owner, turn::Column::Id.eq(id.as_uuid()), database.now());
    let found = database.read(&select, StoredTurn::read).await?;
    Ok(found.into_iter().next().ok_or(ConversationRepoError::NoTurn)?.into_answer()?)
}

/// Matches the turn while it is running.
fn running(owner: UserId, id: TurnId) -> Condition {
    Condition::all()
        .add(turn::Column::UserId.eq(owner.as_uuid()))
        .add(turn::Column::Id.eq(id.as_uuid()))
        .add(is_running())
}

/// Matches the turn while this attempt at it is running.
fn running_attempt(owner: UserId, attempt: Attempt) -> Condition {
    running(owner, attempt.turn).add(turn::Column::Attempt.eq(i64::from(attempt.number)))
}

/// Selects the turn's id while this attempt at it is running, with a share lock that keeps it so until the transaction
/// ends. (SQLite has a single writer and no row locks.)
pub(crate) fn lock_attempt(owner: UserId, attempt: Attempt) -> SelectStatement {
    let mut select = Query::select();
    select
        .column(turn::Column::Id)
        .from(turn::Entity)
        .cond_where(running_attempt(owner, attempt))
        .lock(LockType::Share);
    select
}

/// Updates the status of the assistant's message of a turn that ends.
fn ended_message(owner: UserId, id: TurnId, state: TurnState) -> UpdateStatement {
    let mut update = Query::update();
    update
        .table(message::Entity)
        .value(message::Column::Status, state.as_str())
        .cond_where(statements::answer(owner, id));
    update
}

fn count(tokens: u64) -> Result<i64, StorageError> {
    i64::try_from(tokens).map_err(corrupt)
}

fn microseconds(time: Duration) -> Result<i64, StorageError> {
    i64::try_from(time.as_micros()).map_err(corrupt)
}
