//! Signing in with an account at an OpenID provider: the port to it ([`IdentityProvider`]).
//!
//! Deliberately not here: whom of ours somebody of the provider's is, which is [`super::AccountService`]'s business.

use std::fmt;

use async_trait::async_trait;
use secrecy::SecretString;
use url::Url;

use crate::storage::Cause;
use crate::user::{DisplayName, Email, ExternalAccount};

/// What was made for one attempt to sign in, and must be the same when the browser comes back.
#[derive(Clone, Debug)]
pub struct SignInProof {
    /// Comes back in the id token: `nonce` (OpenID Connect Core 1.0, 3.1.2.1).
    pub nonce: SecretString,
    /// Proves that whoever redeems the code is who asked for it (RFC 7636).
    pub pkce_verifier: SecretString,
}

/// An attempt to sign in that was just begun.
#[derive(Clone)]
pub struct AuthorizationRequest {
    /// Where the browser has to go. State and nonce are in it, so it is not printed.
    pub url: Url,
    /// What has to be kept until it comes back.
    pub proof: SignInProof,
}

impl fmt::Debug for AuthorizationRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationRequest").field("proof", &self.proof).finish_non_exhaustive()
    }
}

/// What the provider vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderIdentity {
    /// Who it is: the provider and the name it never gives to anybody else.
    pub account: ExternalAccount,
    /// Their address, if the provider tells one that is an address.
    pub email: Option<Email>,
    /// Whether the provider says that the address is theirs. What it does not say is no.
    pub email_verified: bool,
    /// What they are called, if the provider tells a name that is one.
    pub name: Option<DisplayName>,
}

/// Why the provider does not vouch for anybody.
#[derive(Debug, thiserror::Error)]
pub enum IdentityProviderError {
    /// It cannot be reached, or did not answer in time.
    #[error("the identity provider cannot be reached")]
    Unavailable(#[source] Cause),
    /// It refused the code, or what it answered cannot be trusted.
    #[error("the identity provider's answer is not accepted")]
    Refused(#[source] Cause),
}

/// Signs people in by the authorization code flow of OpenID Connect.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait IdentityProvider: Send + Sync {
    /// Begins an attempt that comes back with `state` (RFC 6749, 10.12), with a nonce and a PKCE verifier of its own, each
    /// of at least 128 random bits. MUST answer within 5 s.
    async fn begin(&self, state: SecretString) -> Result<AuthorizationRequest, IdentityProviderError>;

    /// Redeems the code that the browser brought back. MUST return [`IdentityProviderError::Refused`] unless the id
    /// token's signature, `iss`, `aud`, `azp`, `exp`, `iat` and `nonce` are all as they have to be (OpenID Connect Core
    /// 1.0, 3.1.3.7), and MUST answer within 5 s.
    async fn finish(&self, code: SecretString, proof: SignInProof) -> Result<ProviderIdentity, IdentityProviderError>;
}
