//! The look-ups that come before an owner is known, or that belong to none.
//!
//! Every other port takes the owner. What stands here is listed by name in the test that holds that rule, and none of
//! it returns tasks, conversations or messages.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::id::{SessionId, UserId};
use crate::session::RefreshTokenHash;
use crate::storage::StorageError;
use crate::text::Folded;
use crate::turn::InstanceId;
use crate::user::{PasswordHash, User};

/// An account with what proves that somebody is its owner.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The account.
    pub user: User,
    /// Its password's hash; `None` for an account without a password.
    pub password_hash: Option<PasswordHash>,
}

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
    async fn credentials_by_email(&self, email: &Folded) -> Result<Option<Credentials>, StorageError>;

    /// The session that a refresh token belongs to, whether the token is spent or not.
    async fn session_by_refresh_token(
        &self,
        token: &RefreshTokenHash,
    ) -> Result<Option<RefreshTokenOwner>, StorageError>;

    /// Marks the running turns of `instance`, and their messages, as failed: it has just started and cannot be
    /// running any. Returns how many there were.
    async fn fail_turns_of(&self, instance: &InstanceId, now: DateTime<Utc>) -> Result<u64, StorageError>;

    /// Marks the running turns whose lease is over, and their messages, as failed. Returns how many there were.
    async fn fail_expired_turns(&self, now: DateTime<Utc>) -> Result<u64, StorageError>;

    /// Deletes the sessions that are over. Returns how many there were.
    async fn delete_expired_sessions(&self, now: DateTime<Utc>) -> Result<u64, StorageError>;
}
