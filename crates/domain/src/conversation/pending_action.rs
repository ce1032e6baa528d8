//! What waits for the user's consent.

use crate::id::{PendingActionId, TaskId};
use crate::task::Version;

/// What the assistant has offered to do: a yes of the user is consent to this, and to nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingAction {
    /// Its id.
    pub id: PendingActionId,
    /// The tool that does it, once for each task.
    pub tool: String,
    /// The tasks on offer, in the order in which they were named, at the versions that were seen. At least one.
    pub tasks: Vec<(TaskId, Version)>,
}
