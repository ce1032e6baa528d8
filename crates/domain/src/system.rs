//! Storage operations without an owner, because it is not known yet or there is none.
//!
//! All other repositories take the owner. A test lists the methods of this one by name. None of them returns tasks,
//! conversations or messages.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::api_token::ApiTokenStatus;
use crate::change::Seq;
use crate::conversation::turn::{InstanceId, TurnProgress};
use crate::id::{SessionId, TurnId, UserId};
use crate::secret::SecretHash;
use crate::session::{CodeOwner, CodePurpose, SessionStatus};
use crate::storage::StorageError;
use crate::text::NormalizedText;
use crate::user::{Credentials, ExternalAccount, User};

/// The session of a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshTokenOwner {
    /// The user.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// The expiry of the session.
    pub expires_at: DateTime<Utc>,
}

/// Queries and maintenance without an owner.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait SystemRepo: Send + Sync {
    /// Returns the account with this normalized email address.
    async fn credentials_by_email(&self, email: &NormalizedText) -> Result<Option<Credentials>, StorageError>;

    /// Returns the session of a refresh token, whether the token is spent or not.
    async fn session_by_refresh_token(&self, token: &SecretHash) -> Result<Option<RefreshTokenOwner>, StorageError>;

    /// Returns the user that `account` is linked to.
    async fn user_by_external_account(&self, account: &ExternalAccount) -> Result<Option<User>, StorageError>;

    /// Returns the status of an API token, whether it has expired or not.
    async fn api_token(&self, token: &SecretHash) -> Result<Option<ApiTokenStatus>, StorageError>;

    /// Redeems a one-time code and returns its owner, if it was created for `purpose`, is not redeemed and not expired at
    /// `now`. Of concurrent calls with the same code, at most one MUST succeed.
    async fn redeem_code(
        &self,
        code: &SecretHash,
        purpose: CodePurpose,
        now: DateTime<Utc>,
    ) -> Result<Option<CodeOwner>, StorageError>;

    /// Marks the state of an external sign-in, or the id of a pending link, as spent until `expires_at`. Returns whether it
    /// was not spent before; of concurrent calls with the same state, at most one MUST get `true`.
    async fn spend_state(&self, state: &SecretHash, expires_at: DateTime<Utc>) -> Result<bool, StorageError>;

    /// Marks the running turns of `instance`, which has just started, and their messages as failed. Returns their number.
    async fn fail_turns_of(&self, instance: &InstanceId, now: DateTime<Utc>) -> Result<u64, StorageError>;

    /// Marks the running turns with an expired lease and their messages as failed at `now`. Whether a lease has expired
    /// MUST be decided by the storage's time. Returns their number.
    async fn fail_expired_turns(&self, now: DateTime<Utc>) -> Result<u64, StorageError>;

    /// Returns at most 100 users with tasks in the trash that were deleted at `until` or before.
    async fn users_with_trash(&self, until: DateTime<Utc>) -> Result<Vec<UserId>, StorageError>;

    /// Deletes the ledger entries from before `until`, and the pending actions that expired before it. Returns their
    /// number.
    async fn delete_changes(&self, until: DateTime<Utc>) -> Result<u64, StorageError>;

    /// Returns the newest entry number of each of `users` that exists, in any order.
    async fn change_heads(&self, users: &[UserId]) -> Result<Vec<(UserId, Seq)>, StorageError>;

    /// Returns the progress of each of `turns` that exists, in any order.
    async fn turn_progress(&self, turns: &[TurnId]) -> Result<Vec<(TurnId, TurnProgress)>, StorageError>;

    /// Returns the status of each of `sessions` that has not ended at `now`, in any order.
    async fn session_statuses(
        &self,
        sessions: &[SessionId],
        now: DateTime<Utc>,
    ) -> Result<Vec<(SessionId, SessionStatus)>, StorageError>;

    /// Records that `sessions` were used at `at`. A later use MUST be kept.
    async fn touch_sessions(&self, sessions: &[SessionId], at: DateTime<Utc>) -> Result<(), StorageError>;

    /// Deletes expired sessions, one-time codes, spent states and idempotency keys, but not API tokens, which stay in their
    /// owner's list. Returns their number.
    async fn delete_expired(&self, now: DateTime<Utc>) -> Result<u64, StorageError>;
}
