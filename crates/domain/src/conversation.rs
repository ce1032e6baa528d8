//! Conversations, and how they are stored with their turns and messages ([`ConversationRepo`]).

mod idempotency;
mod pending_action;
mod repo;
mod title;

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

/// A chat that a user has with the assistant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is called.
    pub title: ConversationTitle,
    /// The turn that runs in it, if any.
    pub active_turn: Option<TurnId>,
    /// How many messages it has.
    pub message_count: u32,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When something was last said in it.
    pub updated_at: DateTime<Utc>,
}

/// Where a page of conversations goes on: last active first, and by id among those of one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationCursor {
    /// The last row's time of activity.
    pub updated_at: DateTime<Utc>,
    /// The last row's id.
    pub id: ConversationId,
}

/// Where a page of messages goes on: behind the message at this position.
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
