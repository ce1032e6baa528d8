//! The provider's interface for tests.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;
use url::Url;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::authorization::authorize;
use crate::end_user::EndUser;
use crate::endpoint::{Endpoint, Fault, Response, respond};
use crate::id_token::IdToken;
use crate::state::State;
use crate::token::exchange;
use crate::user_info::user_info;

/// An OpenID provider on loopback with one client ([`CLIENT_ID`](crate::CLIENT_ID)). It stops when it is dropped.
pub struct OpenIdServer {
    server: MockServer,
    state: Arc<Mutex<State>>,
    requests: watch::Sender<BTreeMap<Endpoint, usize>>,
}

impl OpenIdServer {
    /// Starts a provider on a free port. The end user has the subject `1` and no email address.
    ///
    /// # Errors
    /// Returns an error if no keys can be generated.
    pub async fn start() -> anyhow::Result<Self> {
        // A pooled server of wiremock would continue to listen after the drop.
        let server = MockServer::builder().disable_request_recording().start().await;
        let (state, requests) = (Arc::new(Mutex::new(State::new()?)), watch::Sender::default());
        let responder = Responder { issuer: server.uri(), state: Arc::clone(&state), requests: requests.clone() };
        Mock::given(any()).respond_with(responder).mount(&server).await;
        Ok(Self { server, state, requests })
    }

    /// Returns the issuer identifier: the server's URL without a trailing slash.
    pub fn issuer(&self) -> String {
        self.server.uri()
    }

    /// Sets the end user of further sign-ins.
    pub fn sign_in_as(&self, end_user: EndUser) {
        self.state().end_user = end_user;
    }

    /// Sets whether the end user denies the authorization.
    pub fn deny(&self, denies: bool) {
        self.state().denies = denies;
    }

    /// Sets the provider's time; without it, the system clock is used.
    pub fn set_time(&self, time: DateTime<Utc>) {
        self.state().time = Some(time);
    }

    /// Changes each id token before it is signed.
    pub fn forge(&self, forge: impl Fn(&mut IdToken) + Send + 'static) {
        self.state().forge = Some(Box::new(forge));
    }

    /// Changes the discovery document.
    pub fn edit_document(&self, edit: impl Fn(&mut Value) + Send + 'static) {
        self.state().document_edit = Some(Box::new(edit));
    }

    /// Changes the published key set.
    pub fn edit_keys(&self, edit: impl Fn(&mut Value) + Send + 'static) {
        self.state().key_set_edit = Some(Box::new(edit));
    }

    /// Changes the successful responses of the token endpoint.
    pub fn edit_token_response(&self, edit: impl Fn(&mut Value) + Send + 'static) {
        self.state().token_response_edit = Some(Box::new(edit));
    }

    /// Replaces the RSA key that signs and is published by another one with a new id.
    pub fn rotate_keys(&self) {
        self.state().keys.rotate();
    }

    /// Returns the published RSA key as PEM, and its modulus.
    ///
    /// # Errors
    /// Returns an error if the key cannot be encoded.
    pub fn public_key(&self) -> anyhow::Result<(String, Vec<u8>)> {
        let state = self.state();
        Ok((state.keys.pem()?, state.keys.modulus()))
    }

    /// Makes an endpoint fail until [`clear_fault`](Self::clear_fault).
    pub fn set_fault(&self, endpoint: Endpoint, fault: Fault) {
        self.state().faults.insert(endpoint, fault);
    }

    /// Removes the fault of an endpoint.
    pub fn clear_fault(&self, endpoint: Endpoint) {
        self.state().faults.remove(&endpoint);
    }

    /// Runs the authorization endpoint without HTTP and returns the URL that the browser is redirected to.
    ///
    /// # Errors
    /// Returns an error if `url` is not of this endpoint, or the request is invalid.
    pub fn visit(&self, url: &Url) -> anyhow::Result<Url> {
        ensure!(url.as_str().starts_with(&format!("{}/authorize?", self.issuer())), "not the authorization endpoint");
        authorize(&mut self.state(), &self.issuer(), url)
    }

    /// Returns the number of HTTP requests to an endpoint.
    pub fn request_count(&self, endpoint: Endpoint) -> usize {
        count(&self.requests.borrow(), endpoint)
    }

    /// Waits until an endpoint has received at least `minimum` requests.
    ///
    /// # Errors
    /// Returns an error after 10 s.
    pub async fn wait_for_requests(&self, endpoint: Endpoint, minimum: usize) -> anyhow::Result<()> {
        let mut requests = self.requests.subscribe();
        let reached = requests.wait_for(|requests| count(requests, endpoint) >= minimum);
        timeout(Duration::from_secs(10), reached)
            .await
            .with_context(|| format!("{endpoint:?}: too few requests"))??;
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl fmt::Debug for OpenIdServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenIdServer").field("issuer", &self.issuer()).finish_non_exhaustive()
    }
}

fn count(requests: &BTreeMap<Endpoint, usize>, endpoint: Endpoint) -> usize {
    requests.get(&endpoint).copied().unwrap_or_default()
}

/// Ignores poisoning: a closure of the test that panicked has left the state consistent.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Responder {
    issuer: String,
    state: Arc<Mutex<State>>,
    requests: watch::Sender<BTreeMap<Endpoint, usize>>,
}

impl Respond for Responder {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let Some(endpoint) = Endpoint::from_path(request.url.path()) else { return ResponseTemplate::new(404) };
        let mut state = lock(&self.state);
        self.requests.send_modify(|requests| *requests.entry(endpoint).or_default() += 1);
        let fault = state.faults.get(&endpoint).cloned();
        respond(fault.as_ref(), || match endpoint {
            Endpoint::Discovery => Response::json(200, &state.document(&self.issuer)),
            Endpoint::Keys => Response::json(200, &state.key_set()),
            Endpoint::Authorization => match authorize(&mut state, &self.issuer, &request.url) {
                Ok(location) => Response::Redirect(location),
                Err(error) => Response::json(400, &json!({ "error": format!("{error:#}") })),
            },
            Endpoint::Token => exchange(&mut state, &self.issuer, request),
            Endpoint::UserInfo => user_info(&state, request),
        })
    }
}
