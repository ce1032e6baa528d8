//! What the monitor is told of requests and streams.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use actix_web::body::MessageBody as _;
use actix_web::http::{Method, header};
use actix_web::test;
use domain::account::HashError;
use futures_util::stream::{self, StreamExt as _};

use crate::middleware::completion::PendingRequest;
use crate::stream_limit::StreamLimit;
use crate::tests::support::{FakeLedger, Ports, RecordingMonitor, anonymous, json, signed_in};

const EVENTS: &str = "/api/{user_id}/events";

/// Ports whose event streams stay open, or end at once.
fn following(is_open: bool) -> Ports {
    let mut ports = Ports::new();
    ports
        .change_signals
        .expect_subscribe()
        .returning(move |_| if is_open { stream::pending().boxed() } else { stream::empty().boxed() });
    FakeLedger::default().install(&mut ports);
    ports
}

#[actix_web::test]
async fn each_request_is_reported_by_the_pattern_of_its_route() {
    let tasks = "/api/{user_id}/tasks";
    let requests = [
        (signed_in(Method::GET, &format!("{tasks}?limit=0")), "GET /api/{user_id}/tasks 400 VALIDATION_ERROR"),
        (
            signed_in(Method::GET, "/api/{user_id}/tasks/no-id/"),
            "GET /api/{user_id}/tasks/{task_id} 404 TASK_NOT_FOUND",
        ),
        (signed_in(Method::PUT, tasks), "PUT /api/{user_id}/tasks 405 METHOD_NOT_ALLOWED"),
        (anonymous(Method::GET, "/api/auth/me"), "GET /api/auth/me 401 UNAUTHORIZED"),
        (anonymous(Method::HEAD, "/health"), "HEAD /health 200"),
        (anonymous(Method::GET, "/api/anybody/made-up"), "GET unmatched 404 NOT_FOUND"),
        (anonymous(Method::GET, "/health/live/made-up"), "GET unmatched 404 NOT_FOUND"),
        (anonymous(Method::from_bytes(b"BREW").unwrap(), "/made-up"), "other unmatched 404 NOT_FOUND"),
        (
            anonymous(Method::OPTIONS, "/auth/me")
                .insert_header((header::ORIGIN, "http://localhost:3000"))
                .insert_header((header::ACCESS_CONTROL_REQUEST_METHOD, "GET")),
            "OPTIONS unmatched 200",
        ),
    ];
    for (request, expected) in requests {
        let ports = Ports::new();
        let monitor = Arc::clone(&ports.monitor);
        ports.send(request).await;
        assert_eq!(monitor.take(), ["started", expected]);
    }
}

#[actix_web::test]
async fn a_failure_of_the_server_is_reported_with_its_code() {
    let mut ports = Ports::new();
    ports.hasher.expect_hash().returning(|_| Err(HashError::Overloaded));
    let monitor = Arc::clone(&ports.monitor);
    let body = r#"{"email":"ada@example.com","password":"a password"}"#;
    ports.send(json(anonymous(Method::POST, "/auth/register"), body)).await;
    assert_eq!(monitor.take(), ["started", "POST /auth/register 503 OVERLOADED"]);

    let mut ports = Ports::new();
    ports.hasher.expect_hash().returning(|_| panic!("cannot hash"));
    let monitor = Arc::clone(&ports.monitor);
    ports.send(json(anonymous(Method::POST, "/auth/register"), body)).await;
    assert_eq!(monitor.take(), ["started", "POST /auth/register 500 INTERNAL_ERROR"]);
}

#[actix_web::test]
async fn a_stream_is_reported_at_its_beginning_and_at_its_end() {
    let ports = following(false);
    let monitor = Arc::clone(&ports.monitor);
    ports.send(signed_in(Method::GET, EVENTS)).await;
    let request = format!("GET {EVENTS} 200");
    let (begun, ended) = (format!("stream {EVENTS}"), format!("stream {EVENTS} complete"));
    assert_eq!(monitor.take(), ["started", request.as_str(), begun.as_str(), ended.as_str()]);

    let ports = following(false);
    let monitor = Arc::clone(&ports.monitor);
    ports.send(signed_in(Method::HEAD, EVENTS)).await;
    assert_eq!(monitor.take(), ["started".to_owned(), format!("HEAD {EVENTS} 200")], "HEAD begins no stream");
}

#[actix_web::test]
async fn a_stream_that_its_client_leaves_is_reported_as_disconnected() {
    let ports = following(true);
    let monitor = Arc::clone(&ports.monitor);
    let (services, options) = ports.services();
    let app =
        test::init_service(crate::app::app(crate::routes::table(), services, &options, StreamLimit::default())).await;
    let response = test::call_service(&app, signed_in(Method::GET, EVENTS).to_request()).await;
    {
        let mut body = pin!(response.into_body());
        let part = poll_fn(|context| Poll::Ready(body.as_mut().poll_next(context).is_pending())).await;
        assert!(part, "the stream is open");
        assert_eq!(monitor.take().len(), 3, "it has not ended");
    }
    assert_eq!(monitor.take(), [format!("stream {EVENTS} disconnected")]);
}

#[actix_web::test]
async fn a_request_that_is_dropped_before_its_response_is_reported_as_abandoned() {
    let monitor = Arc::new(RecordingMonitor::default());
    let pending = PendingRequest::start(monitor.clone(), "POST");
    assert_eq!(monitor.take(), ["started"]);
    drop(pending);
    assert_eq!(monitor.take(), ["POST abandoned 499"]);
}
