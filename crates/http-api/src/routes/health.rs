//! `/health`: liveness and readiness.

use actix_web::HttpResponse;
use actix_web::web::Data;
use domain::runtime::readiness::Readiness;
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::ApiError;

/// The health of the server.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub(crate) struct HealthBody {
    /// `up`, `live` or `ready`.
    #[schema(value_type = String, example = "up")]
    status: &'static str,
}

fn respond(status: &'static str) -> HttpResponse {
    HttpResponse::Ok().json(HealthBody { status })
}

/// Check that the server is up.
#[utoipa::path(
    get, path = "/health", tag = "Health", operation_id = "health",
    responses((status = 200, description = "The server is up.", body = HealthBody)),
)]
pub(crate) async fn up() -> HttpResponse {
    respond("up")
}

/// Check that the process is alive, without querying the database.
#[utoipa::path(
    get, path = "/health/live", tag = "Health", operation_id = "health_live",
    responses((status = 200, description = "The process is alive.", body = HealthBody)),
)]
pub(crate) async fn live() -> HttpResponse {
    respond("live")
}

/// Check that the server is ready.
///
/// It is ready when the database is reachable, its migrations are current and the server is not shutting down.
#[utoipa::path(
    get, path = "/health/ready", tag = "Health", operation_id = "health_ready",
    responses((status = 200, description = "The server is ready.", body = HealthBody)),
)]
pub(crate) async fn ready(readiness: Data<dyn Readiness>) -> Result<HttpResponse, ApiError> {
    readiness.check().await?;
    Ok(respond("ready"))
}
