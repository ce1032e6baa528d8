//! `/auth/tokens`: the user's API tokens, for scripts and agents.

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

use crate::extract::json::Json;
use crate::extract::page::{self, Cursor, Key};
use crate::extract::path::{self, ApiTokenPath};
use crate::extract::query::{self, DEFAULT_PAGE, Limit, MAX_PAGE, Query};
use crate::problem::{ApiError, RequestError};

impl Key for ApiTokenId {}

/// A new API token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewApiToken)]
pub(crate) struct NewApiTokenBody {
    /// The name: 1 to 100 characters.
    #[schema(value_type = String, min_length = 1, max_length = 100, example = "backup script")]
    name: ApiTokenName,
    /// The scopes: one or more of `tasks:read`, `tasks:write` and `chat`. The assistant needs the scopes of tasks, besides
    /// `chat`, to read and change tasks.
    #[serde(deserialize_with = "scopes")]
    #[schema(value_type = Vec<GrantedScope>, min_items = 1, example = json!(["tasks:read"]))]
    scopes: Scopes,
    /// The time of expiry; without one the token is valid until it is deleted.
    #[serde(default, deserialize_with = "expiry")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    expires_at: Option<DateTime<Utc>>,
}

/// A scope of an API token.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes `domain::principal::Scope::GRANTABLE` in the OpenAPI document")]
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

/// Deserializes a time in the years that databases support.
fn expiry<'de, D: Deserializer<'de>>(input: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let Some(text) = Option::<String>::deserialize(input)? else { return Ok(None) };
    let time = text.parse().ok().filter(|time: &DateTime<Utc>| (1..=9999).contains(&time.year()));
    time.map(Some).ok_or_else(|| D::Error::custom("must be a time such as 2027-01-31T12:00:00Z (RFC 3339)"))
}

/// An API token without its secret text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiToken)]
pub(crate) struct ApiTokenBody {
    /// The token's id.
    id: Uuid,
    /// The name.
    #[schema(example = "backup script")]
    name: String,
    /// The scopes.
    #[schema(value_type = Vec<String>, example = json!(["tasks:read"]))]
    scopes: Vec<&'static str>,
    /// The time of creation.
    created_at: DateTime<Utc>,
    /// The time of the last use, to the minute; null if the token was never used.
    #[schema(required)]
    last_used_at: Option<DateTime<Utc>>,
    /// The time of expiry; null if the token is valid until it is deleted.
    #[schema(required)]
    expires_at: Option<DateTime<Utc>>,
}

/// A new API token with its secret text.
#[derive(Serialize, ToSchema)]
#[schema(as = IssuedApiToken)]
pub(crate) struct IssuedApiTokenBody {
    #[serde(flatten)]
    api_token: ApiTokenBody,
    /// The token, to be sent as `Authorization: Bearer <token>`. It is returned only once.
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

/// The page of a list of API tokens.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ApiTokenQuery {
    /// Maximum number of rows.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 100, default = 50)]
    limit: Option<Limit<MAX_PAGE>>,
    /// The start of the page, taken from the `Link` of the previous page.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<ApiTokenId>>,
}

/// Create an API token, for a script or an agent.
#[utoipa::path(
    post, path = "/auth/tokens", tag = "Accounts", operation_id = "create_token", request_body = NewApiTokenBody,
    responses((status = 201, description = "The token, which is returned only once.", body = IssuedApiTokenBody)),
)]
pub(crate) async fn create(
    accounts: Data<AccountService>,
    principal: ReqData<Principal>,
    Json(body): Json<NewApiTokenBody>,
) -> Result<HttpResponse, ApiError> {
    let NewApiTokenBody { name, scopes, expires_at } = body;
    let (token, text) = accounts.create_api_token(&principal, ApiTokenRequest { name, scopes, expires_at }).await?;
    let body = IssuedApiTokenBody { api_token: token.into(), token: text.expose_secret().to_owned() };
    Ok(HttpResponse::Created().json(body))
}

/// List the user's API tokens, newest first.
#[utoipa::path(
    get, path = "/auth/tokens", tag = "Accounts", operation_id = "list_tokens", params(ApiTokenQuery),
    responses((status = 200, description = "A page of the tokens, without their secret texts.", body = [ApiTokenBody],
        headers(("Link" = String, description = "The next page (`rel=\"next\"`), path-absolute. Absent on the last page.")))),
)]
pub(crate) async fn list(
    accounts: Data<AccountService>,
    principal: ReqData<Principal>,
    request: HttpRequest,
    Query(query): Query<ApiTokenQuery>,
) -> Result<HttpResponse, ApiError> {
    let page = accounts.api_tokens(&principal, query::page(query.limit, query.cursor, DEFAULT_PAGE)).await?;
    Ok(page::respond(&request, page, ApiTokenBody::from))
}

/// Delete an API token. It is revoked at once.
#[utoipa::path(
    delete, path = "/auth/tokens/{id}", tag = "Accounts", operation_id = "delete_token", params(ApiTokenPath),
    responses((status = 204, description = "The token is revoked.")),
)]
pub(crate) async fn delete(
    accounts: Data<AccountService>,
    principal: ReqData<Principal>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = path::parse(&request, "id").ok_or(RequestError::ApiTokenNotFound)?;
    accounts.delete_api_token(&principal, id).await?;
    Ok(HttpResponse::NoContent().finish())
}
