//! `/auth/tokens`: what lets one's own scripts and agents in.
#![expect(unused_qualifications, reason = "`utoipa::path` qualifies the parameters' types")]

use actix_web::web::{Data, ReqData};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Datelike as _, Utc};
use domain::account::{AccountService, ApiTokenRequest};
use domain::api_token::{ApiToken, ApiTokenName};
use domain::id::ApiTokenId;
use domain::principal::{Principal, Scope, Scopes};
use secrecy::ExposeSecret as _;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::body::Json;
use crate::conversation::{DEFAULT_PAGE, PAGE};
use crate::error::{ApiError, RequestError};
use crate::page::{self, Cursor, Key};
use crate::query::{self, Limit, Query};

impl Key for ApiTokenId {}

/// An API token to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewApiToken)]
pub(crate) struct NewApiTokenBody {
    /// What it is called: 1 to 100 characters.
    #[schema(value_type = String, min_length = 1, max_length = 100, example = "backup script")]
    name: ApiTokenName,
    /// What it allows: one or more of `tasks:read`, `tasks:write` and `chat`. What the assistant does to tasks takes their
    /// scopes besides `chat`.
    #[serde(deserialize_with = "scopes")]
    #[schema(value_type = Vec<GrantedScope>, min_items = 1, example = json!(["tasks:read"]))]
    scopes: Scopes,
    /// When it is over; good until it is deleted if absent.
    #[serde(default, deserialize_with = "expiry")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    expires_at: Option<DateTime<Utc>>,
}

/// What an API token can allow.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes `domain::principal::Scope::GRANTABLE` to readers of the document")]
pub(crate) enum GrantedScope {
    #[schema(rename = "tasks:read")]
    TasksRead,
    #[schema(rename = "tasks:write")]
    TasksWrite,
    #[schema(rename = "chat")]
    Chat,
}

fn scopes<'de, D: Deserializer<'de>>(input: D) -> Result<Scopes, D::Error> {
    let names = Vec::<String>::deserialize(input)?;
    Scopes::granted(names.iter().map(String::as_str)).map_err(D::Error::custom)
}

/// A time that databases know too.
fn expiry<'de, D: Deserializer<'de>>(input: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let Some(text) = Option::<String>::deserialize(input)? else { return Ok(None) };
    let time = text.parse().ok().filter(|time: &DateTime<Utc>| (1..=9999).contains(&time.year()));
    time.map(Some).ok_or_else(|| D::Error::custom("must be a time such as 2027-01-31T12:00:00Z (RFC 3339)"))
}

/// An API token, without its text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiToken)]
pub(crate) struct ApiTokenBody {
    /// Its id.
    id: Uuid,
    /// What it is called.
    #[schema(example = "backup script")]
    name: String,
    /// What it allows.
    #[schema(value_type = Vec<String>, example = json!(["tasks:read"]))]
    scopes: Vec<&'static str>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it was last seen to be used, to the minute; null if it never was.
    #[schema(required)]
    last_used_at: Option<DateTime<Utc>>,
    /// When it is over; null if it is good until it is deleted.
    #[schema(required)]
    expires_at: Option<DateTime<Utc>>,
}

/// An API token that was just made.
#[derive(Serialize, ToSchema)]
#[schema(as = IssuedApiToken)]
pub(crate) struct IssuedApiTokenBody {
    #[serde(flatten)]
    about: ApiTokenBody,
    /// The token: `Authorization: Bearer <token>`. It is shown this once.
    #[schema(example = "dbl_…")]
    token: String,
}

impl From<ApiToken> for ApiTokenBody {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id.as_uuid(),
            name: token.name.into(),
            scopes: token.scopes.iter().map(Scope::as_str).collect(),
            created_at: token.created_at,
            last_used_at: token.last_used_at,
            expires_at: token.expires_at,
        }
    }
}

/// Which tokens.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ApiTokenQuery {
    /// At most this many.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 100, default = 50)]
    limit: Option<Limit<PAGE>>,
    /// Where to go on, taken from the `Link` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<ApiTokenId>>,
}

/// Make an API token, for a script or an agent of one's own.
#[utoipa::path(
    post, path = "/auth/tokens", tag = "Accounts", operation_id = "create_token", request_body = NewApiTokenBody,
    responses((status = 201, description = "The token, which is shown this once.", body = IssuedApiTokenBody)),
)]
pub(crate) async fn create(
    accounts: Data<AccountService>,
    who: ReqData<Principal>,
    Json(body): Json<NewApiTokenBody>,
) -> Result<HttpResponse, ApiError> {
    let NewApiTokenBody { name, scopes, expires_at } = body;
    let (token, text) = accounts.create_api_token(&who, ApiTokenRequest { name, scopes, expires_at }).await?;
    let body = IssuedApiTokenBody { about: token.into(), token: text.expose_secret().to_owned() };
    Ok(HttpResponse::Created().json(body))
}

/// List one's own API tokens, the newest first.
#[utoipa::path(
    get, path = "/auth/tokens", tag = "Accounts", operation_id = "list_tokens", params(ApiTokenQuery),
    responses((status = 200, description = "A page of the tokens, without their texts.", body = [ApiTokenBody],
        headers(("Link" = String, description = "The next page (`rel=\"next\"`), path-absolute. Absent on the last page.")))),
)]
pub(crate) async fn list(
    accounts: Data<AccountService>,
    who: ReqData<Principal>,
    request: HttpRequest,
    Query(query): Query<ApiTokenQuery>,
) -> Result<HttpResponse, ApiError> {
    let page = accounts.api_tokens(&who, query::page(query.limit, query.cursor, DEFAULT_PAGE)).await?;
    Ok(page::answer(&request, page, ApiTokenBody::from))
}

/// Delete an API token. It is void at once.
#[utoipa::path(
    delete, path = "/auth/tokens/{id}", tag = "Accounts", operation_id = "delete_token",
    responses((status = 204, description = "The token is void.")),
)]
pub(crate) async fn delete(
    accounts: Data<AccountService>,
    who: ReqData<Principal>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = request.match_info().get("id").and_then(|id| id.parse().ok()).ok_or(RequestError::NoApiToken)?;
    accounts.delete_api_token(&who, id).await?;
    Ok(HttpResponse::NoContent().finish())
}
