//! Storage of conversations, their turns and their messages.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Conversation, ConversationCursor, ConversationTitle, MessageCursor, MessageOrder};
use crate::id::{ConversationId, MessageId, TaskId, TurnId, UserId};
use crate::message::{Message, Part};
use crate::page::{Page, PageRequest};
use crate::storage::StorageError;
use crate::turn::{Lease, Turn, TurnState, Usage};

/// A turn to be begun, with the user's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTurn {
    /// Its id.
    pub id: TurnId,
    /// Where.
    pub target: ConversationTarget,
    /// The id of the user's message.
    pub user_message: MessageId,
    /// What the user's message is made of.
    pub user_parts: Vec<Part>,
    /// The id of the assistant's message, which is begun empty.
    pub assistant_message: MessageId,
    /// Who works on it.
    pub lease: Lease,
    /// The provider that will answer.
    pub provider: String,
    /// Its model.
    pub model: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// The conversation that a turn is begun in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConversationTarget {
    /// One that exists.
    Existing(ConversationId),
    /// One that is created with the turn.
    New(ConversationId, ConversationTitle),
}

/// How a turn ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnEnd {
    /// [`TurnState::Complete`], [`TurnState::Stopped`] or [`TurnState::Failed`].
    pub state: TurnState,
    /// Everything that the assistant's message is made of.
    pub parts: Vec<Part>,
    /// Whether the message claims nothing that did not happen.
    pub grounded: bool,
    /// What the turn took.
    pub usage: Usage,
    /// The code of the error that ended it, if one did.
    pub error_code: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Why conversations cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum ConversationRepoError {
    /// The owner has no such conversation.
    #[error("no such conversation")]
    NotFound,
    /// Another turn runs in the conversation.
    #[error("another turn is running")]
    TurnInProgress,
    /// The turn is not running any more.
    #[error("the turn is not running")]
    NoTurn,
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Stores conversations with their turns and messages. Every call is scoped to one owner; a row of another owner does
/// not exist for it. A write MUST happen entirely or not at all, and MUST be durable when it returns.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait ConversationRepo: Send + Sync {
    /// MUST return [`ConversationRepoError::NotFound`] when `owner` has no such conversation.
    async fn get(&self, owner: UserId, id: ConversationId) -> Result<Conversation, ConversationRepoError>;

    /// A page of the owner's conversations, last active first.
    async fn list(
        &self,
        owner: UserId,
        page: PageRequest<ConversationCursor>,
    ) -> Result<Page<Conversation, ConversationCursor>, ConversationRepoError>;

    /// Gives a conversation another title. Its time of activity MUST stay.
    async fn rename(
        &self,
        owner: UserId,
        id: ConversationId,
        title: ConversationTitle,
    ) -> Result<Conversation, ConversationRepoError>;

    /// Deletes a conversation with its turns and messages.
    async fn delete(&self, owner: UserId, id: ConversationId) -> Result<(), ConversationRepoError>;

    /// A page of a conversation's messages. MUST return [`ConversationRepoError::NotFound`] when `owner` has no such
    /// conversation, and an empty page when it has no messages behind the cursor.
    async fn messages(
        &self,
        owner: UserId,
        id: ConversationId,
        order: MessageOrder,
        page: PageRequest<MessageCursor>,
    ) -> Result<Page<Message, MessageCursor>, ConversationRepoError>;

    /// Begins a turn: creates the conversation if it is new, takes its turn, stores the user's message and an empty
    /// one of the assistant that is running. MUST return [`ConversationRepoError::TurnInProgress`] and store nothing
    /// when another turn runs whose lease is not over; one whose lease is over MUST be marked failed first.
    async fn begin_turn(&self, owner: UserId, turn: NewTurn) -> Result<Turn, ConversationRepoError>;

    /// Prolongs the lease of a running turn. MUST return [`ConversationRepoError::NoTurn`] when it is not running.
    async fn renew_lease(&self, owner: UserId, turn: TurnId, until: DateTime<Utc>)
    -> Result<(), ConversationRepoError>;

    /// Stores what the assistant's message of a running turn is made of so far. MUST return
    /// [`ConversationRepoError::NoTurn`] when it is not running.
    async fn save_progress(&self, owner: UserId, turn: TurnId, parts: &[Part]) -> Result<(), ConversationRepoError>;

    /// Ends a running turn: stores the assistant's message and releases the conversation. MUST return
    /// [`ConversationRepoError::NoTurn`] and store nothing when it is not running.
    async fn end_turn(&self, owner: UserId, turn: TurnId, end: TurnEnd) -> Result<(), ConversationRepoError>;

    /// Remembers the tasks that the conversation last showed, in their order, so that positions can be resolved.
    async fn set_shown_tasks(
        &self,
        owner: UserId,
        id: ConversationId,
        shown: &[TaskId],
    ) -> Result<(), ConversationRepoError>;

    /// The tasks that the conversation last showed, in their order; empty if it showed none.
    async fn shown_tasks(&self, owner: UserId, id: ConversationId) -> Result<Vec<TaskId>, ConversationRepoError>;
}
