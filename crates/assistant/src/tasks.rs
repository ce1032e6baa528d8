//! Tasks as a conversation shows them.

use serde::{Deserialize, Serialize};

/// A filter of the list by status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// All tasks.
    All,
    /// Tasks that are not completed.
    Pending,
    /// Tasks that are completed.
    Completed,
}

impl Status {
    /// The parameter of `list_tasks`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Pending => "pending",
            Self::Completed => "completed",
        }
    }
}

/// A task that the conversation has shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Whether it is completed.
    pub completed: bool,
    /// Its position in the list that showed it, from 1.
    pub position: u64,
}
