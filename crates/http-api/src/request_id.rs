//! The request's id, and the log line of every request.
//!
//! The line has neither the query nor a header in it, because they may hold what must not be logged, and its values are
//! fields, so that nothing in them can pass for another line.

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

/// The header that carries it.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Middleware: takes the client's id if it is sane and makes one if not, answers it, and logs the request.
pub(crate) async fn trace<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
    let id = given(&request).or_else(|| made(&request));
    let peer = request.extensions().get::<Peer>().copied();
    // The span is there at every level, so that a line about a failure always has the id in it.
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
        let begun = Instant::now();
        let mut response = next.call(request).await?;
        if let Some(id) = header {
            response.headers_mut().insert(X_REQUEST_ID, id);
        }
        let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(status = response.status().as_u16(), milliseconds, "answered");
        Ok(response)
    }
    .instrument(span)
    .await
}

fn given(request: &ServiceRequest) -> Option<RequestId> {
    request.headers().get(X_REQUEST_ID)?.to_str().ok()?.parse().ok()
}

fn made(request: &ServiceRequest) -> Option<RequestId> {
    request.app_data::<web::Data<dyn IdGenerator>>().map(|ids| ids.next().into())
}
