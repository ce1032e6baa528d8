//! Changes: every write of a task, with its ledger entry.

mod commit;
mod entries;
mod selects;
mod stored_row;
mod writes;

use std::num::NonZeroU16;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::change::{
    Change, ChangeRepo, ChangeRepoError, EffectId, Entry, EntryPage, EntrySelector, Head, IdempotencyError, Keyed,
    KeyedAnswer, Seq, UndoLink, Write,
};
use domain::conversation::Idempotency;
use domain::id::UserId;
use domain::storage::StorageError;
use sea_orm::{ConnectionTrait as _, EntityTrait as _, QuerySelect as _, QueryTrait as _};

use crate::database::{Database, Row, VALUES_PER_STATEMENT};
use crate::entity::change::Column;
use crate::entity::user;
use crate::error::{corrupt, storage};
use crate::idempotency;
use entries::seq;

/// [`ChangeRepo`] on SeaORM.
#[derive(Clone)]
pub struct SeaChangeRepo {
    database: Database,
}

impl SeaChangeRepo {
    /// Creates the repository on `database`.
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl ChangeRepo for SeaChangeRepo {
    async fn commit(&self, owner: UserId, writes: &[Write], change: &Change) -> Result<Vec<Entry>, ChangeRepoError> {
        commit::commit(&self.database, owner, writes, change).await
    }

    async fn find_answer(
        &self,
        owner: UserId,
        request: &Idempotency,
        now: DateTime<Utc>,
    ) -> Result<Option<KeyedAnswer>, IdempotencyError> {
        idempotency::find(&self.database, owner, request, now).await
    }

    async fn store_answer(&self, owner: UserId, keyed: &Keyed, at: DateTime<Utc>) -> Result<(), IdempotencyError> {
        idempotency::store(&self.database, owner, keyed, at).await
    }

    async fn find_effect(&self, owner: UserId, effect: EffectId) -> Result<Vec<Entry>, StorageError> {
        entries::find_effect(&self.database, owner, effect).await
    }

    async fn find(&self, owner: UserId, selector: &EntrySelector) -> Result<Vec<Entry>, StorageError> {
        let mut found = Vec::new();
        for select in selects::entries(owner, selector) {
            found.extend(self.database.read(&select.into_query(), entries::read).await?);
        }
        found.sort_by_key(|entry| entry.seq);
        let surplus = selects::limit(selector).map_or(0, |limit| found.len().saturating_sub(limit.get().into()));
        found.drain(..surplus);
        Ok(found)
    }

    async fn list(&self, owner: UserId, after: Seq, limit: NonZeroU16) -> Result<EntryPage, ChangeRepoError> {
        let rows = self.database.read(&selects::page(owner, after, limit), head_and_entry).await?;
        let (head, _) = rows.first().ok_or(ChangeRepoError::NotFound)?;
        let head = seq(*head)?;
        Ok(EntryPage { head, entries: rows.into_iter().filter_map(|(_, entry)| entry).collect() })
    }

    async fn head(&self, owner: UserId) -> Result<Head, ChangeRepoError> {
        let select = user::Entity::find_by_id(owner.as_uuid())
            .select_only()
            .columns([user::Column::ChangeSeq, user::Column::TimeZone])
            .into_query();
        let found: Vec<(i64, String)> = self.database.read(&select, |row| Ok((row.get(0)?, row.get(1)?))).await?;
        let (head, time_zone) = found.into_iter().next().ok_or(ChangeRepoError::NotFound)?;
        Ok(Head { seq: seq(head)?, time_zone: time_zone.parse().map_err(corrupt)? })
    }

    async fn undo_links(&self, owner: UserId, seqs: &[Seq]) -> Result<Vec<UndoLink>, StorageError> {
        let mut links = Vec::new();
        for chunk in seqs.chunks(VALUES_PER_STATEMENT) {
            let reader = self.database.reader().await?;
            for row in reader.query_all(&selects::undo_links(owner, chunk)).await.map_err(storage)? {
                let (undoing, undone): (i64, i64) =
                    (row.try_get_by_index(0).map_err(storage)?, row.try_get_by_index(1).map_err(storage)?);
                links.push(UndoLink { seq: seq(undoing)?, undoes: seq(undone)? });
            }
        }
        Ok(links)
    }
}

/// Reads a row of [`selects::page`]. A user without entries after the cursor has one row whose entry is NULL.
fn head_and_entry(row: &Row<'_>) -> Result<(i64, Option<Entry>), StorageError> {
    let number: Option<i64> = row.get(selects::FIRST_OF_ENTRY + Column::Seq as usize)?;
    let entry = number.map(|_| entries::read_from(row, selects::FIRST_OF_ENTRY)).transpose()?;
    Ok((row.get(0)?, entry))
}
