//! Reads, follows and undoes changes.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::num::NonZeroU16;
use std::sync::Arc;

use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, stream};

use super::receipt::undone_by;
use super::undo::{Conflict, Plan, name_later, plan};
use super::{ChangeRepoError, EntityId, Entry, EntryPage, EntrySelector, Head, Ledger, Origin, Receipts, Seq};
use crate::id::{ConversationId, MessageId, OperationId, UserId};
use crate::message::{Message, receipts};
use crate::principal::{InsufficientScope, Principal, Scope};
use crate::storage::StorageError;
use crate::task::{MAX_ATTEMPTS, TaskRepo, TaskRepoError};

/// Entries that are read at once by a reader that follows the ledger.
const FOLLOW_PAGE: NonZeroU16 = NonZeroU16::new(100).unwrap();
/// Entries that are looked through at once for a turn to undo, and for what is in the way of an undo.
const SEARCH_PAGE: NonZeroU16 = NonZeroU16::new(1000).unwrap();

/// Why changes cannot be read or undone.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The caller may not do this.
    #[error(transparent)]
    InsufficientScope(#[from] InsufficientScope),
    /// There is no such change.
    #[error("no such change")]
    NotFound,
    /// Entries after the asked number are not kept any more, or there is no such number yet.
    #[error("the entries after that number are not kept")]
    CursorExpired,
    /// Rows have changed since; nothing was undone.
    #[error("the changes cannot be undone")]
    Conflicts(Vec<Conflict>),
    /// Others kept changing the same rows.
    #[error("the rows kept changing")]
    Contention,
    /// The turn that undoes does not run any more; nothing was undone.
    #[error("the turn has ended")]
    LeaseLost,
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
            ChangeRepoError::Storage(error) => Self::Storage(error),
        }
    }
}

/// What is to be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UndoTarget {
    /// One change.
    Change(Seq),
    /// All changes of an operation.
    Operation(OperationId),
    /// All changes of the turn that wrote this message.
    Message(ConversationId, MessageId),
}

/// What happens to an undo of which a part is in conflict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// Nothing is undone.
    #[default]
    Fail,
    /// The rest is undone.
    Skip,
}

/// What an undo did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// The entries of the undo, which is an operation of its own; none if everything was skipped.
    pub entries: Vec<Entry>,
    /// What was skipped.
    pub conflicts: Vec<Conflict>,
}

/// Entries in their order, without a gap, as they come.
pub type EntryStream = BoxStream<'static, Result<Entry, ChangeError>>;

/// Reads, follows and undoes the changes of the acting user.
#[derive(Clone)]
pub struct ChangeService {
    ledger: Ledger,
    tasks: Arc<dyn TaskRepo>,
}

impl ChangeService {
    /// A service over these ports.
    pub fn new(ledger: Ledger, tasks: Arc<dyn TaskRepo>) -> Self {
        Self { ledger, tasks }
    }

    /// Returns what tells whether the user's lists may have changed.
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
    /// [`ChangeError::CursorExpired`] if they are not kept any more or `after` is beyond the head; [`ChangeError`] without
    /// the scope `tasks:read`, or if storage fails.
    pub async fn list(&self, principal: &Principal, after: Seq, limit: NonZeroU16) -> Result<EntryPage, ChangeError> {
        principal.require(Scope::TasksRead)?;
        entries_after(&self.ledger, principal.user, after, limit).await
    }

    /// Follows the ledger: the entries after `after` (after the head, if absent) and each that comes later. The stream ends
    /// at shutdown, and after an error. It keeps at most one page of entries, however far its reader is behind.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub async fn follow(&self, principal: &Principal, after: Option<Seq>) -> Result<EntryStream, ChangeError> {
        principal.require(Scope::TasksRead)?;
        let owner = principal.user;
        // Before the first read, so that nothing comes unnoticed between the two.
        let signals = self.ledger.signals.subscribe(owner);
        let after = match after {
            Some(after) => after,
            None => self.ledger.repo.head(owner).await?.seq,
        };
        let first = entries_after(&self.ledger, owner, after, FOLLOW_PAGE).await?;
        let reader = Reader { ledger: self.ledger.clone(), owner, after, page: first.entries.into(), signals };
        Ok(stream::unfold(Some(reader), Reader::next).boxed())
    }

    /// Undoes changes, as one operation. What is undone already is left out, unless all of it is.
    ///
    /// # Errors
    /// [`ChangeError::NotFound`] if the user has no such change; [`ChangeError::Conflicts`] if all of it is undone, or if a
    /// part cannot be undone and `on_conflict` says so; [`ChangeError`] without the scope `tasks:write`, or if storage fails.
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
        let entries = self.ledger.repo.find(owner, &selector).await?;
        if entries.is_empty() {
            return Err(ChangeError::NotFound);
        }
        self.undo_entries(origin, &entries, on_conflict).await
    }

    /// Undoes the last turn of the origin's conversation that changed something and is not undone, other than the turn that
    /// asks for it and those that undid something. `None` if there is no such turn.
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
                limit: SEARCH_PAGE,
            };
            let entries = self.ledger.repo.find(owner, &selector).await?;
            let Some(oldest) = entries.first().map(|entry| entry.seq) else { return Ok(None) };
            let undone = self.undone(owner, &entries).await?;
            let standing = |entry: &&Entry| entry.after.is_some() && !undone.contains_key(&entry.seq);
            if let Some(last) = entries.iter().rev().find(standing) {
                let Some(message) = last.message else { return Ok(None) };
                let selector = EntrySelector::Message(call.conversation, message);
                let mut turn = self.ledger.repo.find(owner, &selector).await?;
                // What that turn itself has undone stays undone.
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
            let standing: Vec<Entry> =
                entries.iter().filter(|entry| !undone.contains_key(&entry.seq)).cloned().collect();
            if standing.is_empty() {
                let conflict = |entry: &Entry| Conflict {
                    seq: entry.seq,
                    entity: entry.entity,
                    field: None,
                    later: undone.get(&entry.seq).copied(),
                };
                return Err(ChangeError::Conflicts(entries.iter().map(conflict).collect()));
            }
            let ids: BTreeSet<_> = standing.iter().map(|entry| entry.entity).collect();
            let ids: Vec<_> = ids.into_iter().map(|EntityId::Task(id)| id).collect();
            let rows = self.tasks.get_many(owner, &ids).await.map_err(storage)?;
            let rows = rows.into_iter().map(|task| (task.id, task)).collect();
            let Plan { writes, mut conflicts } = plan(&standing, rows, now);
            self.name_later(owner, &mut conflicts, &standing).await?;
            if !conflicts.is_empty() && on_conflict == OnConflict::Fail {
                return Err(ChangeError::Conflicts(conflicts));
            }
            if writes.is_empty() {
                return Ok(Undone { entries: Vec::new(), conflicts });
            }
            match self.ledger.commit(origin, &writes, now).await {
                Ok(entries) => return Ok(Undone { entries, conflicts }),
                Err(ChangeRepoError::Stale) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ChangeError::Contention)
    }

    /// Names what is in the way of each conflict, which none of the `undone` entries is.
    async fn name_later(&self, owner: UserId, conflicts: &mut [Conflict], undone: &[Entry]) -> Result<(), ChangeError> {
        let Some(first) = conflicts.iter().map(|conflict| conflict.seq).min() else { return Ok(()) };
        let rows: BTreeSet<_> = conflicts.iter().map(|conflict| conflict.entity).collect();
        let selector = EntrySelector::Rows { rows: rows.into_iter().collect(), after: first, limit: SEARCH_PAGE };
        let mut later = self.ledger.repo.find(owner, &selector).await?;
        later.retain(|entry| undone.iter().all(|undone| undone.seq != entry.seq));
        name_later(conflicts, &later);
        Ok(())
    }

    async fn undone(&self, owner: UserId, entries: &[Entry]) -> Result<HashMap<Seq, Seq>, ChangeError> {
        let seqs: Vec<_> = entries.iter().map(|entry| entry.seq).collect();
        Ok(undone_by(self.ledger.repo.undo_links(owner, &seqs).await?))
    }

    /// Returns the receipts of messages, by their ids: those that are stored with them, and what the ledger knows of them.
    ///
    /// # Errors
    /// If storage fails.
    pub async fn receipts(
        &self,
        owner: UserId,
        messages: &[Message],
    ) -> Result<HashMap<MessageId, Receipts>, StorageError> {
        let ids: Vec<_> = messages.iter().map(|message| message.id).collect();
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
        let of = |message: &Message| {
            let entries = by_message.get(&message.id).map_or(&[][..], Vec::as_slice);
            (message.id, Receipts::on_read(receipts(&message.parts).cloned(), entries, &undone))
        };
        Ok(messages.iter().map(of).collect())
    }
}

/// A reader that follows the ledger.
struct Reader {
    ledger: Ledger,
    owner: UserId,
    after: Seq,
    page: VecDeque<Entry>,
    signals: BoxStream<'static, ()>,
}

impl Reader {
    async fn next(reader: Option<Self>) -> Option<(Result<Entry, ChangeError>, Option<Self>)> {
        let mut reader = reader?;
        loop {
            if let Some(entry) = reader.page.pop_front() {
                reader.after = entry.seq;
                return Some((Ok(entry), Some(reader)));
            }
            match entries_after(&reader.ledger, reader.owner, reader.after, FOLLOW_PAGE).await {
                Ok(page) if page.entries.is_empty() => reader.signals.next().await?,
                Ok(page) => reader.page = page.entries.into(),
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
    let whole = page.entries.iter().all(|entry| {
        expected = expected.next();
        entry.seq == expected
    });
    let missing = page.entries.is_empty() && after != page.head;
    if whole && !missing { Ok(page) } else { Err(ChangeError::CursorExpired) }
}

fn storage(error: TaskRepoError) -> ChangeError {
    match error {
        TaskRepoError::NotFound => ChangeError::NotFound,
        TaskRepoError::Storage(error) => ChangeError::Storage(error),
    }
}

#[cfg(test)]
mod tests;
