//! An attempt to sign in at an OpenID provider, as the browser keeps it while it is away, and what can come of it.

use std::fmt;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use url::Url;

use super::{IdentityProviderError, SignInProof};
use crate::id::{SessionId, UserId};

/// An attempt that is under way. The browser that began it keeps it, sealed, in a cookie, so that nobody else's browser
/// can end it.
#[derive(Clone, Debug)]
pub struct SignInAttempt {
    /// Comes back in the callback's address.
    pub state: SecretString,
    /// What the provider's answer is held against.
    pub proof: SignInProof,
    /// Whose account it is to be tied to, and in which session they asked for that; without, somebody signs in.
    pub link: Option<(UserId, SessionId)>,
    /// When it was begun, in whole seconds.
    pub issued_at: DateTime<Utc>,
    /// When it is over, in whole seconds.
    pub expires_at: DateTime<Utc>,
}

/// An attempt that was just begun.
#[derive(Clone)]
pub struct StartedSignIn {
    /// Where the browser has to go. State and nonce are in it, so it is not printed.
    pub url: Url,
    /// The sealed attempt, which the browser has to bring back.
    pub sealed: SecretString,
}

impl fmt::Debug for StartedSignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartedSignIn").field("sealed", &self.sealed).finish_non_exhaustive()
    }
}

/// What the browser brings back from the provider.
#[derive(Clone, Debug, Default)]
pub struct Callback {
    /// `state`
    pub state: Option<SecretString>,
    /// `code`
    pub code: Option<SecretString>,
    /// `error`: the provider, or the person there, said no (RFC 6749, 4.1.2.1).
    pub error: Option<String>,
    /// The sealed attempt.
    pub sealed: Option<SecretString>,
}

/// Why an attempt that is this browser's own came to nothing. The person is told by the frontend.
#[derive(Debug, thiserror::Error)]
pub enum ExternalSignInError {
    /// The provider, or the person there, said no.
    #[error("the provider refused the sign-in")]
    Denied,
    /// The provider does not say that the address is theirs.
    #[error("the email is not verified by the provider")]
    EmailNotVerified,
    /// There is an account with that address, and nobody has shown that it is theirs.
    #[error("there is an account with this email already")]
    AccountExists,
    /// The account at the provider is tied to another account of ours, or this one is tied to another one there.
    #[error("the provider's account is tied to another account")]
    AlreadyLinked,
    /// The session that asked for the tie has ended.
    #[error("the session that asked for the link has ended")]
    SessionEnded,
    /// The provider cannot be reached, or its answer is not accepted.
    #[error(transparent)]
    Provider(#[from] IdentityProviderError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::AuthorizationRequest;

    #[test]
    fn where_a_browser_has_to_go_is_not_printed() -> Result<(), url::ParseError> {
        let url: Url = "https://provider.example/authorize?state=hunter2&nonce=hunter2".parse()?;
        let proof = SignInProof { nonce: "hunter2".into(), pkce_verifier: "hunter2".into() };
        let begun = StartedSignIn { url: url.clone(), sealed: "hunter2".into() };
        let printed = format!("{begun:?} {:?}", AuthorizationRequest { url, proof });
        assert!(printed.contains("StartedSignIn") && !printed.contains("hunter2"), "{printed}");
        Ok(())
    }
}
