//! A provider, a client that is registered there, and a browser.

use std::error::Error;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use domain::account::{
    AuthorizationRequest, IdentityProvider as _, IdentityProviderError, ProviderIdentity, SignInProof,
};
use domain::runtime::{Clock as _, FailureLog, ManualClock, with_causes};
use futures_util::future::{Either, select};
use identity::{OidcOptions, OidcProvider};
use secrecy::{ExposeSecret as _, SecretString};
use test_openid::{CLIENT_ID, CLIENT_SECRET, Endpoint, IdToken, OpenIdServer};
use url::Url;

pub const REDIRECT_URL: &str = "http://127.0.0.1:8000/auth/google/callback";

/// Recorded failures.
#[derive(Default)]
pub struct RecordingLog(Mutex<Vec<String>>);

impl FailureLog for RecordingLog {
    fn record(&self, operation: &'static str, error: &dyn Error) {
        self.0.lock().unwrap().push(format!("{operation}: {}", with_causes(error)));
    }
}

impl RecordingLog {
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

pub struct Fixture {
    pub server: OpenIdServer,
    pub provider: OidcProvider,
    pub clock: Arc<ManualClock>,
    pub failures: Arc<RecordingLog>,
}

impl Fixture {
    pub async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// Creates a client with changed options.
    pub async fn with(change: impl FnOnce(&mut OidcOptions)) -> Self {
        let server = OpenIdServer::start().await.unwrap();
        let now: DateTime<Utc> = "2026-03-01T12:00:00Z".parse().unwrap();
        let (clock, failures) = (Arc::new(ManualClock::at(now)), Arc::new(RecordingLog::default()));
        server.set_time(now);
        let mut options = OidcOptions {
            issuer: server.issuer(),
            client_id: CLIENT_ID.to_owned(),
            client_secret: CLIENT_SECRET.into(),
            redirect_url: REDIRECT_URL.parse().unwrap(),
            trust_email: false,
        };
        change(&mut options);
        let provider = OidcProvider::new(options, clock.clone(), clock.clone(), failures.clone()).unwrap();
        Self { server, provider, clock, failures }
    }

    /// Creates a fixture whose provider issues forged id tokens.
    pub async fn forging(forge: impl Fn(&mut IdToken) + Send + 'static) -> Self {
        let fixture = Self::new().await;
        fixture.server.forge(forge);
        fixture
    }

    /// Advances the clocks of client and provider.
    pub fn advance(&self, by: TimeDelta) {
        self.clock.advance(by.to_std().unwrap());
        self.server.set_time(self.clock.now());
    }

    pub async fn begin(&self) -> Result<AuthorizationRequest, IdentityProviderError> {
        self.provider.begin("the state".into()).await
    }

    /// Visits the provider and returns the code of the callback.
    pub fn browse(&self, url: &Url) -> SecretString {
        let callback = self.server.visit(url).unwrap();
        assert!(callback.as_str().starts_with(REDIRECT_URL), "{callback}");
        let get = |name: &str| callback.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        assert_eq!(get("state").as_deref(), Some("the state"));
        get("code").unwrap().into()
    }

    /// Starts a sign-in and returns the code of the callback.
    pub async fn authorize(&self) -> (SecretString, SignInProof) {
        let AuthorizationRequest { url, proof } = self.begin().await.unwrap();
        (self.browse(&url), proof)
    }

    /// Runs a whole sign-in. Asserts that an error contains no secret.
    pub async fn sign_in(&self) -> Result<ProviderIdentity, IdentityProviderError> {
        let (code, proof) = self.authorize().await;
        let outcome = self.provider.finish(code.clone(), proof.clone()).await;
        if let Err(error) = &outcome {
            let secrets = [code.expose_secret(), proof.nonce.expose_secret(), proof.pkce_verifier.expose_secret()];
            assert_contains_no_secret(error, &secrets);
        }
        outcome
    }

    /// Numbers of requests for the discovery document and for the keys.
    pub fn fetches(&self) -> (usize, usize) {
        (self.server.request_count(Endpoint::Discovery), self.server.request_count(Endpoint::Keys))
    }

    /// Runs `work` until the endpoint has received `count` requests. Panics if `work` ends first.
    pub async fn run_until_request<T>(
        &self,
        work: &mut Pin<&mut impl Future<Output = T>>,
        endpoint: Endpoint,
        count: usize,
    ) {
        match select(work, pin!(self.server.wait_for_requests(endpoint, count))).await {
            Either::Left(_) => panic!("it ended before request {count} to {endpoint:?}"),
            Either::Right((reached, _)) => reached.unwrap(),
        }
    }
}

#[track_caller]
pub fn assert_contains_no_secret(error: &IdentityProviderError, secrets: &[&str]) {
    let text = format!("{} {error:?}", with_causes(error));
    // Every JWT begins with `eyJ`.
    for secret in secrets.iter().chain(&[CLIENT_SECRET, "eyJ"]) {
        assert!(!text.contains(secret), "{text}");
    }
}

/// Returns the message of a refused sign-in, with all causes.
#[track_caller]
pub fn expect_refused<T>(outcome: Result<T, IdentityProviderError>) -> String {
    match outcome {
        Err(error @ IdentityProviderError::Refused(_)) => with_causes(&error),
        Err(other) => panic!("expected a refusal, got {}", with_causes(&other)),
        Ok(_) => panic!("expected a refusal, got a success"),
    }
}

/// Returns the message of an unavailable provider, with all causes.
#[track_caller]
pub fn expect_unavailable<T>(outcome: Result<T, IdentityProviderError>) -> String {
    match outcome {
        Err(error @ IdentityProviderError::Unavailable(_)) => with_causes(&error),
        Err(other) => panic!("expected an unavailable provider, got {}", with_causes(&other)),
        Ok(_) => panic!("expected an unavailable provider, got a success"),
    }
}
