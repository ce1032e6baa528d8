//! The sessions and API tokens of whoever acts.

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::{AccountError, AccountService};
use crate::api_token::{ApiToken, ApiTokenName, ApiTokenRepoError, NewApiToken};
use crate::id::{ApiTokenId, SessionId, UserId};
use crate::page::{Page, PageRequest};
use crate::principal::{Principal, Scope, Scopes};
use crate::secret::{NewSecret, SecretKind};
use crate::session::{Session, SessionRepoError};

/// What somebody asks an API token to be.
#[derive(Clone, Debug)]
pub struct ApiTokenRequest {
    /// What it is called.
    pub name: ApiTokenName,
    /// What it allows.
    pub scopes: Scopes,
    /// When it is over, if it is to be.
    pub expires_at: Option<DateTime<Utc>>,
}

impl AccountService {
    /// The sessions, the newest first.
    ///
    /// # Errors
    /// [`AccountError::InsufficientScope`], or a failure of storage.
    pub async fn sessions(
        &self,
        who: &Principal,
        page: PageRequest<SessionId>,
    ) -> Result<Page<Session, SessionId>, AccountError> {
        who.require(Scope::Account)?;
        Ok(self.sessions.list(who.user, page, self.clock.now()).await?)
    }

    /// Ends a session, with all its tokens.
    ///
    /// # Errors
    /// [`AccountError::SessionNotFound`], [`AccountError::InsufficientScope`], or a failure of storage.
    pub async fn end_session(&self, who: &Principal, id: SessionId) -> Result<(), AccountError> {
        who.require(Scope::Account)?;
        let _forgetting = self.token_cache.invalidate_on_drop();
        match self.sessions.end(who.user, id).await {
            Err(SessionRepoError::NotFound) => Err(AccountError::SessionNotFound),
            ended => Ok(ended?),
        }
    }

    /// Ends every session, that of whoever acts too. API tokens stay.
    ///
    /// # Errors
    /// [`AccountError::InsufficientScope`], or a failure of storage.
    pub async fn end_sessions(&self, who: &Principal) -> Result<(), AccountError> {
        who.require(Scope::Account)?;
        let _forgetting = self.token_cache.invalidate_on_drop();
        Ok(self.sessions.end_all(who.user).await?)
    }

    /// Ends a session that may have ended meanwhile.
    pub(super) async fn end_if_alive(&self, user: UserId, session: SessionId) -> Result<(), AccountError> {
        let _forgetting = self.token_cache.invalidate_on_drop();
        match self.sessions.end(user, session).await {
            Err(SessionRepoError::NotFound) => Ok(()),
            ended => Ok(ended?),
        }
    }

    /// Makes an API token. The text is told this once.
    ///
    /// # Errors
    /// [`AccountError::ExpiryInThePast`], [`AccountError::InsufficientScope`], [`AccountError::InvalidToken`] if the
    /// session has just ended, or a failure of storage.
    pub async fn create_api_token(
        &self,
        who: &Principal,
        request: ApiTokenRequest,
    ) -> Result<(ApiToken, SecretString), AccountError> {
        who.require(Scope::Account)?;
        let session = who.session.ok_or(AccountError::InvalidToken)?;
        let ApiTokenRequest { name, scopes, expires_at } = request;
        let at = self.clock.now();
        if expires_at.is_some_and(|end| end <= at) {
            return Err(AccountError::ExpiryInThePast);
        }
        let NewSecret { text, hash } = self.new_secret(SecretKind::ApiToken)?;
        let token = NewApiToken { id: self.ids.next().into(), name, scopes, hash, at, expires_at };
        match self.api_tokens.create(who.user, session, token).await {
            Ok(token) => Ok((token, text)),
            Err(ApiTokenRepoError::NotFound) => Err(AccountError::InvalidToken),
            Err(error) => Err(error.into()),
        }
    }

    /// The API tokens, the newest first.
    ///
    /// # Errors
    /// [`AccountError::InsufficientScope`], or a failure of storage.
    pub async fn api_tokens(
        &self,
        who: &Principal,
        page: PageRequest<ApiTokenId>,
    ) -> Result<Page<ApiToken, ApiTokenId>, AccountError> {
        who.require(Scope::Account)?;
        Ok(self.api_tokens.list(who.user, page).await?)
    }

    /// Deletes an API token: it is void at once.
    ///
    /// # Errors
    /// [`AccountError::ApiTokens`] with [`ApiTokenRepoError::NotFound`], [`AccountError::InsufficientScope`], or a failure
    /// of storage.
    pub async fn delete_api_token(&self, who: &Principal, id: ApiTokenId) -> Result<(), AccountError> {
        who.require(Scope::Account)?;
        let _forgetting = self.token_cache.invalidate_on_drop();
        Ok(self.api_tokens.delete(who.user, id).await?)
    }
}
