//! Entries of the ledger, and the writes that they record.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{ConversationId, MessageId, OperationId, TaskId, TurnId};
use crate::principal::Via;
use crate::task::Task;
use crate::user::TimeZone;

/// The number of an entry within its user's ledger: 1, 2, 3, … without gaps. 0 is the position before the first entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// Returns the next number.
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

/// The id of a row and its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityId {
    /// A task.
    Task(TaskId),
}

impl EntityId {
    /// Returns the name of the kind in storage and in the API.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Task(_) => "task",
        }
    }

    /// Returns the UUID.
    pub fn as_uuid(self) -> uuid::Uuid {
        match self {
            Self::Task(id) => id.as_uuid(),
        }
    }
}

/// A row as recorded in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// A task.
    Task(Task),
}

impl Row {
    /// Returns the task, if the row is one.
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
    /// The row was created.
    Created,
    /// A field other than the completion was changed.
    Updated,
    /// The task was completed.
    Completed,
    /// The task was reopened.
    Reopened,
    /// The row was moved to the trash.
    Deleted,
    /// The row was restored from the trash.
    Restored,
    /// The row was permanently removed.
    Purged,
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 7] =
        [Self::Created, Self::Updated, Self::Completed, Self::Reopened, Self::Deleted, Self::Restored, Self::Purged];

    /// Returns the name in storage and in the API.
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

    /// Returns the action with this name.
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

/// A row to be created (without `before`), replaced, or permanently removed (without `after`). A row is only replaced or
/// removed if it is at the version of `before`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// A task.
    Task {
        /// The row as it was read.
        before: Option<Task>,
        /// The complete new row.
        after: Option<Task>,
        /// The entry that this write undoes, if any.
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

    /// Permanently removes a task.
    pub fn purge(task: Task) -> Self {
        Self::Task { before: Some(task), after: None, undoes: None }
    }

    /// Returns the action on the row.
    pub fn action(&self) -> Action {
        match self {
            Self::Task { before, after, .. } => Action::of(before.as_ref(), after.as_ref()),
        }
    }

    /// Returns the row's id; `None` if there is neither a row before nor after.
    pub fn entity(&self) -> Option<EntityId> {
        match self {
            Self::Task { before, after, .. } => after.as_ref().or(before.as_ref()).map(|task| EntityId::Task(task.id)),
        }
    }

    /// Returns the entry that the write undoes, if any.
    pub fn undoes(&self) -> Option<Seq> {
        match self {
            Self::Task { undoes, .. } => *undoes,
        }
    }
}

/// An entry of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Unique within the user's ledger.
    pub seq: Seq,
    /// The time of the change.
    pub at: DateTime<Utc>,
    /// The operation that wrote the row.
    pub operation: OperationId,
    /// The changed row.
    pub entity: EntityId,
    /// What happened to the row.
    pub action: Action,
    /// The row before; absent if it was created, or was purged later.
    pub before: Option<Row>,
    /// The row after; absent if it was purged then or later.
    pub after: Option<Row>,
    /// The interface through which the change was made.
    pub via: Via,
    /// The turn that made the change, if one did.
    pub turn: Option<TurnId>,
    /// The conversation of that turn.
    pub conversation: Option<ConversationId>,
    /// The assistant's message of that turn.
    pub message: Option<MessageId>,
    /// The entry that this one undoes, if any.
    pub undoes: Option<Seq>,
}

/// Consecutive entries, with the number of the newest entry in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPage {
    /// The number of the newest entry, read no later than the entries.
    pub head: Seq,
    /// The entries, oldest first.
    pub entries: Vec<Entry>,
}

/// The state of a ledger, from which clients see whether lists may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of the newest entry.
    pub seq: Seq,
    /// The user's time zone.
    pub time_zone: TimeZone,
}

/// A pair of an entry and the entry that it undoes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UndoLink {
    /// The undoing entry.
    pub seq: Seq,
    /// The undone entry.
    pub undoes: Seq,
}
