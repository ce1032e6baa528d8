//! A provider, a client of it, and a browser.

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
use test_openid::{CLIENT_ID, CLIENT_SECRET, IdToken, OpenIdServer, Page};
use url::Url;

pub const REDIRECT_URL: &str = "http://127.0.0.1:8000/auth/google/callback";

/// The failures that were told to nobody but the log.
#[derive(Default)]
pub struct Heard(Mutex<Vec<String>>);

impl FailureLog for Heard {
    fn record(&self, what: &'static str, error: &dyn Error) {
        self.0.lock().unwrap().push(format!("{what}: {}", with_causes(error)));
    }
}

impl Heard {
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

pub struct Fixture {
    pub server: OpenIdServer,
    pub provider: OidcProvider,
    pub clock: Arc<ManualClock>,
    pub heard: Arc<Heard>,
}

impl Fixture {
    pub async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// With other options than the right ones.
    pub async fn with(change: impl FnOnce(&mut OidcOptions)) -> Self {
        let server = OpenIdServer::start().await.unwrap();
        let now: DateTime<Utc> = "2026-03-01T12:00:00Z".parse().unwrap();
        let (clock, heard) = (Arc::new(ManualClock::at(now)), Arc::new(Heard::default()));
        server.set_time(now);
        let mut options = OidcOptions {
            issuer: server.issuer(),
            client_id: CLIENT_ID.to_owned(),
            client_secret: CLIENT_SECRET.into(),
            redirect_url: REDIRECT_URL.parse().unwrap(),
        };
        change(&mut options);
        let provider = OidcProvider::new(options, clock.clone(), clock.clone(), heard.clone()).unwrap();
        Self { server, provider, clock, heard }
    }

    /// With a provider that makes such id tokens.
    pub async fn forging(forge: impl Fn(&mut IdToken) + Send + 'static) -> Self {
        let fixture = Self::new().await;
        fixture.server.forge(forge);
        fixture
    }

    /// Lets time pass, at the provider too.
    pub fn advance(&self, by: TimeDelta) {
        self.clock.advance(by.to_std().unwrap());
        self.server.set_time(self.clock.now());
    }

    pub async fn begin(&self) -> Result<AuthorizationRequest, IdentityProviderError> {
        self.provider.begin("the state".into()).await
    }

    /// The browser goes to the provider and comes back with a code.
    pub fn browse(&self, url: &Url) -> SecretString {
        let back = self.server.visit(url).unwrap();
        assert!(back.as_str().starts_with(REDIRECT_URL), "{back}");
        let get = |name: &str| back.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        assert_eq!(get("state").as_deref(), Some("the state"));
        get("code").unwrap().into()
    }

    /// An attempt up to where the browser is back.
    pub async fn back(&self) -> (SecretString, SignInProof) {
        let AuthorizationRequest { url, proof } = self.begin().await.unwrap();
        (self.browse(&url), proof)
    }

    /// A whole attempt. If it fails, what it tells has nothing in it that is secret.
    pub async fn sign_in(&self) -> Result<ProviderIdentity, IdentityProviderError> {
        let (code, proof) = self.back().await;
        let outcome = self.provider.finish(code.clone(), proof.clone()).await;
        if let Err(error) = &outcome {
            let secrets = [code.expose_secret(), proof.nonce.expose_secret(), proof.pkce_verifier.expose_secret()];
            assert_tells_nothing(error, &secrets);
        }
        outcome
    }

    /// How often discovery and keys were asked for.
    pub fn fetched(&self) -> (usize, usize) {
        (self.server.asked(Page::Discovery), self.server.asked(Page::Keys))
    }

    /// Runs `work` until the provider was asked for a page so often, which has to come first.
    pub async fn until_asked<T>(&self, work: &mut Pin<&mut impl Future<Output = T>>, page: Page, often: usize) {
        match select(work, pin!(self.server.wait_for(page, often))).await {
            Either::Left(_) => panic!("it ended before it asked for {page:?}"),
            Either::Right(_) => (),
        }
    }
}

#[track_caller]
pub fn assert_tells_nothing(error: &IdentityProviderError, secrets: &[&str]) {
    let told = format!("{} {error:?}", with_causes(error));
    // `eyJ` is how every JWT begins.
    for secret in secrets.iter().chain(&[CLIENT_SECRET, "eyJ"]) {
        assert!(!told.contains(secret), "{told}");
    }
}

/// Why somebody was refused, with all causes.
#[track_caller]
pub fn refused<T>(outcome: Result<T, IdentityProviderError>) -> String {
    match outcome {
        Err(error @ IdentityProviderError::Refused(_)) => with_causes(&error),
        Err(other) => panic!("not refused but {}", with_causes(&other)),
        Ok(_) => panic!("not refused but accepted"),
    }
}

/// Why the provider is not available, with all causes.
#[track_caller]
pub fn unavailable<T>(outcome: Result<T, IdentityProviderError>) -> String {
    match outcome {
        Err(error @ IdentityProviderError::Unavailable(_)) => with_causes(&error),
        Err(other) => panic!("not unavailable but {}", with_causes(&other)),
        Ok(_) => panic!("not unavailable but there"),
    }
}
