//! The use cases of changes: reading, following and undoing them.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::num::NonZeroU16;
use std::sync::Arc;

use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, stream};

use super::ledger::MAX_ATTEMPTS;
use super::receipt::undone_by;
use super::undo::{Conflict, UndoPlan, name_later, plan};
use super::{
    ChangeRepoError, EntityId, Entry, EntryPage, EntrySelector, Head, IdempotencyError, KeyedAnswer, Ledger, Origin,
    Receipt, Receipts, Seq,
};
use crate::id::{ConversationId, MessageId, OperationId, UserId};
use crate::principal::{InsufficientScope, Principal, Scope};
use crate::storage::StorageError;
use crate::task::{TaskRepo, TaskRepoError};

/// Number of entries that a follower reads at once.
const FOLLOW_PAGE_SIZE: NonZeroU16 = NonZeroU16::new(100).unwrap();
/// Number of entries that are searched at once for a turn to undo and for later changes that block an undo.
const SEARCH_PAGE_SIZE: NonZeroU16 = NonZeroU16::new(1000).unwrap();

/// Why changes cannot be read or undone.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The caller lacks a scope.
    #[error(transparent)]
    InsufficientScope(#[from] InsufficientScope),
    /// There is no such change.
    #[error("no such change")]
    NotFound,
    /// Entries after the requested number have been deleted, or the number is beyond the newest entry.
    #[error("the entries after that number are not available")]
    CursorExpired,
    /// Rows were changed afterwards; nothing was undone.
    #[error("the changes cannot be undone")]
    Conflicts(Vec<Conflict>),
    /// Concurrent changes of the same rows exhausted the retries.
    #[error("the rows kept changing")]
    Contention,
    /// The turn that requested the undo is not running any more; nothing was undone.
    #[error("the turn has ended")]
    LeaseLost,
    /// The request has an idempotency key, for which it cannot be answered.
    #[error(transparent)]
    Idempotency(#[from] IdempotencyError),
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<ChangeRepoError> for ChangeError {
    fn from(error: ChangeRepoError) -> Self {
        match error {
            ChangeRepoError::NotFound => Self::NotFound,
            ChangeRepoError::Stale => Self::Contention,
            ChangeRepoError::LeaseLost => Self::LeaseLost,
            ChangeRepoError::KeyUsed => IdempotencyError::InProgress.into(),
            ChangeRepoError::Storage(error) => Self::Storage(error),
        }
    }
}

/// The changes to undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UndoTarget {
    /// One change.
    Change(Seq),
    /// All changes of an operation.
    Operation(OperationId),
    /// All changes of the turn that wrote this message.
    Message(ConversationId, MessageId),
}

/// What an undo does when some of the changes are in conflict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// Nothing is undone.
    #[default]
    Fail,
    /// The rest is undone.
    Skip,
}

/// The result of an undo.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// The entries of the undo, which is a separate operation; empty if everything was skipped.
    pub entries: Vec<Entry>,
    /// The changes that were skipped.
    pub conflicts: Vec<Conflict>,
}

/// Entries in order and without gaps.
pub type EntryStream = BoxStream<'static, Result<Entry, ChangeError>>;

/// Reads, follows and undoes the changes of the acting user.
#[derive(Clone)]
pub struct ChangeService {
    ledger: Ledger,
    tasks: Arc<dyn TaskRepo>,
}

impl ChangeService {
    /// Creates the service.
    pub fn new(ledger: Ledger, tasks: Arc<dyn TaskRepo>) -> Self {
        Self { ledger, tasks }
    }

    /// The ledger.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Returns the newest number and the time zone, from which clients see whether the user's lists may have changed.
    ///
    /// # Errors
    /// [`ChangeError`] without the scope `tasks:read`, or if storage fails.
    pub async fn head(&self, principal: &Principal) -> Result<Head, ChangeError> {
        principal.require(Scope::TasksRead)?;
        Ok(self.ledger.repo.head(principal.user).await?)
    }

    /// Returns at most `limit` entries that follow `after`.
    ///
    /// # Errors
    /// [`ChangeError::CursorExpired`] if some were deleted or `after` is beyond the head; [`ChangeError`] without
    /// the scope `tasks:read`, or if storage fails.
    pub async fn list(&self, principal: &Principal, after: Seq, limit: NonZeroU16) -> Result<EntryPage, ChangeError> {
        principal.require(Scope::TasksRead)?;
        entries_after(&self.ledger, principal.user, after, limit).await
    }

    /// Streams the entries after `after` (by default, after the head), including future ones. The stream ends at shutdown
    /// and after an error. It buffers at most one page of entries, however slow its reader is.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub async fn follow(&self, principal: &Principal, after: Option<Seq>) -> Result<EntryStream, ChangeError> {
        principal.require(Scope::TasksRead)?;
        let owner = principal.user;
        // Subscribes before the first read, so that no entry is missed in between.
        let signals = self.ledger.signals.subscribe(owner);
        let after = match after {
            Some(after) => after,
            None => self.ledger.repo.head(owner).await?.seq,
        };
        let first = entries_after(&self.ledger, owner, after, FOLLOW_PAGE_SIZE).await?;
        let follower = Follower { ledger: self.ledger.clone(), owner, after, page: first.entries.into(), signals };
        Ok(stream::unfold(Some(follower), Follower::next).boxed())
    }

    /// Undoes changes as one operation. Changes that are already undone are left out, unless all of them are. A request with
    /// an idempotency key is processed once.
    ///
    /// # Errors
    /// [`ChangeError::NotFound`] if the user has no such change; [`ChangeError::Conflicts`] if all changes are already
    /// undone, or if some cannot be undone and `on_conflict` is [`OnConflict::Fail`]; [`ChangeError`] without the scope
    /// `tasks:write`, or if storage fails.
    pub async fn undo(
        &self,
        origin: &Origin,
        target: UndoTarget,
        on_conflict: OnConflict,
    ) -> Result<Undone, ChangeError> {
        let owner = origin.principal.user;
        origin.principal.require(Scope::TasksWrite)?;
        let selector = match target {
            UndoTarget::Change(seq) => EntrySelector::Seq(seq),
            UndoTarget::Operation(id) => EntrySelector::Operation(id),
            UndoTarget::Message(conversation, message) => EntrySelector::Message(conversation, message),
        };
        let run = async {
            let entries = self.ledger.repo.find(owner, &selector).await?;
            if entries.is_empty() {
                return Err(ChangeError::NotFound);
            }
            self.undo_entries(origin, &entries, on_conflict).await
        };
        self.ledger.once(owner, origin.idempotency.as_ref(), run, |answer| self.replay(owner, answer)).await
    }

    /// Returns the result of an earlier undo from the ledger. Tasks that were purged since are left out of its entries.
    async fn replay(&self, owner: UserId, answer: KeyedAnswer) -> Result<Undone, ChangeError> {
        let KeyedAnswer::Undo { operation, conflicts } = answer else { return Err(KeyedAnswer::corrupt().into()) };
        let Some(operation) = operation else { return Ok(Undone { entries: Vec::new(), conflicts }) };
        let entries = self.ledger.repo.find(owner, &EntrySelector::Operation(operation)).await?;
        // The ledger was pruned.
        if entries.is_empty() { Err(ChangeError::NotFound) } else { Ok(Undone { entries, conflicts }) }
    }

    /// Undoes the last turn of the origin's conversation that changed something and is not undone, except the turn of the
    /// origin itself and turns that undid something. Returns `None` if there is no such turn.
    ///
    /// # Errors
    /// As [`undo`](Self::undo).
    pub async fn undo_last_turn(&self, origin: &Origin) -> Result<Option<Undone>, ChangeError> {
        origin.principal.require(Scope::TasksWrite)?;
        let Some(call) = origin.call else { return Ok(None) };
        let owner = origin.principal.user;
        let mut before = None;
        loop {
            let selector = EntrySelector::Turns {
                conversation: call.conversation,
                except: call.attempt.turn,
                before,
                limit: SEARCH_PAGE_SIZE,
            };
            let entries = self.ledger.repo.find(owner, &selector).await?;
            let Some(oldest) = entries.first().map(|entry| entry.seq) else { return Ok(None) };
            let undone = self.undone(owner, &entries).await?;
            let undoable = |entry: &&Entry| entry.after.is_some() && !undone.contains_key(&entry.seq);
            if let Some(last) = entries.iter().rev().find(undoable) {
                let Some(message) = last.message else { return Ok(None) };
                let selector = EntrySelector::Message(call.conversation, message);
                let mut turn = self.ledger.repo.find(owner, &selector).await?;
                // Undos of that turn are not reverted.
                turn.retain(|entry| entry.undoes.is_none());
                return self.undo_entries(origin, &turn, OnConflict::Fail).await.map(Some);
            }
            before = Some(oldest);
        }
    }

    async fn undo_entries(
        &self,
        origin: &Origin,
        entries: &[Entry],
        on_conflict: OnConflict,
    ) -> Result<Undone, ChangeError> {
        let owner = origin.principal.user;
        for _ in 0..MAX_ATTEMPTS {
            let now = self.ledger.clock.now();
            let undone = self.undone(owner, entries).await?;
            let remaining: Vec<Entry> =
                entries.iter().filter(|entry| !undone.contains_key(&entry.seq)).cloned().collect();
            if remaining.is_empty() {
                let conflict = |entry: &Entry| Conflict {
                    seq: entry.seq,
                    entity: entry.entity,
                    field: None,
                    later: undone.get(&entry.seq).copied(),
                };
                return Err(ChangeError::Conflicts(entries.iter().map(conflict).collect()));
            }
            let ids: BTreeSet<_> = remaining.iter().map(|entry| entry.entity).collect();
            let ids: Vec<_> = ids.into_iter().map(|EntityId::Task(id)| id).collect();
            let rows = self.tasks.get_many(owner, &ids).await.map_err(storage)?;
            let rows = rows.into_iter().map(|task| (task.id, task)).collect();
            let UndoPlan { writes, mut conflicts } = plan(&remaining, rows, now);
            self.name_later(owner, &mut conflicts, &remaining).await?;
            if !conflicts.is_empty() && on_conflict == OnConflict::Fail {
                return Err(ChangeError::Conflicts(conflicts));
            }
            let answer = |operation| KeyedAnswer::Undo { operation, conflicts: conflicts.clone() };
            if writes.is_empty() {
                self.ledger.store_answer(owner, origin.idempotency.as_ref(), answer(None), now).await?;
                return Ok(Undone { entries: Vec::new(), conflicts });
            }
            match self.ledger.commit_answered(origin, &writes, now, |operation| answer(Some(operation))).await {
                Ok(entries) => return Ok(Undone { entries, conflicts }),
                Err(ChangeRepoError::Stale) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ChangeError::Contention)
    }

    /// Adds the later change to each conflict. Entries that are `undone` together do not conflict with each other.
    async fn name_later(&self, owner: UserId, conflicts: &mut [Conflict], undone: &[Entry]) -> Result<(), ChangeError> {
        let Some(first) = conflicts.iter().map(|conflict| conflict.seq).min() else { return Ok(()) };
        let rows: BTreeSet<_> = conflicts.iter().map(|conflict| conflict.entity).collect();
        let selector = EntrySelector::Rows { rows: rows.into_iter().collect(), after: first, limit: SEARCH_PAGE_SIZE };
        let mut later = self.ledger.repo.find(owner, &selector).await?;
        later.retain(|entry| undone.iter().all(|undone| undone.seq != entry.seq));
        name_later(conflicts, &later);
        Ok(())
    }

    async fn undone(&self, owner: UserId, entries: &[Entry]) -> Result<HashMap<Seq, Seq>, ChangeError> {
        let seqs: Vec<_> = entries.iter().map(|entry| entry.seq).collect();
        Ok(undone_by(self.ledger.repo.undo_links(owner, &seqs).await?))
    }

    /// Returns the receipts of messages. `stored` are the receipts that are stored with each message; the ledger adds
    /// those that the message does not have yet, and which changes were undone.
    ///
    /// # Errors
    /// If storage fails.
    pub async fn receipts(
        &self,
        owner: UserId,
        stored: Vec<(MessageId, Vec<Receipt>)>,
    ) -> Result<HashMap<MessageId, Receipts>, StorageError> {
        let ids: Vec<_> = stored.iter().map(|(message, _)| *message).collect();
        let entries = self.ledger.repo.find(owner, &EntrySelector::Messages(ids)).await?;
        let seqs: Vec<_> = entries.iter().map(|entry| entry.seq).collect();
        let undone =
            if seqs.is_empty() { HashMap::new() } else { undone_by(self.ledger.repo.undo_links(owner, &seqs).await?) };
        let mut by_message: BTreeMap<MessageId, Vec<&Entry>> = BTreeMap::new();
        for entry in &entries {
            if let Some(message) = entry.message {
                by_message.entry(message).or_default().push(entry);
            }
        }
        let receipts = |(message, stored): (MessageId, Vec<Receipt>)| {
            let entries = by_message.get(&message).map_or(&[][..], Vec::as_slice);
            (message, Receipts::on_read(stored, entries, &undone))
        };
        Ok(stored.into_iter().map(receipts).collect())
    }
}

/// The state of a stream that follows the ledger.
struct Follower {
    ledger: Ledger,
    owner: UserId,
    after: Seq,
    page: VecDeque<Entry>,
    signals: BoxStream<'static, ()>,
}

impl Follower {
    async fn next(follower: Option<Self>) -> Option<(Result<Entry, ChangeError>, Option<Self>)> {
        let mut follower = follower?;
        loop {
            if let Some(entry) = follower.page.pop_front() {
                follower.after = entry.seq;
                return Some((Ok(entry), Some(follower)));
            }
            match entries_after(&follower.ledger, follower.owner, follower.after, FOLLOW_PAGE_SIZE).await {
                Ok(page) if page.entries.is_empty() => follower.signals.next().await?,
                Ok(page) => follower.page = page.entries.into(),
                Err(error) => return Some((Err(error), None)),
            }
        }
    }
}

async fn entries_after(
    ledger: &Ledger,
    owner: UserId,
    after: Seq,
    limit: NonZeroU16,
) -> Result<EntryPage, ChangeError> {
    let page = ledger.repo.list(owner, after, limit).await?;
    let mut expected = after;
    let contiguous = page.entries.iter().all(|entry| {
        expected = expected.next();
        entry.seq == expected
    });
    let missing = page.entries.is_empty() && after != page.head;
    if contiguous && !missing { Ok(page) } else { Err(ChangeError::CursorExpired) }
}

fn storage(error: TaskRepoError) -> ChangeError {
    match error {
        TaskRepoError::NotFound => ChangeError::NotFound,
        TaskRepoError::Storage(error) => ChangeError::Storage(error),
    }
}

#[cfg(test)]
mod tests;
