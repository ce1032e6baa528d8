//! `/auth/google` and `/auth/exchange`: signing in with an account at Google, or at another OpenID provider.
//!
//! A person's browser walks through here, so what goes wrong on the way is told by the frontend: it is sent there with
//! `?error=<code in lower case>`. Only a state that is not this browser's goes nowhere.
#![expect(unused_qualifications, reason = "`utoipa::path` qualifies the parameters' types")]

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header::LOCATION;
use actix_web::web::{Data, ReqData};
use actix_web::{HttpRequest, HttpResponse};
use domain::account::{AccountError, AccountService, Callback};
use domain::principal::Principal;
use domain::runtime::with_causes;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::{Url, form_urlencoded};
use utoipa::{IntoParams, ToSchema};

use crate::account::SessionBody;
use crate::body::{Json, secret};
use crate::client::Caller;
use crate::error::{ApiError, RequestError};
use crate::problem::Problem;
use crate::query::Query;

/// The cookie that binds an attempt to the browser that began it.
const COOKIE: &str = "doable_sign_in";
/// So long the browser keeps it.
const AWAY: Duration = Duration::minutes(10);

/// Where a browser is sent.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    /// This server, as browsers reach it, without a closing `/`.
    public: String,
    /// Whether browsers reach it by TLS.
    secure: bool,
    /// The path of the cookie.
    path: String,
    /// The frontend's page that goes on.
    landing: Url,
}

impl Addresses {
    /// `public` is this server's address, `frontend` the frontend's.
    pub(crate) fn new(public: &Url, frontend: &Url) -> Self {
        let mut landing = frontend.clone();
        landing.set_path(&format!("{}/auth/callback", frontend.path().trim_end_matches('/')));
        let base = public.as_str().trim_end_matches('/').to_owned();
        let path = format!("{}/auth/google", public.path().trim_end_matches('/'));
        Self { public: base, secure: public.scheme() == "https", path, landing }
    }

    fn cookie(&self, value: String, age: Duration) -> Cookie<'static> {
        Cookie::build(COOKIE, value)
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

/// How to begin.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct BeginQuery {
    /// What `POST /auth/google/link` gave, to tie the provider's account to one that is there.
    #[param(value_type = Option<String>)]
    link: Option<String>,
}

/// Where to go on.
#[derive(Serialize, ToSchema)]
#[schema(as = Link)]
pub(crate) struct LinkBody {
    /// To be opened in the browser, once, within 60 seconds.
    #[schema(example = "http://127.0.0.1:8000/auth/google?link=dblc_…")]
    url: String,
}

/// What the frontend was given in its address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Exchange)]
pub(crate) struct ExchangeBody {
    /// The code.
    #[serde(deserialize_with = "secret")]
    #[schema(value_type = String, write_only)]
    code: SecretString,
}

/// Sign in with Google. To be opened in a browser.
#[utoipa::path(
    get, path = "/auth/google", tag = "Accounts", operation_id = "google", params(BeginQuery),
    responses((status = 302, description = "To the provider; or to the frontend with `error=oauth_unavailable`.", headers(
        ("Location" = String, description = "The provider's page, with state, nonce and PKCE challenge."),
        ("Set-Cookie" = Option<String>, description = "Binds the sign-in to this browser, for 10 minutes.")))),
)]
pub(crate) async fn begin(
    accounts: Data<AccountService>,
    addresses: Data<Addresses>,
    Query(query): Query<BeginQuery>,
) -> Result<HttpResponse, ApiError> {
    match accounts.begin_external(query.link.as_deref()).await {
        Ok(begun) => {
            let cookie = addresses.cookie(begun.sealed.expose_secret().to_owned(), AWAY);
            Ok(HttpResponse::Found().insert_header((LOCATION, begun.url.as_str())).cookie(cookie).finish())
        }
        Err(AccountError::InvalidCode) => {
            Err(RequestError::invalid("link", "link was used, is over, or never was good").into())
        }
        Err(error @ AccountError::OAuthNotConfigured) => Err(error.into()),
        Err(error) => Ok(told_by_the_frontend(&addresses, error)),
    }
}

/// Come back from the provider. Opened by the browser; parameters that are not known are ignored.
#[utoipa::path(
    get, path = "/auth/google/callback", tag = "Accounts", operation_id = "google_callback",
    params(
        ("state" = Option<String>, Query, description = "As it was sent to the provider."),
        ("code" = Option<String>, Query, description = "The provider's code."),
        ("error" = Option<String>, Query, description = "Why the provider gives none."),
    ),
    responses((status = 302, description = "To `FRONTEND_URL/auth/callback`, with a `code` for `POST /auth/exchange` (one use, \
        60 seconds), or with an `error`: `oauth_denied`, `oauth_failed`, `oauth_unavailable`, `email_not_verified`, \
        `account_exists`, `already_linked` or another code in lower case.", headers(
        ("Location" = String, description = "The frontend's page."),
        ("Set-Cookie" = String, description = "Takes the cookie of the sign-in away.")))),
)]
pub(crate) async fn callback(
    accounts: Data<AccountService>,
    addresses: Data<Addresses>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let mut answer = match accounts.finish_external(brought_back(&request)).await {
        Ok(code) => redirect(&addresses.landing("code", code.expose_secret())),
        Err(error @ (AccountError::InvalidState | AccountError::OAuthNotConfigured)) => return Err(error.into()),
        Err(error) => told_by_the_frontend(&addresses, error),
    };
    answer
        .add_cookie(&addresses.cookie(String::new(), Duration::ZERO))
        .map_err(|error| ApiError::Defect(error.to_string()))?;
    Ok(answer)
}

/// Begin to tie an account at Google to one's own.
#[utoipa::path(
    post, path = "/auth/google/link", tag = "Accounts", operation_id = "google_link",
    responses((status = 200, description = "Where to go on in the browser.", body = LinkBody)),
)]
pub(crate) async fn link(
    accounts: Data<AccountService>,
    addresses: Data<Addresses>,
    who: ReqData<Principal>,
) -> Result<HttpResponse, ApiError> {
    let code = accounts.begin_link(&who).await?;
    let url = format!("{}/auth/google?link={}", addresses.public, code.expose_secret());
    Ok(HttpResponse::Ok().json(LinkBody { url }))
}

/// Exchange the code that the frontend was given for a session.
#[utoipa::path(
    post, path = "/auth/exchange", tag = "Accounts", operation_id = "exchange", request_body = ExchangeBody,
    responses((status = 200, description = "Signed in.", body = SessionBody)),
)]
pub(crate) async fn exchange(
    accounts: Data<AccountService>,
    Caller(client): Caller,
    Json(body): Json<ExchangeBody>,
) -> Result<HttpResponse, ApiError> {
    let signed_in = accounts.exchange(body.code.expose_secret(), client).await?;
    Ok(HttpResponse::Ok().json(SessionBody::from(signed_in)))
}

/// What the browser brings back. A parameter that comes twice is as none: it is not the provider's.
fn brought_back(request: &HttpRequest) -> Callback {
    let parameter = |name: &str| {
        let mut values = form_urlencoded::parse(request.query_string().as_bytes()).filter(|(found, _)| found == name);
        values.next().filter(|_| values.next().is_none()).map(|(_, value)| value.into_owned())
    };
    Callback {
        state: parameter("state").map(SecretString::from),
        code: parameter("code").map(SecretString::from),
        error: parameter("error"),
        sealed: request.cookie(COOKIE).map(|cookie| cookie.value().to_owned().into()),
    }
}

fn redirect(location: &str) -> HttpResponse {
    HttpResponse::Found().insert_header((LOCATION, location)).finish()
}

fn told_by_the_frontend(addresses: &Addresses, error: AccountError) -> HttpResponse {
    let error = ApiError::from(error);
    let code = Problem::from(&error).code().as_str();
    tracing::warn!(code, cause = with_causes(&error), "nothing came of a sign-in elsewhere");
    redirect(&addresses.landing("error", &code.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_put_together_with_and_without_paths() {
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
