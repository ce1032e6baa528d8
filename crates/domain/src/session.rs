//! Sessions: what a sign-in leaves behind, and how it is stored ([`SessionRepo`]).

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::id::{SessionId, UserId};
use crate::storage::StorageError;

/// A sign-in that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was last signed in to or refreshed.
    pub last_used_at: DateTime<Utc>,
    /// When it ends by itself, unless it is refreshed before.
    pub expires_at: DateTime<Utc>,
}

/// The hash of a refresh token: SHA-256 of its text. A fast hash is enough for 256 random bits.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RefreshTokenHash([u8; 32]);

impl RefreshTokenHash {
    /// Wraps a SHA-256 digest.
    pub fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for RefreshTokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshTokenHash([REDACTED])")
    }
}

/// A session to be created, with its first refresh token.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// The hash of its refresh token.
    pub refresh: RefreshTokenHash,
    /// When it begins.
    pub at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
}

/// A refresh token to be spent, and the one that takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The token that was shown.
    pub spent: RefreshTokenHash,
    /// The token that is handed out instead.
    pub next: RefreshTokenHash,
    /// When.
    pub at: DateTime<Utc>,
    /// When the session now ends by itself.
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
    /// Creates a session.
    async fn create(&self, owner: UserId, session: NewSession) -> Result<Session, SessionRepoError>;

    /// The owner's token version, if the session is alive at `now`. MUST return [`SessionRepoError::NotFound`] for an
    /// ended or expired session, another owner's, and a deleted user's. Asked on every request: one statement.
    async fn token_version(&self, owner: UserId, id: SessionId, now: DateTime<Utc>) -> Result<u32, SessionRepoError>;

    /// Spends one refresh token and stores the next, in one transaction. Of two calls with the same token at most one
    /// MUST succeed; the other MUST return [`SessionRepoError::Reused`] and change nothing.
    async fn rotate(&self, owner: UserId, id: SessionId, rotation: Rotation) -> Result<(), SessionRepoError>;

    /// Ends a session with all its refresh tokens. An ended one stays ended: no error.
    async fn end(&self, owner: UserId, id: SessionId) -> Result<(), SessionRepoError>;
}
