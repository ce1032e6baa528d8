//! Sessions: what a sign-in leaves behind, and how it is stored ([`SessionRepo`]).

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

/// A sign-in that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// Who was seen to use it last.
    pub client: Client,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was last seen to be used. Use is noted once a minute at the most.
    pub last_used_at: DateTime<Utc>,
    /// When it ends by itself, unless it is refreshed before.
    pub expires_at: DateTime<Utc>,
}

/// A session to be created, with its first refresh token.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// The hash of its refresh token.
    pub refresh: SecretHash,
    /// Who begins it.
    pub client: Client,
    /// The token version that its user has to be at: a password that was changed meanwhile opens nothing.
    pub token_version: u32,
    /// When it begins.
    pub at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
}

/// A refresh token to be spent, and the one that takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The token that was shown.
    pub spent: SecretHash,
    /// The token that is handed out instead.
    pub next: SecretHash,
    /// Who spends it.
    pub client: Client,
    /// When.
    pub at: DateTime<Utc>,
    /// When the session now ends by itself.
    pub expires_at: DateTime<Utc>,
}

/// Whether a session's tokens are good, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionStatus {
    /// Its user's token version: tokens that carry another one are void.
    pub token_version: u32,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was last seen to be used.
    pub last_used_at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
}

/// Why sessions cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum SessionRepoError {
    /// The owner has no such session, or it has ended.
    #[error("no such session")]
    NotFound,
    /// The refresh token was already spent.
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
    /// when the password is changed at the same time.
    async fn create(&self, owner: UserId, session: NewSession) -> Result<Session, SessionRepoError>;

    /// How a session stands at `now`. MUST return [`SessionRepoError::NotFound`] for an ended or expired session, another
    /// owner's, and a deleted user's. Asked on every request: one statement.
    async fn status(&self, owner: UserId, id: SessionId, now: DateTime<Utc>)
    -> Result<SessionStatus, SessionRepoError>;

    /// Notes that a session was used at `at`, by whom. One that is gone stays gone: no error. A note that comes late MUST
    /// leave a later one as it is.
    async fn touch(
        &self,
        owner: UserId,
        id: SessionId,
        client: Client,
        at: DateTime<Utc>,
    ) -> Result<(), SessionRepoError>;

    /// The owner's sessions that are alive at `now`, the newest first.
    async fn list(
        &self,
        owner: UserId,
        page: PageRequest<SessionId>,
        now: DateTime<Utc>,
    ) -> Result<Page<Session, SessionId>, SessionRepoError>;

    /// Spends one refresh token and stores the next, in one transaction. Of two calls with the same token at most one
    /// MUST succeed; the other MUST return [`SessionRepoError::Reused`] and change nothing.
    async fn rotate(&self, owner: UserId, id: SessionId, rotation: Rotation) -> Result<(), SessionRepoError>;

    /// Ends a session with all its refresh tokens and codes. MUST return [`SessionRepoError::NotFound`] when the owner has
    /// no such session.
    async fn end(&self, owner: UserId, id: SessionId) -> Result<(), SessionRepoError>;

    /// Ends every session of the owner, with all its refresh tokens and codes.
    async fn end_all(&self, owner: UserId) -> Result<(), SessionRepoError>;

    /// Stores a one-time code. MUST return [`SessionRepoError::NotFound`] when there is no such user, or they have no such
    /// session as the code is tied to that is alive when the code is made, also when it ends at the same time.
    async fn create_code(&self, owner: UserId, code: NewCode) -> Result<(), SessionRepoError>;
}
