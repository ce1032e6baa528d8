//! The only way to write a user's rows: [`Ledger`].

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Change, ChangeRepo, ChangeRepoError, ChangeSignals, Entry, Origin, Write};
use crate::id::PendingActionId;
use crate::runtime::{Clock, IdGenerator};

/// Maximum number of attempts at a change of rows that others change concurrently.
pub(crate) const MAX_ATTEMPTS: u8 = 20;

/// Commits changes and wakes the followers of the ledger.
#[derive(Clone)]
pub struct Ledger {
    /// The stored ledger.
    pub repo: Arc<dyn ChangeRepo>,
    /// Wakes followers.
    pub signals: Arc<dyn ChangeSignals>,
    /// The time of changes.
    pub clock: Arc<dyn Clock>,
    /// Ids of rows and operations.
    pub ids: Arc<dyn IdGenerator>,
}

impl Ledger {
    /// Commits `writes` as one operation of `origin`.
    ///
    /// # Errors
    /// As [`ChangeRepo::commit`].
    pub async fn commit(
        &self,
        origin: &Origin,
        writes: &[Write],
        at: DateTime<Utc>,
    ) -> Result<Vec<Entry>, ChangeRepoError> {
        self.commit_change(writes, origin.change(self.ids.next().into(), at)).await
    }

    /// Commits `writes` as one operation of `origin`, which confirms a pending action.
    ///
    /// # Errors
    /// As [`ChangeRepo::commit`].
    pub async fn commit_confirmed(
        &self,
        origin: &Origin,
        pending: PendingActionId,
        writes: &[Write],
        at: DateTime<Utc>,
    ) -> Result<Vec<Entry>, ChangeRepoError> {
        let change = origin.change(self.ids.next().into(), at);
        self.commit_change(writes, Change { confirms: Some(pending), ..change }).await
    }

    async fn commit_change(&self, writes: &[Write], change: Change) -> Result<Vec<Entry>, ChangeRepoError> {
        let owner = change.actor.user;
        let entries = self.repo.commit(owner, writes, &change).await?;
        self.signals.notify(owner);
        Ok(entries)
    }
}
