//! Registration, sign-in by password, refresh and sign-out.

use chrono::TimeDelta;
use secrecy::{ExposeSecret as _, SecretString};

use super::{AccountError, AccountService, Registration, SignedIn};
use crate::runtime::event_log::{SessionEndReason, SignInWay};
use crate::runtime::rate_limit::RateKey;
use crate::secret::{NewSecret, SecretHash, SecretKind};
use crate::session::{Client, Rotation, SessionRepoError};
use crate::user::{DisplayName, Email, NewUser, Password, User};

/// Time for which a replaced refresh token still leads to the current one, for a client that refreshes twice at once or
/// has lost the response.
const REUSE_INTERVAL: TimeDelta = TimeDelta::seconds(30);
/// Maximum number of replacements within [`REUSE_INTERVAL`] that are followed to the current token.
const MAX_REPLACEMENTS: u32 = 100;

impl AccountService {
    /// Creates an account and starts a session.
    ///
    /// # Errors
    /// [`AccountError::SignUpsClosed`], [`AccountError::RateLimited`], [`AccountError::EmailTaken`], [`AccountError::Hash`]
    /// when overloaded, or a storage failure.
    pub async fn register(&self, registration: Registration, client: Client) -> Result<SignedIn, AccountError> {
        let Registration { email, password, name } = registration;
        if !self.sign_ups.permit(&email) {
            return Err(AccountError::SignUpsClosed);
        }
        if let Some(peer) = client.peer {
            self.limiter.take(RateKey::Registration(peer.into())).await.permitted()?;
        }
        let password_hash = Some(self.hasher.hash(password).await?);
        let name = name.unwrap_or_else(|| DisplayName::from_email(&email));
        let user = NewUser { id: self.ids.next().into(), email, name, password_hash, at: self.clock.now() };
        let user = self.users.create(user).await?;
        self.begin_session(user, client).await
    }

    /// Signs in by email address and password. An unknown address takes as much time as a wrong password, and counts as one
    /// as well.
    ///
    /// # Errors
    /// [`AccountError::InvalidCredentials`], [`AccountError::RateLimited`], [`AccountError::Hash`] when overloaded,
    /// or a storage failure.
    pub async fn login(
        &self,
        email: Option<&Email>,
        password: Password,
        client: Client,
    ) -> Result<SignedIn, AccountError> {
        let signed_in = self.sign_in(email, password, client).await;
        signed_in.inspect_err(|error| self.note_refusal(SignInWay::Password, error))
    }

    async fn sign_in(
        &self,
        email: Option<&Email>,
        password: Password,
        client: Client,
    ) -> Result<SignedIn, AccountError> {
        let keys = match email {
            Some(email) => vec![
                RateKey::SignInAccountPeer(email.normalized(), client.peer.map(Into::into)),
                RateKey::SignInAccount(email.normalized()),
            ],
            None => Vec::new(),
        };
        let user = self.count_failure(&keys, self.verify_password(email, password)).await?;
        self.begin_session(user, client).await
    }

    /// Returns the user with this address and password.
    async fn verify_password(&self, email: Option<&Email>, password: Password) -> Result<User, AccountError> {
        let credentials = match email {
            Some(email) => self.system.credentials_by_email(&email.normalized()).await?,
            None => None,
        };
        let hash = credentials.as_ref().and_then(|found| found.password_hash.clone());
        let is_valid = self.hasher.verify(password, hash).await?;
        credentials.filter(|_| is_valid).map(|found| found.user).ok_or(AccountError::InvalidCredentials)
    }

    /// Exchanges a refresh token for a new pair of tokens. A token that was replaced within the last 30 s leads to the
    /// session's current one; so all clients of the session have the same. A token that was replaced earlier ends its
    /// session, because it may have been stolen.
    ///
    /// # Errors
    /// [`AccountError::InvalidToken`], [`AccountError::TokenExpired`], [`AccountError::RateLimited`], or a storage failure.
    pub async fn refresh(&self, refresh_token: &str, client: Client) -> Result<SignedIn, AccountError> {
        let hash = self.tokens.hash_secret(SecretKind::RefreshToken, refresh_token);
        let spent = hash.ok_or(AccountError::InvalidToken)?;
        let owner = self.system.session_by_refresh_token(&spent).await?.ok_or(AccountError::InvalidToken)?;
        let at = self.clock.now();
        if owner.expires_at <= at {
            return Err(AccountError::TokenExpired);
        }
        self.count_request(owner.user).await?;
        let next = self.next_refresh_token(refresh_token)?;
        let (replaced_since, expires_at) = (at - REUSE_INTERVAL, at + self.lifetimes.refresh);
        let rotation = Rotation { spent, next: next.hash.clone(), client, at, replaced_since, expires_at };
        let current = match self.sessions.rotate(owner.user, owner.session, rotation).await {
            Ok(current) => current,
            Err(SessionRepoError::Reused) => {
                self.end_if_active(owner.user, owner.session, SessionEndReason::TokenReused).await?;
                return Err(AccountError::InvalidToken);
            }
            Err(SessionRepoError::NotFound) => return Err(AccountError::InvalidToken),
            Err(error @ SessionRepoError::Storage(_)) => return Err(error.into()),
        };
        let token = self.find_successor(next, &current)?;
        let user = self.users.get(owner.user).await?;
        self.signed_in(user, owner.session, token, at)
    }

    /// Returns the token with the hash `current`: `next` or, if that was replaced too, one of its successors. Fails if the
    /// key has changed since.
    fn find_successor(&self, mut next: NewSecret, current: &SecretHash) -> Result<SecretString, AccountError> {
        for _ in 0..MAX_REPLACEMENTS {
            if next.hash == *current {
                return Ok(next.text);
            }
            next = self.next_refresh_token(next.text.expose_secret())?;
        }
        Err(AccountError::InvalidToken)
    }

    fn next_refresh_token(&self, token: &str) -> Result<NewSecret, AccountError> {
        self.tokens.next_refresh_token(token).map_err(AccountError::Token)
    }

    /// Ends the session of a refresh token with all its tokens. Returns whether the token belonged to a session; an invalid
    /// token is no error (RFC 7009, 2.2).
    ///
    /// # Errors
    /// A storage failure.
    pub async fn logout(&self, refresh_token: &str) -> Result<bool, AccountError> {
        let Some(hash) = self.tokens.hash_secret(SecretKind::RefreshToken, refresh_token) else { return Ok(false) };
        let Some(owner) = self.system.session_by_refresh_token(&hash).await? else { return Ok(false) };
        self.end_if_active(owner.user, owner.session, SessionEndReason::SignedOut).await?;
        Ok(true)
    }
}
