//! Tasks: what they are, how they are stored ([`TaskRepo`]) and what can be done with them ([`TaskService`]).
//! Deliberately not here: how the assistant names and changes tasks, which is [`crate::tool`].

mod repo;
mod service;
mod title;

use std::fmt;
use std::num::NonZeroU32;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{TaskId, UserId};
use crate::text::Folded;

#[cfg(any(test, feature = "mock"))]
pub use repo::MockTaskRepo;
pub use repo::{TaskRepo, TaskRepoError};
pub use service::{TaskError, TaskService};
pub use title::{Title, TitleError};

/// Something that a user wants to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Whose it is.
    pub user_id: UserId,
    /// What is to be done.
    pub title: Title,
    /// When it was done; `None` while it is pending.
    pub completed_at: Option<DateTime<Utc>>,
    /// Counts the changes.
    pub version: Version,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

impl Task {
    /// Whether it is done.
    pub fn completed(&self) -> bool {
        self.completed_at.is_some()
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
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A task to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTask {
    /// Its id.
    pub id: TaskId,
    /// What is to be done.
    pub title: Title,
    /// Whether it is already done.
    pub completed: bool,
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

/// A task before and after a change; both are alike if the change changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskChange {
    /// The row as it was.
    pub before: Task,
    /// The row as it is now.
    pub after: Task,
}

/// What an effect of a chat turn did to a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskEffect {
    /// The row as it was; `None` if the effect created it.
    pub before: Option<Task>,
    /// The row as it became; `None` if the effect deleted it.
    pub after: Option<Task>,
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
    Exactly(Folded),
    /// Titles that contain this when folded.
    Containing(Folded),
}

/// Where a page of tasks goes on: behind the task with this id. Ids ascend with time, newest tasks come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskCursor(pub TaskId);

/// How many tasks a user has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskCounts {
    /// Not done.
    pub pending: u64,
    /// Done.
    pub completed: u64,
}
