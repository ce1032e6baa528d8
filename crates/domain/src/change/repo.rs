//! The repository of the ledger.

use std::num::NonZeroU16;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{
    Change, EffectId, EntityId, Entry, EntryPage, Head, IdempotencyError, Keyed, KeyedAnswer, Seq, UndoLink, Write,
};
use crate::conversation::Idempotency;
use crate::id::{ConversationId, MessageId, OperationId, TurnId, UserId};
use crate::storage::StorageError;

/// Reasons why a change cannot be committed or the ledger cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ChangeRepoError {
    /// There is no such user.
    #[error("no such user")]
    NotFound,
    /// A row is not at the version that was read, or was removed.
    #[error("a row has changed since it was read")]
    Stale,
    /// The turn's attempt that requested the change is not running.
    #[error("the turn is not running")]
    LeaseLost,
    /// The idempotency key of the change has been used.
    #[error("the idempotency key has been used")]
    KeyUsed,
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Selects entries of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntrySelector {
    /// The entry with this number.
    Seq(Seq),
    /// The entries of an operation.
    Operation(OperationId),
    /// The entries of the turn that wrote this message.
    Message(ConversationId, MessageId),
    /// The entries of the turns that wrote these messages.
    Messages(Vec<MessageId>),
    /// The newest entries of these rows after `after`, at most `limit`.
    Rows {
        /// The rows.
        rows: Vec<EntityId>,
        /// The number before the first entry.
        after: Seq,
        /// Maximum number of entries.
        limit: NonZeroU16,
    },
    /// The newest entries before `before` of turns in a conversation that undo nothing, at most `limit`.
    Turns {
        /// The conversation.
        conversation: ConversationId,
        /// A turn whose entries are excluded.
        except: TurnId,
        /// The number after the last entry; absent for the newest.
        before: Option<Seq>,
        /// Maximum number of entries.
        limit: NonZeroU16,
    },
}

/// Stores changes: rows and their ledger entries. Every call is scoped to one owner; a row of another owner does not
/// exist for it.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait ChangeRepo: Send + Sync {
    /// Writes rows and adds one entry for each write, in order. Several writes may concern the same row.
    ///
    /// MUST be atomic, MUST be durable when it returns, and MUST number the new entries consecutively after the owner's
    /// newest entry. MUST return [`ChangeRepoError::Stale`] and change nothing when a row is not at the version of
    /// its `before`, and [`ChangeRepoError::NotFound`] when there is no such owner.
    ///
    /// An effect ([`Change::call`]) happens once: if it has entries, MUST change nothing and return those. Otherwise, MUST
    /// change nothing and return [`ChangeRepoError::LeaseLost`] when the call's attempt is not running.
    ///
    /// The parts of the assistant's message ([`Change::message_parts`]) MUST be stored together with the effect.
    ///
    /// A pending action that the change confirms ([`Change::confirms`]) MUST no longer be pending, even if the turn fails.
    ///
    /// An idempotency key ([`Change::keyed`]) MUST be stored together with the change. If one of the owner was stored less
    /// than [`IDEMPOTENCY_TTL`](crate::conversation::turn::IDEMPOTENCY_TTL) before the change, MUST change nothing and
    /// return [`ChangeRepoError::KeyUsed`].
    ///
    /// A write without `after` MUST also remove `before` and `after` from the row's earlier entries. `writes` is not empty.
    async fn commit(&self, owner: UserId, writes: &[Write], change: &Change) -> Result<Vec<Entry>, ChangeRepoError>;

    /// Returns the answer that was stored with the owner's idempotency key less than
    /// [`IDEMPOTENCY_TTL`](crate::conversation::turn::IDEMPOTENCY_TTL) before `now`. MUST return
    /// [`IdempotencyError::KeyReused`] when it was stored for another fingerprint, or the key is that of a turn.
    async fn find_answer(
        &self,
        owner: UserId,
        request: &Idempotency,
        now: DateTime<Utc>,
    ) -> Result<Option<KeyedAnswer>, IdempotencyError>;

    /// Stores an idempotency key and the answer of a request without a change. MUST be atomic and durable when it returns,
    /// and MUST return [`IdempotencyError::InProgress`] when the key was stored less than
    /// [`IDEMPOTENCY_TTL`](crate::conversation::turn::IDEMPOTENCY_TTL) before `at`.
    async fn store_answer(&self, owner: UserId, keyed: &Keyed, at: DateTime<Utc>) -> Result<(), IdempotencyError>;

    /// Returns the entries of an effect in order; empty if it has not happened.
    async fn find_effect(&self, owner: UserId, effect: EffectId) -> Result<Vec<Entry>, StorageError>;

    /// Returns the selected entries, oldest first.
    async fn find(&self, owner: UserId, selector: &EntrySelector) -> Result<Vec<Entry>, StorageError>;

    /// Returns at most `limit` entries that follow `after`. The head MUST be read no later than the entries. MUST return
    /// [`ChangeRepoError::NotFound`] when there is no such owner.
    async fn list(&self, owner: UserId, after: Seq, limit: NonZeroU16) -> Result<EntryPage, ChangeRepoError>;

    /// Returns the owner's head. MUST return [`ChangeRepoError::NotFound`] when there is no such owner.
    async fn head(&self, owner: UserId) -> Result<Head, ChangeRepoError>;

    /// Returns the transitive undo links of `seqs`: entries that undo one of them, entries that undo one of those, and so
    /// on, in any order.
    async fn undo_links(&self, owner: UserId, seqs: &[Seq]) -> Result<Vec<UndoLink>, StorageError>;
}
