//! Pages: opaque cursors, and the `Link` to the next page (RFC 8288).

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::page::Page;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use url::form_urlencoded;

use super::public_path::PublicPath;

/// The position of a row in a list's order.
pub(crate) trait Key: Serialize + DeserializeOwned {
    /// Whether storage can compare with this key. Clients can forge cursors, and others must not reach storage.
    fn is_valid(&self) -> bool {
        true
    }
}

/// A key as an opaque text: base64url (RFC 4648, 5) of its JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor<K>(pub(crate) K);

impl<K: Key> Cursor<K> {
    fn decode(raw: &str) -> Option<Self> {
        let json = URL_SAFE_NO_PAD.decode(raw).ok()?;
        let key: K = serde_json::from_slice(&json).ok()?;
        key.is_valid().then_some(Self(key))
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

/// Responds with a page, and with the `Link` to the next one if there is one.
pub(crate) fn respond<T, K: Key, B: Serialize>(
    request: &HttpRequest,
    page: Page<T, K>,
    body: impl Fn(T) -> B,
) -> HttpResponse {
    respond_with(HttpResponse::Ok(), request, page, body)
}

/// Completes `response` as [`respond`] does.
pub(crate) fn respond_with<T, K: Key, B: Serialize>(
    mut response: HttpResponseBuilder,
    request: &HttpRequest,
    page: Page<T, K>,
    body: impl Fn(T) -> B,
) -> HttpResponse {
    if let Some(cursor) = page.next.as_ref().and_then(|key| Cursor::encode(key).ok()) {
        response.insert_header((header::LINK, next_link(request, "cursor", &cursor)));
    }
    response.json(page.items.into_iter().map(body).collect::<Vec<_>>())
}

/// The `Link` to the page that starts at `value` of the query parameter `name`.
pub(crate) fn next_link(request: &HttpRequest, name: &str, value: &str) -> String {
    let kept = form_urlencoded::parse(request.query_string().as_bytes()).filter(|(kept, _)| kept != name);
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).append_pair(name, value).finish();
    format!(r#"<{}{}?{query}>; rel="next""#, PublicPath::prefix(request), request.path())
}
