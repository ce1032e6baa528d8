//! `/metrics`: the metrics of this process, for Prometheus.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Data;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse};
use domain::runtime::with_causes;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::middleware::authentication::bearer;
use crate::monitor::Monitor;
use crate::peer::Peer;
use crate::problem::{ApiError, RequestError};

/// The path, which is logged at debug level.
pub(crate) const PATH: &str = "/metrics";

/// The media type of Prometheus' text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Who may read the metrics at an address.
#[derive(Clone, Debug)]
pub enum MetricsAccess {
    /// Nobody: there is nothing at the path.
    Nobody,
    /// Clients on this machine. For others there is nothing at the path.
    Loopback,
    /// Everybody who can reach the address.
    Everybody,
    /// Bearers of this token.
    Bearer(SecretString),
}

impl MetricsAccess {
    fn check(&self, request: &HttpRequest) -> Result<(), RequestError> {
        match self {
            Self::Everybody => Ok(()),
            Self::Loopback if request.extensions().get::<Peer>().is_some_and(|peer| peer.0.is_loopback()) => Ok(()),
            Self::Loopback | Self::Nobody => Err(RequestError::RouteNotFound),
            Self::Bearer(token) => {
                // Hashes are compared, so that the duration reveals nothing about the token.
                let hash = |text: &str| Sha256::digest(text.as_bytes());
                let is_equal = hash(bearer(request.headers())?) == hash(token.expose_secret());
                is_equal.then_some(()).ok_or(RequestError::TokenMalformed)
            }
        }
    }
}

/// Read the metrics.
///
/// In Prometheus' text format 0.0.4. Unless the server has a `METRICS_TOKEN`, which is then required as bearer token, the
/// metrics are served only outside production and to clients on the server's machine. If they have an address of their own
/// (`METRICS_ADDR`), they are not served here.
#[utoipa::path(
    get, path = "/metrics", tag = "Health", operation_id = "metrics",
    responses((status = 200, description = "The metrics.", content_type = "text/plain; version=0.0.4; charset=utf-8", body = String)),
)]
pub(crate) async fn scrape(
    access: Data<MetricsAccess>,
    monitor: Data<dyn Monitor>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    access.check(&request)?;
    let text = monitor.render().map_err(|error| ApiError::Internal(with_causes(error.as_ref())))?;
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, TEXT_FORMAT)).body(text))
}
