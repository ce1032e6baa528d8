//! Entries of the ledger, and the writes that make them.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{ConversationId, MessageId, OperationId, TaskId, TurnId};
use crate::principal::Via;
use crate::task::Task;
use crate::user::TimeZone;

/// The number of an entry among those of its user: 1, 2, 3, … without a gap. 0 stands before the first one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// The number that follows.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A row of a user, by its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EntityId {
    /// A task.
    Task(TaskId),
}

impl EntityId {
    /// The name of the kind in storage and in the API.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Task(_) => "task",
        }
    }

    /// The row's id as a bare UUID.
    pub fn as_uuid(self) -> uuid::Uuid {
        match self {
            Self::Task(id) => id.as_uuid(),
        }
    }
}

/// A row as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// A task.
    Task(Task),
}

impl Row {
    /// The task, if it is one.
    pub fn as_task(&self) -> Option<&Task> {
        match self {
            Self::Task(task) => Some(task),
        }
    }
}

/// What a change did to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It was created.
    Created,
    /// A field other than its completion changed.
    Updated,
    /// It was marked as done.
    Completed,
    /// It was marked as pending again.
    Reopened,
    /// It was moved to the trash.
    Deleted,
    /// It came back from the trash.
    Restored,
    /// It was removed for good.
    Purged,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 7] =
        [Self::Created, Self::Updated, Self::Completed, Self::Reopened, Self::Deleted, Self::Restored, Self::Purged];

    /// The name in storage and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Completed => "completed",
            Self::Reopened => "reopened",
            Self::Deleted => "deleted",
            Self::Restored => "restored",
            Self::Purged => "purged",
        }
    }

    /// The action with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == name)
    }

    fn of(before: Option<&Task>, after: Option<&Task>) -> Self {
        match (before, after) {
            (_, None) => Self::Purged,
            (None, Some(_)) => Self::Created,
            (Some(before), Some(after)) => match (before.deleted_at, after.deleted_at) {
                (None, Some(_)) => Self::Deleted,
                (Some(_), None) => Self::Restored,
                (None, None) | (Some(_), Some(_)) if before.title != after.title => Self::Updated,
                (None, None) | (Some(_), Some(_)) if !before.completed() && after.completed() => Self::Completed,
                (None, None) | (Some(_), Some(_)) if before.completed() && !after.completed() => Self::Reopened,
                (None, None) | (Some(_), Some(_)) => Self::Updated,
            },
        }
    }
}

/// One row to be created (`before` is absent), replaced, or removed for good (`after` is absent). A row is replaced and
/// removed only at the version that `before` has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// A task.
    Task {
        /// The row as it was read.
        before: Option<Task>,
        /// The whole row as it is to be.
        after: Option<Task>,
        /// The entry that this write undoes, if it does.
        undoes: Option<Seq>,
    },
}

impl Write {
    /// Creates a task.
    pub fn create(task: Task) -> Self {
        Self::Task { before: None, after: Some(task), undoes: None }
    }

    /// Replaces a task.
    pub fn replace(before: Task, after: Task) -> Self {
        Self::Task { before: Some(before), after: Some(after), undoes: None }
    }

    /// Removes a task for good.
    pub fn purge(task: Task) -> Self {
        Self::Task { before: Some(task), after: None, undoes: None }
    }

    /// What the write does to its row.
    pub fn action(&self) -> Action {
        match self {
            Self::Task { before, after, .. } => Action::of(before.as_ref(), after.as_ref()),
        }
    }

    /// The row that is written; `None` for a write of nothing.
    pub fn entity(&self) -> Option<EntityId> {
        match self {
            Self::Task { before, after, .. } => after.as_ref().or(before.as_ref()).map(|task| EntityId::Task(task.id)),
        }
    }

    /// The entry that the write undoes, if it does.
    pub fn undoes(&self) -> Option<Seq> {
        match self {
            Self::Task { undoes, .. } => *undoes,
        }
    }
}

/// An entry of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The number of the entry.
    pub seq: Seq,
    /// The time of the change.
    pub at: DateTime<Utc>,
    /// The operation that it is part of.
    pub operation: OperationId,
    /// The changed row.
    pub entity: EntityId,
    /// What happened to the row.
    pub action: Action,
    /// The row before; absent if it was created, or has been purged since.
    pub before: Option<Row>,
    /// The row after; absent if it was purged then or since.
    pub after: Option<Row>,
    /// The way in by which the change came.
    pub via: Via,
    /// The turn that made the change, if one did.
    pub turn: Option<TurnId>,
    /// The conversation of that turn.
    pub conversation: Option<ConversationId>,
    /// The assistant's message of that turn.
    pub message: Option<MessageId>,
    /// The entry that this one undoes, if it does.
    pub undoes: Option<Seq>,
}

/// Some entries in their order, with the number of the newest one that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPage {
    /// The number of the newest entry, read no later than the entries.
    pub head: Seq,
    /// The entries, oldest first.
    pub entries: Vec<Entry>,
}

/// What tells whether a user's lists may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of the newest entry.
    pub seq: Seq,
    /// The user's time zone.
    pub time_zone: TimeZone,
}
