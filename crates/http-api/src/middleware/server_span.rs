//! The span of a request in traces, by OpenTelemetry's conventions for HTTP servers
//! (<https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server-span>).
//!
//! It has the route, but neither the path nor the query, a header or an address, because these contain what belongs to
//! users: ids, words and secrets.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::Error;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderMap;
use actix_web::http::{Method, Version};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use opentelemetry::global;
use opentelemetry::propagation::Extractor;
use opentelemetry::trace::TraceContextExt as _;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The header with the span of the caller (<https://www.w3.org/TR/trace-context/>).
const TRACEPARENT: &str = "traceparent";

/// Middleware: surrounds a request and its response, to the end of the body, with a span. Its parent is the span that the
/// caller names.
pub(crate) async fn record<B>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<BoxBody>, Error>
where
    B: MessageBody + 'static,
{
    let method = method_name(request.method());
    let span = tracing::info_span!(
        target: "otel",
        "request",
        otel.kind = "server",
        otel.name = method.unwrap_or("HTTP"),
        http.request.method = method.unwrap_or("_OTHER"),
        http.route = Empty,
        http.response.status_code = Empty,
        network.protocol.version = version_name(request.version()),
        url.scheme = "http",
        "error.type" = Empty,
        otel.status_code = Empty,
    );
    if span.is_disabled() {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let parent = global::get_text_map_propagator(|propagator| propagator.extract(&Caller(request.headers())));
    if let Err(error) = span.set_parent(parent) {
        // Another layer than that of traces has enabled the span.
        tracing::trace!(%error, "the span is not exported");
    }
    let response = next.call(request).instrument(span.clone()).await?.map_into_boxed_body();
    describe(&span, method.unwrap_or("HTTP"), &response);
    Ok(response.map_body(|_, body| BoxBody::new(SpannedBody { body, span })))
}

/// Adds the route and the status, which are known after the request was routed.
fn describe(span: &Span, method: &str, response: &ServiceResponse<BoxBody>) {
    let status = response.status();
    span.record("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.record("error.type", status.as_str());
        span.record("otel.status_code", "ERROR");
    }
    if let Some(route) = response.request().match_pattern() {
        span.record("http.route", route.as_str());
        span.context().span().update_name(format!("{method} {route}"));
    }
}

/// The name of a method that is in the conventions; others are text of the client.
fn method_name(method: &Method) -> Option<&'static str> {
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"]
        .into_iter()
        .find(|name| *name == method.as_str())
}

fn version_name(version: Version) -> &'static str {
    if version == Version::HTTP_10 { "1.0" } else { "1.1" }
}

/// The caller that a request's headers name. `tracestate` is not read: it would be stored with each span, and is text of
/// the client.
struct Caller<'r>(&'r HeaderMap);

impl Extractor for Caller<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let mut values = self.0.get_all(key).filter(|_| key == TRACEPARENT);
        // Several are as none (Trace Context, 3.2).
        values.next().filter(|_| values.next().is_none())?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

/// The body of a response, whose span ends with it.
struct SpannedBody {
    body: BoxBody,
    span: Span,
}

impl MessageBody for SpannedBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let Self { body, span } = self.get_mut();
        span.in_scope(|| body.as_pin_mut().poll_next(context))
    }
}
