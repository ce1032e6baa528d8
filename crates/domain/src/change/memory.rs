//! A minimal [`TaskRepo`] and [`ChangeRepo`] in memory, for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::StreamExt as _;
use uuid::Uuid;

use super::{
    Change, ChangeRepo, ChangeRepoError, EffectId, EntityId, Entry, EntryPage, EntrySelector, Head, IdempotencyError,
    Keyed, KeyedAnswer, Ledger, MockChangeSignals, Row, Seq, UndoLink, Write,
};
use crate::conversation::Idempotency;
use crate::id::{MessageId, TaskId, UserId};
use crate::page::{Page, PageRequest};
use crate::runtime::{ManualClock, MockIdGenerator};
use crate::storage::StorageError;
use crate::task::{Task, TaskCounts, TaskCursor, TaskFilter, TaskRepo, TaskRepoError, TitleMatch, TrashCursor};
use crate::user::TimeZone;

type Effects = Vec<(EffectId, Seq)>;
type Hook = Box<dyn FnOnce(&Memory) + Send>;

/// One user's tasks and ledger.
#[derive(Default)]
pub(crate) struct Memory {
    tasks: Mutex<BTreeMap<TaskId, Task>>,
    entries: Mutex<Vec<Entry>>,
    effects: Mutex<Effects>,
    /// They do not expire.
    keys: Mutex<Vec<Keyed>>,
    /// Number of commits that fail with [`ChangeRepoError::Stale`].
    pub(crate) stale: Mutex<usize>,
    /// Runs before the next commit, to simulate a concurrent change.
    pub(crate) before_commit: Mutex<Option<Hook>>,
    /// The clock of the ledger.
    pub(crate) clock: Arc<ManualClock>,
}

pub(crate) fn owner() -> UserId {
    Uuid::from_u128(7).into()
}

pub(crate) fn at() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// A pending task whose id is `number`.
pub(crate) fn task(number: u128, title: &str) -> Task {
    Task::new(Uuid::from_u128(number).into(), owner(), title.parse().unwrap(), false, at())
}

impl Memory {
    /// Creates a store with these tasks and an empty ledger.
    pub(crate) fn with(tasks: impl IntoIterator<Item = Task>) -> Arc<Self> {
        let memory = Self { clock: Arc::new(ManualClock::at(at())), ..Self::default() };
        memory.locked().extend(tasks.into_iter().map(|task| (task.id, task)));
        Arc::new(memory)
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<TaskId, Task>> {
        self.tasks.lock().unwrap()
    }

    /// Returns a row, including the trash.
    pub(crate) fn row(&self, number: u128) -> Option<Task> {
        self.locked().get(&Uuid::from_u128(number).into()).cloned()
    }

    /// Replaces a row without the ledger.
    pub(crate) fn put(&self, task: Task) {
        self.locked().insert(task.id, task);
    }

    /// Every entry.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap().clone()
    }

    /// Stores a key without a change.
    pub(crate) fn put_key(&self, keyed: Keyed) {
        self.keys.lock().unwrap().push(keyed);
    }

    fn has_key(&self, request: &Idempotency) -> bool {
        self.keys.lock().unwrap().iter().any(|keyed| keyed.request.key == request.key)
    }

    /// Removes the oldest entries.
    pub(crate) fn prune(&self, count: usize) {
        self.entries.lock().unwrap().drain(..count);
    }

    /// A ledger over this store.
    pub(crate) fn ledger(self: &Arc<Self>) -> Ledger {
        let mut next = 1000;
        let mut ids = MockIdGenerator::new();
        ids.expect_next().returning(move || {
            next += 1;
            Uuid::from_u128(next)
        });
        let mut signals = MockChangeSignals::new();
        signals.expect_notify().withf(|user| *user == owner()).returning(|_| ());
        signals.expect_subscribe().returning(|_| futures_util::stream::repeat(()).take(3).boxed());
        Ledger { repo: self.clone(), signals: Arc::new(signals), clock: self.clock.clone(), ids: Arc::new(ids) }
    }
}

fn visible(task: &Task) -> bool {
    task.deleted_at.is_none()
}

#[async_trait]
impl TaskRepo for Memory {
    async fn get(&self, user: UserId, id: TaskId) -> Result<Task, TaskRepoError> {
        assert_eq!(user, owner());
        self.locked().get(&id).filter(|task| visible(task)).cloned().ok_or(TaskRepoError::NotFound)
    }

    async fn get_many(&self, user: UserId, ids: &[TaskId]) -> Result<Vec<Task>, TaskRepoError> {
        assert_eq!(user, owner());
        Ok(ids.iter().filter_map(|id| self.locked().get(id).cloned()).collect())
    }

    async fn list(
        &self,
        user: UserId,
        filter: &TaskFilter,
        page: PageRequest<TaskCursor>,
    ) -> Result<Page<Task, TaskCursor>, TaskRepoError> {
        assert_eq!(user, owner());
        let matches = |task: &&Task| match &filter.title {
            None => true,
            Some(TitleMatch::Exactly(text)) => task.title.normalized() == *text,
            Some(TitleMatch::Containing(text)) => task.title.normalized().as_str().contains(text.as_str()),
        };
        let found = self.locked().values().filter(|task| visible(task)).filter(matches).cloned().collect();
        Ok(Page::from_surplus(found, page.limit, |task: &Task| TaskCursor(task.id)))
    }

    async fn list_trash(
        &self,
        user: UserId,
        page: PageRequest<TrashCursor>,
    ) -> Result<Page<Task, TrashCursor>, TaskRepoError> {
        assert_eq!(user, owner());
        let until = page.after.map(|cursor| cursor.deleted_at);
        let in_trash = |task: &&Task| task.deleted_at.is_some_and(|at| until.is_none_or(|until| at <= until));
        let found = self.locked().values().filter(in_trash).cloned().collect();
        let cursor = |task: &Task| TrashCursor { deleted_at: task.deleted_at.unwrap(), id: task.id };
        Ok(Page::from_surplus(found, page.limit, cursor))
    }

    async fn counts(&self, user: UserId) -> Result<TaskCounts, TaskRepoError> {
        assert_eq!(user, owner());
        let completed =
            self.locked().values().filter(|task| visible(task)).filter(|task| task.completed()).count() as u64;
        let pending = self.locked().values().filter(|task| visible(task)).count() as u64 - completed;
        Ok(TaskCounts { pending, completed })
    }
}

#[async_trait]
impl ChangeRepo for Memory {
    async fn commit(&self, user: UserId, writes: &[Write], change: &Change) -> Result<Vec<Entry>, ChangeRepoError> {
        assert!(user == owner() && !writes.is_empty());
        if let Some(call) = change.call {
            let before = self.find_effect(user, call.effect()).await?;
            if !before.is_empty() {
                return Ok(before);
            }
        }
        let hook = self.before_commit.lock().unwrap().take();
        if let Some(hook) = hook {
            hook(self);
        }
        if change.keyed.as_ref().is_some_and(|keyed| self.has_key(&keyed.request)) {
            return Err(ChangeRepoError::KeyUsed);
        }
        let mut stale = self.stale.lock().unwrap();
        if *stale > 0 {
            *stale -= 1;
            return Err(ChangeRepoError::Stale);
        }
        let mut tasks = self.locked().clone();
        let mut entries = self.entries();
        let first = entries.len();
        for write in writes {
            let Write::Task { before, after, undoes } = write;
            let id = after.as_ref().or(before.as_ref()).unwrap().id;
            if tasks.get(&id).map(|task| task.version) != before.as_ref().map(|task| task.version) {
                return Err(ChangeRepoError::Stale);
            }
            if let Some(after) = after {
                tasks.insert(id, after.clone());
            } else {
                tasks.remove(&id);
                for entry in entries.iter_mut().filter(|entry| entry.entity == EntityId::Task(id)) {
                    (entry.before, entry.after) = (None, None);
                }
            }
            entries.push(Entry {
                seq: Seq(entries.last().map_or(0, |entry| entry.seq.0) + 1),
                at: change.at,
                operation: change.operation,
                entity: EntityId::Task(id),
                action: write.action(),
                before: before.clone().filter(|_| after.is_some()).map(Row::Task),
                after: after.clone().map(Row::Task),
                via: change.actor.via,
                turn: change.call.map(|call| call.attempt.turn),
                conversation: change.call.map(|call| call.conversation),
                message: change.call.map(|call| call.message),
                undoes: *undoes,
            });
        }
        let new = entries[first..].to_vec();
        if let Some(call) = change.call {
            self.effects.lock().unwrap().extend(new.iter().map(|entry| (call.effect(), entry.seq)));
        }
        self.keys.lock().unwrap().extend(change.keyed.clone());
        *self.locked() = tasks;
        *self.entries.lock().unwrap() = entries;
        Ok(new)
    }

    async fn find_answer(
        &self,
        user: UserId,
        request: &Idempotency,
        _now: DateTime<Utc>,
    ) -> Result<Option<KeyedAnswer>, IdempotencyError> {
        assert_eq!(user, owner());
        let keys = self.keys.lock().unwrap();
        match keys.iter().find(|keyed| keyed.request.key == request.key) {
            Some(keyed) if keyed.request == *request => Ok(Some(keyed.answer.clone())),
            Some(_) => Err(IdempotencyError::KeyReused),
            None => Ok(None),
        }
    }

    async fn store_answer(&self, user: UserId, keyed: &Keyed, _at: DateTime<Utc>) -> Result<(), IdempotencyError> {
        assert_eq!(user, owner());
        if self.has_key(&keyed.request) {
            return Err(IdempotencyError::InProgress);
        }
        self.keys.lock().unwrap().push(keyed.clone());
        Ok(())
    }

    async fn find_effect(&self, user: UserId, effect: EffectId) -> Result<Vec<Entry>, StorageError> {
        assert_eq!(user, owner());
        let effects = self.effects.lock().unwrap().clone();
        let of_effect = |entry: &Entry| effects.contains(&(effect, entry.seq));
        Ok(self.entries().into_iter().filter(of_effect).collect())
    }

    async fn find(&self, user: UserId, selector: &EntrySelector) -> Result<Vec<Entry>, StorageError> {
        assert_eq!(user, owner());
        let messages = |ids: &[MessageId], entry: &Entry| entry.message.is_some_and(|id| ids.contains(&id));
        let matches = |entry: &Entry| match selector {
            EntrySelector::Seq(seq) => entry.seq == *seq,
            EntrySelector::Operation(id) => entry.operation == *id,
            EntrySelector::Message(conversation, message) => {
                entry.conversation == Some(*conversation) && entry.message == Some(*message)
            }
            EntrySelector::Messages(ids) => messages(ids, entry),
            EntrySelector::Rows { rows, after, .. } => rows.contains(&entry.entity) && entry.seq > *after,
            EntrySelector::Turns { conversation, except, before, .. } => {
                entry.conversation == Some(*conversation)
                    && entry.turn != Some(*except)
                    && entry.undoes.is_none()
                    && before.is_none_or(|before| entry.seq < before)
            }
        };
        Ok(self.entries().into_iter().filter(matches).collect())
    }

    async fn list(&self, user: UserId, after: Seq, limit: NonZeroU16) -> Result<EntryPage, ChangeRepoError> {
        let head = self.head(user).await?.seq;
        let entries = self.entries().into_iter().filter(|entry| entry.seq > after);
        Ok(EntryPage { head, entries: entries.take(usize::from(limit.get())).collect() })
    }

    async fn head(&self, user: UserId) -> Result<Head, ChangeRepoError> {
        assert_eq!(user, owner());
        let seq = self.entries().last().map(|entry| entry.seq).unwrap_or_default();
        Ok(Head { seq, time_zone: TimeZone::default() })
    }

    async fn undo_links(&self, user: UserId, seqs: &[Seq]) -> Result<Vec<UndoLink>, StorageError> {
        assert_eq!(user, owner());
        let mut known: BTreeSet<Seq> = seqs.iter().copied().collect();
        let mut links = Vec::new();
        for entry in self.entries() {
            if let Some(undoes) = entry.undoes.filter(|undoes| known.contains(undoes)) {
                known.insert(entry.seq);
                links.push(UndoLink { seq: entry.seq, undoes });
            }
        }
        Ok(links)
    }
}
