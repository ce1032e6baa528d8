//! The state of an external sign-in, which the browser keeps during the redirect, and its errors.

use std::fmt;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use url::Url;

use super::identity_provider::{IdentityProviderError, SignInProof};
use crate::id::{SessionId, UserId};
use crate::user::ExternalAccount;

/// An external sign-in in progress. The browser that started it keeps it, sealed, in a cookie, so that no other browser can
/// complete it.
#[derive(Clone, Debug)]
pub struct SignInAttempt {
    /// Returned in the query of the callback.
    pub state: SecretString,
    /// Compared with the provider's response.
    pub proof: SignInProof,
    /// The user and session to link the account to; `None` for a sign-in.
    pub link: Option<(UserId, SessionId)>,
    /// The start, in whole seconds.
    pub issued_at: DateTime<Utc>,
    /// The expiry, in whole seconds.
    pub expires_at: DateTime<Utc>,
}

/// An external account that a browser has proved to own, to be linked by a request of the session that began the link. The
/// browser carries it to the frontend, sealed, in a URL. A victim who opens the link of an attacker links nothing: only the
/// session that began the link can complete it, and the URL never reaches that session.
#[derive(Clone, Debug)]
pub struct PendingLink {
    /// A secret that is spent with the first request, whether it links the account or not.
    pub id: SecretString,
    /// The account.
    pub account: ExternalAccount,
    /// The user who began the link.
    pub user: UserId,
    /// The only session that can complete the link.
    pub session: SessionId,
    /// The time of the callback, in whole seconds.
    pub issued_at: DateTime<Utc>,
    /// The expiry, in whole seconds.
    pub expires_at: DateTime<Utc>,
}

/// What the browser carries from the callback to the frontend.
#[derive(Clone, Debug)]
pub enum CallbackCode {
    /// A one-time code for a session.
    SignIn(SecretString),
    /// A sealed [`PendingLink`].
    Link(SecretString),
}

/// A started external sign-in.
#[derive(Clone)]
pub struct StartedSignIn {
    /// The state in the URL, which distinguishes the attempts of one browser.
    pub state: SecretString,
    /// The authorization URL. Not printed, because it contains state and nonce.
    pub url: Url,
    /// The sealed attempt, for a cookie.
    pub sealed: SecretString,
}

impl fmt::Debug for StartedSignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartedSignIn").field("sealed", &self.sealed).finish_non_exhaustive()
    }
}

/// The callback of the provider.
#[derive(Clone, Debug, Default)]
pub struct Callback {
    /// `state`
    pub state: Option<SecretString>,
    /// `code`
    pub code: Option<SecretString>,
    /// `error`: the provider or the person refused (RFC 6749, 4.1.2.1).
    pub error: Option<String>,
    /// The sealed attempt.
    pub sealed: Option<SecretString>,
}

/// Reasons why an external sign-in fails. The frontend shows them.
#[derive(Debug, thiserror::Error)]
pub enum ExternalSignInError {
    /// The provider or the person refused.
    #[error("the provider refused the sign-in")]
    Denied,
    /// The provider has not verified the email address.
    #[error("the email is not verified by the provider")]
    EmailNotVerified,
    /// Another account has this email address.
    #[error("there is an account with this email already")]
    AccountExists,
    /// The external account is linked to another user, or the user is linked to another account of the provider.
    #[error("the external account is linked to another user")]
    AlreadyLinked,
    /// The provider cannot be reached, or its response is invalid.
    #[error(transparent)]
    Provider(#[from] IdentityProviderError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::AuthorizationRequest;

    #[test]
    fn the_authorization_url_is_not_printed() -> Result<(), url::ParseError> {
        let url: Url = "https://provider.example/authorize?state=hunter2&nonce=hunter2".parse()?;
        let proof = SignInProof { nonce: "hunter2".into(), pkce_verifier: "hunter2".into() };
        let started = StartedSignIn { state: "hunter2".into(), url: url.clone(), sealed: "hunter2".into() };
        let printed = format!("{started:?} {:?}", AuthorizationRequest { url, proof });
        assert!(printed.contains("StartedSignIn") && !printed.contains("hunter2"), "{printed}");
        Ok(())
    }
}
