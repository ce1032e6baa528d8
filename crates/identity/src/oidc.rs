//! Signing in at an OpenID provider: the authorization code flow of OpenID Connect Core 1.0 (3.1) with PKCE
//! ([`OidcProvider`]).
//!
//! The protocol is `openidconnect`'s; what it does not ask of an id token is asked in [`id_token`]. Deliberately not here:
//! what the browser keeps meanwhile, and whom of ours somebody is, which are `domain::account`. The userinfo endpoint is
//! not used: the id token says all that is needed.

mod directory;
mod failure;
mod http;
mod id_token;
mod options;
mod published;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::account::{AuthorizationRequest, IdentityProvider, IdentityProviderError, ProviderIdentity, SignInProof};
use domain::runtime::{Clock, FailureLog, Timer};
use futures_util::future::{Either, select};
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreJsonWebKeySet};
use openidconnect::{
    AuthorizationCode, CsrfToken, EndpointNotSet, EndpointSet, Nonce, PkceCodeChallenge, PkceCodeVerifier, Scope,
    TokenResponse as _,
};
use secrecy::{ExposeSecret as _, SecretString};

use directory::Directory;
use failure::Failure;
use http::HttpClient;
use options::Registration;
pub use options::{OidcOptions, OidcOptionsError};
use published::Published;

/// So long a call may take in all.
const LIMIT: Duration = Duration::from_secs(5);
/// Random bytes of a nonce.
const NONCE_LENGTH: u32 = 32;

/// What is asked for besides `openid`.
const SCOPES: [&str; 2] = ["email", "profile"];

/// `openidconnect`'s client, which knows where to send the browser and where to redeem a code.
type Client = CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// An OpenID provider, as a client that is registered there sees it. It keeps its connections and what the provider
/// publishes, so one is made at start and shared.
pub struct OidcProvider {
    registration: Registration,
    http: Arc<HttpClient>,
    directory: Directory,
    clock: Arc<dyn Clock>,
    timer: Arc<dyn Timer>,
}

impl OidcProvider {
    /// A client of the provider at `options`. Nothing is sent: the provider is asked when it is needed, so that a service
    /// starts while it is down. `failures` hears when it goes on with what the provider published earlier.
    ///
    /// # Errors
    /// If there can be no such client.
    pub fn new(
        options: OidcOptions,
        clock: Arc<dyn Clock>,
        timer: Arc<dyn Timer>,
        failures: Arc<dyn FailureLog>,
    ) -> Result<Self, OidcOptionsError> {
        let registration = Registration::try_from(options)?;
        let http = Arc::new(HttpClient::new()?);
        let directory = Directory::new(registration.issuer.clone(), Arc::clone(&http), Arc::clone(&timer), failures);
        Ok(Self { registration, http, directory, clock, timer })
    }

    fn client(&self, published: &Published) -> Client {
        let Registration { issuer, client_id, client_secret, redirect_url } = self.registration.clone();
        // The keys are not for this client: it is asked for no verifier.
        CoreClient::new(client_id, issuer, CoreJsonWebKeySet::default())
            .set_client_secret(client_secret)
            .set_redirect_uri(redirect_url)
            .set_auth_type(published.auth_type.clone())
            .set_auth_uri(published.authorization.clone())
            .set_token_uri(published.token.clone())
    }

    async fn request(&self, state: SecretString) -> Result<AuthorizationRequest, Failure> {
        let published = self.directory.current().await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let nonce = Nonce::new_random_len(NONCE_LENGTH);
        let state = CsrfToken::new(state.expose_secret().to_owned());
        let proof = SignInProof { nonce: nonce.secret().as_str().into(), pkce_verifier: verifier.into_secret().into() };
        let (url, ..) = self
            .client(&published)
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, || state, || nonce)
            .add_scopes(SCOPES.map(|scope| Scope::new(scope.to_owned())))
            .set_pkce_challenge(challenge)
            .url();
        Ok(AuthorizationRequest { url, proof })
    }

    async fn redeem(&self, code: SecretString, proof: SignInProof) -> Result<ProviderIdentity, Failure> {
        let SignInProof { nonce, pkce_verifier } = proof;
        let published = self.directory.current().await?;
        let client = self.client(&published);
        let exchange = client
            .exchange_code(AuthorizationCode::new(code.expose_secret().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(pkce_verifier.expose_secret().to_owned()));
        let answer = exchange.request_async(&*self.http).await?;
        let token = answer.id_token().ok_or(Failure::NoIdToken)?;
        let nonce = Nonce::new(nonce.expose_secret().to_owned());
        let verify =
            |published: &Published| id_token::verify(token, &nonce, &self.registration, published, self.clock.now());
        match verify(&published) {
            // Perhaps the provider signs with a new one.
            Err(failure) if failure.is_unknown_key() => match self.directory.newer_keys(&published).await? {
                Some(published) => verify(&published),
                None => Err(failure),
            },
            outcome => outcome,
        }
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, IdentityProviderError> {
        let outcome = match select(pin!(work), self.timer.sleep(LIMIT)).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => Err(Failure::TooSlow),
        };
        outcome.map_err(IdentityProviderError::from)
    }
}

#[async_trait]
impl IdentityProvider for OidcProvider {
    async fn begin(&self, state: SecretString) -> Result<AuthorizationRequest, IdentityProviderError> {
        self.in_time(self.request(state)).await
    }

    async fn finish(&self, code: SecretString, proof: SignInProof) -> Result<ProviderIdentity, IdentityProviderError> {
        self.in_time(self.redeem(code, proof)).await
    }
}
