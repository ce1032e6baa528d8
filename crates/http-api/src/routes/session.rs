//! `/auth/sessions`: the user's sessions.

use actix_web::web::{Data, ReqData};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use domain::account::AccountService;
use domain::id::SessionId;
use domain::principal::Principal;
use domain::session::Session;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::extract::page::{self, Cursor, Key};
use crate::extract::path::{self, SessionPath};
use crate::extract::query::{self, DEFAULT_PAGE, Limit, MAX_PAGE, Query};
use crate::extract::session_transport::SessionTransport;
use crate::problem::{ApiError, RequestError};

impl Key for SessionId {}

/// An active session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ActiveSession)]
pub(crate) struct ActiveSessionBody {
    /// The session's id: `sid` in its access tokens.
    id: Uuid,
    /// The `User-Agent` of the last use, truncated to 200 characters.
    #[schema(required, example = "Mozilla/5.0 (X11; Linux x86_64) Firefox/145.0")]
    device: Option<String>,
    /// The IP address of the last use.
    #[schema(required, example = "192.0.2.7")]
    peer: Option<String>,
    /// Whether it is the session of this request.
    current: bool,
    /// The time of the sign-in.
    created_at: DateTime<Utc>,
    /// The time of the last use, to the minute.
    last_used_at: DateTime<Utc>,
    /// The time of expiry, unless the session is refreshed first.
    expires_at: DateTime<Utc>,
}

impl ActiveSessionBody {
    fn new(session: Session, principal: &Principal) -> Self {
        Self {
            id: session.id.as_uuid(),
            device: session.client.device.map(|device| device.as_str().to_owned()),
            peer: session.client.peer.map(|peer| peer.to_string()),
            current: principal.session == Some(session.id),
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            expires_at: session.expires_at,
        }
    }
}

/// The page of a list of sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SessionQuery {
    /// Maximum number of rows.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 100, default = 50)]
    limit: Option<Limit<MAX_PAGE>>,
    /// The start of the page, taken from the `Link` of the previous page.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<SessionId>>,
}

/// List the user's sessions, newest first.
#[utoipa::path(
    get, path = "/auth/sessions", tag = "Accounts", operation_id = "list_sessions", params(SessionQuery),
    responses((status = 200, description = "A page of the sessions.", body = [ActiveSessionBody],
        headers(("Link" = String, description = "The next page (`rel=\"next\"`), path-absolute. Absent on the last page.")))),
)]
pub(crate) async fn list(
    accounts: Data<AccountService>,
    principal: ReqData<Principal>,
    request: HttpRequest,
    Query(query): Query<SessionQuery>,
) -> Result<HttpResponse, ApiError> {
    let page = accounts.sessions(&principal, query::page(query.limit, query.cursor, DEFAULT_PAGE)).await?;
    Ok(page::respond(&request, page, |session| ActiveSessionBody::new(session, &principal)))
}

/// End all sessions of the user, this one included. API tokens remain valid.
#[utoipa::path(
    delete, path = "/auth/sessions", tag = "Accounts", operation_id = "end_sessions",
    responses((status = 204, description = "All sessions have ended, and their tokens are revoked.")),
)]
pub(crate) async fn end_all(
    accounts: Data<AccountService>,
    principal: ReqData<Principal>,
    transport: SessionTransport,
) -> Result<HttpResponse, ApiError> {
    accounts.end_sessions(&principal).await?;
    Ok(transport.signed_out())
}

/// End a session.
#[utoipa::path(
    delete, path = "/auth/sessions/{id}", tag = "Accounts", operation_id = "end_session", params(SessionPath),
    responses((status = 204, description = "The session has ended, and its tokens are revoked.")),
)]
pub(crate) async fn end(
    accounts: Data<AccountService>,
    principal: ReqData<Principal>,
    transport: SessionTransport,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = path::parse(&request, "id").ok_or(RequestError::SessionNotFound)?;
    accounts.end_session(&principal, id).await?;
    // The cookie may be that of another session.
    Ok(if principal.session == Some(id) { transport.signed_out() } else { HttpResponse::NoContent().finish() })
}
