//! Accounts in use: registering, signing in and out, by password or elsewhere, and telling who a request comes from
//! ([`AccountService`]).

mod attempt;
mod authentication;
mod external;
mod identity_provider;
mod ports;
mod profile;
mod service;
mod sessions;
mod sign_in;
mod token_cache;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;

use crate::api_token::ApiTokenRepoError;
use crate::id::{SessionId, UserId};
use crate::principal::InsufficientScope;
use crate::rate_limit::RateLimited;
use crate::session::SessionRepoError;
use crate::storage::StorageError;
use crate::user::{DisplayName, Email, Password, User, UserRepoError};

pub use attempt::{Callback, ExternalSignInError, SignInAttempt, StartedSignIn};
#[cfg(any(test, feature = "mock"))]
pub use identity_provider::MockIdentityProvider;
pub use identity_provider::{
    AuthorizationRequest, IdentityProvider, IdentityProviderError, ProviderIdentity, SignInProof,
};
pub use ports::{HashError, PasswordHasher, TokenError, TokenIssuer};
#[cfg(any(test, feature = "mock"))]
pub use ports::{MockPasswordHasher, MockTokenIssuer};
pub use service::{AccountPorts, AccountService};
pub use sessions::ApiTokenRequest;

/// What somebody gives to register.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The address.
    pub email: Email,
    /// The password.
    pub password: Password,
    /// What they are called; the address's local part if they do not say.
    pub name: Option<DisplayName>,
}

/// What a sign-in gives.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Shown with every request.
    pub access_token: SecretString,
    /// How long the access token is good.
    pub expires_in: TimeDelta,
    /// Exchanged once for the next pair of tokens.
    pub refresh_token: SecretString,
    /// Who signed in.
    pub user: User,
}

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessClaims {
    /// The user: `sub`.
    pub user: UserId,
    /// The session: `sid`.
    pub session: SessionId,
    /// The user's token version when it was made: `ver`.
    pub token_version: u32,
    /// When it was made: `iat` and `nbf`, in whole seconds.
    pub issued_at: DateTime<Utc>,
    /// When it ends: `exp`, in whole seconds.
    pub expires_at: DateTime<Utc>,
}

/// How long tokens are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenLifetimes {
    /// An access token.
    pub access: TimeDelta,
    /// A refresh token, and with it a session that is not used.
    pub refresh: TimeDelta,
}

/// Why somebody is not let in.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// There is no such account, or the password is another one: which of the two is not told.
    #[error("the email or the password is wrong")]
    InvalidCredentials,
    /// The address has an account.
    #[error("the email is taken")]
    EmailTaken,
    /// The token is not one of ours, or it is void.
    #[error("the token is not valid")]
    InvalidToken,
    /// The token was good until a while ago.
    #[error("the token has expired")]
    TokenExpired,
    /// The account has another password.
    #[error("the password is wrong")]
    WrongPassword,
    /// The account has a password, and it was not given.
    #[error("the password is needed")]
    PasswordRequired,
    /// The account has no password, and the sign-in is too long ago to do without.
    #[error("the sign-in is too long ago")]
    RecentSignInRequired,
    /// It was tried too often.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    /// There is no such session.
    #[error("no such session")]
    SessionNotFound,
    /// An API token would be over before it began.
    #[error("the expiry is in the past")]
    ExpiryInThePast,
    /// Nobody can sign in elsewhere.
    #[error("no identity provider is configured")]
    OAuthNotConfigured,
    /// The attempt to sign in elsewhere is not this browser's, or is over.
    #[error("the state is not valid")]
    InvalidState,
    /// The one-time code is none, was used or is over.
    #[error("the code is not valid")]
    InvalidCode,
    /// Nothing came of an attempt to sign in elsewhere.
    #[error(transparent)]
    External(#[from] ExternalSignInError),
    /// API tokens cannot be stored or read.
    #[error(transparent)]
    ApiTokens(#[from] ApiTokenRepoError),
    /// The caller may not do this.
    #[error(transparent)]
    InsufficientScope(#[from] InsufficientScope),
    /// Passwords cannot be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// Tokens cannot be made.
    #[error("a token could not be made")]
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
            // A token outlives its user by moments only; whoever shows it is nobody.
            UserRepoError::NotFound => Self::InvalidToken,
            UserRepoError::ExternalAccountTaken => ExternalSignInError::AlreadyLinked.into(),
            UserRepoError::Storage(cause) => Self::Storage(cause),
        }
    }
}

#[cfg(test)]
mod tests;
