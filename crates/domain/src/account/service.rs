//! The service, its ports, and functions that its use cases share.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;

use super::followed_sessions::FollowedSessions;
use super::token_cache::TokenCache;
use super::{
    AccessClaims, AccountError, IdentityProvider, PasswordHasher, SignUps, SignedIn, TokenIssuer, TokenLifetimes,
};
use crate::api_token::ApiTokenRepo;
use crate::id::SessionId;
use crate::runtime::event_log::EventLog;
use crate::runtime::rate_limit::RateLimiter;
use crate::runtime::{Background, Clock, FailureLog, IdGenerator, Timer};
use crate::secret::{NewSecret, SecretKind};
use crate::session::{Client, NewSession, SessionRepo, SessionRepoError};
use crate::system::SystemRepo;
use crate::user::{User, UserRepo};

/// Manages accounts, sessions and tokens. The use cases are in the sibling modules.
#[derive(Clone)]
pub struct AccountService {
    pub(super) users: Arc<dyn UserRepo>,
    pub(super) sessions: Arc<dyn SessionRepo>,
    pub(super) api_tokens: Arc<dyn ApiTokenRepo>,
    pub(super) system: Arc<dyn SystemRepo>,
    pub(super) hasher: Arc<dyn PasswordHasher>,
    pub(super) tokens: Arc<dyn TokenIssuer>,
    pub(super) provider: Option<Arc<dyn IdentityProvider>>,
    pub(super) limiter: Arc<dyn RateLimiter>,
    pub(super) background: Arc<dyn Background>,
    pub(super) failures: Arc<dyn FailureLog>,
    pub(super) events: Arc<dyn EventLog>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn IdGenerator>,
    pub(super) lifetimes: TokenLifetimes,
    pub(super) sign_ups: SignUps,
    pub(super) token_cache: Arc<TokenCache>,
    pub(super) followed: Arc<FollowedSessions>,
}

/// The ports of [`AccountService`].
pub struct AccountPorts {
    /// Users.
    pub users: Arc<dyn UserRepo>,
    /// Sessions.
    pub sessions: Arc<dyn SessionRepo>,
    /// API tokens.
    pub api_tokens: Arc<dyn ApiTokenRepo>,
    /// Queries without an owner.
    pub system: Arc<dyn SystemRepo>,
    /// Passwords.
    pub hasher: Arc<dyn PasswordHasher>,
    /// Tokens.
    pub tokens: Arc<dyn TokenIssuer>,
    /// External sign-in, if configured.
    pub provider: Option<Arc<dyn IdentityProvider>>,
    /// Limits wrong passwords, registrations and new sessions.
    pub limiter: Arc<dyn RateLimiter>,
    /// Updates the last use of tokens.
    pub background: Arc<dyn Background>,
    /// Logs failures of background work.
    pub failures: Arc<dyn FailureLog>,
    /// Takes note of refused sign-ins, changed passwords and ended sessions.
    pub events: Arc<dyn EventLog>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Measures the age of cached tokens.
    pub timer: Arc<dyn Timer>,
    /// Ids of users, sessions and tokens.
    pub ids: Arc<dyn IdGenerator>,
}

impl AccountService {
    /// Creates the service.
    pub fn new(ports: AccountPorts, lifetimes: TokenLifetimes, sign_ups: SignUps) -> Self {
        let AccountPorts {
            users,
            sessions,
            api_tokens,
            system,
            hasher,
            tokens,
            provider,
            limiter,
            background,
            failures,
            events,
            clock,
            timer,
            ids,
        } = ports;
        Self {
            users,
            sessions,
            api_tokens,
            system,
            hasher,
            tokens,
            provider,
            limiter,
            background,
            failures,
            events,
            clock,
            ids,
            lifetimes,
            sign_ups,
            token_cache: Arc::new(TokenCache::new(timer.clone())),
            followed: Arc::new(FollowedSessions::new(timer)),
        }
    }

    /// Returns who may create an account.
    pub fn sign_ups(&self) -> &SignUps {
        &self.sign_ups
    }

    /// Returns the same service, except that its access tokens are valid for at most `max`.
    #[must_use]
    pub fn with_access_ttl(&self, max: TimeDelta) -> Self {
        let lifetimes = TokenLifetimes { access: self.lifetimes.access.min(max), ..self.lifetimes };
        Self { lifetimes, ..self.clone() }
    }

    /// Starts a session for `user`, whose token version must be that of the verified credentials.
    pub(super) async fn begin_session(&self, user: User, client: Client) -> Result<SignedIn, AccountError> {
        self.count_request(user.id).await?;
        let (session, refresh_token) = self.new_session(client, user.token_version)?;
        let at = session.at;
        let session = match self.sessions.create(user.id, session).await {
            Ok(session) => session,
            // The password was changed or the account deleted during verification.
            Err(SessionRepoError::NotFound) => return Err(AccountError::InvalidCredentials),
            Err(error) => return Err(error.into()),
        };
        self.signed_in(user, session.id, refresh_token, at)
    }

    /// Returns a session to be created and its first refresh token.
    pub(super) fn new_session(
        &self,
        client: Client,
        token_version: u32,
    ) -> Result<(NewSession, SecretString), AccountError> {
        let at = self.clock.now();
        let NewSecret { text, hash } = self.new_secret(SecretKind::RefreshToken)?;
        let expires_at = at + self.lifetimes.refresh;
        Ok((NewSession { id: self.ids.next().into(), refresh: hash, client, token_version, at, expires_at }, text))
    }

    pub(super) fn signed_in(
        &self,
        user: User,
        session: SessionId,
        refresh_token: SecretString,
        at: DateTime<Utc>,
    ) -> Result<SignedIn, AccountError> {
        let claims = AccessClaims {
            user: user.id,
            session,
            token_version: user.token_version,
            issued_at: at,
            expires_at: at + self.lifetimes.access,
        };
        let access_token = self.tokens.issue(&claims).map_err(AccountError::Token)?;
        let TokenLifetimes { access: expires_in, refresh: refresh_expires_in } = self.lifetimes;
        Ok(SignedIn { access_token, expires_in, refresh_token, refresh_expires_in, user })
    }

    pub(super) fn new_secret(&self, kind: SecretKind) -> Result<NewSecret, AccountError> {
        self.tokens.new_secret(kind).map_err(AccountError::Token)
    }
}
