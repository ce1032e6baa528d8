//! The one way to write.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{ChangeRepo, ChangeRepoError, ChangeSignals, Entry, Origin, Write};
use crate::runtime::{Clock, IdGenerator};

/// Commits changes and wakes those who follow the ledger.
#[derive(Clone)]
pub struct Ledger {
    /// The stored ledger.
    pub repo: Arc<dyn ChangeRepo>,
    /// Wakes readers.
    pub signals: Arc<dyn ChangeSignals>,
    /// Time.
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
        let owner = origin.principal.user;
        let entries = self.repo.commit(owner, writes, &origin.change(self.ids.next().into(), at)).await?;
        self.signals.notify(owner);
        Ok(entries)
    }
}
