//! The repository of conversations, turns and messages.

use std::num::NonZeroU32;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};

use super::{
    ClientKey, Conversation, ConversationCursor, ConversationTitle, Idempotency, MessageCursor, MessageOrder,
    PendingAction,
};
use crate::conversation::message::{Message, Part};
use crate::conversation::turn::{Attempt, FailureCode, Lease, Turn, TurnState, Usage};
use crate::id::{ConversationId, MessageId, PendingActionId, TaskId, TurnId, UserId};
use crate::page::{Page, PageRequest};
use crate::storage::StorageError;
use crate::user::TimeZone;

/// A turn to be started, with the user's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTurn {
    /// The new id.
    pub id: TurnId,
    /// The conversation.
    pub target: ConversationTarget,
    /// The id of the user's message.
    pub user_message: MessageId,
    /// The parts of the user's message.
    pub user_parts: Vec<Part>,
    /// The id of the assistant's message, which is created empty.
    pub assistant_message: MessageId,
    /// The lease of the instance that runs the turn.
    pub lease: Lease,
    /// The configured provider.
    pub provider: String,
    /// Its model.
    pub model: String,
    /// The pending action that the turn confirms, if any.
    pub confirms: Option<PendingActionId>,
    /// The number of tokens on the day (UTC) of `at` from which the turn does not start; `None` for no limit.
    pub tokens_per_day: Option<NonZeroU32>,
    /// The idempotency of the request, if it has a key.
    pub idempotency: Option<Idempotency>,
    /// The start.
    pub at: DateTime<Utc>,
}

/// The conversation of a new turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConversationTarget {
    /// An existing conversation.
    Existing(ConversationId),
    /// A new conversation, created with the turn.
    New(ConversationId, ConversationTitle),
    /// The conversation with this client key; if there is none, a new one, created with the turn.
    Keyed(ClientKey, ConversationId, ConversationTitle),
}

/// The result of starting a turn.
#[derive(Clone, Debug, PartialEq)]
pub enum TurnStart {
    /// A new turn.
    New {
        /// The started turn.
        turn: Turn,
        /// The pending action of the conversation, if any.
        pending: Option<PendingAction>,
        /// The user's time zone.
        time_zone: TimeZone,
    },
    /// The failed turn of an earlier identical request, which is resumed.
    Resumed {
        /// The turn, with its existing messages.
        turn: Turn,
        /// The parts of the assistant's message so far.
        parts: Vec<Part>,
        /// The usage of earlier attempts.
        usage: Usage,
        /// The start of the first attempt.
        at: DateTime<Utc>,
        /// The action that was pending before the first attempt, if it still is.
        pending: Option<PendingAction>,
        /// The user's time zone.
        time_zone: TimeZone,
    },
    /// The completed or stopped turn of an earlier identical request.
    AlreadyAnswered(Box<StoredAnswer>),
    /// Nothing was started, because the owner has used the tokens of the day.
    TokensUsedUp,
}

/// A stored turn and its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredAnswer {
    /// The turn.
    pub turn: Turn,
    /// The assistant's message.
    pub message: Message,
    /// The usage of ended attempts; zero while the turn runs.
    pub usage: Usage,
    /// The reason of the failure, if the turn failed.
    pub error_code: Option<FailureCode>,
}

/// The usage of one model by a user on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DailyUsage {
    /// The day, in UTC, on which the turns started.
    pub day: NaiveDate,
    /// The provider.
    pub provider: String,
    /// The model.
    pub model: String,
    /// The number of ended turns.
    pub turns: u64,
    /// Their total usage.
    pub usage: Usage,
}

/// The result of a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnResult {
    /// [`TurnState::Complete`], [`TurnState::Stopped`] or [`TurnState::Failed`].
    pub state: TurnState,
    /// All parts of the assistant's message.
    pub parts: Vec<Part>,
    /// The usage of this attempt.
    pub usage: Usage,
    /// The reason of the failure, if the turn failed.
    pub error_code: Option<FailureCode>,
    /// The provider that answered.
    pub provider: String,
    /// Its model.
    pub model: String,
    /// The time of the first text or call of the model, if any.
    pub first_token_at: Option<DateTime<Utc>>,
    /// The total time spent waiting for the model in this attempt.
    pub model_time: Duration,
    /// The new pending action, if any.
    pub pending: Option<PendingAction>,
    /// The end.
    pub at: DateTime<Utc>,
}

/// Reasons why conversations cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum ConversationRepoError {
    /// The owner has no such conversation.
    #[error("no such conversation")]
    NotFound,
    /// Another turn runs in the conversation.
    #[error("another turn is running")]
    TurnInProgress,
    /// There is no such turn, or it is not running.
    #[error("the turn is not running")]
    NoTurn,
    /// The action is not pending: it was confirmed or cancelled, has expired, or never existed.
    #[error("the action is not pending")]
    NotPending,
    /// A turn with this idempotency key is still running.
    #[error("the same request is still in progress")]
    IdempotencyInProgress,
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    IdempotencyKeyReused,
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl ConversationRepoError {
    /// Returns the storage failure, if the error is one.
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
/// not exist for it. A write MUST be atomic, and durable when it returns.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait ConversationRepo: Send + Sync {
    /// Returns the conversation. MUST return [`ConversationRepoError::NotFound`] when `owner` has no such conversation.
    async fn get(&self, owner: UserId, id: ConversationId) -> Result<Conversation, ConversationRepoError>;

    /// Returns the conversation with this client key, if any.
    async fn find_by_key(&self, owner: UserId, key: &ClientKey) -> Result<Option<Conversation>, ConversationRepoError>;

    /// Returns a page of the owner's conversations, last active first.
    async fn list(
        &self,
        owner: UserId,
        page: PageRequest<ConversationCursor>,
    ) -> Result<Page<Conversation, ConversationCursor>, ConversationRepoError>;

    /// Changes the title of a conversation. MUST NOT change its time of activity.
    async fn rename(
        &self,
        owner: UserId,
        id: ConversationId,
        title: ConversationTitle,
    ) -> Result<Conversation, ConversationRepoError>;

    /// Deletes a conversation with its turns and messages.
    async fn delete(&self, owner: UserId, id: ConversationId) -> Result<(), ConversationRepoError>;

    /// Returns a page of a conversation's messages. MUST return [`ConversationRepoError::NotFound`] when `owner` has no such
    /// conversation, and an empty page when it has no messages after the cursor.
    async fn messages(
        &self,
        owner: UserId,
        id: ConversationId,
        order: MessageOrder,
        page: PageRequest<MessageCursor>,
    ) -> Result<Page<Message, MessageCursor>, ConversationRepoError>;

    /// Starts a turn: creates the conversation if it is new, and stores the running turn, the user's message and an empty
    /// message of the assistant. MUST return [`ConversationRepoError::TurnInProgress`] and store nothing when another turn
    /// with a valid lease runs; one with an expired lease MUST be marked failed first. The times of leases MUST be the
    /// storage's, whatever `turn.at` is. MUST return
    /// [`ConversationRepoError::NotPending`] and store nothing when the turn confirms an action that is not pending in that
    /// conversation at `turn.at`. MUST return [`TurnStart::TokensUsedUp`] and store nothing when the owner has used
    /// `turn.tokens_per_day` tokens or more on that day, unless the idempotency key determines another result than a new
    /// attempt.
    ///
    /// An idempotency key identifies at most one turn of an owner, even if its conversation was deleted. A key whose turn
    /// started less than [`IDEMPOTENCY_TTL`](crate::conversation::turn::IDEMPOTENCY_TTL) ago MUST NOT start another turn: with another
    /// fingerprint, the result is [`ConversationRepoError::IdempotencyKeyReused`], or the key is ignored in case of
    /// [`KeyReuse::StartNew`](super::KeyReuse::StartNew); while the turn runs with a valid lease, the result is
    /// [`ConversationRepoError::IdempotencyInProgress`]; for a completed or stopped turn,
    /// [`TurnStart::AlreadyAnswered`]; a failed turn is resumed with a new lease as [`TurnStart::Resumed`], unless another
    /// turn runs in the conversation. An older key counts as unused. A key that is stored with an answer
    /// ([`ChangeRepo`](crate::change::ChangeRepo)) MUST be refused as [`ConversationRepoError::IdempotencyKeyReused`].
    async fn begin_turn(&self, owner: UserId, turn: NewTurn) -> Result<TurnStart, ConversationRepoError>;

    /// Renews the lease of a running turn for `ttl` from the storage's present. MUST return
    /// [`ConversationRepoError::NoTurn`] when this attempt is not running.
    async fn renew_lease(&self, owner: UserId, turn: Attempt, ttl: Duration) -> Result<(), ConversationRepoError>;

    /// Stores the current parts of the assistant's message of a running turn. MUST return
    /// [`ConversationRepoError::NoTurn`] when this attempt is not running.
    async fn save_progress(&self, owner: UserId, turn: Attempt, parts: &[Part]) -> Result<(), ConversationRepoError>;

    /// Ends a running turn: stores the assistant's message and the new pending action, and releases the conversation. The
    /// usage is added to that of earlier attempts. Unless the turn failed, the previous pending action MUST be
    /// cancelled. MUST return [`ConversationRepoError::NoTurn`] and store nothing when this attempt is not running.
    async fn end_turn(&self, owner: UserId, turn: Attempt, end: TurnResult) -> Result<(), ConversationRepoError>;

    /// Stops a running turn of another process: the turn and its stored message become [`TurnState::Stopped`], and the
    /// pending action is cancelled. MUST return [`ConversationRepoError::NoTurn`] when the turn is not running.
    async fn stop_turn(&self, owner: UserId, turn: TurnId, at: DateTime<Utc>) -> Result<(), ConversationRepoError>;

    /// Returns the stored answer of a turn. MUST return [`ConversationRepoError::NoTurn`] when `owner` has no such turn.
    async fn answer(&self, owner: UserId, turn: TurnId) -> Result<StoredAnswer, ConversationRepoError>;

    /// Returns the pending action of a conversation at `now`, if any.
    async fn pending(
        &self,
        owner: UserId,
        id: ConversationId,
        now: DateTime<Utc>,
    ) -> Result<Option<PendingAction>, ConversationRepoError>;

    /// Adds to the number of tokens that the owner has used on the day (UTC) of `at`, the newest day that is counted. The
    /// number MUST NOT depend on turns or conversations, which the owner can delete. Does nothing when there is no such user.
    async fn count_tokens(&self, owner: UserId, tokens: u64, at: DateTime<Utc>) -> Result<(), ConversationRepoError>;

    /// Returns the usage of the owner's ended turns that started at `since` or later, newest day first, then by provider
    /// and model.
    async fn usage(&self, owner: UserId, since: DateTime<Utc>) -> Result<Vec<DailyUsage>, ConversationRepoError>;

    /// Stores the tasks that the conversation last showed, in order, for resolving positions.
    async fn set_shown_tasks(
        &self,
        owner: UserId,
        id: ConversationId,
        shown: &[TaskId],
    ) -> Result<(), ConversationRepoError>;

    /// Returns the tasks that the conversation last showed, in order.
    async fn shown_tasks(&self, owner: UserId, id: ConversationId) -> Result<Vec<TaskId>, ConversationRepoError>;
}
