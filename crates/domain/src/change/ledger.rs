//! The only way to write a user's rows: [`Ledger`].

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{
    Change, ChangeRepo, ChangeRepoError, ChangeSignals, Entry, IdempotencyError, Keyed, KeyedAnswer, Origin, Write,
};
use crate::conversation::Idempotency;
use crate::id::{OperationId, PendingActionId, UserId};
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

    /// Commits `writes` as one operation of `origin`, whose request is answered with `answer`.
    pub(crate) async fn commit_answered(
        &self,
        origin: &Origin,
        writes: &[Write],
        at: DateTime<Utc>,
        answer: impl FnOnce(OperationId) -> KeyedAnswer,
    ) -> Result<Vec<Entry>, ChangeRepoError> {
        let mut change = origin.change(self.ids.next().into(), at);
        let answer = answer(change.operation);
        change.keyed = origin.idempotency.clone().map(|request| Keyed { request, answer });
        self.commit_change(writes, change).await
    }

    /// Stores the answer to a request that changes nothing, if it has an idempotency key.
    pub(crate) async fn store_answer(
        &self,
        owner: UserId,
        request: Option<&Idempotency>,
        answer: KeyedAnswer,
        at: DateTime<Utc>,
    ) -> Result<(), IdempotencyError> {
        let Some(request) = request.cloned() else { return Ok(()) };
        self.repo.store_answer(owner, &Keyed { request, answer }, at).await
    }

    /// Processes a request once within the lifetime of its idempotency key: `run` does it and stores its answer, and
    /// `replay` gives the answer of an earlier one. A request that is refused stores nothing.
    pub(crate) async fn once<T, E: From<IdempotencyError>, R: Future<Output = Result<T, E>>>(
        &self,
        owner: UserId,
        request: Option<&Idempotency>,
        run: impl Future<Output = Result<T, E>>,
        replay: impl Fn(KeyedAnswer) -> R,
    ) -> Result<T, E> {
        let Some(request) = request else { return run.await };
        let find = || self.repo.find_answer(owner, request, self.clock.now());
        if let Some(answer) = find().await? {
            return replay(answer).await;
        }
        match run.await {
            Ok(done) => Ok(done),
            // The same request may have been answered meanwhile, which is why this one is refused.
            Err(error) => match find().await? {
                Some(answer) => replay(answer).await,
                None => Err(error),
            },
        }
    }

    async fn commit_change(&self, writes: &[Write], change: Change) -> Result<Vec<Entry>, ChangeRepoError> {
        let owner = change.actor.user;
        let entries = self.repo.commit(owner, writes, &change).await?;
        self.signals.notify(owner);
        Ok(entries)
    }
}
