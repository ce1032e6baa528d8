//! Beginning turns, resuming failed ones, and idempotency.
//!
//! The common case inserts without a prior look-up, because idempotency keys are unique in the database. Only when the
//! insert is refused, the conflicting turn is read.

use domain::conversation::turn::{FailureCode, IDEMPOTENCY_TTL, Turn, TurnState};
use domain::conversation::{ConversationRepoError, ConversationTarget, Idempotency, KeyReuse, NewTurn, TurnStart};
use domain::id::{ConversationId, UserId};
use domain::storage::StorageError;
use sea_orm::prelude::Json;
use sea_orm::{ColumnTrait as _, Condition, ConnectionTrait, DbErr, QueryResult};

use super::rows::{StoredTurn, usage};
use super::statements::{AbandonedTurns, fail};
use super::{pending, statements};
use crate::database::Database;
use crate::entity::{Timestamp, turn};
use crate::error::{corrupt, storage};
use crate::json::{from_json, to_json};

/// Number of messages of a turn: the user's and the assistant's.
const MESSAGES_PER_TURN: i64 = 2;

/// Maximum number of attempts when the conflicting turn changes concurrently.
const MAX_ATTEMPTS: usize = 4;

/// See [`ConversationRepo::begin_turn`](domain::conversation::ConversationRepo::begin_turn).
pub(crate) async fn begin(
    database: &Database,
    owner: UserId,
    mut new: NewTurn,
) -> Result<TurnStart, ConversationRepoError> {
    // Serialized before the transaction begins, to keep it short.
    let user_parts = to_json(&new.user_parts)?;
    let mut release_key = false;
    for _ in 0..MAX_ATTEMPTS {
        let outcome = try_begin(database, owner, &new, &user_parts, release_key).await;
        let Some(request) = &new.idempotency else { return outcome };
        let key_may_be_known = matches!(
            outcome,
            Err(ConversationRepoError::NotFound
                | ConversationRepoError::NotPending
                | ConversationRepoError::TurnInProgress)
        );
        if !key_may_be_known {
            return outcome;
        }
        // The result for a known key takes precedence over these errors.
        let Some(earlier) = find_by_key(database, owner, request).await? else { return outcome };
        if new.at - earlier.started_at() >= IDEMPOTENCY_TTL {
            if release_key || !matches!(outcome, Err(ConversationRepoError::TurnInProgress)) {
                return outcome;
            }
            release_key = true;
            continue;
        }
        if !earlier.has_fingerprint(request.fingerprint) {
            match request.reuse {
                KeyReuse::Refuse => return Err(ConversationRepoError::IdempotencyKeyReused),
                KeyReuse::StartNew => new.idempotency = None,
            }
            continue;
        }
        match earlier.state()? {
            TurnState::Complete | TurnState::Stopped => {
                return Ok(TurnStart::AlreadyAnswered(Box::new(earlier.into_answer()?)));
            }
            TurnState::Running if earlier.lease_until() > new.at => {
                return Err(ConversationRepoError::IdempotencyInProgress);
            }
            TurnState::Running | TurnState::Failed => {
                if let Some(resumed) = resume(database, owner, &new, request, earlier.turn()?).await? {
                    return Ok(resumed);
                }
            }
        }
    }
    Err(ConversationRepoError::TurnInProgress)
}

/// Begins the turn. Returns [`ConversationRepoError::TurnInProgress`] if another turn is running in the conversation or
/// has the same idempotency key.
async fn try_begin(
    database: &Database,
    owner: UserId,
    new: &NewTurn,
    user_parts: &Json,
    release_key: bool,
) -> Result<TurnStart, ConversationRepoError> {
    let at = Timestamp::from(new.at);
    let transaction = database.begin().await?;
    let locked = lock_conversation(&transaction, owner, &new.target, at).await?;
    let Some((conversation, message_count)) = locked else {
        return transaction.abort(ConversationRepoError::NotFound).await;
    };
    let mut pending = None;
    if message_count > MESSAGES_PER_TURN {
        fail_expired_turn(&transaction, owner, conversation, at).await.map_err(storage)?;
        pending = pending::find(&transaction, (owner, conversation), at, None).await?;
    }
    if new.confirms.is_some_and(|id| pending.as_ref().is_none_or(|pending| pending.id != id)) {
        return transaction.abort(ConversationRepoError::NotPending).await;
    }
    if let Some(request) = new.idempotency.as_ref().filter(|_| release_key) {
        let release = statements::release_key(owner, &request.key, (new.at - IDEMPOTENCY_TTL).into());
        transaction.execute(&release).await.map_err(storage)?;
    }
    let insert = statements::insert_turn(owner, conversation, new, at);
    if transaction.execute(&insert).await.map_err(storage)?.rows_affected() == 0 {
        return transaction.abort(ConversationRepoError::TurnInProgress).await;
    }
    let insert = statements::insert_messages(owner, conversation, new, user_parts.clone(), message_count, at);
    transaction.execute(&insert).await.map_err(storage)?;
    transaction.commit().await.map_err(storage)?;
    let turn = Turn {
        id: new.id,
        conversation,
        user_message: new.user_message,
        position: u32::try_from(message_count - 1).map_err(corrupt)?,
        assistant_message: new.assistant_message,
        attempt: 1,
    };
    Ok(TurnStart::New { turn, pending })
}

/// Creates the conversation or locks the existing one, and adds the turn's messages to its message count. Returns its
/// id and the new count; `None` if it does not exist.
async fn lock_conversation<C: ConnectionTrait>(
    db: &C,
    owner: UserId,
    target: &ConversationTarget,
    at: Timestamp,
) -> Result<Option<(ConversationId, i64)>, StorageError> {
    let row = match target {
        ConversationTarget::New(id, title) => {
            let insert = statements::insert_conversation(owner, *id, title, None, MESSAGES_PER_TURN, at);
            db.query_one(&insert).await
        }
        ConversationTarget::Keyed(key, id, title) => {
            let insert = statements::insert_conversation(owner, *id, title, Some(key), MESSAGES_PER_TURN, at);
            db.query_one(&insert).await
        }
        ConversationTarget::Existing(id) => {
            db.query_one(&statements::extend_conversation(owner, *id, MESSAGES_PER_TURN, at)).await
        }
    };
    let read = |row: QueryResult| -> Result<(uuid::Uuid, i64), DbErr> {
        Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))
    };
    let locked = row.and_then(|row| row.map(read).transpose()).map_err(storage)?;
    Ok(locked.map(|(id, message_count)| (id.into(), message_count)))
}

/// Marks the conversation's running turn as failed if its lease has expired.
async fn fail_expired_turn<C: ConnectionTrait>(
    db: &C,
    owner: UserId,
    conversation: ConversationId,
    at: Timestamp,
) -> Result<u64, DbErr> {
    let expired = Condition::all()
        .add(turn::Column::UserId.eq(owner.as_uuid()))
        .add(turn::Column::ConversationId.eq(conversation.as_uuid()))
        .add(turn::Column::LeaseUntil.lte(at));
    fail(db, AbandonedTurns { filter: expired, code: FailureCode::LeaseExpired }, at).await
}

/// Returns the owner's turn with this idempotency key.
async fn find_by_key(
    database: &Database,
    owner: UserId,
    request: &Idempotency,
) -> Result<Option<StoredTurn>, ConversationRepoError> {
    let select = StoredTurn::select(owner, turn::Column::IdempotencyKey.eq(request.key.as_str()));
    let row = database.reader().await?.query_one(&select).await.map_err(storage)?;
    Ok(row.map(|row| StoredTurn::read(&row)).transpose()?)
}

/// Begins the next attempt at a failed turn; `None` if the turn is no longer failed. A pending action that was created
/// after the turn began cannot be confirmed by the turn's message.
async fn resume(
    database: &Database,
    owner: UserId,
    new: &NewTurn,
    request: &Idempotency,
    mut turn: Turn,
) -> Result<Option<TurnStart>, ConversationRepoError> {
    let at = Timestamp::from(new.at);
    let transaction = database.begin().await?;
    let touch = statements::touch_conversation(owner, turn.conversation, at);
    transaction.execute(&touch).await.map_err(storage)?;
    fail_expired_turn(&transaction, owner, turn.conversation, at).await.map_err(storage)?;
    let update = statements::resume_turn(owner, &turn, &request.key, new);
    let Some(resumed) = transaction.query_one(&update).await.map_err(storage)? else {
        let still_failed = statements::failed_turn(owner, turn.id);
        let still_failed = transaction.query_one(&still_failed).await.map_err(storage)?.is_some();
        transaction.rollback().await.map_err(storage)?;
        // If it is, another turn is running in the conversation.
        return if still_failed { Err(ConversationRepoError::TurnInProgress) } else { Ok(None) };
    };
    let (attempt, tokens_in, tokens_out, started_at) = resumed_columns(&resumed).map_err(storage)?;
    turn.attempt = u32::try_from(attempt).map_err(corrupt)?;
    let usage = usage(tokens_in, tokens_out)?;
    let update = statements::resume_message(owner, turn.id);
    let row = transaction.query_one(&update).await.map_err(storage)?.ok_or(ConversationRepoError::NoTurn)?;
    let parts: Json = row.try_get_by_index(0).map_err(storage)?;
    let conversation = (owner, turn.conversation);
    let pending = pending::find(&transaction, conversation, at, Some(started_at)).await?;
    // A request confirms only the action that it names; the ledger records whether an earlier attempt has run it.
    let pending = pending.filter(|pending| new.confirms.is_none_or(|id| id == pending.id));
    transaction.commit().await.map_err(storage)?;
    Ok(Some(TurnStart::Resumed { turn, parts: from_json(parts)?, usage, at: started_at.into(), pending }))
}

/// Reads the number of the attempt, the input and output tokens of earlier ones, and the start of the first one.
fn resumed_columns(row: &QueryResult) -> Result<(i64, i64, i64, Timestamp), DbErr> {
    Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?, row.try_get_by_index(2)?, row.try_get_by_index(3)?))
}
