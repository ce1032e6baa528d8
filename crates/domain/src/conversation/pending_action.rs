//! Actions that await the user's confirmation.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::change::TaskRef;
use crate::id::{MessageId, PendingActionId};
use crate::task::{Task, Title, Version};

/// Deletions and edits that a turn deferred until the user confirms them. They run as one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingAction {
    /// Identifies the action when it is confirmed.
    pub id: PendingActionId,
    /// The assistant's message of the turn that deferred it.
    pub message: MessageId,
    /// At least one item, and at most one per task.
    pub items: Vec<PendingItem>,
    /// The expiry.
    pub expires_at: DateTime<Utc>,
}

impl PendingAction {
    /// Time until an action expires.
    pub const TTL: TimeDelta = TimeDelta::hours(1);
}

/// A deletion or edit of one task, in its stored form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingItem {
    /// The task.
    pub task: TaskRef,
    /// The version at the time of deferral. The item is skipped if the task has another one.
    pub version: Version,
    /// The deferred action.
    #[serde(flatten)]
    pub action: PendingItemAction,
}

/// The deferred action on a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum PendingItemAction {
    /// Deletes the task.
    Delete,
    /// Changes the title.
    Update {
        /// The new title.
        new_title: Title,
    },
}

impl PendingItem {
    /// Creates an item for the current version of `task`.
    pub fn new(task: &Task, action: PendingItemAction) -> Self {
        Self { task: task.into(), version: task.version, action }
    }
}
