//! The look-ups that come before an owner is known, or that belong to none.
//!
//! Every other port takes the owner. What stands here is listed by name in the test that holds that rule, and none of
//! it returns tasks, conversations or messages.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::api_token::ApiTokenStatus;
use crate::change::Seq;
use crate::id::{SessionId, UserId};
use crate::secret::SecretHash;
use crate::session::{CodeOwner, CodePurpose};
use crate::storage::StorageError;
use crate::text::NormalizedText;
use crate::turn::InstanceId;
use crate::user::{Credentials, ExternalAccount, User};

/// The session that a refresh token belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshTokenOwner {
    /// The user.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// When the session ends by itself.
    pub expires_at: DateTime<Utc>,
}

/// Look-ups and upkeep without an owner.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait SystemRepo: Send + Sync {
    /// The account with this folded address.
    async fn credentials_by_email(&self, email: &NormalizedText) -> Result<Option<Credentials>, StorageError>;

    /// The session that a refresh token belongs to, whether the token is spent or not.
    async fn session_by_refresh_token(&self, token: &SecretHash) -> Result<Option<RefreshTokenOwner>, StorageError>;

    /// The account that `account` is tied to.
    async fn user_by_external_account(&self, account: &ExternalAccount) -> Result<Option<User>, StorageError>;

    /// What an API token allows, whether its time is over or not.
    async fn api_token(&self, token: &SecretHash) -> Result<Option<ApiTokenStatus>, StorageError>;

    /// Redeems a one-time code: whose it is, if it was made for `purpose`, was not redeemed and is not over at `now`. Of
    /// two calls with the same code at most one MUST get an answer.
    async fn redeem_code(
        &self,
        code: &SecretHash,
        purpose: CodePurpose,
        now: DateTime<Utc>,
    ) -> Result<Option<CodeOwner>, StorageError>;

    /// Spends the state of an attempt to sign in, which is kept until `expires_at`. Returns whether it was not spent
    /// before; of two calls with the same one at most one MUST get `true`.
    async fn spend_state(&self, state: &SecretHash, expires_at: DateTime<Utc>) -> Result<bool, StorageError>;

    /// Marks the running turns of `instance`, and their messages, as failed: it has just started and cannot be
    /// running any. Returns how many there were.
    async fn fail_turns_of(&self, instance: &InstanceId, now: DateTime<Utc>) -> Result<u64, StorageError>;

    /// Marks the running turns whose lease is over, and their messages, as failed. Returns how many there were.
    async fn fail_expired_turns(&self, now: DateTime<Utc>) -> Result<u64, StorageError>;

    /// Returns at most 100 users whose trash has tasks that were deleted at `until` or before.
    async fn users_with_trash(&self, until: DateTime<Utc>) -> Result<Vec<UserId>, StorageError>;

    /// Deletes the ledger entries from before `until`, and the pending actions that expired before it. Returns how many
    /// there were.
    async fn delete_changes(&self, until: DateTime<Utc>) -> Result<u64, StorageError>;

    /// Returns the number of the newest ledger entry of those of `users` that are there, in any order.
    async fn change_heads(&self, users: &[UserId]) -> Result<Vec<(UserId, Seq)>, StorageError>;

    /// Deletes the sessions, one-time codes and spent states that are over. Returns how many there were. (API tokens that
    /// are over stay in their owner's list.)
    async fn delete_expired(&self, now: DateTime<Utc>) -> Result<u64, StorageError>;
}
