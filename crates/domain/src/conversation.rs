//! Conversations, and the storage of conversations, turns and messages ([`ConversationRepo`]).

mod idempotency;
pub mod message;
mod pending_action;
mod repo;
mod title;
pub mod turn;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{ConversationId, TurnId, UserId};

pub use idempotency::{ClientKey, Fingerprint, Idempotency, IdempotencyKey, KeyError, KeyReuse};
pub use pending_action::{PendingAction, PendingItem, PendingItemAction};
#[cfg(any(test, feature = "mock"))]
pub use repo::MockConversationRepo;
pub use repo::{
    ConversationRepo, ConversationRepoError, ConversationTarget, DailyUsage, NewTurn, StoredAnswer, TurnResult,
    TurnStart,
};
pub use title::{ConversationTitle, ConversationTitleError};

/// A conversation of a user with the assistant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// Unique among all conversations.
    pub id: ConversationId,
    /// The owner.
    pub user_id: UserId,
    /// Derived from the first message, or set by the user.
    pub title: ConversationTitle,
    /// The running turn, if any.
    pub active_turn: Option<TurnId>,
    /// The number of messages.
    pub message_count: u32,
    /// The time of creation.
    pub created_at: DateTime<Utc>,
    /// The time of the last activity.
    pub updated_at: DateTime<Utc>,
}

/// The position in a list of conversations, which is ordered by time of activity, latest first, and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationCursor {
    /// The time of activity of the last row.
    pub updated_at: DateTime<Utc>,
    /// The id of the last row.
    pub id: ConversationId,
}

/// The position in a list of messages: after the message at this position of the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageCursor(pub u32);

/// The order of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessageOrder {
    /// Oldest first.
    #[default]
    Ascending,
    /// Newest first.
    Descending,
}
