//! The transaction of a commit.
//!
//! Lock order on PostgreSQL: the user's row, the turn's row, the rows that are written, the pending action. The update
//! of the user's row serializes the commits of one user. A transaction that deletes the user, a conversation or a turn
//! takes that row's lock first and follows the same order in its cascades, so that there is no deadlock. (SQLite has a
//! single writer and no row locks.)

use domain::change::{Change, ChangeRepoError, Entry, Write};
use domain::id::UserId;
use domain::storage::StorageError;
use sea_orm::{ConnectionTrait as _, Iterable as _};

use super::{entries, writes as statements};
use crate::database::{Database, VALUES_PER_STATEMENT};
use crate::entity::change::Column;
use crate::error::storage;
use crate::turn::{lock_attempt, settle_one};

/// See [`ChangeRepo::commit`](domain::change::ChangeRepo::commit).
pub(super) async fn commit(
    database: &Database,
    owner: UserId,
    writes: &[Write],
    change: &Change,
) -> Result<Vec<Entry>, ChangeRepoError> {
    // Serialized before the transaction begins, to keep it short.
    let mut rows = statements::entries(owner, writes, change)?;
    let count = i64::try_from(rows.len()).map_err(|error| StorageError::Other(error.into()))?;

    let transaction = database.begin().await?;
    let reserved = transaction.query_one(&statements::reserve_seqs(owner, count)).await.map_err(storage)?;
    let Some(reserved) = reserved else { return transaction.abort(ChangeRepoError::NotFound).await };
    let head: i64 = reserved.try_get_by_index(0).map_err(storage)?;
    if let Some(call) = &change.call {
        let recorded = entries::find_effect(&transaction, owner, call.effect()).await?;
        if !recorded.is_empty() {
            transaction.rollback().await.map_err(storage)?;
            return Ok(recorded);
        }
        // The attempt is the fencing token: the share lock delays the turn's end, or its next attempt, until this
        // transaction ends.
        if transaction.query_one(&lock_attempt(owner, call.attempt)).await.map_err(storage)?.is_none() {
            return transaction.abort(ChangeRepoError::LeaseLost).await;
        }
    }
    for write in writes {
        if !statements::write_row(&transaction, owner, write).await? {
            return transaction.abort(ChangeRepoError::Stale).await;
        }
    }
    if let Some(update) = statements::erase_purged_rows(owner, writes) {
        transaction.execute(&update).await.map_err(storage)?;
    }
    if let Some(pending) = change.confirms {
        let settle = settle_one(owner, pending, change.at.into());
        transaction.execute(&settle).await.map_err(storage)?;
    }
    for row in &mut rows {
        row.seq += head - count;
    }
    for chunk in rows.chunks(VALUES_PER_STATEMENT / Column::iter().count()) {
        transaction.execute(&statements::insert_entries(chunk)).await.map_err(storage)?;
    }
    let entries = rows.into_iter().map(Entry::try_from).collect::<Result<_, StorageError>>()?;
    transaction.commit().await.map_err(storage)?;
    Ok(entries)
}
