//! The id of a request, and the span that adds it to every log event of the request.
//!
//! The span contains neither path nor query nor headers, because they may contain secrets or a user's text. Its values are
//! fields, so they cannot forge another line.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, web};
use domain::change::RequestId;
use domain::runtime::IdGenerator;
use tracing::Instrument as _;

use super::completion::{PendingRequest, method_name};
use crate::monitor::Monitor;
use crate::peer::Peer;
use crate::problem::ApiError;

/// The header with the id of the request.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Middleware: takes the client's id if it is valid and generates one otherwise, returns it, and logs and reports the end
/// of the request.
pub(crate) async fn trace(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(monitor) = request.app_data::<web::Data<dyn Monitor>>() else {
        return Err(ApiError::Internal("the monitor is missing in the application data".to_owned()).into());
    };
    let method = method_name(request.method());
    let pending = PendingRequest::start(monitor.clone().into_inner(), method);
    let id = from_header(&request).or_else(|| generate(&request));
    let peer = request.extensions().get::<Peer>().copied();
    // At the level ERROR, so that error events have the request id at every log level.
    let span = tracing::error_span!(
        "request",
        request_id = id.as_ref().map(RequestId::as_str),
        method,
        peer = peer.map(|Peer(address)| display(address)),
    );
    let header = id.as_ref().and_then(|id| HeaderValue::from_str(id.as_str()).ok());
    if let Some(id) = id {
        request.extensions_mut().insert(id);
    }
    async move {
        let mut response = match next.call(request).await {
            Ok(response) => response,
            Err(error) => {
                pending.fail(&error);
                return Err(error);
            }
        };
        if let Some(id) = header {
            response.headers_mut().insert(X_REQUEST_ID, id);
        }
        Ok(pending.respond(response))
    }
    .instrument(span)
    .await
}

fn from_header(request: &ServiceRequest) -> Option<RequestId> {
    request.headers().get(X_REQUEST_ID)?.to_str().ok()?.parse().ok()
}

fn generate(request: &ServiceRequest) -> Option<RequestId> {
    request.app_data::<web::Data<dyn IdGenerator>>().map(|ids| ids.next().into())
}
