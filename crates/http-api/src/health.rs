//! `/health`: whether the process is up, and whether it can do its work.

use actix_web::HttpResponse;
use actix_web::web::Data;
use domain::health::Readiness;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::ApiError;

/// How the server does.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub(crate) struct HealthBody {
    /// `up`, `live` or `ready`.
    #[schema(value_type = String, example = "up")]
    status: &'static str,
}

fn answer(status: &'static str) -> HttpResponse {
    HttpResponse::Ok().json(HealthBody { status })
}

/// Tell that the server is up.
#[utoipa::path(
    get, path = "/health", tag = "Health", operation_id = "health",
    responses((status = 200, description = "It is up.", body = HealthBody)),
)]
pub(crate) async fn up() -> HttpResponse {
    answer("up")
}

/// Tell that the process lives. It does not ask the database.
#[utoipa::path(
    get, path = "/health/live", tag = "Health", operation_id = "health_live",
    responses((status = 200, description = "It lives.", body = HealthBody)),
)]
pub(crate) async fn live() -> HttpResponse {
    answer("live")
}

/// Tell whether the server can do its work.
///
/// It can when the database is reached, its migrations are current and no shutdown has begun.
#[utoipa::path(
    get, path = "/health/ready", tag = "Health", operation_id = "health_ready",
    responses((status = 200, description = "It can.", body = HealthBody)),
)]
pub(crate) async fn ready(readiness: Data<dyn Readiness>) -> Result<HttpResponse, ApiError> {
    readiness.check().await?;
    Ok(answer("ready"))
}
