//! JSON bodies: read up to their limit in size and time, checked as JSON first and as what a route wants second, so that bytes that are
//! no JSON and JSON that does not fit are told apart. No tree is made of them: one takes a hundred times the room of the
//! text, if it is made for that.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::{self, Bytes};
use actix_web::{FromRequest, HttpRequest};
use domain::runtime::Timer;
use futures_util::future::{self, Either};
use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::error::{ApiError, RequestError};
use crate::validation::misfit;

/// The largest body, in bytes.
pub(crate) const LIMIT: usize = 64 * 1024;
/// So long a body may take to come, from the end of the head. The largest there is then comes at 35 kB a second.
pub(crate) const TIME: Duration = Duration::from_secs(30);

/// A body that must be there.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

/// A body that may be left out. Its type matters only if it is there.
#[derive(Debug)]
pub(crate) struct OptionalJson<T>(pub(crate) Option<T>);

type Extraction<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>>>>;

impl<T: DeserializeOwned> FromRequest for Json<T> {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let fits = check_type(request);
        let bytes = read(request, payload, LIMIT);
        Box::pin(async move {
            fits?;
            let bytes = bytes.await?;
            Ok(Self(fit(&bytes, &object(&bytes)?)?))
        })
    }
}

impl<T: DeserializeOwned> FromRequest for OptionalJson<T> {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let fits = check_type(request);
        let bytes = read(request, payload, LIMIT);
        Box::pin(async move {
            let bytes = bytes.await?;
            if bytes.is_empty() {
                return Ok(Self(None));
            }
            fits?;
            Ok(Self(Some(fit(&bytes, &object(&bytes)?)?)))
        })
    }
}

/// The type must be JSON's; parameters such as `charset` mean nothing there (RFC 8259, 11). A compressed body is of
/// another type too: it is not unpacked.
pub(crate) fn check_type(request: &HttpRequest) -> Result<(), RequestError> {
    // Read here, because the framework's reader does not know the space that may stand before a `;` (RFC 9110, 5.6.6).
    let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|line| line.to_str().ok()?.split(';').next());
    let json = media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"));
    let plain = request
        .headers()
        .get_all(header::CONTENT_ENCODING)
        .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if json && plain { Ok(()) } else { Err(RequestError::MediaType) }
}

/// Reads the body, if it has at most `limit` bytes and comes in [`TIME`].
pub(crate) fn read(
    request: &HttpRequest,
    payload: &mut Payload,
    limit: usize,
) -> impl Future<Output = Result<Bytes, ApiError>> + use<> {
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let timer = request.app_data::<web::Data<dyn Timer>>().cloned();
    let payload = web::Payload::from_request(request, payload);
    async move {
        if announced.is_some_and(|length: u64| length > limit as u64) {
            return Err(RequestError::TooLarge { limit }.into());
        }
        let Some(timer) = timer else { return Err(ApiError::Defect("the timer is not wired".to_owned())) };
        let payload = payload.await.map_err(|error| RequestError::Malformed(error.to_string().into()))?;
        let bytes = pin!(payload.to_bytes_limited(limit));
        match future::select(bytes, timer.sleep(TIME)).await {
            Either::Left((Ok(Ok(bytes)), _)) => Ok(bytes),
            Either::Left((Ok(Err(cut)), _)) => Err(RequestError::Malformed(cut.to_string().into()).into()),
            Either::Left((Err(_too_large), _)) => Err(RequestError::TooLarge { limit }.into()),
            Either::Right(((), _)) => Err(RequestError::TooSlow.into()),
        }
    }
}

/// The names of the fields of a body, in alphabetical order.
#[derive(Deserialize)]
#[expect(clippy::zero_sized_map_values, reason = "a set cannot be read from an object")]
pub(crate) struct Fields<'a>(#[serde(borrow)] BTreeMap<Name<'a>, IgnoredAny>);

/// A name, copied only if it has escapes in it.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl Fields<'_> {
    /// The names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|name| name.0.as_ref())
    }
}

/// The fields of a body, which has to be an object without a NUL in it.
pub(crate) fn object(bytes: &[u8]) -> Result<Fields<'_>, RequestError> {
    let malformed = |error: serde_json::Error| RequestError::Malformed(error.into());
    let found = nul(bytes).map_err(malformed)?;
    // It is JSON, so its first character tells what it is.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(RequestError::Invalid { field: None, message: "The body must be a JSON object".to_owned() });
    }
    match found {
        Some(field) => Err(RequestError::invalid(&field, format!("{field} must not contain a NUL character"))),
        None => serde_json::from_slice(bytes).map_err(malformed),
    }
}

/// A body with these fields as what a route wants.
pub(crate) fn fit<T: DeserializeOwned>(bytes: &[u8], fields: &Fields<'_>) -> Result<T, RequestError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(&mut json)
        .map_err(|error| misfit(error.path(), &error.inner().to_string(), fields.names(), "field"))
}

/// The path of the first text with a NUL in it. Postgres cannot hold one, and SQLite cuts there. Fails if the bytes are
/// no JSON.
fn nul(bytes: &[u8]) -> Result<Option<String>, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let found = SearchForNul.deserialize(&mut json)?;
    json.end()?;
    Ok(found)
}

/// Looks through a value and keeps nothing of it. What it finds is a path that begins below the value, empty if it is
/// the value itself.
#[derive(Clone, Copy)]
struct SearchForNul;

impl<'de> DeserializeSeed<'de> for SearchForNul {
    type Value = Option<String>;

    fn deserialize<D: serde::Deserializer<'de>>(self, value: D) -> Result<Self::Value, D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for SearchForNul {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(text.contains('\0').then(String::new))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        let mut index = 0_usize;
        while let Some(below) = items.next_element_seed(self)? {
            found = found.or_else(|| below.map(|below| path(&index.to_string(), &below)));
            index += 1;
        }
        Ok(found)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(Name(name)) = fields.next_key()? {
            let below = fields.next_value_seed(self)?;
            found = found.or_else(|| {
                if name.contains('\0') { Some(name.replace('\0', "\u{FFFD}")) } else { Some(path(&name, &below?)) }
            });
        }
        Ok(found)
    }
}

fn path(name: &str, below: &str) -> String {
    if below.is_empty() { name.to_owned() } else { format!("{name}.{below}") }
}

/// Deserializes a text into a secret that never prints itself.
pub(crate) fn secret<'de, D: serde::Deserializer<'de>>(input: D) -> Result<secrecy::SecretString, D::Error> {
    String::deserialize(input).map(Into::into)
}

/// Deserializes a password that somebody chooses.
pub(crate) fn chosen_password<'de, D>(input: D) -> Result<domain::user::Password, D::Error>
where
    D: serde::Deserializer<'de>,
{
    domain::user::Password::new(&String::deserialize(input)?).map_err(D::Error::custom)
}

/// Deserializes a password that somebody signs in with.
pub(crate) fn typed_password<'de, D>(input: D) -> Result<domain::user::Password, D::Error>
where
    D: serde::Deserializer<'de>,
{
    Ok(domain::user::Password::unvalidated(&String::deserialize(input)?))
}
