//! The end of a request: its event in the log, and its report to the [`Monitor`].
//!
//! A request is reported when its response is ready, and logged then too, unless it is a stream: that is logged at its
//! end. Neither contains a text of the client: an unknown path or method has a fixed name.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::web::Bytes;
use actix_web::{Error, HttpMessage as _};
use domain::id::UserId;
use domain::principal::Principal;
use tracing::Span;

use crate::endpoint::RoutePattern;
use crate::monitor::{ABANDONED, CLIENT_CLOSED_REQUEST, FinishedRequest, Monitor, StreamEnding, UNMATCHED};
use crate::problem::Code;

/// The name of a method in logs and metrics. A client may make one up.
pub(crate) fn method_name(method: &Method) -> &'static str {
    const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    METHODS.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// Logs the end of a request in the current span; that of a route which machines poll at debug level.
macro_rules! log_completed {
    ($route:expr, $($fields:tt)*) => {{
        let route: &str = $route;
        if route.starts_with("/health") || route == crate::routes::metrics::PATH {
            tracing::debug!(route, $($fields)*, "request completed");
        } else {
            tracing::info!(route, $($fields)*, "request completed");
        }
    }};
}

/// A request without a response. Dropped, it was abandoned.
pub(crate) struct PendingRequest {
    /// `None` once the request is reported.
    monitor: Option<Arc<dyn Monitor>>,
    method: &'static str,
    started: Instant,
}

impl PendingRequest {
    /// Reports the beginning of a request.
    pub(crate) fn start(monitor: Arc<dyn Monitor>, method: &'static str) -> Self {
        monitor.request_started();
        Self { monitor: Some(monitor), method, started: Instant::now() }
    }

    /// Reports the response, and logs the request or, if it is a stream, its end.
    pub(crate) fn respond(mut self, response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
        let Some(monitor) = self.monitor.take() else { return response };
        let status = response.status();
        let code = response.response().extensions().get::<Code>().map_or("", |code| code.as_str());
        let user = response.request().extensions().get::<Principal>().map(|principal| principal.user);
        let pattern = response.request().app_data::<RoutePattern>().cloned();
        let route = pattern.as_ref().map_or(UNMATCHED, RoutePattern::as_str);
        self.report(monitor.as_ref(), route, status.as_str(), code);
        // The response to HEAD has no body to end.
        if response.response().body().size() != BodySize::Stream || self.method == "HEAD" {
            let (status, user_id) = (status.as_u16(), user.map(tracing::field::display));
            let code = Some(code).filter(|code| !code.is_empty());
            log_completed!(route, status, code, user_id, milliseconds = milliseconds(self.started));
            return response;
        }
        monitor.stream_started(route);
        let started = self.started;
        let open = OpenStream { monitor, pattern, status: status.as_u16(), user, started, span: Span::current() };
        response.map_body(|_, body| BoxBody::new(ObservedBody { body, open: Some(open) }))
    }

    /// Reports a request whose middleware failed.
    pub(crate) fn fail(mut self, error: &Error) {
        if let Some(monitor) = self.monitor.take() {
            let status = error.as_response_error().status_code();
            self.report(monitor.as_ref(), UNMATCHED, status.as_str(), Code::InternalError.as_str());
            let milliseconds = milliseconds(self.started);
            tracing::error!(route = UNMATCHED, status = status.as_u16(), milliseconds, cause = %error, "request failed");
        }
    }

    fn report(&self, monitor: &dyn Monitor, route: &str, status: &str, code: &'static str) {
        let (method, duration) = (self.method, self.started.elapsed());
        monitor.request_finished(&FinishedRequest { route, method, status, code, duration });
    }
}

impl Drop for PendingRequest {
    fn drop(&mut self) {
        if let Some(monitor) = self.monitor.take() {
            self.report(monitor.as_ref(), ABANDONED, CLIENT_CLOSED_REQUEST, "");
            log_completed!(ABANDONED, status = CLIENT_CLOSED_REQUEST, milliseconds = milliseconds(self.started));
        }
    }
}

/// A stream that has not ended.
struct OpenStream {
    monitor: Arc<dyn Monitor>,
    pattern: Option<RoutePattern>,
    status: u16,
    user: Option<UserId>,
    started: Instant,
    /// The span of the request, for the event at the end.
    span: Span,
}

impl OpenStream {
    fn end(self, ending: StreamEnding) {
        let Self { monitor, pattern, status, user, started, span } = self;
        let route = pattern.as_ref().map_or(UNMATCHED, RoutePattern::as_str);
        monitor.stream_ended(route, ending);
        let _entered = span.entered();
        let (user_id, milliseconds) = (user.map(tracing::field::display), milliseconds(started));
        log_completed!(route, status, user_id, milliseconds, stream = ending.as_str());
    }
}

/// The body of a stream. Dropped before its end, the client is gone.
struct ObservedBody {
    body: BoxBody,
    open: Option<OpenStream>,
}

impl MessageBody for ObservedBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        let part = this.body.as_pin_mut().poll_next(context);
        let ending = match &part {
            Poll::Pending | Poll::Ready(Some(Ok(_))) => return part,
            Poll::Ready(None) => StreamEnding::Complete,
            Poll::Ready(Some(Err(_))) => StreamEnding::Failed,
        };
        if let Some(open) = this.open.take() {
            open.end(ending);
        }
        part
    }
}

impl Drop for ObservedBody {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            open.end(StreamEnding::Disconnected);
        }
    }
}

fn milliseconds(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}
