//! `/metrics`: who may read it.

use actix_web::http::{Method, header};
use actix_web::test::TestRequest;

use crate::MetricsAccess;
use crate::tests::support::{Ports, RecordingMonitor, TestResponse, anonymous};

const TOKEN: &str = "a-token-for-metrics";

async fn scraped(access: MetricsAccess, request: TestRequest) -> TestResponse {
    let mut ports = Ports::new();
    ports.options.metrics = access;
    ports.send(request).await
}

fn from(peer: &str) -> TestRequest {
    anonymous(Method::GET, "/metrics").peer_addr(peer.parse().unwrap())
}

#[actix_web::test]
async fn the_metrics_are_text_of_prometheus_format() {
    let response = scraped(MetricsAccess::Everybody, from("192.0.2.7:1")).await;
    assert_eq!((response.status.as_u16(), response.text.as_str()), (200, RecordingMonitor::METRICS));
    assert_eq!(response.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(response.header("cache-control"), "no-store");
}

#[actix_web::test]
async fn a_token_is_required_if_there_is_one() {
    let bearer = || MetricsAccess::Bearer(TOKEN.into());
    let with = |value: &str| from("127.0.0.1:1").insert_header((header::AUTHORIZATION, value));
    for value in ["", "Bearer", "Bearer wrong", "Basic a-token-for-metrics", &format!("Bearer {TOKEN}x")] {
        let refused = scraped(bearer(), with(value)).await;
        refused.problem(401, "UNAUTHORIZED", "");
        assert!(refused.header("www-authenticate").starts_with("Bearer"), "{value}");
        assert!(!refused.text.contains("doable_"), "{}", refused.text);
    }
    scraped(bearer(), from("127.0.0.1:1")).await.problem(401, "UNAUTHORIZED", "");
    assert_eq!(scraped(bearer(), with(&format!("Bearer {TOKEN}"))).await.text, RecordingMonitor::METRICS);
}

#[actix_web::test]
async fn without_a_token_only_clients_on_this_machine_may_read_them() {
    for peer in ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        assert_eq!(scraped(MetricsAccess::Loopback, from(peer)).await.status, 200, "{peer}");
    }
    for peer in ["192.0.2.7:1", "10.0.0.1:1", "[2001:db8::1]:1", "0.0.0.0:1"] {
        scraped(MetricsAccess::Loopback, from(peer)).await.problem(404, "NOT_FOUND", "");
    }
    // A client that a trusted proxy on this machine names is elsewhere.
    let mut ports = Ports::new();
    ports.options.metrics = MetricsAccess::Loopback;
    ports.options.trusted_proxies = vec!["127.0.0.1".parse().unwrap()].into();
    let request = from("127.0.0.1:1").insert_header(("X-Forwarded-For", "192.0.2.7"));
    ports.send(request).await.problem(404, "NOT_FOUND", "");
}

#[actix_web::test]
async fn metrics_that_are_not_served_are_like_an_unknown_path() {
    let hidden = scraped(MetricsAccess::Nobody, from("127.0.0.1:1")).await;
    let unknown = scraped(MetricsAccess::Nobody, anonymous(Method::GET, "/nothing")).await;
    assert_eq!(hidden.without_request_id(), unknown.without_request_id());
    hidden.problem(404, "NOT_FOUND", "");
}
