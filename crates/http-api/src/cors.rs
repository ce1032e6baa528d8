//! Which web pages may use the API from a browser (the CORS protocol of the Fetch standard): exactly the configured
//! ones. Tokens travel in a header that a page sets itself, so no credentials of the browser's are allowed.

use std::fmt;
use std::str::FromStr;

use actix_cors::Cors;
use actix_web::http::Method;
use url::Url;

/// What pages may send.
const ALLOWED: [&str; 8] = [
    "Authorization",
    "Content-Type",
    "Accept",
    "If-Match",
    "If-None-Match",
    "Idempotency-Key",
    "Last-Event-ID",
    "X-Request-Id",
];

/// What pages may read, beyond what the Fetch standard always lets them.
pub(crate) const EXPOSED: [&str; 10] = [
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

/// How long a browser may remember what is allowed, in seconds.
const MAX_AGE: usize = 3600;

/// Where a web page comes from: scheme, host and port (RFC 6454), such as `https://app.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsOrigin(String);

impl CorsOrigin {
    /// The origin as browsers write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is no [`CorsOrigin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be an origin such as https://app.example.com: http or https, a host, and a port if it is not the usual one"
)]
pub struct CorsOriginError;

impl FromStr for CorsOrigin {
    type Err = CorsOriginError;

    /// Reads an origin. A closing `/`, the scheme's own port and capitals in the host are forgiven; a path, a wildcard
    /// or a user are not.
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

/// The middleware that lets `origins` in, with these methods.
pub(crate) fn middleware(origins: &[CorsOrigin], methods: impl IntoIterator<Item = Method>) -> Cors {
    let cors =
        Cors::default().allowed_methods(methods).allowed_headers(ALLOWED).expose_headers(EXPOSED).max_age(MAX_AGE);
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for (given, read) in [
            ("https://app.example.com", "https://app.example.com"),
            (" http://localhost:3000/ ", "http://localhost:3000"),
            ("https://App.Example.com:443", "https://app.example.com"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(given.parse::<CorsOrigin>().map(|origin| origin.to_string()), Ok(read.to_owned()), "{given}");
        }
    }

    #[test]
    fn what_browsers_do_not_send_as_an_origin_is_refused() {
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
