//! State that the endpoints share with the test.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::discovery::document;
use crate::end_user::EndUser;
use crate::endpoint::{Endpoint, Fault};
use crate::id_token::IdToken;
use crate::keys::Keys;

/// Id of the one registered client.
pub const CLIENT_ID: &str = "doable-test";
/// Secret of the client, with characters that must be encoded in a form and in `Basic` credentials.
pub const CLIENT_SECRET: &str = "a-secret:100%+more&=";

pub(crate) type Forge = Box<dyn Fn(&mut IdToken) + Send>;
pub(crate) type Edit = Box<dyn Fn(&mut Value) + Send>;

pub(crate) struct State {
    pub(crate) end_user: EndUser,
    pub(crate) denies: bool,
    /// Grants by unused authorization code.
    pub(crate) codes: BTreeMap<String, Grant>,
    /// End users by issued access token.
    pub(crate) access_tokens: BTreeMap<String, EndUser>,
    pub(crate) keys: Keys,
    pub(crate) forge: Option<Forge>,
    pub(crate) document_edit: Option<Edit>,
    pub(crate) key_set_edit: Option<Edit>,
    pub(crate) token_response_edit: Option<Edit>,
    pub(crate) faults: BTreeMap<Endpoint, Fault>,
    /// `None` for the system clock.
    pub(crate) time: Option<DateTime<Utc>>,
}

/// What an authorization code stands for.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) end_user: EndUser,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: String,
    pub(crate) nonce: Option<String>,
}

impl State {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            end_user: EndUser::new("1"),
            denies: false,
            codes: BTreeMap::new(),
            access_tokens: BTreeMap::new(),
            keys: Keys::new()?,
            forge: None,
            document_edit: None,
            key_set_edit: None,
            token_response_edit: None,
            faults: BTreeMap::new(),
            time: None,
        })
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.time.unwrap_or_else(Utc::now)
    }

    /// Returns the discovery document with the edit of the test.
    pub(crate) fn document(&self, issuer: &str) -> Value {
        edited(document(issuer), self.document_edit.as_ref())
    }

    /// Returns the key set with the edit of the test.
    pub(crate) fn key_set(&self) -> Value {
        edited(self.keys.set(), self.key_set_edit.as_ref())
    }
}

pub(crate) fn edited(mut body: Value, edit: Option<&Edit>) -> Value {
    if let Some(edit) = edit {
        edit(&mut body);
    }
    body
}
