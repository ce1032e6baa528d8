//! The five tools on tasks.

use std::sync::Arc;

use crate::conversation::ConversationRepo;
use crate::runtime::{Clock, IdGenerator};
use crate::task::TaskRepo;

/// The five tools on tasks: `add_task`, `list_tasks`, `complete_task`, `delete_task`, `update_task`.
#[derive(Clone)]
pub struct TaskTools {
    tasks: Arc<dyn TaskRepo>,
    conversations: Arc<dyn ConversationRepo>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdGenerator>,
}

impl TaskTools {
    /// Tools over these ports.
    pub fn new(
        tasks: Arc<dyn TaskRepo>,
        conversations: Arc<dyn ConversationRepo>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdGenerator>,
    ) -> Self {
        Self { tasks, conversations, clock, ids }
    }
}
