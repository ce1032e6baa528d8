//! Who a request comes from: access tokens and API tokens, checked on every request.

use chrono::{DateTime, TimeDelta, Utc};

use super::{AccessClaims, AccountError, AccountService, TokenError};
use crate::api_token::ApiTokenStatus;
use crate::principal::{Principal, Scopes, Via};
use crate::secret::SecretKind;
use crate::session::{Client, SessionRepoError, SessionStatus};

/// Use is noted when the last note is older than this.
const NOTE: TimeDelta = TimeDelta::minutes(1);

impl AccountService {
    /// Tells who shows a token: an access token or an API token. An access token is void as soon as its session has
    /// ended, its user is gone or their token version has changed; an API token as soon as it is deleted. Another
    /// process that voids one is noticed within 5 s.
    ///
    /// # Errors
    /// [`AccountError::InvalidToken`], [`AccountError::TokenExpired`], or a failure of storage.
    pub async fn authenticate(&self, token: &str, client: Client) -> Result<Principal, AccountError> {
        if token.starts_with(SecretKind::ApiToken.prefix()) {
            self.authenticate_api_token(token).await
        } else {
            self.authenticate_access_token(token, client).await
        }
    }

    async fn authenticate_access_token(&self, token: &str, client: Client) -> Result<Principal, AccountError> {
        let claims = self.tokens.verify(token).map_err(|error| match error {
            TokenError::Expired => AccountError::TokenExpired,
            TokenError::Invalid(_) => AccountError::InvalidToken,
            TokenError::Signing(_) => AccountError::Token(error),
        })?;
        let standing = self.session_standing(&claims, client).await?;
        if standing.token_version != claims.token_version || standing.expires_at <= self.clock.now() {
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

    async fn session_standing(&self, claims: &AccessClaims, client: Client) -> Result<SessionStatus, AccountError> {
        let AccessClaims { user, session, .. } = *claims;
        let now = self.clock.now();
        if let Some(standing) = self.token_cache.session(user, session, now) {
            return Ok(standing);
        }
        let asked = (self.token_cache.epoch(), now);
        let mut standing = match self.sessions.status(user, session, now).await {
            Ok(standing) => standing,
            Err(SessionRepoError::NotFound) => return Err(AccountError::InvalidToken),
            Err(error @ (SessionRepoError::Reused | SessionRepoError::Storage(_))) => return Err(error.into()),
        };
        if is_due(Some(standing.last_used_at), now) {
            standing.last_used_at = now;
            let (sessions, failures) = (self.sessions.clone(), self.failures.clone());
            self.background.spawn(Box::pin(async move {
                if let Err(error) = sessions.touch(user, session, client, now).await {
                    failures.record("noting that a session is used", &error);
                }
            }));
        }
        self.token_cache.know_session(user, session, standing, asked);
        Ok(standing)
    }

    async fn authenticate_api_token(&self, token: &str) -> Result<Principal, AccountError> {
        let hash = self.tokens.hash_secret(SecretKind::ApiToken, token).ok_or(AccountError::InvalidToken)?;
        let now = self.clock.now();
        let standing = if let Some(standing) = self.token_cache.api_token(&hash, now) {
            standing
        } else {
            let asked = (self.token_cache.epoch(), now);
            let mut standing = self.system.api_token(&hash).await?.ok_or(AccountError::InvalidToken)?;
            self.note_use(&mut standing, now);
            self.token_cache.know_api_token(hash, standing.clone(), asked);
            standing
        };
        if standing.expires_at.is_some_and(|end| end <= now) {
            return Err(AccountError::TokenExpired);
        }
        Ok(Principal {
            user: standing.user,
            session: None,
            api_token: Some(standing.id),
            via: Via::Http,
            scopes: standing.scopes,
        })
    }

    fn note_use(&self, standing: &mut ApiTokenStatus, now: DateTime<Utc>) {
        let over = standing.expires_at.is_some_and(|end| end <= now);
        if over || !is_due(standing.last_used_at, now) {
            return;
        }
        standing.last_used_at = Some(now);
        let (user, id) = (standing.user, standing.id);
        let (api_tokens, failures) = (self.api_tokens.clone(), self.failures.clone());
        self.background.spawn(Box::pin(async move {
            if let Err(error) = api_tokens.touch(user, id, now).await {
                failures.record("noting that an API token is used", &error);
            }
        }));
    }
}

fn is_due(last: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    last.is_none_or(|last| now - last >= NOTE)
}
