//! External sign-in at an OpenID provider, and linking external accounts to users.
//!
//! Only issuer and `sub` identify a user. An email address, verified or not, never gives access to an existing account: it
//! may have been registered by another person, or have changed hands.

use chrono::TimeDelta;
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    AccountError, AccountService, AuthorizationRequest, Callback, CallbackCode, ExternalSignInError, IdentityProvider,
    PendingLink, ProviderIdentity, SignInAttempt, SignedIn, StartedSignIn, TokenError,
};
use crate::id::{SessionId, UserId};
use crate::principal::{Principal, Scope};
use crate::runtime::event_log::SignInWay;
use crate::secret::{NewSecret, SecretKind};
use crate::session::{Client, CodePurpose, NewCode, SessionRepoError};
use crate::user::{DisplayName, ExternalAccount, NewUser, UserRepoError};

/// Maximum time between the start and the callback of an external sign-in.
const ATTEMPT_TTL: TimeDelta = TimeDelta::minutes(10);
/// Lifetime of a one-time code and of a pending link.
const CODE_TTL: TimeDelta = TimeDelta::minutes(1);

impl AccountService {
    /// Creates a one-time code for [`begin_external`](Self::begin_external) that links an external account to the acting
    /// user. The code expires after 60 s, or when the session ends.
    ///
    /// # Errors
    /// [`AccountError::OAuthNotConfigured`], [`AccountError::InsufficientScope`], [`AccountError::InvalidToken`] if the
    /// session has just ended, or a storage failure.
    pub async fn begin_link(&self, principal: &Principal) -> Result<SecretString, AccountError> {
        principal.require(Scope::Account)?;
        self.provider()?;
        let session = principal.session.ok_or(AccountError::InvalidToken)?;
        self.new_code(principal.user, CodePurpose::Link, Some(session)).await
    }

    /// Starts an external sign-in or, with a code of [`begin_link`](Self::begin_link), the linking of an external account.
    ///
    /// # Errors
    /// [`AccountError::OAuthNotConfigured`], [`AccountError::InvalidCode`], [`AccountError::External`] if the provider
    /// cannot be reached, or a storage failure.
    pub async fn begin_external(&self, link: Option<&str>) -> Result<StartedSignIn, AccountError> {
        let provider = self.provider()?;
        let link = match link {
            Some(code) => Some(self.redeem_link(code).await?),
            None => None,
        };
        let state = self.new_secret(SecretKind::State)?.text;
        let request = provider.begin(state.clone()).await.map_err(ExternalSignInError::from)?;
        let AuthorizationRequest { url, proof } = request;
        let issued_at = self.clock.now();
        let attempt = SignInAttempt { state, proof, link, issued_at, expires_at: issued_at + ATTEMPT_TTL };
        let sealed = self.tokens.seal_attempt(&attempt).map_err(AccountError::Token)?;
        Ok(StartedSignIn { state: attempt.state, url, sealed })
    }

    /// Handles the callback of the provider. For a sign-in, finds or creates the account and returns a one-time code for
    /// [`exchange`](Self::exchange); for a link, changes nothing and returns a code for
    /// [`complete_link`](Self::complete_link). Both expire after 60 s.
    ///
    /// # Errors
    /// [`AccountError::InvalidState`] unless this browser started the attempt within the last 10 minutes and completes it
    /// for the first time; nothing is changed then, and the browser must not be redirected. [`AccountError::External`] if
    /// the sign-in fails, [`AccountError::OAuthNotConfigured`], or a storage failure.
    pub async fn finish_external(&self, callback: Callback) -> Result<CallbackCode, AccountError> {
        let finished = self.complete_attempt(callback).await;
        finished.inspect_err(|error| self.note_refusal(SignInWay::External, error))
    }

    async fn complete_attempt(&self, callback: Callback) -> Result<CallbackCode, AccountError> {
        let provider = self.provider()?;
        let Callback { state, code, error, sealed } = callback;
        let attempt = self.open_attempt(state, sealed).await?;
        let (None, Some(code)) = (error, code) else { return Err(ExternalSignInError::Denied.into()) };
        let identity = provider.finish(code, attempt.proof).await.map_err(ExternalSignInError::from)?;
        // Required for linked accounts too, so that no sign-in depends on an unverified address.
        if !identity.email_verified {
            return Err(ExternalSignInError::EmailNotVerified.into());
        }
        if let Some((user, session)) = attempt.link {
            return self.pending_link(user, session, identity.account).map(CallbackCode::Link);
        }
        let user = self.user_of(identity).await?;
        self.new_code(user, CodePurpose::SignIn, None).await.map(CallbackCode::SignIn)
    }

    /// Links the external account of a code of [`finish_external`](Self::finish_external) to the acting user. The code is
    /// spent in any case.
    ///
    /// # Errors
    /// [`AccountError::InvalidCode`], also if another session began the link; [`ExternalSignInError::AlreadyLinked`],
    /// [`AccountError::OAuthNotConfigured`], [`AccountError::InsufficientScope`], [`AccountError::InvalidToken`] if the
    /// session has just ended, or a storage failure.
    pub async fn complete_link(&self, principal: &Principal, code: &str) -> Result<(), AccountError> {
        principal.require(Scope::Account)?;
        self.provider()?;
        let session = principal.session.ok_or(AccountError::InvalidToken)?;
        let link = self.tokens.open_link(code).map_err(|error| opening_error(error, AccountError::InvalidCode))?;
        let id = self.tokens.hash_secret(SecretKind::OneTimeCode, link.id.expose_secret());
        // Stored longer than the tolerance of the expiry. Spent before the sessions are compared, so that a code that has
        // reached another session is void for its own too.
        let is_first =
            self.system.spend_state(&id.ok_or(AccountError::InvalidCode)?, link.expires_at + CODE_TTL).await?;
        if !is_first || (link.user, link.session) != (principal.user, session) {
            return Err(AccountError::InvalidCode);
        }
        Ok(self.users.link(principal.user, session, link.account, self.clock.now()).await?)
    }

    /// Exchanges a one-time code for a session.
    ///
    /// # Errors
    /// [`AccountError::InvalidCode`], or a storage failure.
    pub async fn exchange(&self, code: &str, client: Client) -> Result<SignedIn, AccountError> {
        let signed_in = self.redeem(code, client).await;
        signed_in.inspect_err(|error| self.note_refusal(SignInWay::External, error))
    }

    async fn redeem(&self, code: &str, client: Client) -> Result<SignedIn, AccountError> {
        let hash = self.tokens.hash_secret(SecretKind::OneTimeCode, code).ok_or(AccountError::InvalidCode)?;
        let owner = self.system.redeem_code(&hash, CodePurpose::SignIn, self.clock.now()).await?;
        let user = self.users.get(owner.ok_or(AccountError::InvalidCode)?.user).await?;
        self.begin_session(user, client).await
    }

    fn provider(&self) -> Result<&dyn IdentityProvider, AccountError> {
        self.provider.as_deref().ok_or(AccountError::OAuthNotConfigured)
    }

    async fn redeem_link(&self, code: &str) -> Result<(UserId, SessionId), AccountError> {
        let hash = self.tokens.hash_secret(SecretKind::OneTimeCode, code).ok_or(AccountError::InvalidCode)?;
        let owner = self.system.redeem_code(&hash, CodePurpose::Link, self.clock.now()).await?;
        let owner = owner.ok_or(AccountError::InvalidCode)?;
        Ok((owner.user, owner.session.ok_or(AccountError::InvalidCode)?))
    }

    /// Returns the attempt if it belongs to this browser, and spends its state.
    async fn open_attempt(
        &self,
        state: Option<SecretString>,
        sealed: Option<SecretString>,
    ) -> Result<SignInAttempt, AccountError> {
        let (Some(state), Some(sealed)) = (state, sealed) else { return Err(AccountError::InvalidState) };
        let attempt = self.tokens.open_attempt(sealed.expose_secret());
        let attempt = attempt.map_err(|error| opening_error(error, AccountError::InvalidState))?;
        // Compares hashes, so that the duration reveals nothing about the state.
        let hash = |state: &SecretString| self.tokens.hash_secret(SecretKind::State, state.expose_secret());
        let spent = hash(&state).filter(|spent| hash(&attempt.state).as_ref() == Some(spent));
        let spent = spent.ok_or(AccountError::InvalidState)?;
        if self.system.spend_state(&spent, attempt.expires_at).await? {
            Ok(attempt)
        } else {
            Err(AccountError::InvalidState)
        }
    }

    fn pending_link(
        &self,
        user: UserId,
        session: SessionId,
        account: ExternalAccount,
    ) -> Result<SecretString, AccountError> {
        let id = self.new_secret(SecretKind::OneTimeCode)?.text;
        let issued_at = self.clock.now();
        let link = PendingLink { id, account, user, session, issued_at, expires_at: issued_at + CODE_TTL };
        self.tokens.seal_link(&link).map_err(AccountError::Token)
    }

    /// Returns the user of `identity` by issuer and `sub`; creates one if there is none.
    async fn user_of(&self, identity: ProviderIdentity) -> Result<UserId, AccountError> {
        if let Some(user) = self.system.user_by_external_account(&identity.account).await? {
            return Ok(user.id);
        }
        let ProviderIdentity { account, email, name, .. } = identity;
        let email = email.ok_or(ExternalSignInError::EmailNotVerified)?;
        if !self.sign_ups.permit(&email) {
            // An existing account can still be linked, which this error says.
            let known = self.system.credentials_by_email(&email.normalized()).await?;
            return Err(known.map_or(AccountError::SignUpsClosed, |_| ExternalSignInError::AccountExists.into()));
        }
        let name = name.unwrap_or_else(|| DisplayName::from_email(&email));
        let new = NewUser { id: self.ids.next().into(), email, name, password_hash: None, at: self.clock.now() };
        match self.users.create_external(new, account.clone()).await {
            Ok(user) => Ok(user.id),
            Err(UserRepoError::EmailTaken) => Err(ExternalSignInError::AccountExists.into()),
            // A concurrent sign-in of the same person created the account.
            Err(UserRepoError::ExternalAccountTaken) => {
                let user = self.system.user_by_external_account(&account).await?;
                Ok(user.ok_or(ExternalSignInError::AlreadyLinked)?.id)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn new_code(
        &self,
        user: UserId,
        purpose: CodePurpose,
        session: Option<SessionId>,
    ) -> Result<SecretString, AccountError> {
        let NewSecret { text, hash } = self.new_secret(SecretKind::OneTimeCode)?;
        let at = self.clock.now();
        match self.sessions.create_code(user, NewCode { hash, purpose, session, at, expires_at: at + CODE_TTL }).await {
            Ok(()) => Ok(text),
            Err(SessionRepoError::NotFound) => Err(AccountError::InvalidToken),
            Err(error) => Err(error.into()),
        }
    }
}

/// Returns `refused` for a sealed text that is not valid.
fn opening_error(error: TokenError, refused: AccountError) -> AccountError {
    match error {
        TokenError::Expired | TokenError::Invalid(_) => refused,
        TokenError::Signing(_) => AccountError::Token(error),
    }
}
