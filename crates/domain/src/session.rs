//! Sessions and their storage ([`SessionRepo`]).

mod client;
mod code;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::id::{SessionId, UserId};
use crate::page::{Page, PageRequest};
use crate::secret::SecretHash;
use crate::storage::StorageError;

pub use client::{Client, Device};
pub use code::{CodeOwner, CodePurpose, NewCode};

/// An active sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// `sid` in access tokens.
    pub id: SessionId,
    /// The owner.
    pub user_id: UserId,
    /// The client that used it last.
    pub client: Client,
    /// The time of sign-in.
    pub created_at: DateTime<Utc>,
    /// The time of the last use, to the minute.
    pub last_used_at: DateTime<Utc>,
    /// The expiry, unless the session is refreshed.
    pub expires_at: DateTime<Utc>,
}

/// A session to be created, with its first refresh token.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The new id.
    pub id: SessionId,
    /// The hash of the first refresh token.
    pub refresh: SecretHash,
    /// The client that signs in.
    pub client: Client,
    /// The expected token version of the user, which a concurrent change of the password increments.
    pub token_version: u32,
    /// The time of sign-in.
    pub at: DateTime<Utc>,
    /// The expiry.
    pub expires_at: DateTime<Utc>,
}

/// The replacement of a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The hash of the used token.
    pub spent: SecretHash,
    /// The hash of the new token.
    pub next: SecretHash,
    /// The client that refreshes.
    pub client: Client,
    /// The time of the refresh.
    pub at: DateTime<Utc>,
    /// A token that was replaced at this time or later may be used again.
    pub replaced_since: DateTime<Utc>,
    /// The new expiry of the session.
    pub expires_at: DateTime<Utc>,
}

/// What determines whether the access tokens of a session are valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionStatus {
    /// The user's token version. Tokens with another version are revoked.
    pub token_version: u32,
    /// The time of sign-in.
    pub created_at: DateTime<Utc>,
    /// The time of the last use.
    pub last_used_at: DateTime<Utc>,
    /// The expiry.
    pub expires_at: DateTime<Utc>,
}

/// Reasons why sessions cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum SessionRepoError {
    /// The owner has no such session, or it has ended.
    #[error("no such session")]
    NotFound,
    /// The refresh token was replaced too long ago.
    #[error("the refresh token was already used")]
    Reused,
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Stores sessions. Every call is scoped to one owner.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait SessionRepo: Send + Sync {
    /// Creates a session. MUST return [`SessionRepoError::NotFound`] when there is no such user at that token version, also
    /// if the password is changed concurrently.
    async fn create(&self, owner: UserId, session: NewSession) -> Result<Session, SessionRepoError>;

    /// Returns the status of a session at `now`. MUST return [`SessionRepoError::NotFound`] for an ended or expired session,
    /// one of another owner, and one of a deleted user. MUST be one statement, because most requests need it.
    async fn status(&self, owner: UserId, id: SessionId, now: DateTime<Utc>)
    -> Result<SessionStatus, SessionRepoError>;

    /// Records the use of a session at `at`. Has no effect if there is no such session, or a later use is recorded.
    async fn touch(
        &self,
        owner: UserId,
        id: SessionId,
        client: Client,
        at: DateTime<Utc>,
    ) -> Result<(), SessionRepoError>;

    /// Returns a page of the owner's sessions that are active at `now`, newest first.
    async fn list(
        &self,
        owner: UserId,
        page: PageRequest<SessionId>,
        now: DateTime<Utc>,
    ) -> Result<Page<Session, SessionId>, SessionRepoError>;

    /// Replaces a refresh token by the next one, in one transaction, and returns the hash of the session's current token,
    /// which is the next one. A token that has already been replaced MUST NOT be replaced again, also by concurrent calls:
    /// if that happened at `replaced_since` or later, the result is the current token, whichever that is; if earlier, it
    /// is [`SessionRepoError::Reused`], and nothing is changed.
    async fn rotate(&self, owner: UserId, id: SessionId, rotation: Rotation) -> Result<SecretHash, SessionRepoError>;

    /// Ends a session with all its refresh tokens and codes. MUST return [`SessionRepoError::NotFound`] when the owner has
    /// no such session.
    async fn end(&self, owner: UserId, id: SessionId) -> Result<(), SessionRepoError>;

    /// Ends every session of the owner, with all its refresh tokens and codes.
    async fn end_all(&self, owner: UserId) -> Result<(), SessionRepoError>;

    /// Stores a one-time code. MUST return [`SessionRepoError::NotFound`] when there is no such user, or the code's session
    /// is not active, also if it is ended concurrently.
    async fn create_code(&self, owner: UserId, code: NewCode) -> Result<(), SessionRepoError>;
}
