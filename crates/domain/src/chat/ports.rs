//! What the chat stands on, and what can be set about it.

use std::sync::Arc;
use std::time::Duration;

use crate::change::ChangeService;
use crate::conversation::ConversationRepo;
use crate::llm::LlmClient;
use crate::runtime::{Background, Clock, FailureLog, IdGenerator, Timer};
use crate::tool::ToolExecutor;
use crate::turn::{InstanceId, TurnSignals};
use crate::user::UserRepo;

/// The ports that [`ChatService`](super::ChatService) stands on.
#[derive(Clone)]
pub struct ChatPorts {
    /// Conversations, turns and messages.
    pub conversations: Arc<dyn ConversationRepo>,
    /// Users, for their time zone.
    pub users: Arc<dyn UserRepo>,
    /// The assistant.
    pub llm: Arc<dyn LlmClient>,
    /// What the assistant can do.
    pub tools: Arc<dyn ToolExecutor>,
    /// What turns have changed.
    pub changes: ChangeService,
    /// Where turns run.
    pub background: Arc<dyn Background>,
    /// How they are followed and stopped.
    pub signals: Arc<dyn TurnSignals>,
    /// Where it is noted why one failed that nobody waits for.
    pub failures: Arc<dyn FailureLog>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Measures deadlines and intervals.
    pub timer: Arc<dyn Timer>,
    /// Ids.
    pub ids: Arc<dyn IdGenerator>,
    /// The instance that works on the turns that begin here.
    pub instance: InstanceId,
}

/// What can be set about the chat.
#[derive(Clone, Copy, Debug)]
pub struct ChatOptions {
    /// Maximum number of tokens of a conversation that a model is told, estimated; the newest message in any case.
    pub history_tokens: usize,
    /// Maximum time of one reply of a model, whatever the adapter allows.
    pub model_deadline: Duration,
    /// Maximum number of existing tasks that a turn deletes or overwrites without a confirmation. 0 asks for each.
    pub confirm_above: usize,
}

impl Default for ChatOptions {
    fn default() -> Self {
        Self { history_tokens: 8000, model_deadline: Duration::from_secs(120), confirm_above: 3 }
    }
}
