//! The ports of signing in: passwords and tokens.

use async_trait::async_trait;
use secrecy::SecretString;

use super::{AccessClaims, SignInAttempt};
use crate::secret::{NewSecret, SecretHash, SecretKind};
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

    /// Makes a text of 256 random bits behind the prefix of its kind.
    ///
    /// # Errors
    /// [`TokenError::Signing`] if no randomness is to be had.
    fn new_secret(&self, kind: SecretKind) -> Result<NewSecret, TokenError>;

    /// The hash of such a text; `None` for one that cannot be of this kind.
    fn hash_secret(&self, kind: SecretKind, text: &str) -> Option<SecretHash>;

    /// Seals an attempt to sign in elsewhere, so that the browser can keep it. What is sealed MUST NOT pass for an access
    /// token.
    ///
    /// # Errors
    /// [`TokenError::Signing`].
    fn seal_attempt(&self, attempt: &SignInAttempt) -> Result<SecretString, TokenError>;

    /// Opens what [`seal_attempt`](Self::seal_attempt) sealed. MUST refuse everything else, and an attempt whose time is
    /// over.
    ///
    /// # Errors
    /// [`TokenError::Expired`], [`TokenError::Invalid`].
    fn open_attempt(&self, sealed: &str) -> Result<SignInAttempt, TokenError>;
}
