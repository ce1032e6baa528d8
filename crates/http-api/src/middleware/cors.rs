//! CORS (the Fetch standard): pages of the configured origins may use the API from a browser. Tokens are sent in a header
//! that the page sets. Credentials are allowed because many clients ask for them (`credentials: "include"`); no route
//! takes a cookie from another origin.

use std::fmt;
use std::str::FromStr;

use actix_cors::{Cors, CorsError};
use actix_web::Error;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue,
};
use actix_web::middleware::Next;
use url::Url;

/// Request headers that pages may not send: cookies and the header that makes them count, the headers in which a proxy
/// passes on the client's address, host and scheme, and those that override the method. All others are harmless, because
/// the only credential is a token that the page itself has. Libraries add headers of their own, for example for tracing.
const REFUSED_HEADERS: [&str; 7] = [
    "cookie",
    "session-transport",
    "forwarded",
    "x-real-ip",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

/// Beginnings of further refused headers.
const REFUSED_PREFIXES: [&str; 2] = ["x-forwarded-", "proxy-"];

/// Response headers that pages may read, besides the safelisted ones of the Fetch standard.
pub(crate) const EXPOSED_HEADERS: [&str; 10] = [
    "Link",
    "ETag",
    "X-Change-Seq",
    "Location",
    "X-Request-Id",
    "Retry-After",
    "RateLimit",
    "RateLimit-Policy",
    "WWW-Authenticate",
    "x-vercel-ai-ui-message-stream",
];

/// How long a browser may cache a preflight response, in seconds.
const MAX_AGE_SECONDS: usize = 3600;

/// The origin of a web page: scheme, host and port (RFC 6454), such as `https://app.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsOrigin(String);

impl CorsOrigin {
    /// The origin as browsers serialize it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not a valid [`CorsOrigin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be an origin such as https://app.example.com: http or https, a host, and a port unless it is the default"
)]
pub struct CorsOriginError;

impl FromStr for CorsOrigin {
    type Err = CorsOriginError;

    /// Parses an origin. A trailing `/`, the default port and capitals in the host are normalized; a path, a wildcard or
    /// a user are refused.
    fn from_str(raw: &str) -> Result<Self, CorsOriginError> {
        let url: Url = raw.trim().parse().map_err(|_no_url| CorsOriginError)?;
        let bare = matches!(url.scheme(), "http" | "https")
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
            && !url.host_str().unwrap_or_default().contains('*');
        if bare { Ok(Self(url.origin().ascii_serialization())) } else { Err(CorsOriginError) }
    }
}

impl fmt::Display for CorsOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Middleware around that of [`middleware`]: refuses a preflight request for a header that pages may not send, and allows
/// credentials to the origins that may use the API.
pub(crate) async fn check_headers<B>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error>
where
    B: MessageBody + 'static,
{
    let requested = request.headers().get_all(ACCESS_CONTROL_REQUEST_HEADERS).filter_map(|names| names.to_str().ok());
    let is_refused = requested.flat_map(|names| names.split(',')).any(|name| is_refused(name.trim()));
    if is_refused && request.method() == Method::OPTIONS {
        return Ok(request.error_response(CorsError::HeadersNotAllowed).map_into_right_body());
    }
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    Ok(response.map_into_left_body())
}

fn is_refused(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    REFUSED_HEADERS.contains(&name.as_str()) || REFUSED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The CORS middleware that allows `origins` and `methods`.
pub(crate) fn middleware(origins: &[CorsOrigin], methods: impl IntoIterator<Item = Method>) -> Cors {
    let cors = Cors::default()
        .allowed_methods(methods)
        .allow_any_header()
        .expose_headers(EXPOSED_HEADERS)
        .max_age(MAX_AGE_SECONDS);
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_normalized() {
        for (given, normalized) in [
            ("https://app.example.com", "https://app.example.com"),
            (" http://localhost:3000/ ", "http://localhost:3000"),
            ("https://App.Example.com:443", "https://app.example.com"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(
                given.parse::<CorsOrigin>().map(|origin| origin.to_string()),
                Ok(normalized.to_owned()),
                "{given}"
            );
        }
    }

    #[test]
    fn texts_that_are_not_origins_are_refused() {
        for text in [
            "",
            "*",
            "null",
            "https://*.example.com",
            "app.example.com",
            "ftp://example.com",
            "https://example.com/app",
            "https://example.com?x",
            "https://example.com#x",
            "https://ada:secret@example.com",
            "file:///etc",
        ] {
            assert_eq!(text.parse::<CorsOrigin>(), Err(CorsOriginError), "{text}");
        }
    }
}
