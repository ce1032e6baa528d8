//! Accounts: who a user is, and how users are stored ([`UserRepo`]).
//! Deliberately not here: signing in, which is [`crate::account`].

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
    /// Their id.
    pub id: UserId,
    /// Their address, as they wrote it.
    pub email: Email,
    /// What they are called.
    pub name: DisplayName,
    /// Where "today" is theirs.
    pub time_zone: TimeZone,
    /// Tokens that carry another version than this one are void.
    pub token_version: u32,
    /// When the account was created.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// An account to be created.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Its id.
    pub id: UserId,
    /// Its address.
    pub email: Email,
    /// What the person is called.
    pub name: DisplayName,
    /// The password's hash; `None` for an account without a password.
    pub password_hash: Option<PasswordHash>,
    /// When.
    pub at: DateTime<Utc>,
}

/// A change of an account's fields. None of them can be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserPatch {
    /// What becomes of the name.
    pub name: Patch<DisplayName>,
    /// What becomes of the time zone.
    pub time_zone: Patch<TimeZone>,
}

/// What proves that somebody is an account's owner.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The account.
    pub user: User,
    /// Its password's hash; `None` for an account without a password.
    pub password_hash: Option<PasswordHash>,
}

/// Another password, and the session that goes on with it.
#[derive(Clone, Debug)]
pub struct PasswordChange {
    /// The token version that the account has to be at.
    pub token_version: u32,
    /// The hash of the new password.
    pub password_hash: PasswordHash,
    /// The session that takes the place of all others. Its token version is the next one.
    pub session: NewSession,
}

/// Why users cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum UserRepoError {
    /// There is no such user.
    #[error("no such user")]
    NotFound,
    /// Another account has an address that is the same when folded.
    #[error("the email is taken")]
    EmailTaken,
    /// The account at the provider is tied to another account of ours, or this one is tied to another account there.
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
    /// Creates a user in UTC at token version 0. MUST return [`UserRepoError::EmailTaken`] if the folded address is
    /// in use, also when two calls race.
    async fn create(&self, user: NewUser) -> Result<User, UserRepoError>;

    /// Creates a user who signs in with `account`, in one transaction. MUST return [`UserRepoError::EmailTaken`] if the
    /// folded address is in use, and [`UserRepoError::ExternalAccountTaken`] if somebody has that account already, which
    /// goes first where both are so; also when two calls race. MUST create nothing then.
    async fn create_external(&self, user: NewUser, account: ExternalAccount) -> Result<User, UserRepoError>;

    /// Ties `account` to the user whose session asked for it. Once more is no error. MUST return
    /// [`UserRepoError::NotFound`] when the user has no such session that is alive at `at`, and
    /// [`UserRepoError::ExternalAccountTaken`] if the account is tied to another user or the user has another one at the
    /// same issuer, and change nothing then.
    async fn link(
        &self,
        owner: UserId,
        session: SessionId,
        account: ExternalAccount,
        at: DateTime<Utc>,
    ) -> Result<(), UserRepoError>;

    /// MUST return [`UserRepoError::NotFound`] when there is no such user.
    async fn get(&self, owner: UserId) -> Result<User, UserRepoError>;

    /// The user, with what proves that somebody is them. MUST return [`UserRepoError::NotFound`] when there is no such
    /// user.
    async fn credentials(&self, owner: UserId) -> Result<Credentials, UserRepoError>;

    /// Changes the password, in one transaction: the token version goes up by one, every session, one-time code and API
    /// token of the user is gone, and the new session is there. MUST return [`UserRepoError::NotFound`] when there is no
    /// such user at that token version, and change nothing then; of two calls that race, one.
    async fn change_password(
        &self,
        owner: UserId,
        change: PasswordChange,
        at: DateTime<Utc>,
    ) -> Result<User, UserRepoError>;

    /// Deletes the user with every row of theirs, in one statement. MUST return [`UserRepoError::NotFound`] when there is
    /// no such user at this token version.
    async fn delete(&self, owner: UserId, token_version: u32) -> Result<(), UserRepoError>;

    /// Changes a user's fields and returns the user as they are then. A patch that changes nothing MUST leave
    /// `updated_at` as it is.
    async fn update(&self, owner: UserId, patch: UserPatch, at: DateTime<Utc>) -> Result<User, UserRepoError>;
}
