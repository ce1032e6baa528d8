//! One's own account: reading and changing it, its password, and its end.

use chrono::TimeDelta;

use super::{AccountError, AccountService, SignedIn};
use crate::principal::{Principal, Scope};
use crate::session::{Client, SessionRepoError};
use crate::user::{Credentials, Password, PasswordChange, User, UserPatch};

/// Where there is no password to ask for, so long after a sign-in its owner need not sign in again.
const RECENTLY: TimeDelta = TimeDelta::minutes(10);

impl AccountService {
    /// The account of whoever acts. Any token will do: whoever has one needs the id.
    ///
    /// # Errors
    /// [`AccountError::InvalidToken`] if it is gone, or a failure of storage.
    pub async fn me(&self, who: &Principal) -> Result<User, AccountError> {
        Ok(self.users.get(who.user).await?)
    }

    /// Changes the account of whoever acts.
    ///
    /// # Errors
    /// As [`me`](Self::me), and [`AccountError::InsufficientScope`].
    pub async fn update_me(&self, who: &Principal, patch: UserPatch) -> Result<User, AccountError> {
        who.require(Scope::Account)?;
        Ok(self.users.update(who.user, patch, self.clock.now()).await?)
    }

    /// Changes the password, or gives the first one to an account that signs in elsewhere. Every token that there is,
    /// API tokens included, is void at once, and a session begins anew.
    ///
    /// # Errors
    /// As [`delete_me`](Self::delete_me), and [`AccountError::Hash`] when too much is going on.
    pub async fn change_password(
        &self,
        who: &Principal,
        current: Option<Password>,
        new: Password,
        client: Client,
    ) -> Result<SignedIn, AccountError> {
        let user = self.prove(who, current).await?;
        let password_hash = self.hasher.hash(new).await?;
        let token_version = user.token_version;
        let (session, refresh_token) = self.new_session(client, token_version.saturating_add(1))?;
        let (id, at) = (session.id, session.at);
        let change = PasswordChange { token_version, password_hash, session };
        let forgetting = self.token_cache.invalidate_on_drop();
        let user = self.users.change_password(who.user, change, at).await?;
        drop(forgetting);
        self.signed_in(user, id, refresh_token, at)
    }

    /// Deletes the account with everything in it.
    ///
    /// # Errors
    /// [`AccountError::PasswordRequired`] and [`AccountError::WrongPassword`] where the account has a password, and
    /// [`AccountError::RecentSignInRequired`] where it has none and the sign-in is more than 10 minutes ago;
    /// [`AccountError::RateLimited`], [`AccountError::InsufficientScope`], or a failure of storage.
    pub async fn delete_me(&self, who: &Principal, password: Option<Password>) -> Result<(), AccountError> {
        let user = self.prove(who, password).await?;
        let _forgetting = self.token_cache.invalidate_on_drop();
        Ok(self.users.delete(who.user, user.token_version).await?)
    }

    /// Makes sure that whoever acts is the account's owner, and not somebody with a token of theirs.
    async fn prove(&self, who: &Principal, password: Option<Password>) -> Result<User, AccountError> {
        who.require(Scope::Account)?;
        let Credentials { user, password_hash } = self.users.credentials(who.user).await?;
        let Some(hash) = password_hash else {
            self.require_recent_sign_in(who).await?;
            return Ok(user);
        };
        let password = password.ok_or(AccountError::PasswordRequired)?;
        self.count_attempt(&user.email).await?;
        if self.hasher.verify(password, Some(hash)).await? { Ok(user) } else { Err(AccountError::WrongPassword) }
    }

    async fn require_recent_sign_in(&self, who: &Principal) -> Result<(), AccountError> {
        let now = self.clock.now();
        let session = who.session.ok_or(AccountError::InvalidToken)?;
        match self.sessions.status(who.user, session, now).await {
            Ok(standing) if now - standing.created_at <= RECENTLY => Ok(()),
            Ok(_) => Err(AccountError::RecentSignInRequired),
            Err(SessionRepoError::NotFound) => Err(AccountError::InvalidToken),
            Err(error) => Err(error.into()),
        }
    }
}
