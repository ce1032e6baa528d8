//! `/auth/sessions`: where one is signed in.
#![expect(unused_qualifications, reason = "`utoipa::path` qualifies the parameters' types")]

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

use crate::conversation::{DEFAULT_PAGE, PAGE};
use crate::error::{ApiError, RequestError};
use crate::page::{self, Cursor, Key};
use crate::query::{self, Limit, Query};

impl Key for SessionId {}

/// A sign-in that has not ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ActiveSession)]
pub(crate) struct ActiveSessionBody {
    /// Its id: `sid` in its access tokens.
    id: Uuid,
    /// What the program that used it last calls itself: its `User-Agent`, cut after 200 characters.
    #[schema(required, example = "Mozilla/5.0 (X11; Linux x86_64) Firefox/145.0")]
    device: Option<String>,
    /// The address from which it was used last.
    #[schema(required, example = "192.0.2.7")]
    peer: Option<String>,
    /// Whether it is the one that asks.
    current: bool,
    /// When it began.
    created_at: DateTime<Utc>,
    /// When it was last seen to be used, to the minute.
    last_used_at: DateTime<Utc>,
    /// When it ends by itself, unless it is refreshed before.
    expires_at: DateTime<Utc>,
}

impl ActiveSessionBody {
    fn new(session: Session, who: &Principal) -> Self {
        Self {
            id: session.id.as_uuid(),
            device: session.client.device.map(|device| device.as_str().to_owned()),
            peer: session.client.peer.map(|peer| peer.to_string()),
            current: who.session == Some(session.id),
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            expires_at: session.expires_at,
        }
    }
}

/// Which sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SessionQuery {
    /// At most this many.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 100, default = 50)]
    limit: Option<Limit<PAGE>>,
    /// Where to go on, taken from the `Link` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<SessionId>>,
}

/// List one's own sessions, the newest first.
#[utoipa::path(
    get, path = "/auth/sessions", tag = "Accounts", operation_id = "list_sessions", params(SessionQuery),
    responses((status = 200, description = "A page of the sessions.", body = [ActiveSessionBody],
        headers(("Link" = String, description = "The next page (`rel=\"next\"`), path-absolute. Absent on the last page.")))),
)]
pub(crate) async fn list(
    accounts: Data<AccountService>,
    who: ReqData<Principal>,
    request: HttpRequest,
    Query(query): Query<SessionQuery>,
) -> Result<HttpResponse, ApiError> {
    let page = accounts.sessions(&who, query::page(query.limit, query.cursor, DEFAULT_PAGE)).await?;
    Ok(page::answer(&request, page, |session| ActiveSessionBody::new(session, &who)))
}

/// End every one of one's own sessions, this one too. API tokens stay.
#[utoipa::path(
    delete, path = "/auth/sessions", tag = "Accounts", operation_id = "end_sessions",
    responses((status = 204, description = "Every session has ended, and all their tokens are void.")),
)]
pub(crate) async fn end_all(accounts: Data<AccountService>, who: ReqData<Principal>) -> Result<HttpResponse, ApiError> {
    accounts.end_sessions(&who).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// End one of one's own sessions.
#[utoipa::path(
    delete, path = "/auth/sessions/{id}", tag = "Accounts", operation_id = "end_session",
    responses((status = 204, description = "The session has ended, and all its tokens are void.")),
)]
pub(crate) async fn end(
    accounts: Data<AccountService>,
    who: ReqData<Principal>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = request.match_info().get("id").and_then(|id| id.parse().ok()).ok_or(RequestError::NoSession)?;
    accounts.end_session(&who, id).await?;
    Ok(HttpResponse::NoContent().finish())
}
