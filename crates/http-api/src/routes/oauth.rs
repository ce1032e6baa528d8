//! `/auth/google` and `/auth/exchange`: external sign-in with Google or another OpenID provider.
//!
//! These routes are opened in a browser, so errors redirect to the frontend with `?error=<code in lower case>`. Only a
//! state of another browser is answered 400.

mod attempt_cookie;

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header::LOCATION;
use actix_web::web::{Data, ReqData};
use actix_web::{HttpRequest, HttpResponse};
use domain::account::{AccountError, AccountService, Callback, CallbackCode};
use domain::principal::Principal;
use domain::runtime::with_causes;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::{Url, form_urlencoded};
use utoipa::ToSchema;

use crate::extract::client::Caller;
use crate::extract::json::{Json, secret};
use crate::extract::session_transport::SessionTransport;
use crate::problem::{ApiError, Problem, RequestError};
use crate::schema::account::SessionBody;

/// Maximum time between the start of a sign-in and the callback.
const SIGN_IN_TIMEOUT: Duration = Duration::minutes(10);

/// The addresses that redirects and cookies need.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    /// The public URL of this server, without a trailing `/`.
    public: String,
    /// Whether the public URL is `https`.
    secure: bool,
    /// The `Path` of cookies.
    path: String,
    /// The page of the frontend that receives the code or the error.
    landing: Url,
}

impl Addresses {
    /// Derives the addresses from the public URLs of this server and of the frontend.
    pub(crate) fn new(public: &Url, frontend: &Url) -> Self {
        let mut landing = frontend.clone();
        landing.set_path(&format!("{}/auth/callback", frontend.path().trim_end_matches('/')));
        let base = public.as_str().trim_end_matches('/').to_owned();
        let path = format!("{}/auth/google", public.path().trim_end_matches('/'));
        Self { public: base, secure: public.scheme() == "https", path, landing }
    }

    fn cookie(&self, name: String, value: String, age: Duration) -> Cookie<'static> {
        Cookie::build(name, value)
            .path(self.path.clone())
            .max_age(age)
            .http_only(true)
            .secure(self.secure)
            .same_site(SameSite::Lax)
            .finish()
    }

    fn landing(&self, name: &str, value: &str) -> String {
        let mut landing = self.landing.clone();
        landing.query_pairs_mut().append_pair(name, value);
        landing.into()
    }
}

/// The start of a linking.
#[derive(Serialize, ToSchema)]
#[schema(as = Link)]
pub(crate) struct LinkBody {
    /// The URL to open in the browser, once, within 60 seconds.
    #[schema(example = "http://127.0.0.1:8000/auth/google?link=dblc_…")]
    url: String,
}

/// The code that the frontend received in its URL.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Exchange)]
pub(crate) struct ExchangeBody {
    /// The one-time code.
    #[serde(deserialize_with = "secret")]
    #[schema(value_type = String, write_only)]
    code: SecretString,
}

/// Start a sign-in with Google, in a browser. Unknown parameters are ignored.
#[utoipa::path(
    get, path = "/auth/google", tag = "Accounts", operation_id = "google",
    params(("link" = Option<String>, Query,
        description = "The code from `POST /auth/google/link`, to link the provider's account to an existing one.")),
    responses((status = 302, description = "Redirects to the provider, or to the frontend with `error=oauth_unavailable`.", headers(
        ("Location" = String, description = "The provider's page, with state, nonce and PKCE challenge."),
        ("Set-Cookie" = Option<String>, description = "Binds the sign-in to this browser, for 10 minutes. A browser can have 8 at once; \
            further ones replace the oldest.")))),
)]
pub(crate) async fn begin(
    accounts: Data<AccountService>,
    addresses: Data<Addresses>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let mut links = parameters(&request, "link");
    let link = links.next();
    if links.next().is_some() {
        return Err(RequestError::invalid("link", "link is given more than once").into());
    }
    match accounts.begin_external(link.as_deref()).await {
        Ok(started) => {
            let name = attempt_cookie::name(started.state.expose_secret());
            let mut response = HttpResponse::Found();
            response.insert_header((LOCATION, started.url.as_str()));
            response.cookie(addresses.cookie(name, started.sealed.expose_secret().to_owned(), SIGN_IN_TIMEOUT));
            for name in attempt_cookie::surplus(request.headers()) {
                response.cookie(addresses.cookie(name, String::new(), Duration::ZERO));
            }
            Ok(response.finish())
        }
        Err(AccountError::InvalidCode) => {
            Err(RequestError::invalid("link", "link is invalid, expired or already used").into())
        }
        Err(error @ AccountError::OAuthNotConfigured) => Err(error.into()),
        Err(error) => Ok(redirect_with_error(&addresses, error)),
    }
}

/// Finish a sign-in, in the browser that comes back from the provider. Unknown parameters are ignored.
#[utoipa::path(
    get, path = "/auth/google/callback", tag = "Accounts", operation_id = "google_callback",
    params(
        ("state" = Option<String>, Query, description = "The state that was sent to the provider."),
        ("code" = Option<String>, Query, description = "The provider's code."),
        ("error" = Option<String>, Query, description = "The provider's error, in place of a code."),
    ),
    responses((status = 302, description = "Redirects to `FRONTEND_URL/auth/callback` with a `code` for `POST /auth/exchange`, if a link \
        was begun with a `link_code` for `POST /auth/google/link/complete` (both for one use, 60 seconds), or with an `error`: \
        `oauth_denied`, `oauth_failed`, `oauth_unavailable`, `email_not_verified`, `account_exists`, `signups_closed` or another \
        code in lower case.", headers(
        ("Location" = String, description = "The page of the frontend."),
        ("Set-Cookie" = String, description = "Removes the cookie of the sign-in.")))),
)]
pub(crate) async fn callback(
    accounts: Data<AccountService>,
    addresses: Data<Addresses>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (callback, cookie) = parse_callback(&request);
    let mut response = match accounts.finish_external(callback).await {
        Ok(CallbackCode::SignIn(code)) => redirect(&addresses.landing("code", code.expose_secret())),
        Ok(CallbackCode::Link(code)) => redirect(&addresses.landing("link_code", code.expose_secret())),
        Err(error @ (AccountError::InvalidState | AccountError::OAuthNotConfigured)) => return Err(error.into()),
        Err(error) => redirect_with_error(&addresses, error),
    };
    response
        .add_cookie(&addresses.cookie(cookie, String::new(), Duration::ZERO))
        .map_err(|error| ApiError::Internal(error.to_string()))?;
    Ok(response)
}

/// Start linking a Google account to the user's account.
#[utoipa::path(
    post, path = "/auth/google/link", tag = "Accounts", operation_id = "google_link",
    responses((status = 200, description = "The URL to open in the browser.", body = LinkBody)),
)]
pub(crate) async fn link(
    accounts: Data<AccountService>,
    addresses: Data<Addresses>,
    principal: ReqData<Principal>,
) -> Result<HttpResponse, ApiError> {
    let code = accounts.begin_link(&principal).await?;
    let url = format!("{}/auth/google?link={}", addresses.public, code.expose_secret());
    Ok(HttpResponse::Ok().json(LinkBody { url }))
}

/// Link the Google account of a `link_code` that the frontend received to the user's account.
#[utoipa::path(
    post, path = "/auth/google/link/complete", tag = "Accounts", operation_id = "google_link_complete",
    request_body = ExchangeBody,
    responses((status = 204, description = "The accounts are linked. Only the session that sent `POST /auth/google/link` can do \
        this; the code is used up in any case.")),
)]
pub(crate) async fn complete_link(
    accounts: Data<AccountService>,
    principal: ReqData<Principal>,
    Json(body): Json<ExchangeBody>,
) -> Result<HttpResponse, ApiError> {
    accounts.complete_link(&principal, body.code.expose_secret()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Exchange the code that the frontend received for a session.
#[utoipa::path(
    post, path = "/auth/exchange", tag = "Accounts", operation_id = "exchange", request_body = ExchangeBody,
    responses((status = 200, description = "A session has started.", body = SessionBody)),
)]
pub(crate) async fn exchange(
    accounts: Data<AccountService>,
    transport: SessionTransport,
    Caller(client): Caller,
    Json(body): Json<ExchangeBody>,
) -> Result<HttpResponse, ApiError> {
    let signed_in = transport.accounts(&accounts).exchange(body.code.expose_secret(), client).await?;
    Ok(transport.signed_in(HttpResponse::Ok(), signed_in))
}

/// Parses the callback of the provider. Also returns the name of its cookie. A duplicate parameter is ignored: it does not
/// come from the provider.
fn parse_callback(request: &HttpRequest) -> (Callback, String) {
    let parameter = |name| {
        let mut values = parameters(request, name);
        values.next().filter(|_| values.next().is_none())
    };
    let state = parameter("state");
    let cookie = attempt_cookie::name(state.as_deref().unwrap_or_default());
    let callback = Callback {
        state: state.map(SecretString::from),
        code: parameter("code").map(SecretString::from),
        error: parameter("error"),
        sealed: attempt_cookie::value(request.headers(), &cookie).map(SecretString::from),
    };
    (callback, cookie)
}

/// The values of a query parameter. Whatever other parameters contain is ignored.
fn parameters<'a>(request: &'a HttpRequest, name: &'a str) -> impl Iterator<Item = String> + 'a {
    let pairs = form_urlencoded::parse(request.query_string().as_bytes());
    pairs.filter(move |(found, _)| found == name).map(|(_, value)| value.into_owned())
}

fn redirect(location: &str) -> HttpResponse {
    HttpResponse::Found().insert_header((LOCATION, location)).finish()
}

/// Redirects to the frontend with the code of `error`.
fn redirect_with_error(addresses: &Addresses, error: AccountError) -> HttpResponse {
    let error = ApiError::from(error);
    let code = Problem::from(&error).code().as_str();
    tracing::warn!(code, cause = with_causes(&error), "external sign-in failed");
    redirect(&addresses.landing("error", &code.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_derived_from_urls_with_and_without_paths() {
        let addresses = |public: &str, frontend: &str| {
            let addresses = Addresses::new(&public.parse().unwrap(), &frontend.parse().unwrap());
            (addresses.public.clone(), addresses.path.clone(), addresses.secure, addresses.landing("code", "a&b"))
        };
        assert_eq!(
            addresses("http://127.0.0.1:8000", "http://localhost:3000"),
            (
                "http://127.0.0.1:8000".to_owned(),
                "/auth/google".to_owned(),
                false,
                "http://localhost:3000/auth/callback?code=a%26b".to_owned()
            )
        );
        assert_eq!(
            addresses("https://example.com/todo/", "https://example.com/app/"),
            (
                "https://example.com/todo".to_owned(),
                "/todo/auth/google".to_owned(),
                true,
                "https://example.com/app/auth/callback?code=a%26b".to_owned()
            )
        );
    }
}
