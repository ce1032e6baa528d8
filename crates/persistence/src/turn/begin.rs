//! Beginning turns, resuming failed ones, and idempotency.
//!
//! The common case inserts without a prior look-up, because idempotency keys are unique in the database. Only when the
//! insert is refused, the conflicting turn is read.

use domain::conversation::turn::{IDEMPOTENCY_TTL, Turn, TurnState};
use domain::conversation::{ConversationRepoError, ConversationTarget, Idempotency, KeyReuse, NewTurn, TurnStart};
use domain::id::UserId;
use domain::storage::StorageError;
use domain::user::TimeZone;
use sea_orm::prelude::Json;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, ConnectionTrait as _, DbErr, QueryResult};
use uuid::Uuid;

use super::rows::{StoredTurn, usage};
use super::{pending, statements, tokens};
use crate::database::{Database, Guard, Outcome, Row};
use crate::entity::{Timestamp, turn};
use crate::error::{corrupt, storage};
use crate::idempotency;
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
            Ok(TurnStart::TokensUsedUp)
                | Err(ConversationRepoError::IdempotencyKeyReused
                    | ConversationRepoError::NotFound
                    | ConversationRepoError::NotPending
                    | ConversationRepoError::TurnInProgress)
        );
        if !key_may_be_known {
            return outcome;
        }
        // The result for a known key takes precedence over these.
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
            TurnState::Running if earlier.has_valid_lease() => {
                return Err(ConversationRepoError::IdempotencyInProgress);
            }
            TurnState::Running | TurnState::Failed => {
                if matches!(outcome, Ok(TurnStart::TokensUsedUp)) {
                    return outcome;
                }
                if let Some(resumed) = resume(database, owner, &new, request, earlier.turn()?).await? {
                    return Ok(resumed);
                }
            }
        }
    }
    Err(ConversationRepoError::TurnInProgress)
}

/// Begins the turn. Returns [`ConversationRepoError::TurnInProgress`] if another turn is running in the conversation or
/// has the same idempotency key, [`ConversationRepoError::IdempotencyKeyReused`] if a request of another kind has it.
async fn try_begin(
    database: &Database,
    owner: UserId,
    new: &NewTurn,
    user_parts: &Json,
    release_key: bool,
) -> Result<TurnStart, ConversationRepoError> {
    let at = Timestamp::from(new.at);
    let mut batch = database.batch();
    let mut other = None;
    if let Some(request) = new.idempotency.as_ref().filter(|request| request.reuse == KeyReuse::Refuse) {
        other = Some(batch.query(&idempotency::select(owner, &request.key, new.at), Guard::NoRows));
    }
    let limit = new.tokens_per_day.map(|limit| tokens::used_up(owner, limit, new.at));
    let limit = limit.map(|select| batch.query(&select, Guard::NoRows));
    let (conversation, lock) = match &new.target {
        ConversationTarget::New(id, title) => {
            let insert = statements::insert_conversation(owner, *id, title, None, MESSAGES_PER_TURN, at);
            (Expr::from(id.as_uuid()), batch.query(&insert, Guard::SomeRows))
        }
        ConversationTarget::Keyed(key, id, title) => {
            let insert = statements::insert_conversation(owner, *id, title, Some(key), MESSAGES_PER_TURN, at);
            (statements::conversation_with_key(owner, key), batch.query(&insert, Guard::SomeRows))
        }
        ConversationTarget::Existing(id) => {
            let extend = statements::extend_conversation(owner, *id, MESSAGES_PER_TURN, at);
            (Expr::from(id.as_uuid()), batch.query(&extend, Guard::SomeRows))
        }
    };
    let time_zone = batch.query(&statements::time_zone(owner), Guard::SomeRows);
    let mut find_pending = None;
    if !matches!(new.target, ConversationTarget::New(..)) {
        for update in statements::fail_expired(owner, &conversation, at, database.now()) {
            batch.execute(&update, Guard::None);
        }
        find_pending = Some(batch.query(&pending::select(owner, conversation.clone(), at, None), Guard::None));
    }
    let mut confirm = None;
    if let Some(id) = new.confirms {
        confirm = Some(batch.query(&pending::select_id(owner, conversation.clone(), id, at), Guard::SomeRows));
    }
    if let Some(request) = new.idempotency.as_ref().filter(|_| release_key) {
        let release = statements::release_key(owner, &request.key, (new.at - IDEMPOTENCY_TTL).into());
        batch.execute(&release, Guard::None);
    }
    let lease_until = database.now_plus(new.lease.ttl);
    batch.execute(&statements::insert_turn(owner, conversation.clone(), new, lease_until), Guard::SomeRows);
    let insert = statements::insert_messages(owner, &conversation, new, user_parts.clone(), at);
    batch.execute(&insert, Guard::None);
    let results = match database.write(batch).await? {
        Outcome::Committed(results) => results,
        Outcome::Refused(step) if Some(step) == other => return Err(ConversationRepoError::IdempotencyKeyReused),
        Outcome::Refused(step) if Some(step) == limit => return Ok(TurnStart::TokensUsedUp),
        Outcome::Refused(step) if step == lock || step == time_zone => return Err(ConversationRepoError::NotFound),
        Outcome::Refused(step) if Some(step) == confirm => return Err(ConversationRepoError::NotPending),
        Outcome::Refused(_) => return Err(ConversationRepoError::TurnInProgress),
    };
    let locked = results[lock].row().ok_or_else(|| corrupt("the conversation returned no row"))?;
    let (conversation, message_count): (Uuid, i64) = (locked.get(0)?, locked.get(1)?);
    let pending = find_pending.and_then(|find| results[find].row()).map(|row| pending::read(&row)).transpose()?;
    let turn = Turn {
        id: new.id,
        conversation: conversation.into(),
        user_message: new.user_message,
        position: u32::try_from(message_count - 1).map_err(corrupt)?,
        assistant_message: new.assistant_message,
        attempt: 1,
    };
    let time_zone: String = results[time_zone].row().ok_or_else(|| corrupt("the user returned no row"))?.get(0)?;
    Ok(TurnStart::New { turn, pending, time_zone: parse(&time_zone)? })
}

/// Returns the owner's turn with this idempotency key.
async fn find_by_key(
    database: &Database,
    owner: UserId,
    request: &Idempotency,
) -> Result<Option<StoredTurn>, ConversationRepoError> {
    let select = StoredTurn::select(owner, turn::Column::IdempotencyKey.eq(request.key.as_str()), database.now());
    Ok(database.read(&select, StoredTurn::read).await?.into_iter().next())
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
    let conversation = Expr::from(turn.conversation.as_uuid());
    for update in statements::fail_expired(owner, &conversation, at, database.now()) {
        transaction.execute(&update).await.map_err(storage)?;
    }
    let update = statements::resume_turn(owner, &turn, &request.key, new, database.now_plus(new.lease.ttl));
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
    let pending = pending::select(owner, conversation, at, Some(started_at));
    let pending = transaction.query_one(&pending).await.map_err(storage)?;
    let pending = pending.map(|row| pending::read(&Row::Pooled(&row))).transpose()?;
    // A request confirms only the action that it names; the ledger records whether an earlier attempt has run it.
    let pending = pending.filter(|pending| new.confirms.is_none_or(|id| id == pending.id));
    let time_zone = transaction.query_one(&statements::time_zone(owner)).await.map_err(storage)?;
    let time_zone: String = time_zone.ok_or(ConversationRepoError::NotFound)?.try_get_by_index(0).map_err(storage)?;
    transaction.commit().await.map_err(storage)?;
    let (parts, at, time_zone) = (from_json(parts)?, started_at.into(), parse(&time_zone)?);
    Ok(Some(TurnStart::Resumed { turn, parts, usage, at, pending, time_zone }))
}

fn parse(time_zone: &str) -> Result<TimeZone, StorageError> {
    time_zone.parse().map_err(corrupt)
}

/// Reads the number of the attempt, the input and output tokens of earlier ones, and the start of the first one.
fn resumed_columns(row: &QueryResult) -> Result<(i64, i64, i64, Timestamp), DbErr> {
    Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?, row.try_get_by_index(2)?, row.try_get_by_index(3)?))
}
