//! Authentication and authorization of protected routes, before body and query are read.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, web};
use domain::account::{AccountError, AccountService, FollowedSession};
use domain::principal::{Principal, Scope};
use domain::session::Client;
use secrecy::{ExposeSecret as _, SecretString};

use crate::extract::client::client;
use crate::problem::{ApiError, RequestError};

/// The path parameter that names the owner.
pub(crate) const OWNER_PARAMETER: &str = "user_id";

/// Middleware: requires a valid token with `scope` whose user is the one in the path, and inserts the [`Principal`] into
/// the request's extensions.
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
    // Compared as text: another spelling of the id is refused.
    if request.match_info().get(OWNER_PARAMETER).is_some_and(|owner| owner != principal.user.to_string()) {
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
        .ok_or_else(|| ApiError::Internal("the account service is missing in the application data".to_owned()))
}

/// The token of a request, for responses that may outlive its validity.
pub(crate) struct BearerToken {
    accounts: web::Data<AccountService>,
    token: SecretString,
    client: Client,
    _session: Option<FollowedSession>,
}

impl BearerToken {
    /// Reads the token of `request`, which belongs to `principal`.
    pub(crate) fn of(request: &HttpRequest, principal: &Principal) -> Result<Self, ApiError> {
        let accounts = accounts(request)?.clone();
        let session = accounts.follow_session(principal);
        Ok(Self { accounts, token: bearer(request.headers())?.into(), client: client(request), _session: session })
    }

    /// Returns whether the token is still valid. If the check fails, it is not.
    pub(crate) async fn is_valid(&self) -> bool {
        self.accounts.authenticate_again(self.token.expose_secret(), self.client.clone()).await.is_ok()
    }
}

/// The token in `Authorization: Bearer <token>` (RFC 6750, 2.1). Another scheme counts as no token (RFC 6750, 3.1).
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, RequestError> {
    let mut lines = headers.get_all(AUTHORIZATION);
    let line = match (lines.next(), lines.next()) {
        (None, _) => return Err(RequestError::TokenMissing),
        (Some(line), None) => line.to_str().map_err(|_not_ascii| RequestError::TokenMalformed)?,
        (Some(_), Some(_)) => return Err(RequestError::TokenMalformed),
    };
    let (scheme, token) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(RequestError::TokenMissing);
    }
    match token.trim() {
        "" => Err(RequestError::TokenMalformed),
        token => Ok(token),
    }
}
