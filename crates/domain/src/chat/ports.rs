//! The ports and options of the chat.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::change::ChangeService;
use crate::chat::TurnSignals;
use crate::conversation::ConversationRepo;
use crate::conversation::turn::InstanceId;
use crate::llm::LlmClient;
use crate::runtime::event_log::EventLog;
use crate::runtime::{Background, Clock, FailureLog, IdGenerator, Timer};
use crate::tool::ToolExecutor;

/// The ports of [`ChatService`](super::ChatService).
#[derive(Clone)]
pub struct ChatPorts {
    /// Conversations, turns and messages.
    pub conversations: Arc<dyn ConversationRepo>,
    /// The language model.
    pub llm: Arc<dyn LlmClient>,
    /// The tools of the model.
    pub tools: Arc<dyn ToolExecutor>,
    /// The changes of turns.
    pub changes: ChangeService,
    /// Runs the turns.
    pub background: Arc<dyn Background>,
    /// Followers and stop requests of turns.
    pub signals: Arc<dyn TurnSignals>,
    /// Logs failures of turns that no caller waits for.
    pub failures: Arc<dyn FailureLog>,
    /// Takes note of the ends of turns.
    pub events: Arc<dyn EventLog>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Measures deadlines and intervals.
    pub timer: Arc<dyn Timer>,
    /// Ids of conversations, turns and messages.
    pub ids: Arc<dyn IdGenerator>,
    /// The name of this instance in leases.
    pub instance: InstanceId,
}

/// The settings of the chat.
#[derive(Clone, Copy, Debug)]
pub struct ChatOptions {
    /// Maximum estimated number of tokens of the conversation in a request. The newest message is always included.
    pub history_tokens: usize,
    /// Maximum time of one reply of a model, including the retries of the adapter.
    pub model_deadline: Duration,
    /// Maximum number of existing tasks that a turn may delete or overwrite without a confirmation. 0 requires one for
    /// every task.
    pub confirm_above: usize,
    /// Number of tokens of a user per day (UTC) from which no turn starts that calls a model; `None` for no limit.
    pub tokens_per_day: Option<NonZeroU32>,
}

impl Default for ChatOptions {
    fn default() -> Self {
        Self { history_tokens: 8000, model_deadline: Duration::from_mins(2), confirm_above: 3, tokens_per_day: None }
    }
}
