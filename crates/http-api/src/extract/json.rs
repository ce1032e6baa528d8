//! JSON bodies: read within a limit of size and time, and deserialized in one pass without an intermediate tree.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::{self, Bytes};
use actix_web::{FromRequest, HttpRequest};
use domain::runtime::Timer;
use domain::user::Password;
use futures_util::future::{self, Either};
use secrecy::SecretString;
use serde::de::{DeserializeOwned, Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::deserialize_error::deserialize_error;
use super::unset_fields::{IgnoreUnset, Name};
use crate::problem::{ApiError, RequestError};

/// Maximum size of a body, in bytes.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;
/// Maximum time between the end of a request's head and the end of its body. The largest body needs 35 kB/s.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The extractor of a required body.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

/// The extractor of an optional body. Without one its media type is ignored.
#[derive(Debug)]
pub(crate) struct OptionalJson<T>(pub(crate) Option<T>);

type Extraction<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>>>>;

impl<T: DeserializeOwned> FromRequest for Json<T> {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let media_type = check_media_type(request);
        let bytes = read(request, payload, MAX_BODY_BYTES);
        Box::pin(async move {
            media_type?;
            Ok(Self(deserialize(&bytes.await?)?))
        })
    }
}

impl<T: DeserializeOwned> FromRequest for OptionalJson<T> {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let media_type = check_media_type(request);
        let bytes = read(request, payload, MAX_BODY_BYTES);
        Box::pin(async move {
            let bytes = bytes.await?;
            if bytes.is_empty() {
                return Ok(Self(None));
            }
            media_type?;
            Ok(Self(Some(deserialize(&bytes)?)))
        })
    }
}

/// Requires the media type `application/json`, whose parameters have no meaning (RFC 8259, 11), and no content coding.
pub(crate) fn check_media_type(request: &HttpRequest) -> Result<(), RequestError> {
    // Parsed here, because actix-web does not accept white space before `;` (RFC 9110, 5.6.6).
    let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|line| line.to_str().ok()?.split(';').next());
    let is_json = media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"));
    let is_uncompressed = request
        .headers()
        .get_all(header::CONTENT_ENCODING)
        .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if is_json && is_uncompressed { Ok(()) } else { Err(RequestError::UnsupportedMediaType) }
}

/// Reads a body of at most `limit` bytes within [`BODY_TIMEOUT`].
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
            return Err(RequestError::BodyTooLarge { limit }.into());
        }
        let Some(timer) = timer else {
            return Err(ApiError::Internal("the timer is missing in the application data".to_owned()));
        };
        let payload = payload.await.map_err(|error| RequestError::MalformedJson(error.to_string().into()))?;
        let bytes = pin!(payload.to_bytes_limited(limit));
        match future::select(bytes, timer.sleep(BODY_TIMEOUT)).await {
            Either::Left((Ok(Ok(bytes)), _)) => Ok(bytes),
            Either::Left((Ok(Err(cut)), _)) => Err(RequestError::MalformedJson(cut.to_string().into()).into()),
            Either::Left((Err(_too_large), _)) => Err(RequestError::BodyTooLarge { limit }.into()),
            Either::Right(((), _)) => Err(RequestError::BodyTimeout.into()),
        }
    }
}

/// Deserializes a body, which must be a JSON object. An unknown field that is null is the same as an absent one.
pub(crate) fn deserialize<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RequestError> {
    let text = object(bytes)?;
    let mut json = serde_json::Deserializer::from_str(text);
    let error = match serde_path_to_error::deserialize(IgnoreUnset::<_, Option<IgnoredAny>>::new(&mut json)) {
        Ok(body) => return json.end().map(|()| body).map_err(malformed),
        Err(error) => error,
    };
    // A body that is not JSON is malformed, whatever else is wrong with it.
    serde_json::from_str::<Value>(text).map_err(malformed)?;
    let fields = Fields::of(text)?;
    if !error.inner().is_data() {
        // serde_json reports a number in place of an enumeration as a syntax error.
        let field = error.path().to_string();
        let is_value_of_another_type = error.inner().to_string().starts_with("expected value");
        return Err(if is_value_of_another_type {
            RequestError::invalid(&field, format!("{field} is not valid"))
        } else {
            malformed(error.into_inner())
        });
    }
    Err(deserialize_error(error.path(), &error.inner().to_string(), fields.names_of_values(), "field"))
}

/// The text of a body whose first character is `{`. Structs would be deserialized from arrays as well. A byte order mark
/// before it is ignored (RFC 8259, 8.1).
fn object(bytes: &[u8]) -> Result<&str, RequestError> {
    let text = std::str::from_utf8(bytes).map_err(|error| RequestError::MalformedJson(error.into()))?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    if text.trim_ascii_start().starts_with('{') {
        return Ok(text);
    }
    serde_json::from_str::<Value>(text).map_err(malformed)?;
    Err(RequestError::Invalid { field: None, message: "The body must be a JSON object".to_owned() })
}

fn malformed(error: serde_json::Error) -> RequestError {
    RequestError::MalformedJson(error.into())
}

/// The fields of an object, in alphabetical order; `None` is null.
#[derive(Deserialize)]
struct Fields<'a>(#[serde(borrow)] BTreeMap<Name<'a>, Option<IgnoredAny>>);

impl<'a> Fields<'a> {
    fn of(text: &'a str) -> Result<Self, RequestError> {
        serde_json::from_str(text).map_err(malformed)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|name| name.0.as_ref())
    }

    /// The names of the fields that are not null.
    fn names_of_values(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| name.0.as_ref())
    }
}

/// Whether the body is a JSON object with the field `name`.
pub(crate) fn has_field(bytes: &[u8], name: &str) -> Result<bool, RequestError> {
    Ok(Fields::of(object(bytes)?)?.names().any(|field| field == name))
}

/// Deserializes a secret.
pub(crate) fn secret<'de, D: Deserializer<'de>>(input: D) -> Result<SecretString, D::Error> {
    String::deserialize(input).map(Into::into)
}

/// Deserializes an optional secret.
pub(crate) fn optional_secret<'de, D: Deserializer<'de>>(input: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(input)?.map(Into::into))
}

/// Deserializes a new password.
pub(crate) fn new_password<'de, D: Deserializer<'de>>(input: D) -> Result<Password, D::Error> {
    let raw = String::deserialize(input)?;
    if raw.contains('\0') {
        return Err(D::Error::custom("must not contain a NUL character"));
    }
    Password::new(&raw).map_err(D::Error::custom)
}

/// Deserializes a password to be verified.
pub(crate) fn password<'de, D: Deserializer<'de>>(input: D) -> Result<Password, D::Error> {
    Ok(Password::unvalidated(&String::deserialize(input)?))
}

/// Deserializes an optional password to be verified.
pub(crate) fn optional_password<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Password>, D::Error> {
    Ok(Option::<String>::deserialize(input)?.map(|raw| Password::unvalidated(&raw)))
}
