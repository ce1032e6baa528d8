//! Tasks, their storage ([`TaskRepo`]) and their use cases ([`TaskService`]). The assistant's tools on tasks are in
//! [`crate::tool`].

mod repo;
mod service;
mod title;

use std::fmt;
use std::num::NonZeroU32;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{TaskId, UserId};
use crate::text::NormalizedText;

#[cfg(any(test, feature = "mock"))]
pub use repo::MockTaskRepo;
pub use repo::{TaskRepo, TaskRepoError};
pub use service::{TaskChange, TaskError, TaskService};
pub use title::{Title, TitleError};

/// An item of a user's to-do list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Unique among all tasks.
    pub id: TaskId,
    /// The owner.
    pub user_id: UserId,
    /// Describes what is to be done.
    pub title: Title,
    /// The time of completion; `None` while the task is pending.
    pub completed_at: Option<DateTime<Utc>>,
    /// The time of the move to the trash; `None` if it is not in the trash.
    pub deleted_at: Option<DateTime<Utc>>,
    /// The version of the row.
    pub version: Version,
    /// The time of creation.
    pub created_at: DateTime<Utc>,
    /// The time of the last change.
    pub updated_at: DateTime<Utc>,
}

impl Task {
    /// Creates a task.
    pub fn new(id: TaskId, user_id: UserId, title: Title, completed: bool, now: DateTime<Utc>) -> Self {
        Self {
            id,
            user_id,
            title,
            completed_at: completed.then_some(now),
            deleted_at: None,
            version: Version::FIRST,
            created_at: now,
            updated_at: now,
        }
    }

    /// Returns whether the task is completed.
    pub fn completed(&self) -> bool {
        self.completed_at.is_some()
    }

    /// Returns the task with the fields of `patch`. A completed task keeps its time of completion.
    #[must_use]
    pub fn apply(&self, patch: &TaskPatch, now: DateTime<Utc>) -> Self {
        let mut task = self.clone();
        if let Some(title) = patch.title.as_set() {
            task.title = title.clone();
        }
        if let Some(completed) = patch.completed.as_set().filter(|completed| **completed != self.completed()) {
            task.completed_at = completed.then_some(now);
        }
        task.bump_version(self, now)
    }

    /// Returns the task with its completion inverted.
    #[must_use]
    pub fn toggle(&self, now: DateTime<Utc>) -> Self {
        let completed_at = if self.completed() { None } else { Some(now) };
        Self { completed_at, ..self.clone() }.bump_version(self, now)
    }

    /// Returns the task moved to the trash.
    #[must_use]
    pub fn delete(&self, now: DateTime<Utc>) -> Self {
        Self { deleted_at: self.deleted_at.or(Some(now)), ..self.clone() }.bump_version(self, now)
    }

    /// Returns the task restored from the trash.
    #[must_use]
    pub fn restore(&self, now: DateTime<Utc>) -> Self {
        Self { deleted_at: None, ..self.clone() }.bump_version(self, now)
    }

    /// Returns the task with the next version, changed at `now`, if it differs from `before`.
    #[must_use]
    pub(crate) fn bump_version(self, before: &Self, now: DateTime<Utc>) -> Self {
        if self == *before { self } else { Self { version: before.version.next(), updated_at: now, ..self } }
    }
}

/// The version of a row: 1, and 1 more for each change. Clients see it as `ETag`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(NonZeroU32);

impl Version {
    /// The version of a new row.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// Creates a version; `None` for 0.
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }

    /// Returns the number.
    pub fn get(self) -> u32 {
        self.0.get()
    }

    /// Returns the next version.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A change of a task's fields. Neither of them can be cleared, so [`Patch::Clear`](crate::patch::Patch::Clear)
/// leaves them as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskPatch {
    /// The change of the title.
    pub title: crate::patch::Patch<Title>,
    /// The change of the completion.
    pub completed: crate::patch::Patch<bool>,
}

/// A filter by completion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskStatus {
    /// All tasks.
    #[default]
    All,
    /// Tasks that are not completed.
    Pending,
    /// Completed tasks.
    Completed,
}

/// A filter of tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// Filters by completion.
    pub status: TaskStatus,
    /// Filters by title.
    pub title: Option<TitleMatch>,
}

/// A filter by title, without wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TitleMatch {
    /// Titles with the same normalized text.
    Exactly(NormalizedText),
    /// Titles whose normalized text contains this one.
    Containing(NormalizedText),
}

/// The position in a list of tasks: after the task with this id. Ids ascend with time; lists are newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskCursor(pub TaskId);

/// The position in the trash, which is ordered by time of deletion, latest first, and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrashCursor {
    /// The time of deletion of the last row.
    pub deleted_at: DateTime<Utc>,
    /// The id of the last row.
    pub id: TaskId,
}

/// The numbers of a user's tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskCounts {
    /// Tasks that are not completed.
    pub pending: u64,
    /// Completed tasks.
    pub completed: u64,
}
