//! Accounts: who a user is, and how users are stored ([`UserRepo`]).
//! Deliberately not here: signing in, which is [`crate::account`].

mod email;
mod name;
mod password;
mod time_zone;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::id::UserId;
use crate::patch::Patch;
use crate::storage::StorageError;

pub use email::{Email, EmailError};
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

/// Why users cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum UserRepoError {
    /// There is no such user.
    #[error("no such user")]
    NotFound,
    /// Another account has an address that is the same when folded.
    #[error("the email is taken")]
    EmailTaken,
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

    /// MUST return [`UserRepoError::NotFound`] when there is no such user.
    async fn get(&self, owner: UserId) -> Result<User, UserRepoError>;

    /// Changes a user's fields and returns the user as they are then. A patch that changes nothing MUST leave
    /// `updated_at` as it is.
    async fn update(&self, owner: UserId, patch: UserPatch, at: DateTime<Utc>) -> Result<User, UserRepoError>;
}
