//! The provider as a test sees it: who signs in, what goes wrong, and how often it was asked.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::ensure;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::sync::watch;
use url::Url;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::authorization::{Grant, authorize};
use crate::discovery::document;
use crate::exchange::exchange;
use crate::id_token::IdToken;
use crate::keys::Keys;
use crate::pages::{Answer, Fault, Page, answer};
use crate::person::Person;

/// The one client that the provider knows.
pub const CLIENT_ID: &str = "doable-test";
/// Its secret, with characters that `Basic` and a form take only encoded.
pub const CLIENT_SECRET: &str = "a-secret:100%+more&=";

type Forge = Box<dyn Fn(&mut IdToken) + Send>;
type Edit = Box<dyn Fn(&mut Value) + Send>;

/// What the pages share with the test.
pub(crate) struct State {
    pub(crate) person: Person,
    pub(crate) denies: bool,
    pub(crate) codes: BTreeMap<String, Grant>,
    pub(crate) keys: Keys,
    pub(crate) forge: Option<Forge>,
    document: Option<Edit>,
    key_set: Option<Edit>,
    faults: BTreeMap<Page, Fault>,
    time: Option<DateTime<Utc>>,
}

impl State {
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.time.unwrap_or_else(Utc::now)
    }

    /// The discovery document as it is published.
    pub(crate) fn document(&self, issuer: &str) -> Value {
        edited(document(issuer), self.document.as_ref())
    }
}

/// An OpenID provider on loopback, with one client ([`CLIENT_ID`]). It is gone when this value is dropped.
pub struct OpenIdServer {
    server: MockServer,
    state: Arc<Mutex<State>>,
    asked: watch::Sender<BTreeMap<Page, usize>>,
}

impl OpenIdServer {
    /// A provider on a free port, at which somebody without an address signs in.
    ///
    /// # Errors
    /// If it gets no keys.
    pub async fn start() -> anyhow::Result<Self> {
        let state = State {
            person: Person::new("1"),
            denies: false,
            codes: BTreeMap::new(),
            keys: Keys::new()?,
            forge: None,
            document: None,
            key_set: None,
            faults: BTreeMap::new(),
            time: None,
        };
        // Of its own, not one of wiremock's pool, which would go on listening.
        let server = MockServer::builder().disable_request_recording().start().await;
        let (state, asked) = (Arc::new(Mutex::new(state)), watch::Sender::default());
        let pages = Pages { issuer: server.uri(), state: Arc::clone(&state), asked: asked.clone() };
        Mock::given(any()).respond_with(pages).mount(&server).await;
        Ok(Self { server, state, asked })
    }

    /// Its issuer: its address, without a slash at the end.
    pub fn issuer(&self) -> String {
        self.server.uri()
    }

    /// Who signs in from now on.
    pub fn sign_in_as(&self, person: Person) {
        self.state().person = person;
    }

    /// Whether whoever is asked says no.
    pub fn deny(&self, denies: bool) {
        self.state().denies = denies;
    }

    /// What time it is there from now on; the machine's if it is never told.
    pub fn set_time(&self, time: DateTime<Utc>) {
        self.state().time = Some(time);
    }

    /// Changes every id token before it is signed.
    pub fn forge(&self, forge: impl Fn(&mut IdToken) + Send + 'static) {
        self.state().forge = Some(Box::new(forge));
    }

    /// Changes the discovery document.
    pub fn edit_document(&self, edit: impl Fn(&mut Value) + Send + 'static) {
        self.state().document = Some(Box::new(edit));
    }

    /// Changes what is published as its keys.
    pub fn edit_keys(&self, edit: impl Fn(&mut Value) + Send + 'static) {
        self.state().key_set = Some(Box::new(edit));
    }

    /// Signs with another RSA key from now on, under another name, and publishes that one instead.
    pub fn rotate_keys(&self) {
        self.state().keys.rotate();
    }

    /// The published RSA key as a PEM file would have it, and its modulus: what a forger knows.
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub fn public_key(&self) -> anyhow::Result<(String, Vec<u8>)> {
        let state = self.state();
        Ok((state.keys.pem()?, state.keys.modulus()))
    }

    /// Makes a page fail from now on.
    pub fn fail(&self, page: Page, fault: Fault) {
        self.state().faults.insert(page, fault);
    }

    /// Makes a page work again.
    pub fn mend(&self, page: Page) {
        self.state().faults.remove(&page);
    }

    /// Goes to the authorization endpoint as a browser would, without the network, and returns where it is sent.
    ///
    /// # Errors
    /// If it is not the address of this endpoint, or is not sent anywhere.
    pub fn visit(&self, address: &Url) -> anyhow::Result<Url> {
        ensure!(address.as_str().starts_with(&format!("{}/authorize?", self.issuer())), "there is no such page");
        authorize(&mut self.state(), &self.issuer(), address)
    }

    /// How often a page was asked for.
    pub fn asked(&self, page: Page) -> usize {
        times(&self.asked.borrow(), page)
    }

    /// Waits until a page was asked for so often.
    pub async fn wait_for(&self, page: Page, often: usize) {
        // The sender is held here, so the wait ends with the number reached and in no other way.
        drop(self.asked.subscribe().wait_for(|asked| times(asked, page) >= often).await);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

impl fmt::Debug for OpenIdServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenIdServer").field("issuer", &self.issuer()).finish_non_exhaustive()
    }
}

fn times(asked: &BTreeMap<Page, usize>, page: Page) -> usize {
    asked.get(&page).copied().unwrap_or_default()
}

/// A forgery that panicked is the test's to tell; the provider goes on.
fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Pages {
    issuer: String,
    state: Arc<Mutex<State>>,
    asked: watch::Sender<BTreeMap<Page, usize>>,
}

impl Respond for Pages {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let Some(page) = Page::at(request.url.path()) else { return ResponseTemplate::new(404) };
        let mut state = locked(&self.state);
        self.asked.send_modify(|asked| *asked.entry(page).or_default() += 1);
        let fault = state.faults.get(&page).cloned();
        answer(fault.as_ref(), || match page {
            Page::Discovery => Answer::json(200, &state.document(&self.issuer)),
            Page::Keys => Answer::json(200, &edited(state.keys.set(), state.key_set.as_ref())),
            Page::Authorization => match authorize(&mut state, &self.issuer, &request.url) {
                Ok(back) => Answer::SeeOther(back),
                Err(error) => Answer::json(400, &json!({ "error": format!("{error:#}") })),
            },
            Page::Token => exchange(&mut state, &self.issuer, request),
        })
    }
}

fn edited(mut body: Value, edit: Option<&Edit>) -> Value {
    if let Some(edit) = edit {
        edit(&mut body);
    }
    body
}
