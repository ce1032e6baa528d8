//! What waits for the user's confirmation.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::change::TaskRef;
use crate::id::{MessageId, PendingActionId};
use crate::task::{Task, Title, Version};

/// Deletions and edits that a turn put off until the user confirms them. Confirmed, they run as one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingAction {
    /// The id by which it is confirmed.
    pub id: PendingActionId,
    /// The assistant's message whose turn put it off.
    pub message: MessageId,
    /// What is to be done, each task once. At least one.
    pub items: Vec<PendingItem>,
    /// The time from which it cannot be confirmed any more.
    pub expires_at: DateTime<Utc>,
}

impl PendingAction {
    /// How long it can be confirmed.
    pub const TTL: TimeDelta = TimeDelta::hours(1);
}

/// One task, at the version that was seen, and what is to be done to it. This is its form in storage too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingItem {
    /// The task.
    pub task: TaskRef,
    /// The version that was seen. A task at another one is left alone.
    pub version: Version,
    /// What is to be done.
    #[serde(flatten)]
    pub action: PendingItemAction,
}

/// What is to be done to one task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum PendingItemAction {
    /// Delete it.
    Delete,
    /// Give it another title.
    Update {
        /// The title.
        new_title: Title,
    },
}

impl PendingItem {
    /// What is to be done to `task` as it is now.
    pub fn new(task: &Task, action: PendingItemAction) -> Self {
        Self { task: task.into(), version: task.version, action }
    }
}
