//! The log: the cause of a failure once with the request id, and neither secrets nor forged lines.

use std::cell::RefCell;
use std::io::Write;
use std::sync::Once;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use domain::storage::StorageError;
use futures_util::stream::{self, StreamExt as _};
use serde_json::Value;
use tracing::Level;

use crate::tests::support::{FakeLedger, ME, Ports, TOKEN, anonymous, json, signed_in};
use crate::{TrustedProxies, TrustedProxy};

thread_local! {
    /// The lines that this thread logs while they are captured. A test and its server run in one thread.
    static CAPTURED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        CAPTURED.with_borrow_mut(|lines| lines.iter_mut().for_each(|lines| lines.extend_from_slice(bytes)));
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Sends a request and returns the log lines of all levels.
async fn logged(ports: Ports, request: TestRequest) -> String {
    static INSTALLED: Once = Once::new();
    // Global, because a subscriber of one thread misses callsites that another thread has registered.
    INSTALLED.call_once(|| {
        let subscriber = tracing_subscriber::fmt().json().with_max_level(Level::TRACE).with_writer(|| Lines).finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
    CAPTURED.set(Some(Vec::new()));
    ports.send(request).await;
    String::from_utf8(CAPTURED.take().unwrap()).unwrap()
}

fn parsed(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[actix_web::test]
async fn the_cause_of_a_failure_is_logged_once_with_the_request_id() {
    let mut ports = Ports::new();
    let cause = std::io::Error::other("connection refused");
    ports.tasks.expect_get().return_once(|_, _| Err(StorageError::Other(cause.into()).into()));
    let request = signed_in(Method::GET, "/api/{user_id}/tasks/{task_id}").insert_header(("X-Request-Id", "r-1"));
    let lines = logged(ports, request).await;
    let lines: Vec<Value> = parsed(&lines).into_iter().filter(|line| line["level"] == "ERROR").collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["fields"]["cause"], "a database statement failed: connection refused");
    assert_eq!(lines[0]["fields"]["code"], "INTERNAL_ERROR");
    assert_eq!(lines[0]["span"]["request_id"], "r-1");
}

#[actix_web::test]
async fn every_request_is_logged_with_its_id_and_status() {
    let request = anonymous(Method::GET, "/nothing").insert_header(("X-Request-Id", "r-2"));
    let lines = logged(Ports::new(), request).await;
    let lines: Vec<Value> = parsed(&lines).into_iter().filter(|line| line["level"] == "INFO").collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let (line, span) = (&lines[0]["fields"], &lines[0]["span"]);
    assert_eq!((&line["status"], &span["method"], &line["route"]), (&404.into(), &"GET".into(), &"unmatched".into()));
    assert_eq!((&line["code"], &line["message"]), (&"NOT_FOUND".into(), &"request completed".into()));
    assert_eq!(span["request_id"], "r-2");
    assert_eq!(span["peer"], "0.0.0.0", "the request has no socket");
    assert!(line["milliseconds"].is_u64());
}

#[actix_web::test]
async fn the_log_names_the_route_the_user_and_the_code_and_no_text_of_the_client() {
    let tasks = "/api/{user_id}/tasks";
    let method = Method::from_bytes(b"MARKED").unwrap();
    for (request, route, method, code, user) in [
        (signed_in(Method::GET, &format!("{tasks}?limit=0&search=marked")), tasks, "GET", "VALIDATION_ERROR", true),
        (
            signed_in(Method::GET, "/api/{user_id}/tasks/marked"),
            "/api/{user_id}/tasks/{task_id}",
            "GET",
            "TASK_NOT_FOUND",
            true,
        ),
        (signed_in(method, tasks), tasks, "other", "METHOD_NOT_ALLOWED", false),
        (anonymous(Method::GET, "/marked/marked?marked=marked"), "unmatched", "GET", "NOT_FOUND", false),
        (anonymous(Method::GET, "/api/marked/tasks"), tasks, "GET", "UNAUTHORIZED", false),
    ] {
        let lines = logged(Ports::new(), request).await;
        assert!(!lines.to_lowercase().contains("marked"), "{lines}");
        let lines: Vec<Value> = parsed(&lines).into_iter().filter(|line| line["level"] == "INFO").collect();
        let fields = &lines[0]["fields"];
        assert_eq!((&fields["route"], &fields["code"]), (&route.into(), &code.into()), "{lines:?}");
        assert_eq!(lines[0]["span"]["method"], method);
        assert_eq!(fields["user_id"].as_str(), user.then_some(ME), "{lines:?}");
    }
}

#[actix_web::test]
async fn health_checks_and_scrapes_are_logged_at_debug_level() {
    for path in ["/health", "/health/live", "/metrics", "/metrics/"] {
        let lines = logged(Ports::new(), anonymous(Method::GET, path)).await;
        let completed = |level: &str| {
            parsed(&lines).iter().filter(|line| line["level"] == level && line["fields"]["route"].is_string()).count()
        };
        assert_eq!((completed("DEBUG"), completed("INFO")), (1, 0), "{path}: {lines}");
    }
}

#[actix_web::test]
async fn a_stream_is_logged_once_at_its_end() {
    let mut ports = Ports::new();
    ports.change_signals.expect_subscribe().returning(|_| stream::empty().boxed());
    FakeLedger::default().install(&mut ports);
    let request = signed_in(Method::GET, "/api/{user_id}/events").insert_header(("X-Request-Id", "r-3"));
    let lines = logged(ports, request).await;
    let lines: Vec<Value> = parsed(&lines).into_iter().filter(|line| line["level"] == "INFO").collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let (fields, span) = (&lines[0]["fields"], &lines[0]["span"]);
    assert_eq!((&fields["stream"], &fields["status"]), (&"complete".into(), &200.into()));
    assert_eq!((&fields["route"], &fields["user_id"]), (&"/api/{user_id}/events".into(), &ME.into()));
    assert_eq!(span["request_id"], "r-3");
}

#[actix_web::test]
async fn the_logged_peer_is_the_address_of_the_client() {
    for (proxies, peer) in
        [(&[] as &[&str], "192.0.2.7"), (&["10.0.0.0/8"], "192.0.2.7"), (&["192.0.2.0/24"], "203.0.113.9")]
    {
        let mut ports = Ports::new();
        let proxies: Vec<TrustedProxy> = proxies.iter().map(|proxy| proxy.parse().unwrap()).collect();
        ports.options.trusted_proxies = proxies.clone().into();
        let request = anonymous(Method::GET, "/auth/me")
            .peer_addr("192.0.2.7:40000".parse().unwrap())
            .insert_header(("X-Forwarded-For", "198.51.100.1, 203.0.113.9"))
            .insert_header(("X-Real-IP", "198.51.100.2"))
            .insert_header(("X-Client-IP", "198.51.100.3"))
            .insert_header(("Forwarded", "for=198.51.100.4"));
        let lines = logged(ports, request).await;
        let lines: Vec<Value> = parsed(&lines).into_iter().filter(|line| line["level"] == "INFO").collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(
            (&lines[0]["span"]["peer"], &lines[0]["fields"]["status"]),
            (&peer.into(), &401.into()),
            "{proxies:?}"
        );
    }
}

#[actix_web::test]
async fn a_header_from_an_unknown_proxy_is_reported_once_without_its_text() {
    let proxies = TrustedProxies::from(vec!["10.0.0.0/8".parse().unwrap()]);
    for (peer, header, reports) in [
        ("192.0.2.7:1", None, 0),
        ("10.0.0.1:1", Some("198.51.100.1"), 0),
        ("192.0.2.7:1", Some("marked"), 1),
        ("192.0.2.7:1", Some("marked"), 0),
        ("192.0.2.8:1", Some("marked"), 0),
    ] {
        let mut ports = Ports::new();
        ports.options.trusted_proxies = proxies.clone();
        let mut request = anonymous(Method::GET, "/nothing").peer_addr(peer.parse().unwrap());
        if let Some(header) = header {
            request = request.insert_header(("X-Forwarded-For", header));
        }
        let lines = logged(ports, request).await;
        assert!(!lines.contains("marked"), "{lines}");
        let warnings: Vec<_> = parsed(&lines).into_iter().filter(|line| line["level"] == "WARN").collect();
        assert_eq!(warnings.len(), reports, "{peer} {header:?}: {lines}");
        for warning in warnings {
            assert_eq!(warning["fields"]["peer"], "192.0.2.7");
            assert!(warning["fields"]["message"].as_str().unwrap().contains("TRUSTED_PROXIES"), "{warning}");
        }
    }
}

#[actix_web::test]
async fn no_secret_is_logged_at_any_level() {
    let mut ports = Ports::new();
    ports.hasher.expect_hash().returning(|_| panic!("cannot hash"));
    let body = r#"{"email":"ada@example.com","password":"marked-password"}"#;
    let request = json(anonymous(Method::POST, "/auth/register"), body);
    let lines = logged(ports, request).await;
    assert!(lines.contains("cannot hash"), "{lines}");
    assert!(!lines.contains("marked"), "{lines}");

    let mut ports = Ports::new();
    ports.tasks.expect_list().returning(|_, _, _| Err(StorageError::Other("x".into()).into()));
    let request = signed_in(Method::GET, "/api/{user_id}/tasks?search=marked-search");
    let lines = logged(ports, request).await;
    assert!(!lines.contains(TOKEN) && !lines.contains("marked"), "{lines}");

    for (body, path) in [
        (r#"{"email":"ada@example.com","password":["marked"]}"#, "/auth/login"),
        (r#"{"refresh_token":{"marked":1}}"#, "/auth/refresh"),
        (r#"{"refresh_token":"marked"#, "/auth/logout"),
    ] {
        let lines = logged(Ports::new(), json(anonymous(Method::POST, path), body)).await;
        assert!(!lines.contains("marked"), "{lines}");
    }
}

#[actix_web::test]
async fn a_request_cannot_forge_a_log_line() {
    let path = "%0d%0a%1b[31m{\"level\":\"ERROR\"}".replace('{', "%7B").replace('}', "%7D").replace('"', "%22");
    let request = anonymous(Method::GET, &format!("/{path}"))
        .insert_header(("User-Agent", "a\tb"))
        .insert_header(("X-Request-Id", "a\tERROR"));
    let lines = logged(Ports::new(), request).await;
    let completed = parsed(&lines).iter().filter(|line| line["fields"]["message"] == "request completed").count();
    assert_eq!(completed, 1, "{lines}");
    assert!(!lines.contains('\u{1b}'), "{lines}");
}
