//! The port to an OpenID provider ([`IdentityProvider`]). [`super::AccountService`] maps its identities to users.

use std::fmt;

use async_trait::async_trait;
use secrecy::SecretString;
use url::Url;

use crate::storage::Cause;
use crate::user::{DisplayName, Email, ExternalAccount};

/// Secrets of one sign-in, which are needed to verify the provider's response.
#[derive(Clone, Debug)]
pub struct SignInProof {
    /// Returned in the id token: `nonce` (OpenID Connect Core 1.0, 3.1.2.1).
    pub nonce: SecretString,
    /// Proves that the client that redeems the code requested it (RFC 7636).
    pub pkce_verifier: SecretString,
}

/// The start of a sign-in.
#[derive(Clone)]
pub struct AuthorizationRequest {
    /// The authorization URL. Not printed, because it contains state and nonce.
    pub url: Url,
    /// Kept until the callback.
    pub proof: SignInProof,
}

impl fmt::Debug for AuthorizationRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationRequest").field("proof", &self.proof).finish_non_exhaustive()
    }
}

/// An identity that the provider has verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderIdentity {
    /// The issuer and the subject.
    pub account: ExternalAccount,
    /// The email address, if the provider sent a valid one.
    pub email: Option<Email>,
    /// Whether the provider has verified the address. If it does not say, `false` unless the operator trusts its addresses.
    pub email_verified: bool,
    /// The name, if the provider sent a valid one.
    pub name: Option<DisplayName>,
}

/// Reasons why the provider returns no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityProviderError {
    /// The provider cannot be reached, or did not respond in time.
    #[error("the identity provider cannot be reached")]
    Unavailable(#[source] Cause),
    /// The provider refused the code, or its response failed verification.
    #[error("the identity provider's response is not accepted")]
    Refused(#[source] Cause),
}

/// Signs people in by the authorization code flow of OpenID Connect.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait IdentityProvider: Send + Sync {
    /// Starts a sign-in whose callback contains `state` (RFC 6749, 10.12), with a new nonce and PKCE verifier of at least
    /// 128 random bits each. MUST return within 5 s.
    async fn begin(&self, state: SecretString) -> Result<AuthorizationRequest, IdentityProviderError>;

    /// Redeems the code of the callback. MUST return [`IdentityProviderError::Refused`] unless the id
    /// token's signature, `iss`, `aud`, `azp`, `exp`, `iat` and `nonce` are all valid (OpenID Connect Core 1.0,
    /// 3.1.3.7). MUST return within 5 s.
    async fn finish(&self, code: SecretString, proof: SignInProof) -> Result<ProviderIdentity, IdentityProviderError>;
}
