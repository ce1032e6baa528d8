//! Registering, signing in and out, and telling who a request comes from.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{
    AccessClaims, AccountError, PasswordHasher, Registration, SignedIn, TokenError, TokenIssuer, TokenLifetimes,
};
use crate::id::SessionId;
use crate::principal::{Principal, Scopes, Via};
use crate::runtime::{Clock, IdGenerator};
use crate::session::{NewSession, Rotation, SessionRepo, SessionRepoError};
use crate::system::SystemRepo;
use crate::user::{DisplayName, Email, NewUser, Password, User, UserPatch, UserRepo};

/// Lets people in and out.
#[derive(Clone)]
pub struct AccountService {
    users: Arc<dyn UserRepo>,
    sessions: Arc<dyn SessionRepo>,
    system: Arc<dyn SystemRepo>,
    hasher: Arc<dyn PasswordHasher>,
    tokens: Arc<dyn TokenIssuer>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdGenerator>,
    lifetimes: TokenLifetimes,
}

/// The ports that [`AccountService`] stands on.
pub struct AccountPorts {
    /// Users.
    pub users: Arc<dyn UserRepo>,
    /// Sessions.
    pub sessions: Arc<dyn SessionRepo>,
    /// Look-ups without an owner.
    pub system: Arc<dyn SystemRepo>,
    /// Passwords.
    pub hasher: Arc<dyn PasswordHasher>,
    /// Tokens.
    pub tokens: Arc<dyn TokenIssuer>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn IdGenerator>,
}

impl AccountService {
    /// A service over these ports.
    pub fn new(ports: AccountPorts, lifetimes: TokenLifetimes) -> Self {
        let AccountPorts { users, sessions, system, hasher, tokens, clock, ids } = ports;
        Self { users, sessions, system, hasher, tokens, clock, ids, lifetimes }
    }

    /// Creates an account and signs its owner in.
    ///
    /// # Errors
    /// [`AccountError::EmailTaken`], [`AccountError::Hash`] when too much is going on, or a failure of storage.
    pub async fn register(&self, registration: Registration) -> Result<SignedIn, AccountError> {
        let Registration { email, password, name } = registration;
        let password_hash = Some(self.hasher.hash(password).await?);
        let name = name.unwrap_or_else(|| DisplayName::from_email(&email));
        let user = NewUser { id: self.ids.next().into(), email, name, password_hash, at: self.clock.now() };
        let user = self.users.create(user).await?;
        self.begin_session(user).await
    }

    /// Signs somebody in by address and password. An address without an account costs as much time as a wrong password.
    ///
    /// # Errors
    /// [`AccountError::InvalidCredentials`], [`AccountError::Hash`] when too much is going on, or a failure of storage.
    pub async fn login(&self, email: Option<&Email>, password: Password) -> Result<SignedIn, AccountError> {
        let credentials = match email {
            Some(email) => self.system.credentials_by_email(&email.folded()).await?,
            None => None,
        };
        let hash = credentials.as_ref().and_then(|found| found.password_hash.clone());
        let fits = self.hasher.verify(password, hash).await?;
        match credentials {
            Some(found) if fits => self.begin_session(found.user).await,
            _ => Err(AccountError::InvalidCredentials),
        }
    }

    /// Exchanges a refresh token for the next pair of tokens. A token that was used before ends its whole session:
    /// either its owner or a thief uses it for the second time, and nobody can tell which.
    ///
    /// # Errors
    /// [`AccountError::InvalidToken`], [`AccountError::TokenExpired`], or a failure of storage.
    pub async fn refresh(&self, refresh_token: &str) -> Result<SignedIn, AccountError> {
        let spent = self.tokens.hash_refresh_token(refresh_token).ok_or(AccountError::InvalidToken)?;
        let owner = self.system.session_by_refresh_token(&spent).await?.ok_or(AccountError::InvalidToken)?;
        let at = self.clock.now();
        if owner.expires_at <= at {
            return Err(AccountError::TokenExpired);
        }
        let next = self.tokens.new_refresh_token().map_err(AccountError::Token)?;
        let rotation = Rotation { spent, next: next.hash, at, expires_at: at + self.lifetimes.refresh };
        match self.sessions.rotate(owner.user, owner.session, rotation).await {
            Ok(()) => {}
            Err(SessionRepoError::Reused) => {
                self.sessions.end(owner.user, owner.session).await?;
                return Err(AccountError::InvalidToken);
            }
            Err(SessionRepoError::NotFound) => return Err(AccountError::InvalidToken),
            Err(error @ SessionRepoError::Storage(_)) => return Err(error.into()),
        }
        let user = self.users.get(owner.user).await?;
        let access_token = self.access_token(&user, owner.session, at)?;
        Ok(SignedIn { access_token, expires_in: self.lifetimes.access, refresh_token: next.token, user })
    }

    /// Ends the session of a refresh token, with all its tokens. A token that is none ends nothing, and that is no
    /// error: what the caller wants is so (RFC 7009, 2.2).
    ///
    /// # Errors
    /// A failure of storage.
    pub async fn logout(&self, refresh_token: &str) -> Result<(), AccountError> {
        let Some(hash) = self.tokens.hash_refresh_token(refresh_token) else { return Ok(()) };
        if let Some(owner) = self.system.session_by_refresh_token(&hash).await? {
            self.sessions.end(owner.user, owner.session).await?;
        }
        Ok(())
    }

    /// Tells who shows an access token. It is void as soon as its session has ended, its user is gone or their token
    /// version has changed.
    ///
    /// # Errors
    /// [`AccountError::InvalidToken`], [`AccountError::TokenExpired`], or a failure of storage.
    pub async fn authenticate(&self, access_token: &str) -> Result<Principal, AccountError> {
        let claims = self.tokens.verify(access_token).map_err(|error| match error {
            TokenError::Expired => AccountError::TokenExpired,
            TokenError::Invalid(_) => AccountError::InvalidToken,
            TokenError::Signing(_) => AccountError::Token(error),
        })?;
        let version = match self.sessions.token_version(claims.user, claims.session, self.clock.now()).await {
            Ok(version) => version,
            Err(SessionRepoError::NotFound) => return Err(AccountError::InvalidToken),
            Err(error @ (SessionRepoError::Reused | SessionRepoError::Storage(_))) => return Err(error.into()),
        };
        if version != claims.token_version {
            return Err(AccountError::InvalidToken);
        }
        Ok(Principal { user: claims.user, session: Some(claims.session), via: Via::Http, scopes: Scopes::all() })
    }

    /// The account of whoever acts.
    ///
    /// # Errors
    /// [`AccountError::InvalidToken`] if it is gone, or a failure of storage.
    pub async fn me(&self, who: &Principal) -> Result<User, AccountError> {
        Ok(self.users.get(who.user).await?)
    }

    /// Changes the account of whoever acts.
    ///
    /// # Errors
    /// As [`me`](Self::me).
    pub async fn update_me(&self, who: &Principal, patch: UserPatch) -> Result<User, AccountError> {
        Ok(self.users.update(who.user, patch, self.clock.now()).await?)
    }

    async fn begin_session(&self, user: User) -> Result<SignedIn, AccountError> {
        let at = self.clock.now();
        let refresh = self.tokens.new_refresh_token().map_err(AccountError::Token)?;
        let session = NewSession {
            id: self.ids.next().into(),
            refresh: refresh.hash,
            at,
            expires_at: at + self.lifetimes.refresh,
        };
        let session = self.sessions.create(user.id, session).await?;
        let access_token = self.access_token(&user, session.id, at)?;
        Ok(SignedIn { access_token, expires_in: self.lifetimes.access, refresh_token: refresh.token, user })
    }

    fn access_token(
        &self,
        user: &User,
        session: SessionId,
        at: DateTime<Utc>,
    ) -> Result<secrecy::SecretString, AccountError> {
        let claims = AccessClaims {
            user: user.id,
            session,
            token_version: user.token_version,
            issued_at: at,
            expires_at: at + self.lifetimes.access,
        };
        self.tokens.issue(&claims).map_err(AccountError::Token)
    }
}
