//! How the refresh token of a session travels: in bodies or, with `Session-Transport: cookie`, in a cookie that scripts
//! cannot read.
//!
//! `SameSite` keeps the cookie out of requests from other sites, but not from other origins of the same site, such as
//! subdomains. So the cookie counts only with the header, which no form and no link can send, and only in requests from
//! pages of the server's own origin.

use std::future::{Ready, ready};

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::Payload;
use actix_web::http::header::{self, AsHeaderName};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder};
use chrono::TimeDelta;
use domain::account::{AccountService, SignedIn};
use secrecy::SecretString;
use url::{Origin, Url};

use crate::problem::{ApiError, RequestError};
use crate::schema::account::SessionBody;

/// The header that chooses the cookie. Pages of other origins may not send it.
pub(crate) const HEADER: &str = "Session-Transport";
/// The path of the routes that the cookie is sent to, below the path of the public URL.
const PATH: &str = "/auth";
/// The name of the cookie.
const COOKIE: &str = "doable_session";
/// Maximum lifetime of the access tokens of a page that can refresh them without its user.
const ACCESS_TTL: TimeDelta = TimeDelta::minutes(15);

/// Where browsers find this server.
#[derive(Clone, Debug)]
pub(crate) struct CookieScope {
    /// The server's own origin. If it is not configured, it is that of the `Host` that a request names.
    origin: Option<String>,
    /// The `Path` of the cookie.
    path: String,
    /// Whether the public URL is `https`.
    secure: bool,
}

impl CookieScope {
    /// Derives the scope from the public URL and the configured origin.
    pub(crate) fn new(public: &Url, origin: Option<&Origin>) -> Self {
        Self {
            origin: origin.map(Origin::ascii_serialization),
            path: format!("{}{PATH}", public.path().trim_end_matches('/')),
            secure: public.scheme() == "https",
        }
    }

    fn cookie(&self, value: String, age: Duration) -> Cookie<'static> {
        Cookie::build(COOKIE, value)
            .path(self.path.clone())
            .max_age(age)
            .http_only(true)
            .secure(self.secure)
            .same_site(SameSite::Strict)
            .finish()
    }

    /// Whether a page of the server's own origin sent the request. What a browser says about the page (Fetch Metadata)
    /// takes precedence over the origin; no script can forge either.
    fn is_same_origin(&self, request: &HttpRequest) -> bool {
        match value(request, "Sec-Fetch-Site") {
            Some(site) => site == "same-origin",
            None => {
                value(request, header::ORIGIN).is_some_and(|origin| self.own_origin(request).as_deref() == Some(origin))
            }
        }
    }

    fn own_origin(&self, request: &HttpRequest) -> Option<String> {
        self.origin.clone().or_else(|| {
            let url = Url::parse(&format!("http://{}", value(request, header::HOST)?));
            Some(url.ok()?.origin().ascii_serialization())
        })
    }
}

/// The extractor of the transport that a request chooses.
pub(crate) enum SessionTransport {
    /// In the bodies of requests and responses. The cookie is ignored.
    Body,
    /// In the cookie.
    Cookie {
        /// The attributes of the cookie.
        scope: Data<CookieScope>,
        /// The values of the request's cookies of this name.
        tokens: Vec<SecretString>,
    },
}

impl FromRequest for SessionTransport {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

impl SessionTransport {
    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let Some(transport) = value(request, HEADER) else { return Ok(Self::Body) };
        if transport != "cookie" {
            return Err(RequestError::invalid(HEADER, "Session-Transport must be cookie, or absent").into());
        }
        if !request.path().strip_prefix(PATH).is_some_and(|rest| rest.starts_with('/')) {
            let message = "Session-Transport: cookie is for the routes under /auth, to which browsers send the cookie";
            return Err(RequestError::invalid(HEADER, message).into());
        }
        let scope = request.app_data::<Data<CookieScope>>().cloned();
        let scope = scope.ok_or_else(|| ApiError::Internal("the scope of cookies is missing".to_owned()))?;
        if scope.is_same_origin(request) {
            Ok(Self::Cookie { scope, tokens: cookies(request).collect() })
        } else {
            Err(RequestError::CrossOrigin.into())
        }
    }

    /// Returns the service that starts and refreshes sessions of this transport.
    pub(crate) fn accounts(&self, accounts: &AccountService) -> AccountService {
        match self {
            Self::Body => accounts.clone(),
            Self::Cookie { .. } => accounts.with_access_ttl(ACCESS_TTL),
        }
    }

    /// Returns the refresh token of a request with the token `sent` in its body; `None` if there is no cookie.
    pub(crate) fn refresh_token(&self, sent: Option<SecretString>) -> Result<Option<SecretString>, RequestError> {
        let field = "refresh_token";
        match (self, sent) {
            (Self::Body, None) => Err(RequestError::invalid(field, "refresh_token is required")),
            (Self::Body, Some(sent)) => Ok(Some(sent)),
            (Self::Cookie { .. }, Some(_)) => {
                Err(RequestError::invalid(field, "refresh_token must be absent with Session-Transport: cookie"))
            }
            // A subdomain can add a cookie of the same name for the whole site.
            (Self::Cookie { tokens, .. }, None) if tokens.len() > 1 => Err(RequestError::TokenMalformed),
            (Self::Cookie { tokens, .. }, None) => Ok(tokens.first().cloned()),
        }
    }

    /// Responds with a session.
    pub(crate) fn signed_in(&self, mut response: HttpResponseBuilder, signed_in: SignedIn) -> HttpResponse {
        let age = Duration::seconds(signed_in.refresh_expires_in.num_seconds());
        let mut body = SessionBody::from(signed_in);
        if let Self::Cookie { scope, .. } = self
            && let Some(token) = body.refresh_token.take()
        {
            response.cookie(scope.cookie(token, age));
        }
        response.json(body)
    }

    /// Responds without a body, and removes the cookie.
    pub(crate) fn signed_out(&self) -> HttpResponse {
        let mut response = HttpResponse::NoContent();
        if let Self::Cookie { scope, .. } = self {
            response.cookie(scope.cookie(String::new(), Duration::ZERO));
        }
        response.finish()
    }
}

/// The value of a header; empty, which no header here may be, if it is repeated or not ASCII.
fn value(request: &HttpRequest, name: impl AsHeaderName) -> Option<&str> {
    let mut lines = request.headers().get_all(name);
    let line = lines.next()?.to_str().ok();
    Some(line.filter(|_| lines.next().is_none()).unwrap_or_default())
}

/// The values of the cookies of this name. Cookies of other applications on the same host may be malformed.
fn cookies(request: &HttpRequest) -> impl Iterator<Item = SecretString> {
    let lines = request.headers().get_all(header::COOKIE).map(|line| String::from_utf8_lossy(line.as_bytes()));
    let pairs = lines.flat_map(|line| line.split(';').map(|pair| Cookie::parse(pair.to_owned())).collect::<Vec<_>>());
    pairs.flatten().filter(|cookie| cookie.name() == COOKIE).map(|cookie| cookie.value().into())
}
