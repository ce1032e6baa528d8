//! Users and their storage ([`UserRepo`]). Sign-in is in [`crate::account`].

mod email;
mod external_account;
mod name;
mod password;
mod time_zone;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::id::{SessionId, UserId};
use crate::patch::Patch;
use crate::session::NewSession;
use crate::storage::StorageError;

pub use email::{Email, EmailError};
pub use external_account::{ExternalAccount, ExternalAccountError};
pub use name::{DisplayName, DisplayNameError};
pub use password::{Password, PasswordError, PasswordHash};
pub use time_zone::{TimeZone, TimeZoneError};

/// A person with an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The owner id of the user's rows.
    pub id: UserId,
    /// The email address, as entered.
    pub email: Email,
    /// The display name.
    pub name: DisplayName,
    /// Determines the user's current date.
    pub time_zone: TimeZone,
    /// Tokens with another version are revoked.
    pub token_version: u32,
    /// The time of creation.
    pub created_at: DateTime<Utc>,
    /// The time of the last change.
    pub updated_at: DateTime<Utc>,
}

/// A user to be created.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The new id.
    pub id: UserId,
    /// The email address.
    pub email: Email,
    /// The display name.
    pub name: DisplayName,
    /// The password's hash; `None` for an account without a password.
    pub password_hash: Option<PasswordHash>,
    /// The time of creation.
    pub at: DateTime<Utc>,
}

/// A change of a user's fields. None of them can be cleared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserPatch {
    /// The change of the name.
    pub name: Patch<DisplayName>,
    /// The change of the time zone.
    pub time_zone: Patch<TimeZone>,
}

/// A user with the password hash that sign-in verifies.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user.
    pub user: User,
    /// `None` for an account without a password.
    pub password_hash: Option<PasswordHash>,
}

/// A change of the password, with the session that replaces all others.
#[derive(Clone, Debug)]
pub struct PasswordChange {
    /// The expected token version.
    pub token_version: u32,
    /// The hash of the new password.
    pub password_hash: PasswordHash,
    /// The new session, with the next token version.
    pub session: NewSession,
}

/// Reasons why users cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum UserRepoError {
    /// There is no such user.
    #[error("no such user")]
    NotFound,
    /// Another user has the same normalized address.
    #[error("the email is taken")]
    EmailTaken,
    /// The external account is linked to another user, or the user is linked to another account of the provider.
    #[error("the external account is taken")]
    ExternalAccountTaken,
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Stores users. A user is their own owner.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait UserRepo: Send + Sync {
    /// Creates a user in UTC at token version 0. MUST return [`UserRepoError::EmailTaken`] if the normalized
    /// address is in use, also on concurrent calls.
    async fn create(&self, user: NewUser) -> Result<User, UserRepoError>;

    /// Creates a user who signs in with `account`, in one transaction. MUST return [`UserRepoError::EmailTaken`] if the
    /// normalized address is in use, and [`UserRepoError::ExternalAccountTaken`] if `account` is linked to another user,
    /// which takes precedence; also on concurrent calls. MUST create nothing then.
    async fn create_external(&self, user: NewUser, account: ExternalAccount) -> Result<User, UserRepoError>;

    /// Links `account` to the user of the session. Idempotent. MUST return [`UserRepoError::NotFound`] when the user has no
    /// such session that is active at `at`, and [`UserRepoError::ExternalAccountTaken`] if the account is linked to another
    /// user or the user has another account of the same issuer, and change nothing then.
    async fn link(
        &self,
        owner: UserId,
        session: SessionId,
        account: ExternalAccount,
        at: DateTime<Utc>,
    ) -> Result<(), UserRepoError>;

    /// Returns the user. MUST return [`UserRepoError::NotFound`] when there is no such user.
    async fn get(&self, owner: UserId) -> Result<User, UserRepoError>;

    /// Returns the user with the password hash. MUST return [`UserRepoError::NotFound`] when there is no such
    /// user.
    async fn credentials(&self, owner: UserId) -> Result<Credentials, UserRepoError>;

    /// Changes the password in one transaction: increments the token version, deletes all sessions, one-time codes and API
    /// tokens of the user, and creates the new session. MUST return [`UserRepoError::NotFound`] when there is no such user
    /// at that token version, and change nothing then; of concurrent calls, one succeeds.
    async fn change_password(
        &self,
        owner: UserId,
        change: PasswordChange,
        at: DateTime<Utc>,
    ) -> Result<User, UserRepoError>;

    /// Deletes the user with all their rows, in one statement. MUST return [`UserRepoError::NotFound`] when there is
    /// no such user at this token version.
    async fn delete(&self, owner: UserId, token_version: u32) -> Result<(), UserRepoError>;

    /// Changes a user's fields and returns the changed user. A patch that changes nothing MUST leave
    /// `updated_at` as it is.
    async fn update(&self, owner: UserId, patch: UserPatch, at: DateTime<Utc>) -> Result<User, UserRepoError>;
}
