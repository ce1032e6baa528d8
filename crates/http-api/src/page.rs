//! Pages: how a list's key is spelled as an opaque cursor, and the `Link` to the next page (RFC 8288).

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::page::Page;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use url::form_urlencoded;

/// The key of a list's order.
pub(crate) trait Key: Serialize + DeserializeOwned {
    /// Whether a list can have given this key. A client can make one up, and what storage cannot compare with must
    /// not reach it.
    fn plausible(&self) -> bool {
        true
    }
}

/// A key as clients see it: base64url (RFC 4648, 5) of its JSON. They must not look into it, and it may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor<K>(pub(crate) K);

impl<K: Key> Cursor<K> {
    fn decode(raw: &str) -> Option<Self> {
        let json = URL_SAFE_NO_PAD.decode(raw).ok()?;
        let key: K = serde_json::from_slice(&json).ok()?;
        key.plausible().then_some(Self(key))
    }

    fn encode(key: &K) -> Result<String, serde_json::Error> {
        serde_json::to_vec(key).map(|json| URL_SAFE_NO_PAD.encode(json))
    }
}

impl<'de, K: Key> Deserialize<'de> for Cursor<K> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Self::decode(&String::deserialize(input)?)
            .ok_or_else(|| D::Error::custom("must be taken from the Link of this list"))
    }
}

/// Answers with a page, and with the way to the next one if there is one.
pub(crate) fn answer<T, K: Key, B: Serialize>(
    request: &HttpRequest,
    page: Page<T, K>,
    body: impl Fn(T) -> B,
) -> HttpResponse {
    answer_with(HttpResponse::Ok(), request, page, body)
}

/// Answers with a page as [`answer`] does, after what `response` says already.
pub(crate) fn answer_with<T, K: Key, B: Serialize>(
    mut response: HttpResponseBuilder,
    request: &HttpRequest,
    page: Page<T, K>,
    body: impl Fn(T) -> B,
) -> HttpResponse {
    if let Some(cursor) = page.next.as_ref().and_then(|key| Cursor::encode(key).ok()) {
        response.insert_header((header::LINK, next(request, "cursor", &cursor)));
    }
    response.json(page.items.into_iter().map(body).collect::<Vec<_>>())
}

/// The `Link` to the page that begins where the query parameter `name` says.
pub(crate) fn next(request: &HttpRequest, name: &str, value: &str) -> String {
    let kept = form_urlencoded::parse(request.query_string().as_bytes()).filter(|(kept, _)| kept != name);
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).append_pair(name, value).finish();
    format!(r#"<{}?{query}>; rel="next""#, request.path())
}
