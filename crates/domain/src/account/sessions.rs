//! The sessions and API tokens of the acting user.

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::{AccountError, AccountService};
use crate::api_token::{ApiToken, ApiTokenName, ApiTokenRepoError, NewApiToken};
use crate::id::{ApiTokenId, SessionId, UserId};
use crate::page::{Page, PageRequest};
use crate::principal::{Principal, Scope, Scopes};
use crate::runtime::event_log::{LoggedEvent, SessionEndReason};
use crate::secret::{NewSecret, SecretKind};
use crate::session::{Session, SessionRepoError};

/// A request for an API token.
#[derive(Clone, Debug)]
pub struct ApiTokenRequest {
    /// The name.
    pub name: ApiTokenName,
    /// The granted scopes.
    pub scopes: Scopes,
    /// The expiry; `None` for a token that does not expire.
    pub expires_at: Option<DateTime<Utc>>,
}

impl AccountService {
    /// Returns a page of sessions, newest first.
    ///
    /// # Errors
    /// [`AccountError::InsufficientScope`], or a storage failure.
    pub async fn sessions(
        &self,
        principal: &Principal,
        page: PageRequest<SessionId>,
    ) -> Result<Page<Session, SessionId>, AccountError> {
        principal.require(Scope::Account)?;
        Ok(self.sessions.list(principal.user, page, self.clock.now()).await?)
    }

    /// Ends a session, with all its tokens.
    ///
    /// # Errors
    /// [`AccountError::SessionNotFound`], [`AccountError::InsufficientScope`], or a storage failure.
    pub async fn end_session(&self, principal: &Principal, id: SessionId) -> Result<(), AccountError> {
        principal.require(Scope::Account)?;
        let _invalidation = self.token_cache.invalidate_on_drop();
        match self.sessions.end(principal.user, id).await {
            Ok(()) => self.note_end(principal.user, Some(id), SessionEndReason::Requested),
            Err(SessionRepoError::NotFound) => return Err(AccountError::SessionNotFound),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Ends every session, including the acting one. API tokens stay valid.
    ///
    /// # Errors
    /// [`AccountError::InsufficientScope`], or a storage failure.
    pub async fn end_sessions(&self, principal: &Principal) -> Result<(), AccountError> {
        principal.require(Scope::Account)?;
        let _invalidation = self.token_cache.invalidate_on_drop();
        self.sessions.end_all(principal.user).await?;
        self.note_end(principal.user, None, SessionEndReason::Requested);
        Ok(())
    }

    /// Ends a session; succeeds if it has already ended.
    pub(super) async fn end_if_active(
        &self,
        user: UserId,
        session: SessionId,
        reason: SessionEndReason,
    ) -> Result<(), AccountError> {
        let _invalidation = self.token_cache.invalidate_on_drop();
        match self.sessions.end(user, session).await {
            Ok(()) => self.note_end(user, Some(session), reason),
            Err(SessionRepoError::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn note_end(&self, user: UserId, session: Option<SessionId>, reason: SessionEndReason) {
        self.events.record(LoggedEvent::SessionEnded { user, session, reason });
    }

    /// Creates an API token. Its text is returned only once.
    ///
    /// # Errors
    /// [`AccountError::ExpiryInThePast`], [`AccountError::InsufficientScope`], [`AccountError::InvalidToken`] if the
    /// session has just ended, or a storage failure.
    pub async fn create_api_token(
        &self,
        principal: &Principal,
        request: ApiTokenRequest,
    ) -> Result<(ApiToken, SecretString), AccountError> {
        principal.require(Scope::Account)?;
        let session = principal.session.ok_or(AccountError::InvalidToken)?;
        let ApiTokenRequest { name, scopes, expires_at } = request;
        let at = self.clock.now();
        if expires_at.is_some_and(|end| end <= at) {
            return Err(AccountError::ExpiryInThePast);
        }
        let NewSecret { text, hash } = self.new_secret(SecretKind::ApiToken)?;
        let token = NewApiToken { id: self.ids.next().into(), name, scopes, hash, at, expires_at };
        match self.api_tokens.create(principal.user, session, token).await {
            Ok(token) => Ok((token, text)),
            Err(ApiTokenRepoError::NotFound) => Err(AccountError::InvalidToken),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns a page of API tokens, newest first.
    ///
    /// # Errors
    /// [`AccountError::InsufficientScope`], or a storage failure.
    pub async fn api_tokens(
        &self,
        principal: &Principal,
        page: PageRequest<ApiTokenId>,
    ) -> Result<Page<ApiToken, ApiTokenId>, AccountError> {
        principal.require(Scope::Account)?;
        Ok(self.api_tokens.list(principal.user, page).await?)
    }

    /// Deletes an API token, which revokes it at once.
    ///
    /// # Errors
    /// [`AccountError::ApiTokens`] with [`ApiTokenRepoError::NotFound`], [`AccountError::InsufficientScope`], or a storage
    /// failure.
    pub async fn delete_api_token(&self, principal: &Principal, id: ApiTokenId) -> Result<(), AccountError> {
        principal.require(Scope::Account)?;
        let _invalidation = self.token_cache.invalidate_on_drop();
        Ok(self.api_tokens.delete(principal.user, id).await?)
    }
}
