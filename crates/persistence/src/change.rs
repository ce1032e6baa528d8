//! Changes: every write of a task, with its ledger entry.

mod commit;
mod entries;
mod selects;
mod stored_row;
mod writes;

use std::num::NonZeroU16;

use async_trait::async_trait;
use domain::change::{
    Change, ChangeRepo, ChangeRepoError, EffectId, Entry, EntryPage, EntrySelector, Head, Seq, UndoLink, Write,
};
use domain::id::UserId;
use domain::storage::StorageError;
use sea_orm::{ConnectionTrait as _, EntityTrait as _, FromQueryResult as _, QuerySelect as _};

use crate::database::{Database, VALUES_PER_STATEMENT};
use crate::entity::change::Model;
use crate::entity::user;
use crate::error::{corrupt, storage};
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

    async fn find_effect(&self, owner: UserId, effect: EffectId) -> Result<Vec<Entry>, StorageError> {
        entries::find_effect(&self.database.reader().await?, owner, effect).await
    }

    async fn find(&self, owner: UserId, selector: &EntrySelector) -> Result<Vec<Entry>, StorageError> {
        let mut found = Vec::new();
        for select in selects::entries(owner, selector) {
            let reader = self.database.reader().await?;
            for row in select.all(&reader).await.map_err(storage)? {
                found.push(Entry::try_from(row)?);
            }
        }
        found.sort_by_key(|entry| entry.seq);
        let surplus = selects::limit(selector).map_or(0, |limit| found.len().saturating_sub(limit.get().into()));
        found.drain(..surplus);
        Ok(found)
    }

    async fn list(&self, owner: UserId, after: Seq, limit: NonZeroU16) -> Result<EntryPage, ChangeRepoError> {
        let reader = self.database.reader().await?;
        let rows = reader.query_all(&selects::page(owner, after, limit)).await.map_err(storage)?;
        let first = rows.first().ok_or(ChangeRepoError::NotFound)?;
        let head: i64 = first.try_get_by_index(0).map_err(storage)?;
        let mut entries = Vec::with_capacity(rows.len());
        for row in &rows {
            // A user without entries after the cursor yields one row whose entry is NULL.
            let number: Option<i64> = row.try_get_by_index(1).map_err(storage)?;
            if number.is_some() {
                entries.push(Model::from_query_result(row, "").map_err(storage)?.try_into()?);
            }
        }
        Ok(EntryPage { head: seq(head)?, entries })
    }

    async fn head(&self, owner: UserId) -> Result<Head, ChangeRepoError> {
        let select = user::Entity::find_by_id(owner.as_uuid())
            .select_only()
            .columns([user::Column::ChangeSeq, user::Column::TimeZone])
            .into_tuple();
        let reader = self.database.reader().await?;
        let found: Option<(i64, String)> = select.one(&reader).await.map_err(storage)?;
        let (head, time_zone) = found.ok_or(ChangeRepoError::NotFound)?;
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
