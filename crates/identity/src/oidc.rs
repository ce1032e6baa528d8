//! Sign-in at an OpenID provider ([`OidcProvider`]): the code flow of OpenID Connect Core 1.0 (3.1) with PKCE.
//!
//! `openidconnect` implements the protocol; [`id_token`] adds the checks that it leaves to the client. Claims that the id
//! token lacks come from the userinfo endpoint. Cookies and accounts are in `domain::account`.

mod claims;
mod error;
mod http_client;
mod id_token;
mod metadata_cache;
mod options;
mod provider_metadata;
mod reduced_token;
mod token_response;
mod user_info;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::account::{AuthorizationRequest, IdentityProvider, IdentityProviderError, ProviderIdentity, SignInProof};
use domain::runtime::{Clock, FailureLog, Timer};
use domain::user::Email;
use futures_util::future::{Either, select};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
    CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse,
};
use openidconnect::{
    AccessToken, AuthorizationCode, CsrfToken, EmptyAdditionalClaims, EndpointNotSet, EndpointSet, Nonce,
    PkceCodeChallenge, PkceCodeVerifier, Scope, StandardErrorResponse,
};
use secrecy::{ExposeSecret as _, SecretString};

use claims::Claims;
use error::OidcError;
use http_client::HttpClient;
use metadata_cache::MetadataCache;
use options::ClientRegistration;
pub use options::{OidcOptions, OidcOptionsError};
use provider_metadata::ProviderMetadata;
use reduced_token::ReducedToken;
use token_response::TokenResponse;

/// Maximum duration of one call of the port, over all requests that it needs.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Random bytes of a nonce.
const NONCE_BYTES: u32 = 32;
/// Requested scopes besides `openid`.
const SCOPES: [&str; 2] = ["email", "profile"];

/// Client of `openidconnect` with an authorization endpoint and a token endpoint: its `CoreClient` with another response
/// of the token endpoint.
type Client = openidconnect::Client<
    EmptyAdditionalClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    TokenResponse,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
    EndpointNotSet,
>;

/// A client that is registered at an OpenID provider. It pools connections and caches the provider's metadata, so one
/// instance is shared.
pub struct OidcProvider {
    registration: ClientRegistration,
    http: Arc<HttpClient>,
    metadata: MetadataCache,
    clock: Arc<dyn Clock>,
    timer: Arc<dyn Timer>,
}

impl OidcProvider {
    /// Creates a client without sending a request, so that the service starts while the provider is down. `failures`
    /// records refreshes that fail while older metadata is still usable.
    ///
    /// # Errors
    /// Returns an error if an option is invalid or the HTTP client cannot be created.
    pub fn new(
        options: OidcOptions,
        clock: Arc<dyn Clock>,
        timer: Arc<dyn Timer>,
        failures: Arc<dyn FailureLog>,
    ) -> Result<Self, OidcOptionsError> {
        let registration = ClientRegistration::try_from(options)?;
        let http = Arc::new(HttpClient::new()?);
        let metadata = MetadataCache::new(registration.issuer.clone(), Arc::clone(&http), Arc::clone(&timer), failures);
        Ok(Self { registration, http, metadata, clock, timer })
    }

    fn client(&self, metadata: &ProviderMetadata) -> Client {
        let ClientRegistration { issuer, client_id, client_secret, redirect_url, .. } = self.registration.clone();
        // `id_token` verifies with its own verifier, so this client needs no keys.
        openidconnect::Client::new(client_id, issuer, CoreJsonWebKeySet::default())
            .set_client_secret(client_secret)
            .set_redirect_uri(redirect_url)
            .set_auth_type(metadata.auth_type.clone())
            .set_auth_uri(metadata.authorization_endpoint.clone())
            .set_token_uri(metadata.token_endpoint.clone())
    }

    async fn authorization_request(&self, state: SecretString) -> Result<AuthorizationRequest, OidcError> {
        let metadata = self.metadata.current().await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let nonce = Nonce::new_random_len(NONCE_BYTES);
        let state = CsrfToken::new(state.expose_secret().to_owned());
        let proof = SignInProof { nonce: nonce.secret().as_str().into(), pkce_verifier: verifier.into_secret().into() };
        let (url, ..) = self
            .client(&metadata)
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, || state, || nonce)
            .add_scopes(SCOPES.map(|scope| Scope::new(scope.to_owned())))
            .set_pkce_challenge(challenge)
            .url();
        Ok(AuthorizationRequest { url, proof })
    }

    async fn redeem(&self, code: SecretString, proof: SignInProof) -> Result<ProviderIdentity, OidcError> {
        let SignInProof { nonce, pkce_verifier } = proof;
        let metadata = self.metadata.current().await?;
        let client = self.client(&metadata);
        let exchange = client
            .exchange_code(AuthorizationCode::new(code.expose_secret().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(pkce_verifier.expose_secret().to_owned()));
        let TokenResponse { access_token, id_token } = exchange.request_async(&*self.http).await?;
        let id_token = id_token.ok_or(OidcError::NoIdToken)?;
        let token: ReducedToken =
            id_token.expose_secret().parse().map_err(|error| OidcError::malformed("id token", &error))?;
        let nonce = Nonce::new(nonce.expose_secret().to_owned());
        let verify = |metadata: &ProviderMetadata| {
            id_token::verify(&token, &nonce, &self.registration, metadata, self.clock.now())
        };
        let (account, claims) = match verify(&metadata) {
            // The provider may have rotated its keys.
            Err(error) if error.is_unknown_key() => match self.metadata.with_newer_keys(&metadata).await? {
                Some(metadata) => verify(&metadata)?,
                None => return Err(error),
            },
            outcome => outcome?,
        };
        let claims = self.complete(claims, account.subject(), &metadata, &access_token).await?;
        let email: Option<Email> = claims.email.and_then(|email| email.parse().ok());
        let is_trusted = self.registration.trust_email && email.is_some();
        Ok(ProviderIdentity {
            account,
            email_verified: claims.email_verified.unwrap_or(is_trusted),
            email,
            name: claims.name.and_then(|name| name.parse().ok()),
        })
    }

    /// Takes the claims that the id token lacks from the userinfo endpoint, if there is one.
    async fn complete(
        &self,
        claims: Claims,
        subject: &str,
        metadata: &ProviderMetadata,
        token: &AccessToken,
    ) -> Result<Claims, OidcError> {
        let endpoint = metadata.userinfo_endpoint.as_ref().filter(|_| claims.is_incomplete());
        let Some(endpoint) = endpoint else { return Ok(claims) };
        match user_info::fetch(&self.http, endpoint, token).await {
            Ok(user_info) => Ok(claims.completed_by(user_info.of(subject)?)),
            // A sign-in does not fail because of the name.
            Err(_) if claims.has_verified_email() => Ok(claims),
            Err(error) => Err(error),
        }
    }

    async fn with_timeout<T>(
        &self,
        work: impl Future<Output = Result<T, OidcError>>,
    ) -> Result<T, IdentityProviderError> {
        let outcome = match select(pin!(work), self.timer.sleep(CALL_TIMEOUT)).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => Err(OidcError::Timeout),
        };
        outcome.map_err(IdentityProviderError::from)
    }
}

#[async_trait]
impl IdentityProvider for OidcProvider {
    async fn begin(&self, state: SecretString) -> Result<AuthorizationRequest, IdentityProviderError> {
        self.with_timeout(self.authorization_request(state)).await
    }

    async fn finish(&self, code: SecretString, proof: SignInProof) -> Result<ProviderIdentity, IdentityProviderError> {
        self.with_timeout(self.redeem(code, proof)).await
    }
}
