//! The ports for passwords and tokens.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::attempt::{PendingLink, SignInAttempt};
use crate::id::{SessionId, UserId};
use crate::secret::{NewSecret, SecretHash, SecretKind};
use crate::storage::Cause;
use crate::user::{Password, PasswordHash};

/// The claims of an access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessClaims {
    /// The user: `sub`.
    pub user: UserId,
    /// The session: `sid`.
    pub session: SessionId,
    /// The user's token version at issue: `ver`.
    pub token_version: u32,
    /// The time of issue: `iat` and `nbf`, in whole seconds.
    pub issued_at: DateTime<Utc>,
    /// The expiry: `exp`, in whole seconds.
    pub expires_at: DateTime<Utc>,
}

/// Reasons why a password cannot be hashed or verified.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// Too many passwords are being hashed; a retry may succeed.
    #[error("too many passwords are being hashed")]
    Overloaded,
    /// The hash cannot be computed or read.
    #[error("a password hash cannot be computed or read")]
    Failed(#[source] Cause),
}

/// Hashes passwords.
///
/// Hashing is slow and takes memory on purpose. An adapter MUST NOT run it on the threads that serve requests, and MUST
/// limit the number of concurrent hashes ([`HashError::Overloaded`]).
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait PasswordHasher: Send + Sync {
    /// Hashes a password with a new random salt.
    async fn hash(&self, password: Password) -> Result<PasswordHash, HashError>;

    /// Returns whether `password` matches `hash`. Without a hash, MUST return `false` after the same time as with one, so
    /// that the duration does not reveal which accounts exist.
    async fn verify(&self, password: Password, hash: Option<PasswordHash>) -> Result<bool, HashError>;
}

/// Reasons why a token is refused or cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The token has expired.
    #[error("the token has expired")]
    Expired,
    /// The token is malformed, or its signature is invalid.
    #[error("the token is not valid")]
    Invalid(#[source] Cause),
    /// The token cannot be signed, or randomness is unavailable.
    #[error("the token cannot be signed")]
    Signing(#[source] Cause),
}

/// Creates and verifies tokens.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
pub trait TokenIssuer: Send + Sync {
    /// Signs an access token with these claims.
    ///
    /// # Errors
    /// [`TokenError::Signing`].
    fn issue(&self, claims: &AccessClaims) -> Result<SecretString, TokenError>;

    /// Verifies an access token and returns its claims. MUST refuse every token that was not signed by
    /// [`issue`](Self::issue) with the same key, that has another issuer or audience, that is not yet valid, or that
    /// expired more than 5 s ago.
    ///
    /// # Errors
    /// [`TokenError::Expired`] if the token is valid except for its expiry, [`TokenError::Invalid`] otherwise.
    fn verify(&self, token: &str) -> Result<AccessClaims, TokenError>;

    /// Generates a secret of 256 random bits with the prefix of its kind.
    ///
    /// # Errors
    /// [`TokenError::Signing`] if randomness is unavailable.
    fn new_secret(&self, kind: SecretKind) -> Result<NewSecret, TokenError>;

    /// Returns the hash of a secret; `None` if the text cannot be of this kind.
    fn hash_secret(&self, kind: SecretKind, text: &str) -> Option<SecretHash>;

    /// Derives the refresh token that replaces `token`. MUST return the same one each time, and one that nobody can compute
    /// without the key.
    ///
    /// # Errors
    /// [`TokenError::Signing`].
    fn next_refresh_token(&self, token: &str) -> Result<NewSecret, TokenError>;

    /// Seals the state of an external sign-in for a cookie. The result MUST NOT be accepted as an access token.
    ///
    /// # Errors
    /// [`TokenError::Signing`].
    fn seal_attempt(&self, attempt: &SignInAttempt) -> Result<SecretString, TokenError>;

    /// Opens a text of [`seal_attempt`](Self::seal_attempt). MUST refuse everything else, and expired attempts.
    ///
    /// # Errors
    /// [`TokenError::Expired`], [`TokenError::Invalid`].
    fn open_attempt(&self, sealed: &str) -> Result<SignInAttempt, TokenError>;

    /// Seals a link for a URL. The result MUST NOT be accepted as an access token or an attempt.
    ///
    /// # Errors
    /// [`TokenError::Signing`].
    fn seal_link(&self, link: &PendingLink) -> Result<SecretString, TokenError>;

    /// Opens a text of [`seal_link`](Self::seal_link). MUST refuse everything else, and links that expired more than 5 s ago.
    ///
    /// # Errors
    /// [`TokenError::Expired`], [`TokenError::Invalid`].
    fn open_link(&self, sealed: &str) -> Result<PendingLink, TokenError>;
}
