//! Turns: how they begin, go on and end, with the conversations and messages that change along with them.
//!
//! Whatever changes several of them locks the conversation first, then the turn, then the message, so that no two
//! transactions wait for each other.

mod statements;

use domain::conversation::{ConversationRepoError, ConversationTarget, NewTurn, TurnEnd};
use domain::id::{TurnId, UserId};
use domain::message::{Part, Role};
use domain::storage::StorageError;
use domain::turn::{Turn, TurnState};
use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait as _, Condition, ConnectionTrait as _};

use crate::Database;
use crate::entity::{Timestamp, message, turn};
use crate::error::{corrupt, storage};
use crate::json::to_json;

pub(crate) use statements::{Abandoned, fail, is_running};

/// How many messages a turn has: the user's and the assistant's.
const MESSAGES: i64 = 2;

/// See [`ConversationRepo::begin_turn`](domain::conversation::ConversationRepo::begin_turn).
pub(crate) async fn begin(database: &Database, owner: UserId, new: NewTurn) -> Result<Turn, ConversationRepoError> {
    let at = Timestamp::from(new.at);
    // Before the transaction, which is not to be held for it.
    let user_parts = to_json(&new.user_parts)?;
    let transaction = database.begin().await?;
    let (conversation, message_count) = match &new.target {
        ConversationTarget::New(id, title) => {
            let insert = statements::insert_conversation(owner, *id, title, MESSAGES, at);
            transaction.execute(&insert).await.map_err(storage)?;
            (*id, MESSAGES)
        }
        ConversationTarget::Existing(id) => {
            let extend = statements::extend_conversation(owner, *id, MESSAGES, at);
            let row = transaction.query_one(&extend).await.map_err(storage)?;
            let row = row.ok_or(ConversationRepoError::NotFound)?;
            let dead = Condition::all()
                .add(turn::Column::UserId.eq(owner.as_uuid()))
                .add(turn::Column::ConversationId.eq(id.as_uuid()))
                .add(turn::Column::LeaseUntil.lte(at));
            fail(&transaction, Abandoned { which: dead, code: "LEASE_EXPIRED" }, at).await.map_err(storage)?;
            (*id, row.try_get_by_index(0).map_err(storage)?)
        }
    };
    let insert = statements::insert_turn(owner, conversation, &new, at);
    if transaction.execute(&insert).await.map_err(storage)?.rows_affected() == 0 {
        return Err(ConversationRepoError::TurnInProgress);
    }
    let insert = statements::insert_messages(owner, conversation, &new, user_parts, message_count, at);
    transaction.execute(&insert).await.map_err(storage)?;
    transaction.commit().await.map_err(storage)?;
    Ok(Turn { id: new.id, conversation, user_message: new.user_message, assistant_message: new.assistant_message })
}

/// See [`ConversationRepo::renew_lease`](domain::conversation::ConversationRepo::renew_lease).
pub(crate) async fn renew_lease(
    database: &Database,
    owner: UserId,
    id: TurnId,
    until: Timestamp,
) -> Result<(), ConversationRepoError> {
    let mut update = Query::update();
    update.table(turn::Entity).value(turn::Column::LeaseUntil, until).cond_where(running(owner, id));
    let updated = database.writer().await?.execute(&update).await.map_err(storage)?;
    if updated.rows_affected() == 0 { Err(ConversationRepoError::NoTurn) } else { Ok(()) }
}

/// See [`ConversationRepo::save_progress`](domain::conversation::ConversationRepo::save_progress).
pub(crate) async fn save_progress(
    database: &Database,
    owner: UserId,
    id: TurnId,
    parts: &[Part],
) -> Result<(), ConversationRepoError> {
    let mut update = Query::update();
    update
        .table(message::Entity)
        .value(message::Column::Parts, to_json(parts)?)
        .cond_where(answer(owner, id))
        // It runs as long as its turn does: no transaction ends one without the other.
        .and_where(message::Column::Status.eq(TurnState::Running.as_str()));
    let updated = database.writer().await?.execute(&update).await.map_err(storage)?;
    if updated.rows_affected() == 0 { Err(ConversationRepoError::NoTurn) } else { Ok(()) }
}

/// See [`ConversationRepo::end_turn`](domain::conversation::ConversationRepo::end_turn).
pub(crate) async fn end(
    database: &Database,
    owner: UserId,
    id: TurnId,
    end: TurnEnd,
) -> Result<(), ConversationRepoError> {
    let TurnEnd { state, parts, grounded, usage, error_code, at } = end;
    let at = Timestamp::from(at);
    let touch = statements::touch_conversation_of(owner, id, at);
    let mut update_turn = Query::update();
    update_turn
        .table(turn::Entity)
        .value(turn::Column::State, state.as_str())
        .value(turn::Column::EndedAt, at)
        .value(turn::Column::TokensIn, tokens(usage.tokens_in)?)
        .value(turn::Column::TokensOut, tokens(usage.tokens_out)?)
        .value(turn::Column::ErrorCode, error_code)
        .cond_where(running(owner, id));
    let mut update_message = Query::update();
    update_message
        .table(message::Entity)
        .value(message::Column::Parts, to_json(&parts)?)
        .value(message::Column::Status, state.as_str())
        .value(message::Column::Grounded, grounded)
        .cond_where(answer(owner, id));

    let transaction = database.begin().await?;
    for update in [touch, update_turn, update_message] {
        if transaction.execute(&update).await.map_err(storage)?.rows_affected() == 0 {
            return Err(ConversationRepoError::NoTurn);
        }
    }
    Ok(transaction.commit().await.map_err(storage)?)
}

/// The turn, if it runs.
fn running(owner: UserId, id: TurnId) -> Condition {
    Condition::all()
        .add(turn::Column::UserId.eq(owner.as_uuid()))
        .add(turn::Column::Id.eq(id.as_uuid()))
        .add(is_running())
}

/// The assistant's message of the turn.
fn answer(owner: UserId, id: TurnId) -> Condition {
    Condition::all()
        .add(message::Column::UserId.eq(owner.as_uuid()))
        .add(message::Column::TurnId.eq(id.as_uuid()))
        .add(message::Column::Role.eq(Role::Assistant.as_str()))
}

fn tokens(count: u64) -> Result<i64, StorageError> {
    i64::try_from(count).map_err(corrupt)
}
