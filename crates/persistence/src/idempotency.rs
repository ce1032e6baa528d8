//! Idempotency keys of requests other than messages to the assistant, with what is needed to answer them again. The key of a
//! message is a column of its turn.

use chrono::{DateTime, Utc};
use domain::change::{IdempotencyError, Keyed, KeyedAnswer};
use domain::conversation::turn::IDEMPOTENCY_TTL;
use domain::conversation::{Idempotency, IdempotencyKey};
use domain::id::UserId;
use domain::storage::StorageError;
use sea_orm::sea_query::{
    DeleteStatement, Expr, InsertStatement, LockBehavior, LockType, OnConflict, Query, SelectStatement, UnionType,
};
use sea_orm::{ColumnTrait as _, ExprTrait as _};

use crate::database::{Database, Guard, Outcome, Row};
use crate::entity::idempotency_key::{Column, Entity};
use crate::entity::{Timestamp, turn};
use crate::json::{from_json, to_json};

/// The time until which keys have expired.
fn expired(now: DateTime<Utc>) -> Timestamp {
    (now - IDEMPOTENCY_TTL).into()
}

/// Inserts the key, or replaces one that has expired; otherwise affects no row.
pub(crate) fn insert(owner: UserId, keyed: &Keyed, at: DateTime<Utc>) -> Result<InsertStatement, StorageError> {
    let Keyed { request, answer } = keyed;
    let replaced = [Column::Fingerprint, Column::Answer, Column::CreatedAt];
    let mut insert = Query::insert();
    insert
        .into_table(Entity)
        .columns([Column::UserId, Column::Key, Column::Fingerprint, Column::Answer, Column::CreatedAt])
        .values_panic([
            owner.as_uuid().into(),
            request.key.as_str().into(),
            request.fingerprint.0.to_vec().into(),
            to_json(answer)?.into(),
            Timestamp::from(at).into(),
        ])
        .on_conflict(
            OnConflict::columns([Column::UserId, Column::Key])
                .update_columns(replaced)
                .action_and_where(Expr::col((Entity, Column::CreatedAt)).lte(expired(at)))
                .to_owned(),
        );
    Ok(insert)
}

/// Selects the fingerprint and the answer of a key that has not expired.
pub(crate) fn select(owner: UserId, key: &IdempotencyKey, now: DateTime<Utc>) -> SelectStatement {
    let mut select = Query::select();
    select
        .columns([Column::Fingerprint, Column::Answer])
        .from(Entity)
        .and_where(Column::UserId.eq(owner.as_uuid()))
        .and_where(Column::Key.eq(key.as_str()))
        .and_where(Column::CreatedAt.gt(expired(now)));
    select
}

/// See [`ChangeRepo::find_answer`](domain::change::ChangeRepo::find_answer).
pub(crate) async fn find(
    database: &Database,
    owner: UserId,
    request: &Idempotency,
    now: DateTime<Utc>,
) -> Result<Option<KeyedAnswer>, IdempotencyError> {
    let mut of_turn = Query::select();
    of_turn
        .column(turn::Column::Fingerprint)
        .expr(Expr::cust("NULL"))
        .from(turn::Entity)
        .and_where(turn::Column::UserId.eq(owner.as_uuid()))
        .and_where(turn::Column::IdempotencyKey.eq(request.key.as_str()))
        .and_where(turn::Column::StartedAt.gt(expired(now)));
    let mut select = select(owner, &request.key, now);
    select.union(UnionType::All, of_turn);
    let found = database.read(&select, read).await?;
    let is_other = !found.is_empty();
    match found.into_iter().find(|(fingerprint, _)| *fingerprint == request.fingerprint.0) {
        Some((_, Some(answer))) => Ok(Some(answer)),
        _ if is_other => Err(IdempotencyError::KeyReused),
        _ => Ok(None),
    }
}

fn read(row: &Row<'_>) -> Result<(Vec<u8>, Option<KeyedAnswer>), StorageError> {
    let answer: Option<sea_orm::prelude::Json> = row.get(1)?;
    Ok((row.get(0)?, answer.map(from_json).transpose()?))
}

/// See [`ChangeRepo::store_answer`](domain::change::ChangeRepo::store_answer).
pub(crate) async fn store(
    database: &Database,
    owner: UserId,
    keyed: &Keyed,
    at: DateTime<Utc>,
) -> Result<(), IdempotencyError> {
    let mut batch = database.batch();
    batch.execute(&insert(owner, keyed, at)?, Guard::SomeRows);
    match database.write(batch).await? {
        Outcome::Committed(_) => Ok(()),
        Outcome::Refused(_) => Err(IdempotencyError::InProgress),
    }
}

/// Deletes the expired keys of all users. Skips locked rows, which are being replaced or deleted.
pub(crate) fn delete_expired(now: DateTime<Utc>) -> DeleteStatement {
    let mut rows = Query::select();
    rows.columns([Column::UserId, Column::Key])
        .from(Entity)
        .and_where(Column::CreatedAt.lte(expired(now)))
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    let mut delete = Query::delete();
    let key = Expr::tuple([Expr::col(Column::UserId), Expr::col(Column::Key)]);
    delete.from_table(Entity).and_where(key.in_subquery(rows));
    delete
}
