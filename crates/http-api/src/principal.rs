//! Who a request comes from. [`authenticate`] stands before every protected route: it checks the token, checks that the
//! path is the token's user's, and leaves the [`Principal`] for the handler, all before body and query are looked at.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, web};
use domain::account::{AccountError, AccountService};
use domain::principal::{Principal, Scope};
use domain::session::Client;
use secrecy::{ExposeSecret as _, SecretString};

use crate::client::client;
use crate::error::{ApiError, RequestError};

/// The path's segment that names the owner.
pub(crate) const OWNER: &str = "user_id";

/// Middleware: lets a request through if it shows a good token that has the scope, and only to its own user's paths.
pub(crate) async fn authenticate(
    request: ServiceRequest,
    next: Next<BoxBody>,
    scope: Option<Scope>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match principal(&request, scope).await {
        Ok(principal) => {
            request.extensions_mut().insert(principal);
            next.call(request).await
        }
        Err(error) => Ok(request.error_response(error)),
    }
}

async fn principal(request: &ServiceRequest, scope: Option<Scope>) -> Result<Principal, ApiError> {
    let token = bearer(request.headers())?;
    let principal = accounts(request.request())?.authenticate(token, client(request.request())).await?;
    // Letter for letter: an id in another spelling is not the token's.
    if request.match_info().get(OWNER).is_some_and(|owner| owner != principal.user.to_string()) {
        return Err(RequestError::OtherUser.into());
    }
    if let Some(scope) = scope {
        principal.require(scope).map_err(AccountError::from)?;
    }
    Ok(principal)
}

fn accounts(request: &HttpRequest) -> Result<&web::Data<AccountService>, ApiError> {
    request
        .app_data::<web::Data<AccountService>>()
        .ok_or_else(|| ApiError::Defect("the account service is not wired".to_owned()))
}

/// The token that a request showed, for an answer that takes longer than a token may be good.
pub(crate) struct BearerToken {
    accounts: web::Data<AccountService>,
    token: SecretString,
    client: Client,
}

impl BearerToken {
    /// The token of `request`.
    pub(crate) fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let accounts = accounts(request)?.clone();
        Ok(Self { accounts, token: bearer(request.headers())?.into(), client: client(request) })
    }

    /// Checks that the token is still good. One that cannot be checked is not.
    pub(crate) async fn is_valid(&self) -> bool {
        self.accounts.authenticate(self.token.expose_secret(), self.client.clone()).await.is_ok()
    }
}

/// The token in `Authorization: Bearer <token>` (RFC 6750, 2.1). Another scheme is as no token (RFC 6750, 3.1).
fn bearer(headers: &HeaderMap) -> Result<&str, RequestError> {
    let mut lines = headers.get_all(AUTHORIZATION);
    let line = match (lines.next(), lines.next()) {
        (None, _) => return Err(RequestError::NoToken),
        (Some(line), None) => line.to_str().map_err(|_not_ascii| RequestError::BadToken)?,
        (Some(_), Some(_)) => return Err(RequestError::BadToken),
    };
    let (scheme, token) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(RequestError::NoToken);
    }
    match token.trim() {
        "" => Err(RequestError::BadToken),
        token => Ok(token),
    }
}
