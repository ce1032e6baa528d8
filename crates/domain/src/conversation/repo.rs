//! Storage of conversations, their turns and their messages.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};

use super::{
    ClientKey, Conversation, ConversationCursor, ConversationTitle, Idempotency, MessageCursor, MessageOrder,
    PendingAction,
};
use crate::id::{ConversationId, MessageId, PendingActionId, TaskId, TurnId, UserId};
use crate::message::{Message, Part};
use crate::page::{Page, PageRequest};
use crate::storage::StorageError;
use crate::turn::{Attempt, FailureCode, Lease, Turn, TurnState, Usage};

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
    /// The pending action that it confirms, if it does.
    pub confirms: Option<PendingActionId>,
    /// How it says that it may have been sent before, if it does.
    pub idempotency: Option<Idempotency>,
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
    /// The one that the client calls so; if there is none, one is created with the turn.
    Keyed(ClientKey, ConversationId, ConversationTitle),
}

/// What begins when a turn is begun.
#[derive(Clone, Debug, PartialEq)]
pub enum TurnStart {
    /// A new turn.
    New {
        /// It.
        turn: Turn,
        /// What waits for confirmation in the conversation, if anything does.
        pending: Option<PendingAction>,
    },
    /// The same request came before, and its turn failed: it goes on.
    Resumed {
        /// The turn, with the messages that it already has.
        turn: Turn,
        /// What the assistant's message is made of so far.
        parts: Vec<Part>,
        /// What it took so far.
        usage: Usage,
        /// When it was begun first.
        at: DateTime<Utc>,
        /// What waited for confirmation before it was begun first, and still does.
        pending: Option<PendingAction>,
    },
    /// The same request came before, and its turn has ended.
    AlreadyAnswered(Box<StoredAnswer>),
}

/// What is stored of a turn and its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredAnswer {
    /// The turn.
    pub turn: Turn,
    /// The assistant's message.
    pub message: Message,
    /// What the turn took so far as it is known: nothing while it runs.
    pub usage: Usage,
    /// Why it failed, in the words of storage, if it did.
    pub error_code: Option<FailureCode>,
}

/// What one model did for a user on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DailyUsage {
    /// The day, in UTC, on which the turns began.
    pub day: NaiveDate,
    /// The provider.
    pub provider: String,
    /// The model.
    pub model: String,
    /// How many turns have ended.
    pub turns: u64,
    /// What they took.
    pub usage: Usage,
}

/// How a turn ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnResult {
    /// [`TurnState::Complete`], [`TurnState::Stopped`] or [`TurnState::Failed`].
    pub state: TurnState,
    /// Everything that the assistant's message is made of.
    pub parts: Vec<Part>,
    /// What the turn took since it was begun or resumed.
    pub usage: Usage,
    /// Why it failed, if it did.
    pub error_code: Option<FailureCode>,
    /// The provider that answered.
    pub provider: String,
    /// Its model.
    pub model: String,
    /// When the model's first word or call came, if one did.
    pub first_token_at: Option<DateTime<Utc>>,
    /// How long the model was waited for in all, since the turn was begun or resumed.
    pub model_time: Duration,
    /// What waits for confirmation from now on.
    pub pending: Option<PendingAction>,
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
    /// The pending action does not wait for confirmation: it ran or lapsed, has expired, or never was.
    #[error("the pending action does not wait for confirmation")]
    NotPending,
    /// A turn with this idempotency key is still running.
    #[error("the same request is still being answered")]
    IdempotencyInProgress,
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    IdempotencyKeyReused,
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl ConversationRepoError {
    /// Storage's failure, if it is one; otherwise what was asked for is not there, or not any more.
    pub fn into_storage(self) -> Option<StorageError> {
        match self {
            Self::Storage(error) => Some(error),
            Self::NotFound
            | Self::TurnInProgress
            | Self::NoTurn
            | Self::NotPending
            | Self::IdempotencyInProgress
            | Self::IdempotencyKeyReused => None,
        }
    }
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
    /// one of the assistant that is running. MUST return [`ConversationRepoError::TurnInProgress`] and store nothing when
    /// another turn runs whose lease is not over; one whose lease is over MUST be marked failed first. MUST return
    /// [`ConversationRepoError::NotPending`] and store nothing when the turn confirms something that does not wait for
    /// confirmation in that conversation at `turn.at`.
    ///
    /// An idempotency key names at most one turn of an owner, whatever became of the conversation since. A key that named
    /// a turn which first began less than [`IDEMPOTENCY_TTL`](crate::turn::IDEMPOTENCY_TTL) before MUST NOT begin
    /// another: with another fingerprint it is [`ConversationRepoError::IdempotencyKeyReused`], or as if there were no key
    /// where [`KeyReuse::StartNew`](super::KeyReuse::StartNew) says so; while the turn runs, its lease not over, it is
    /// [`ConversationRepoError::IdempotencyInProgress`]; a turn that is complete or was stopped is
    /// [`TurnStart::AlreadyAnswered`]; one that failed runs again, with a new lease, as [`TurnStart::Resumed`], unless another
    /// turn runs there. An older key is as one that was never used.
    async fn begin_turn(&self, owner: UserId, turn: NewTurn) -> Result<TurnStart, ConversationRepoError>;

    /// Prolongs the lease of a running turn. MUST return [`ConversationRepoError::NoTurn`] when this attempt at it is not
    /// running.
    async fn renew_lease(
        &self,
        owner: UserId,
        turn: Attempt,
        until: DateTime<Utc>,
    ) -> Result<(), ConversationRepoError>;

    /// Stores what the assistant's message of a running turn is made of so far. MUST return
    /// [`ConversationRepoError::NoTurn`] when this attempt at it is not running.
    async fn save_progress(&self, owner: UserId, turn: Attempt, parts: &[Part]) -> Result<(), ConversationRepoError>;

    /// Ends a running turn: stores the assistant's message and what waits for confirmation, and releases the conversation.
    /// What the turn took is added to what it took before it was resumed. Unless the turn failed, what waited for
    /// confirmation before MUST lapse. MUST return [`ConversationRepoError::NoTurn`] and store nothing when this attempt at
    /// it is not running.
    async fn end_turn(&self, owner: UserId, turn: Attempt, end: TurnResult) -> Result<(), ConversationRepoError>;

    /// Ends a running turn from outside, as the user's wish: it and its message become [`TurnState::Stopped`], with
    /// what is stored of the message, and what waited for confirmation lapses. MUST return [`ConversationRepoError::NoTurn`] when it is not running.
    async fn stop_turn(&self, owner: UserId, turn: TurnId, at: DateTime<Utc>) -> Result<(), ConversationRepoError>;

    /// A turn's answer as it is stored now. MUST return [`ConversationRepoError::NoTurn`] when `owner` has no such turn.
    async fn answer(&self, owner: UserId, turn: TurnId) -> Result<StoredAnswer, ConversationRepoError>;

    /// What waits for confirmation in a conversation at `now`; `None` if nothing does.
    async fn pending(
        &self,
        owner: UserId,
        id: ConversationId,
        now: DateTime<Utc>,
    ) -> Result<Option<PendingAction>, ConversationRepoError>;

    /// What the owner's turns took that began at `since` or later and have ended, newest day first, then by provider
    /// and model.
    async fn usage(&self, owner: UserId, since: DateTime<Utc>) -> Result<Vec<DailyUsage>, ConversationRepoError>;

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
