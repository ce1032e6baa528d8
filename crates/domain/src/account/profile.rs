//! The acting user's account: reading, changing and deleting it.

use chrono::TimeDelta;

use super::{AccountError, AccountService, SignedIn};
use crate::principal::{Principal, Scope};
use crate::runtime::event_log::LoggedEvent;
use crate::runtime::rate_limit::RateKey;
use crate::session::{Client, SessionRepoError};
use crate::user::{Credentials, Password, PasswordChange, User, UserPatch};

/// Maximum age of a sign-in that authorizes sensitive changes of an account without a password.
const RECENT_SIGN_IN: TimeDelta = TimeDelta::minutes(10);

impl AccountService {
    /// Returns the acting user. Requires no scope, because every client needs the id.
    ///
    /// # Errors
    /// [`AccountError::InvalidToken`] if the user was deleted, or a storage failure.
    pub async fn me(&self, principal: &Principal) -> Result<User, AccountError> {
        Ok(self.users.get(principal.user).await?)
    }

    /// Changes the acting user.
    ///
    /// # Errors
    /// As [`me`](Self::me), and [`AccountError::InsufficientScope`].
    pub async fn update_me(&self, principal: &Principal, patch: UserPatch) -> Result<User, AccountError> {
        principal.require(Scope::Account)?;
        Ok(self.users.update(principal.user, patch, self.clock.now()).await?)
    }

    /// Changes the password, or sets the first one of an account with external sign-in. Revokes all tokens, including API
    /// tokens, and starts a new session.
    ///
    /// # Errors
    /// As [`delete_me`](Self::delete_me), and [`AccountError::Hash`] when overloaded.
    pub async fn change_password(
        &self,
        principal: &Principal,
        current: Option<Password>,
        new: Password,
        client: Client,
    ) -> Result<SignedIn, AccountError> {
        let user = self.verify_owner(principal, current).await?;
        let password_hash = self.hasher.hash(new).await?;
        let token_version = user.token_version;
        let (session, refresh_token) = self.new_session(client, token_version.saturating_add(1))?;
        let (id, at) = (session.id, session.at);
        let change = PasswordChange { token_version, password_hash, session };
        let invalidation = self.token_cache.invalidate_on_drop();
        let user = self.users.change_password(principal.user, change, at).await?;
        drop(invalidation);
        self.events.record(LoggedEvent::PasswordChanged(user.id));
        self.signed_in(user, id, refresh_token, at)
    }

    /// Deletes the user with all their data.
    ///
    /// # Errors
    /// [`AccountError::PasswordRequired`] and [`AccountError::WrongPassword`] where the account has a password, and
    /// [`AccountError::RecentSignInRequired`] where it has none and the sign-in is more than 10 minutes ago;
    /// [`AccountError::RateLimited`], [`AccountError::InsufficientScope`], or a storage failure.
    pub async fn delete_me(&self, principal: &Principal, password: Option<Password>) -> Result<(), AccountError> {
        let user = self.verify_owner(principal, password).await?;
        let _invalidation = self.token_cache.invalidate_on_drop();
        self.users.delete(principal.user, user.token_version).await?;
        self.events.record(LoggedEvent::AccountDeleted(user.id));
        Ok(())
    }

    /// Verifies that the caller is the owner of the account, and not only in possession of a token.
    async fn verify_owner(&self, principal: &Principal, password: Option<Password>) -> Result<User, AccountError> {
        principal.require(Scope::Account)?;
        let Credentials { user, password_hash } = self.users.credentials(principal.user).await?;
        let Some(hash) = password_hash else {
            self.require_recent_sign_in(principal).await?;
            return Ok(user);
        };
        let password = password.ok_or(AccountError::PasswordRequired)?;
        // Counted apart from sign-in, so that nobody else's failures prevent a signed-in user from this.
        self.count_failure(&[RateKey::OwnPassword(user.id)], async {
            if self.hasher.verify(password, Some(hash)).await? { Ok(user) } else { Err(AccountError::WrongPassword) }
        })
        .await
    }

    async fn require_recent_sign_in(&self, principal: &Principal) -> Result<(), AccountError> {
        let now = self.clock.now();
        let session = principal.session.ok_or(AccountError::InvalidToken)?;
        match self.sessions.status(principal.user, session, now).await {
            Ok(status) if now - status.created_at <= RECENT_SIGN_IN => Ok(()),
            Ok(_) => Err(AccountError::RecentSignInRequired),
            Err(SessionRepoError::NotFound) => Err(AccountError::InvalidToken),
            Err(error) => Err(error.into()),
        }
    }
}
