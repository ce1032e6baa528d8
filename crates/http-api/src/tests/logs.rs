//! What the log says: the cause of a failure once, with the request's id, and never a secret or a forged line.

use std::io::Write;
use std::sync::{Arc, Mutex};

use actix_web::http::Method;
use actix_web::test::TestRequest;
use domain::storage::StorageError;
use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

use super::{Ports, TOKEN, anonymous, ask, json};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Asks once, and returns what was logged.
async fn logged(ports: Ports, request: TestRequest, level: tracing::Level) -> String {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().json().with_max_level(level).with_writer(lines.clone()).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    ports.ask(request).await;
    drop(guard);
    let bytes = lines.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn parsed(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[actix_web::test]
async fn the_cause_of_a_failure_is_logged_once_with_the_requests_id() {
    let mut ports = Ports::new();
    let cause = std::io::Error::other("connection refused");
    ports.tasks.expect_get().return_once(|_, _| Err(StorageError::Other(cause.into()).into()));
    let request = ask(Method::GET, "/api/{user_id}/tasks/{task_id}").insert_header(("X-Request-Id", "r-1"));
    let lines = logged(ports, request, tracing::Level::ERROR).await;
    let lines = parsed(&lines);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["fields"]["cause"], "the database refused a statement: connection refused");
    assert_eq!(lines[0]["fields"]["code"], "INTERNAL_ERROR");
    assert_eq!(lines[0]["span"]["request_id"], "r-1");
}

#[actix_web::test]
async fn every_request_has_a_line_with_its_id_and_status() {
    let request = anonymous(Method::GET, "/nothing").insert_header(("X-Request-Id", "r-2"));
    let lines = logged(Ports::new(), request, tracing::Level::INFO).await;
    let lines = parsed(&lines);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let (line, span) = (&lines[0]["fields"], &lines[0]["span"]);
    assert_eq!((&line["status"], &span["method"], &span["path"]), (&404.into(), &"GET".into(), &"/nothing".into()));
    assert_eq!(span["request_id"], "r-2");
    assert!(line["milliseconds"].is_u64());
}

#[actix_web::test]
async fn no_secret_is_logged_at_any_level() {
    let mut ports = Ports::new();
    ports.hasher.expect_hash().returning(|_| panic!("cannot hash"));
    let body = r#"{"email":"ada@example.com","password":"marked-password"}"#;
    let request = json(anonymous(Method::POST, "/auth/register"), body);
    let lines = logged(ports, request, tracing::Level::TRACE).await;
    assert!(lines.contains("cannot hash"), "{lines}");
    assert!(!lines.contains("marked"), "{lines}");

    let mut ports = Ports::new();
    ports.tasks.expect_list().returning(|_, _, _| Err(StorageError::Other("x".into()).into()));
    let request = ask(Method::GET, "/api/{user_id}/tasks?search=marked-search");
    let lines = logged(ports, request, tracing::Level::TRACE).await;
    assert!(!lines.contains(TOKEN) && !lines.contains("marked"), "{lines}");

    for (body, path) in [
        (r#"{"email":"ada@example.com","password":["marked"]}"#, "/auth/login"),
        (r#"{"refresh_token":{"marked":1}}"#, "/auth/refresh"),
        (r#"{"refresh_token":"marked"#, "/auth/logout"),
    ] {
        let lines = logged(Ports::new(), json(anonymous(Method::POST, path), body), tracing::Level::TRACE).await;
        assert!(!lines.contains("marked"), "{lines}");
    }
}

#[actix_web::test]
async fn nothing_in_a_request_can_forge_a_line() {
    let evil = "%0d%0a%1b[31m{\"level\":\"ERROR\"}".replace('{', "%7B").replace('}', "%7D").replace('"', "%22");
    let request = anonymous(Method::GET, &format!("/{evil}"))
        .insert_header(("User-Agent", "a\tb"))
        .insert_header(("X-Request-Id", "a\tERROR"));
    let lines = logged(Ports::new(), request, tracing::Level::INFO).await;
    assert_eq!(parsed(&lines).len(), 1, "{lines}");
    assert!(!lines.contains('\u{1b}'), "{lines}");
}
