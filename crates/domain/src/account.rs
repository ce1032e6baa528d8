//! Use cases of accounts: registration, sign-in by password or at an external provider, and authentication of requests
//! ([`AccountService`]).

mod attempt;
mod authentication;
mod events;
mod external;
mod followed_sessions;
mod identity_provider;
mod ports;
mod profile;
mod service;
mod sessions;
mod sign_in;
mod sign_ups;
mod token_cache;
mod tries;

use chrono::TimeDelta;
use secrecy::SecretString;

use crate::api_token::ApiTokenRepoError;
use crate::principal::InsufficientScope;
use crate::runtime::rate_limit::RateRefusal;
use crate::session::SessionRepoError;
use crate::storage::StorageError;
use crate::user::{DisplayName, Email, Password, User, UserRepoError};

pub use attempt::{Callback, CallbackCode, ExternalSignInError, PendingLink, SignInAttempt, StartedSignIn};
pub use followed_sessions::FollowedSession;
#[cfg(any(test, feature = "mock"))]
pub use identity_provider::MockIdentityProvider;
pub use identity_provider::{
    AuthorizationRequest, IdentityProvider, IdentityProviderError, ProviderIdentity, SignInProof,
};
pub use ports::{AccessClaims, HashError, PasswordHasher, TokenError, TokenIssuer};
#[cfg(any(test, feature = "mock"))]
pub use ports::{MockPasswordHasher, MockTokenIssuer};
pub use service::{AccountPorts, AccountService};
pub use sessions::ApiTokenRequest;
pub use sign_ups::{MailDomain, SignUps, SignUpsError};

/// The input of a registration.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The email address.
    pub email: Email,
    /// The password.
    pub password: Password,
    /// The name; by default, the local part of the address.
    pub name: Option<DisplayName>,
}

/// The result of a sign-in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Sent with every request.
    pub access_token: SecretString,
    /// Lifetime of the access token.
    pub expires_in: TimeDelta,
    /// Valid once, for a new pair of tokens.
    pub refresh_token: SecretString,
    /// Lifetime of the refresh token.
    pub refresh_expires_in: TimeDelta,
    /// The user.
    pub user: User,
}

/// Lifetimes of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenLifetimes {
    /// An access token.
    pub access: TimeDelta,
    /// A refresh token, and thereby an unused session.
    pub refresh: TimeDelta,
}

/// Errors of [`AccountService`].
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// There is no such account, or the password is wrong; the error does not reveal which.
    #[error("the email or the password is wrong")]
    InvalidCredentials,
    /// Another account has this address.
    #[error("the email is taken")]
    EmailTaken,
    /// No account may be created with this address.
    #[error("sign-ups are closed")]
    SignUpsClosed,
    /// The token is invalid or revoked.
    #[error("the token is not valid")]
    InvalidToken,
    /// The token has expired.
    #[error("the token has expired")]
    TokenExpired,
    /// The password does not match.
    #[error("the password is wrong")]
    WrongPassword,
    /// The account has a password, which was not sent.
    #[error("the password is required")]
    PasswordRequired,
    /// The account has no password, and the sign-in is not recent.
    #[error("the sign-in is too long ago")]
    RecentSignInRequired,
    /// There were too many failures, registrations or requests, or their counts cannot be reached.
    #[error(transparent)]
    RateLimited(#[from] RateRefusal),
    /// There is no such session.
    #[error("no such session")]
    SessionNotFound,
    /// The expiry of a new API token is in the past.
    #[error("the expiry is in the past")]
    ExpiryInThePast,
    /// External sign-in is not configured.
    #[error("no identity provider is configured")]
    OAuthNotConfigured,
    /// The external sign-in was started by another browser, or has expired or been completed.
    #[error("the state is not valid")]
    InvalidState,
    /// The one-time code is invalid, expired or already used.
    #[error("the code is invalid, expired or already used")]
    InvalidCode,
    /// The external sign-in failed.
    #[error(transparent)]
    External(#[from] ExternalSignInError),
    /// API tokens cannot be stored or read.
    #[error(transparent)]
    ApiTokens(#[from] ApiTokenRepoError),
    /// The caller lacks a scope.
    #[error(transparent)]
    InsufficientScope(#[from] InsufficientScope),
    /// Passwords cannot be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// Tokens cannot be created.
    #[error("a token could not be created")]
    Token(#[source] TokenError),
    /// Sessions cannot be stored or read.
    #[error(transparent)]
    Sessions(#[from] SessionRepoError),
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<UserRepoError> for AccountError {
    fn from(error: UserRepoError) -> Self {
        match error {
            UserRepoError::EmailTaken => Self::EmailTaken,
            // The token of a deleted user.
            UserRepoError::NotFound => Self::InvalidToken,
            UserRepoError::ExternalAccountTaken => ExternalSignInError::AlreadyLinked.into(),
            UserRepoError::Storage(cause) => Self::Storage(cause),
        }
    }
}

#[cfg(test)]
mod tests;
