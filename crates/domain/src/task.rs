//! Tasks: what they are, how they are stored ([`TaskRepo`]) and what can be done with them ([`TaskService`]).
//! How the assistant names tasks is in [`crate::tool`].

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

/// Something that a user wants to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The id, unique among all tasks.
    pub id: TaskId,
    /// The owner.
    pub user_id: UserId,
    /// What is to be done.
    pub title: Title,
    /// The time of completion; `None` while the task is pending.
    pub completed_at: Option<DateTime<Utc>>,
    /// The time at which it was moved to the trash; `None` if it is not there.
    pub deleted_at: Option<DateTime<Utc>>,
    /// The number of the row's current state.
    pub version: Version,
    /// The time of creation.
    pub created_at: DateTime<Utc>,
    /// The time of the last change.
    pub updated_at: DateTime<Utc>,
}

impl Task {
    /// A new task.
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

    /// Whether it is done.
    pub fn completed(&self) -> bool {
        self.completed_at.is_some()
    }

    /// The task with the fields of `patch`. A task that is done already keeps its time of completion.
    #[must_use]
    pub fn apply(&self, patch: &TaskPatch, now: DateTime<Utc>) -> Self {
        let mut task = self.clone();
        if let Some(title) = patch.title.as_set() {
            task.title = title.clone();
        }
        if let Some(completed) = patch.completed.as_set().filter(|completed| **completed != self.completed()) {
            task.completed_at = completed.then_some(now);
        }
        task.touched(self, now)
    }

    /// The task with its completion turned around.
    #[must_use]
    pub fn toggle(&self, now: DateTime<Utc>) -> Self {
        let completed_at = if self.completed() { None } else { Some(now) };
        Self { completed_at, ..self.clone() }.touched(self, now)
    }

    /// The task in the trash.
    #[must_use]
    pub fn delete(&self, now: DateTime<Utc>) -> Self {
        Self { deleted_at: self.deleted_at.or(Some(now)), ..self.clone() }.touched(self, now)
    }

    /// The task out of the trash.
    #[must_use]
    pub fn restore(&self, now: DateTime<Utc>) -> Self {
        Self { deleted_at: None, ..self.clone() }.touched(self, now)
    }

    /// The task at the next version and changed at `now`, if it differs from `before`.
    #[must_use]
    pub(crate) fn touched(self, before: &Self, now: DateTime<Utc>) -> Self {
        if self == *before { self } else { Self { version: before.version.next(), updated_at: now, ..self } }
    }
}

/// Counts the changes of one row, from 1. It is the row's `ETag`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(NonZeroU32);

impl Version {
    /// A new row's version.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// The version with this number; `None` for 0.
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0.get()
    }

    /// The version of the row's next state.
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

/// A change of a task's fields. Neither of them can be empty, so [`Patch::Clear`](crate::patch::Patch::Clear)
/// leaves them as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskPatch {
    /// What becomes of the title.
    pub title: crate::patch::Patch<Title>,
    /// What becomes of the completion.
    pub completed: crate::patch::Patch<bool>,
}

/// Which tasks, by whether they are done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskStatus {
    /// All of them.
    #[default]
    All,
    /// Those that are not done.
    Pending,
    /// Those that are done.
    Completed,
}

/// Which tasks a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// By whether they are done.
    pub status: TaskStatus,
    /// By their title.
    pub title: Option<TitleMatch>,
}

/// Which titles. Every character stands for itself; there are no wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TitleMatch {
    /// Titles that are alike when folded.
    Exactly(NormalizedText),
    /// Titles that contain this when folded.
    Containing(NormalizedText),
}

/// Where a page of tasks goes on: behind the task with this id. Ids ascend with time, newest tasks come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskCursor(pub TaskId);

/// Where a page of the trash goes on: last deleted first, and by id among those of one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrashCursor {
    /// The time of deletion of the last row.
    pub deleted_at: DateTime<Utc>,
    /// The id of the last row.
    pub id: TaskId,
}

/// How many tasks a user has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskCounts {
    /// Not done.
    pub pending: u64,
    /// Done.
    pub completed: u64,
}
