//! The ports of signing in: passwords and tokens.

use async_trait::async_trait;
use secrecy::SecretString;

use super::AccessClaims;
use crate::session::RefreshTokenHash;
use crate::storage::Cause;
use crate::user::{Password, PasswordHash};

/// Why a password cannot be hashed or compared.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// Too many passwords are being hashed already: try again soon.
    #[error("too many passwords are being hashed")]
    Overloaded,
    /// The hash cannot be computed or read.
    #[error("a password hash cannot be computed or read")]
    Failed(#[source] Cause),
}

/// Hashes passwords.
///
/// Hashing takes time and memory on purpose. An adapter MUST keep it off the threads that serve requests, and MUST
/// bound how much of it happens at once ([`HashError::Overloaded`]).
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait PasswordHasher: Send + Sync {
    /// Hashes a password with a salt of its own.
    async fn hash(&self, password: Password) -> Result<PasswordHash, HashError>;

    /// Whether `password` is the one behind `hash`. Without a hash the answer is no, and it MUST cost as much time as
    /// with one, so that nobody learns which accounts exist.
    async fn verify(&self, password: Password, hash: Option<PasswordHash>) -> Result<bool, HashError>;
}

/// Why a token is not accepted, or cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It was good until a while ago.
    #[error("the token has expired")]
    Expired,
    /// It is not one of ours.
    #[error("the token is not valid")]
    Invalid(#[source] Cause),
    /// It cannot be signed.
    #[error("the token cannot be signed")]
    Signing(#[source] Cause),
}

/// A refresh token that was just made.
#[derive(Clone, Debug)]
pub struct NewRefreshToken {
    /// The token: for the client alone.
    pub token: SecretString,
    /// Its hash: for storage.
    pub hash: RefreshTokenHash,
}

/// Makes and checks tokens.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
pub trait TokenIssuer: Send + Sync {
    /// Signs an access token that says `claims`.
    ///
    /// # Errors
    /// [`TokenError::Signing`].
    fn issue(&self, claims: &AccessClaims) -> Result<SecretString, TokenError>;

    /// Checks an access token and returns what it says. MUST refuse every token that was not signed by
    /// [`issue`](Self::issue) with the same key, that is not for this issuer and audience, that is not yet good, or that
    /// ended more than 5 s ago.
    ///
    /// # Errors
    /// [`TokenError::Expired`] if its time is over and nothing else is wrong with it, [`TokenError::Invalid`] otherwise.
    fn verify(&self, token: &str) -> Result<AccessClaims, TokenError>;

    /// Makes a refresh token of 256 random bits.
    ///
    /// # Errors
    /// [`TokenError::Signing`] if no randomness is to be had.
    fn new_refresh_token(&self) -> Result<NewRefreshToken, TokenError>;

    /// The hash of a refresh token; `None` for a text that cannot be one.
    fn hash_refresh_token(&self, token: &str) -> Option<RefreshTokenHash>;
}
