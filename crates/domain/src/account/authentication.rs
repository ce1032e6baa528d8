//! Authentication of requests by access token or API token.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::followed_sessions::{FollowedSession, FollowedSessions};
use super::{AccessClaims, AccountError, AccountService, TokenError};
use crate::api_token::ApiTokenStatus;
use crate::id::SessionId;
use crate::principal::{Principal, Scopes, Via};
use crate::secret::SecretKind;
use crate::session::{Client, SessionRepoError, SessionStatus};
use crate::storage::StorageError;

/// Minimum time between two updates of `last_used_at`.
const LAST_USED_INTERVAL: TimeDelta = TimeDelta::minutes(1);

impl AccountService {
    /// Returns the principal of an access token or an API token. An access token is revoked as soon as its session has
    /// ended, its user is deleted or the user's token version has changed; an API token as soon as it is deleted. A
    /// revocation by another process takes effect within 5 s.
    ///
    /// # Errors
    /// [`AccountError::InvalidToken`], [`AccountError::TokenExpired`], or a storage failure.
    pub async fn authenticate(&self, token: &str, client: Client) -> Result<Principal, AccountError> {
        if token.starts_with(SecretKind::ApiToken.prefix()) {
            self.authenticate_api_token(token).await
        } else {
            let claims = self.verify(token)?;
            let status = self.session_status(&claims, client).await?;
            self.access(&claims, status)
        }
    }

    /// As [`authenticate`](Self::authenticate), for a token that is checked again while its session is
    /// [followed](Self::follow_session). A revocation takes effect within 8 s, by whichever process.
    ///
    /// # Errors
    /// As [`authenticate`](Self::authenticate).
    pub async fn authenticate_again(&self, token: &str, client: Client) -> Result<Principal, AccountError> {
        if !token.starts_with(SecretKind::ApiToken.prefix()) {
            let claims = self.verify(token)?;
            if let Some(status) = self.followed.status(claims.user, claims.session) {
                return self.access(&claims, status);
            }
        }
        self.authenticate(token, client).await
    }

    /// Time between two calls of [`refresh_followed`](Self::refresh_followed).
    pub const REFRESH_INTERVAL: Duration = FollowedSessions::REFRESH_INTERVAL;

    /// Follows the session of an access token; returns `None` for an API token.
    pub fn follow_session(&self, principal: &Principal) -> Option<FollowedSession> {
        Some(self.followed.follow((principal.user, principal.session?)))
    }

    /// Reads the status of all followed sessions and records their use. MUST be called every
    /// [`REFRESH_INTERVAL`](Self::REFRESH_INTERVAL); otherwise each of them is read by itself.
    ///
    /// # Errors
    /// If storage fails.
    pub async fn refresh_followed(&self) -> Result<(), StorageError> {
        let keys = self.followed.keys();
        if keys.is_empty() {
            return Ok(());
        }
        let (at, now) = (self.followed.start_read(), self.clock.now());
        let ids: Vec<_> = keys.iter().map(|(_, session)| *session).collect();
        let found: HashMap<_, _> = self.system.session_statuses(&ids, now).await?.into_iter().collect();
        self.followed.store(&keys, &found, at);
        let used = unrecorded(&found, now);
        if used.is_empty() { Ok(()) } else { self.system.touch_sessions(&used, now).await }
    }

    fn verify(&self, token: &str) -> Result<AccessClaims, AccountError> {
        self.tokens.verify(token).map_err(|error| match error {
            TokenError::Expired => AccountError::TokenExpired,
            TokenError::Invalid(_) => AccountError::InvalidToken,
            TokenError::Signing(_) => AccountError::Token(error),
        })
    }

    /// Returns the principal of a verified access token, unless its session has this status because it is revoked.
    fn access(&self, claims: &AccessClaims, status: SessionStatus) -> Result<Principal, AccountError> {
        if status.token_version != claims.token_version || status.expires_at <= self.clock.now() {
            return Err(AccountError::InvalidToken);
        }
        Ok(Principal {
            user: claims.user,
            session: Some(claims.session),
            api_token: None,
            via: Via::Http,
            scopes: Scopes::all(),
        })
    }

    async fn session_status(&self, claims: &AccessClaims, client: Client) -> Result<SessionStatus, AccountError> {
        let AccessClaims { user, session, .. } = *claims;
        if let Some(status) = self.token_cache.session(user, session) {
            return Ok(status);
        }
        let (read, now) = (self.token_cache.start_read(), self.clock.now());
        let mut status = match self.sessions.status(user, session, now).await {
            Ok(status) => status,
            Err(SessionRepoError::NotFound) => return Err(AccountError::InvalidToken),
            Err(error @ (SessionRepoError::Reused | SessionRepoError::Storage(_))) => return Err(error.into()),
        };
        if is_update_due(Some(status.last_used_at), now) {
            status.last_used_at = now;
            let (sessions, failures) = (self.sessions.clone(), self.failures.clone());
            self.background.spawn(Box::pin(async move {
                if let Err(error) = sessions.touch(user, session, client, now).await {
                    failures.record("updating a session's last use", &error);
                }
            }));
        }
        self.token_cache.insert_session(user, session, status, read);
        Ok(status)
    }

    async fn authenticate_api_token(&self, token: &str) -> Result<Principal, AccountError> {
        let hash = self.tokens.hash_secret(SecretKind::ApiToken, token).ok_or(AccountError::InvalidToken)?;
        let now = self.clock.now();
        let status = if let Some(status) = self.token_cache.api_token(&hash) {
            status
        } else {
            let read = self.token_cache.start_read();
            let mut status = self.system.api_token(&hash).await?.ok_or(AccountError::InvalidToken)?;
            self.update_last_use(&mut status, now);
            self.token_cache.insert_api_token(hash, status.clone(), read);
            status
        };
        if status.expires_at.is_some_and(|end| end <= now) {
            return Err(AccountError::TokenExpired);
        }
        Ok(Principal {
            user: status.user,
            session: None,
            api_token: Some(status.id),
            via: Via::Http,
            scopes: status.scopes,
        })
    }

    fn update_last_use(&self, status: &mut ApiTokenStatus, now: DateTime<Utc>) {
        let expired = status.expires_at.is_some_and(|end| end <= now);
        if expired || !is_update_due(status.last_used_at, now) {
            return;
        }
        status.last_used_at = Some(now);
        let (user, id) = (status.user, status.id);
        let (api_tokens, failures) = (self.api_tokens.clone(), self.failures.clone());
        self.background.spawn(Box::pin(async move {
            if let Err(error) = api_tokens.touch(user, id, now).await {
                failures.record("updating an API token's last use", &error);
            }
        }));
    }
}

fn is_update_due(last: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    last.is_none_or(|last| now - last >= LAST_USED_INTERVAL)
}

/// The sessions whose last use has to be recorded.
fn unrecorded(found: &HashMap<SessionId, SessionStatus>, now: DateTime<Utc>) -> Vec<SessionId> {
    found.iter().filter(|(_, status)| is_update_due(Some(status.last_used_at), now)).map(|(id, _)| *id).collect()
}
