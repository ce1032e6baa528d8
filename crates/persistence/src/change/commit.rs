//! The transaction of a commit.
//!
//! What is locked is the user, then the turn, then the rows, then the pending action. Whoever else writes a user's tasks comes this way, and
//! whoever deletes the user, the conversation or the turn begins with that one, so no two transactions wait for each other.
//! (SQLite has one writer at a time, and no locks of rows.)

use domain::change::{Change, ChangeRepoError, Entry, Write};
use domain::id::UserId;
use domain::storage::StorageError;
use sea_orm::{ConnectionTrait as _, Iterable as _};

use super::{entries, writes as statements};
use crate::Database;
use crate::database::VALUES_PER_STATEMENT;
use crate::entity::change::Column;
use crate::error::storage;
use crate::turn::{hold, settle_one};

/// See [`ChangeRepo::commit`](domain::change::ChangeRepo::commit).
pub(super) async fn commit(
    database: &Database,
    owner: UserId,
    writes: &[Write],
    change: &Change,
) -> Result<Vec<Entry>, ChangeRepoError> {
    // Before the transaction, which is not to be held for it.
    let mut rows = statements::entries(owner, writes, change)?;
    let count = i64::try_from(rows.len()).map_err(|error| StorageError::Other(error.into()))?;

    let transaction = database.begin().await?;
    let raised = transaction.query_one(&statements::raise_head(owner, count)).await.map_err(storage)?;
    let Some(raised) = raised else { return transaction.undo(ChangeRepoError::NotFound).await };
    let head: i64 = raised.try_get_by_index(0).map_err(storage)?;
    if let Some(call) = &change.call {
        let recorded = entries::of_effect(&transaction, owner, call.effect()).await?;
        if !recorded.is_empty() {
            transaction.rollback().await.map_err(storage)?;
            return Ok(recorded);
        }
        // The turn stays as it is until the transaction ends: whoever ends it, or begins another attempt, comes before or
        // after all of this.
        if transaction.query_one(&hold(owner, call.attempt)).await.map_err(storage)?.is_none() {
            return transaction.undo(ChangeRepoError::LeaseLost).await;
        }
    }
    for write in writes {
        if !statements::write_row(&transaction, owner, write).await? {
            return transaction.undo(ChangeRepoError::Stale).await;
        }
    }
    if let Some(update) = statements::blank_entries(owner, writes) {
        transaction.execute(&update).await.map_err(storage)?;
    }
    if let Some(pending) = change.confirms {
        let settle = settle_one(owner, pending, change.at.into());
        transaction.execute(&settle).await.map_err(storage)?;
    }
    for row in &mut rows {
        row.seq += head - count;
    }
    for some in rows.chunks(VALUES_PER_STATEMENT / Column::iter().count()) {
        transaction.execute(&statements::insert_entries(some)).await.map_err(storage)?;
    }
    let entries = rows.into_iter().map(Entry::try_from).collect::<Result<_, StorageError>>()?;
    transaction.commit().await.map_err(storage)?;
    Ok(entries)
}
