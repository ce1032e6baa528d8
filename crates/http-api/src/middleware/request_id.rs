//! The id of a request, and the log event of every completed request.
//!
//! The event contains neither the query nor headers, because they may contain secrets. Its values are fields, so they
//! cannot forge another line.

use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, web};
use domain::change::RequestId;
use domain::runtime::IdGenerator;
use tracing::Instrument as _;

use crate::peer::Peer;

/// The header with the id of the request.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Middleware: takes the client's id if it is valid and generates one otherwise, returns it, and logs the request.
pub(crate) async fn trace<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
    let id = from_header(&request).or_else(|| generate(&request));
    let peer = request.extensions().get::<Peer>().copied();
    // At the level ERROR, so that error events have the request id at every log level.
    let span = tracing::error_span!(
        "request",
        request_id = id.as_ref().map(RequestId::as_str),
        method = request.method().as_str(),
        path = request.path(),
        peer = peer.map(|Peer(address)| display(address)),
    );
    let header = id.as_ref().and_then(|id| HeaderValue::from_str(id.as_str()).ok());
    if let Some(id) = id {
        request.extensions_mut().insert(id);
    }
    async move {
        let started = Instant::now();
        let mut response = next.call(request).await?;
        if let Some(id) = header {
            response.headers_mut().insert(X_REQUEST_ID, id);
        }
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(status = response.status().as_u16(), milliseconds, "request completed");
        Ok(response)
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
