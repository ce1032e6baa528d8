//! The transaction of a commit.
//!
//! Lock order on PostgreSQL: the user's row, an idempotency key, the turn's row, its message, the rows that are written, the
//! pending action. The update of the user's row serializes the commits of one user. A transaction that deletes the user, a
//! conversation or a turn takes that row's lock first and follows the same order in its cascades, so that there is no
//! deadlock. (SQLite has a single writer and no row locks.)

use domain::change::{Change, ChangeRepoError, Entry, Write};
use domain::id::UserId;
use domain::storage::StorageError;
use sea_orm::{Iterable as _, QueryTrait as _};

use super::{entries, selects, writes as statements};
use crate::database::{Database, Guard, Outcome, VALUES_PER_STATEMENT};
use crate::entity::change::Column;
use crate::error::corrupt;
use crate::idempotency;
use crate::turn::{lock_attempt, set_parts, settle_one};

/// See [`ChangeRepo::commit`](domain::change::ChangeRepo::commit).
pub(super) async fn commit(
    database: &Database,
    owner: UserId,
    writes: &[Write],
    change: &Change,
) -> Result<Vec<Entry>, ChangeRepoError> {
    let mut rows = statements::entries(owner, writes, change)?;
    let count = i64::try_from(rows.len()).map_err(|error| StorageError::Other(error.into()))?;

    let mut batch = database.batch();
    let reserve = batch.query(&statements::reserve_seqs(owner, count), Guard::SomeRows);
    let (mut find, mut lock, mut key) = (None, None, None);
    if let Some(keyed) = &change.keyed {
        key = Some(batch.execute(&idempotency::insert(owner, keyed, change.at)?, Guard::SomeRows));
    }
    if let Some(call) = &change.call {
        find = Some(batch.query(&selects::effect(owner, call.effect()).into_query(), Guard::NoRows));
        // The attempt is the fencing token: the share lock delays the turn's end, or its next attempt, until this
        // transaction ends.
        lock = Some(batch.query(&lock_attempt(owner, call.attempt), Guard::SomeRows));
        if let Some(parts) = &change.message_parts {
            batch.execute(&set_parts(owner, call.attempt.turn, parts)?, Guard::None);
        }
    }
    for write in writes {
        statements::write_row(&mut batch, owner, write);
    }
    if let Some(update) = statements::erase_purged_rows(owner, writes) {
        batch.execute(&update, Guard::None);
    }
    if let Some(pending) = change.confirms {
        batch.execute(&settle_one(owner, pending, change.at.into()), Guard::None);
    }
    for chunk in rows.chunks(VALUES_PER_STATEMENT / Column::iter().count()) {
        batch.execute(&statements::insert_entries(owner, chunk, count), Guard::None);
    }
    let results = match database.write(batch).await? {
        Outcome::Committed(results) => results,
        Outcome::Refused(step) if step == reserve => return Err(ChangeRepoError::NotFound),
        Outcome::Refused(step) if Some(step) == key => return Err(ChangeRepoError::KeyUsed),
        Outcome::Refused(step) if Some(step) == lock => return Err(ChangeRepoError::LeaseLost),
        Outcome::Refused(step) if let (Some(call), true) = (&change.call, Some(step) == find) => {
            return Ok(entries::find_effect(database, owner, call.effect()).await?);
        }
        Outcome::Refused(_) => return Err(ChangeRepoError::Stale),
    };
    let reserved = results[reserve].row().ok_or_else(|| corrupt("no sequence numbers were reserved"))?;
    let head: i64 = reserved.get(0)?;
    for row in &mut rows {
        row.seq += head - count;
    }
    Ok(rows.into_iter().map(Entry::try_from).collect::<Result<_, StorageError>>()?)
}
