//! The form of log lines, the filter, and redaction.

use std::path::Path;
use std::sync::{Arc, Mutex};

use secrecy::SecretString;
use serde_json::Value;
use tracing::subscriber::{DefaultGuard, set_default, with_default};

use super::*;

/// A writer that captures log lines.
#[derive(Clone, Default)]
pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Captures the events of this thread in `log` until the guard is dropped.
pub(crate) fn captured(log: &Captured) -> DefaultGuard {
    let writer = log.clone();
    set_default(subscriber(&LogFilter::standard(false), Format::Human, move || writer.clone()).unwrap())
}

fn logged(filter: &LogFilter, format: Format, work: impl FnOnce()) -> String {
    let log = Captured::default();
    let writer = log.clone();
    with_default(subscriber(filter, format, Redacting(move || writer.clone())).unwrap(), work);
    log.text()
}

/// A text that attempts to start a new line, change colours, clear the screen and reverse the direction.
const FORGERY: &str =
    "milk\r\n2026-01-01T00:00:00Z ERROR app: all tasks deleted\u{1b}[2J\u{9b}31m\u{202e}\u{2028}x\u{7f}\0";

fn log_forgeries() {
    let span = tracing::info_span!("request", title = FORGERY, late = tracing::field::Empty);
    span.record("late", FORGERY);
    let _entered = span.enter();
    tracing::info!(debugged = ?FORGERY, displayed = %FORGERY, text = FORGERY, "created {FORGERY}");
    let error = io::Error::other(FORGERY);
    tracing::error!(error = &error as &dyn std::error::Error, "failed");
}

#[test]
fn no_text_forges_a_human_line() {
    let text = logged(&LogFilter::standard(false), Format::Human, log_forgeries);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].contains("INFO") && lines[1].contains("ERROR") && lines[1].contains("failed"), "{text}");
    // Without the formatter's own colours no control character is left.
    let plain = text.replace("\u{1b}[0m", "").replace("\u{1b}[1m", "").replace("\u{1b}[2m", "");
    let plain = plain.replace("\u{1b}[3m", "").replace("\u{1b}[31m", "").replace("\u{1b}[32m", "");
    let forged = plain.chars().find(|c| (c.is_control() && *c != '\n') || "\u{202e}\u{2028}".contains(*c));
    assert_eq!(forged, None, "{text:?}");
    assert!(text.contains("milk\\r\\n2026"), "{text}");
}

#[test]
fn no_text_forges_a_json_line() {
    let text = logged(&LogFilter::standard(false), Format::Json, log_forgeries);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[0]["fields"]["text"], FORGERY);
    assert_eq!(lines[0]["fields"]["message"], format!("created {FORGERY}"));
    assert_eq!((&lines[0]["level"], &lines[1]["level"]), (&"INFO".into(), &"ERROR".into()));
    assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c < '\u{7f}'), "{text:?}");
}

#[test]
fn a_json_line_has_time_level_target_message_fields_and_spans() {
    let text = logged(&LogFilter::standard(false), Format::Json, || {
        let span = tracing::info_span!(target: "http_api", "request", request_id = "r-1");
        span.in_scope(|| tracing::warn!(target: "http_api::task", status = 503, "refused"));
    });
    let line: Value = serde_json::from_str(&text).unwrap();
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{text}");
    assert_eq!((&line["level"], &line["target"]), (&"WARN".into(), &"http_api::task".into()));
    assert_eq!((&line["fields"]["message"], &line["fields"]["status"]), (&"refused".into(), &503.into()));
    assert_eq!((&line["spans"][0]["name"], &line["spans"][0]["request_id"]), (&"request".into(), &"r-1".into()));
}

fn log_at_all_levels() {
    tracing::debug!(target: "app::wiring", "workspace-debug");
    tracing::trace!(target: "persistence", "workspace-trace");
    tracing::debug!(target: "sqlx::query", statement = "SELECT 'hunter2'", "library-debug");
    tracing::trace!(target: "h2::codec", "library-trace");
    tracing::debug!(target: "application", "library-with-a-similar-name");
    tracing::info!(target: "sqlx::query", "library-info");
    tracing::warn!(target: "sqlx::query", "library-warn");
    tracing::info!(target: "sea_orm_migration", "migration-info");
}

/// The messages that pass the filter.
fn logged_messages(filter: &LogFilter) -> Vec<String> {
    let text = logged(filter, Format::Json, log_at_all_levels);
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| line["fields"]["message"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn libraries_log_warnings_and_the_workspace_logs_at_the_requested_level() {
    assert_eq!(logged_messages(&LogFilter::standard(false)), ["library-warn"]);
    assert_eq!(logged_messages(&LogFilter::standard(true)), ["workspace-debug", "library-warn"]);
    assert_eq!(logged_messages(&"off".parse().unwrap()), [""; 0]);
}

#[test]
fn libraries_never_log_below_info() {
    for everything in ["trace", "trace,sqlx=trace,h2=trace", "sqlx::query=debug,trace"] {
        let logged = logged_messages(&everything.parse().unwrap());
        assert_eq!(logged, ["workspace-debug", "workspace-trace", "library-info", "library-warn", "migration-info"]);
    }
}

#[test]
fn the_spans_of_traces_are_in_no_line() {
    for format in [Format::Human, Format::Json] {
        let text = logged(&"trace".parse().unwrap(), format, || {
            let _request = tracing::info_span!(target: "http_api", "request", request_id = "r-1").entered();
            let _statement = tracing::info_span!(target: "otel", "statement", sql = "SELECT 1").entered();
            tracing::info!(target: "app", "inside");
        });
        assert!(text.contains("inside") && text.contains("r-1"), "{text}");
        assert!(!text.contains("statement") && !text.contains("SELECT"), "{text}");
    }
}

#[test]
fn every_crate_of_the_workspace_is_listed() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for entry in crates.read_dir().unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap().replace('-', "_");
        assert!(
            filter::WORKSPACE_CRATES.contains(&name.as_str())
                || ["bench", "test_database", "test_openid"].contains(&name.as_str()),
            "{name}"
        );
    }
}

#[test]
fn a_malformed_filter_is_rejected() {
    for bad in ["app=loud", "app=info,=,", "[", "a=b=c"] {
        assert!(bad.parse::<LogFilter>().is_err(), "{bad}");
    }
}

#[test]
fn a_secret_type_prints_no_secret_at_any_level() {
    let secret = SecretString::from("hunter2");
    let text = logged(&"trace".parse().unwrap(), Format::Json, || {
        tracing::trace!(?secret, "a secret");
    });
    assert!(text.contains("a secret") && !text.contains("hunter2"), "{text}");
}

/// Logs a token in every part of a line.
fn log_tokens() {
    let span = tracing::info_span!("request", path = "/auth/tokens/dbl_hunter2-hunter2", late = tracing::field::Empty);
    span.record("late", "Bearer hunter-2");
    let _entered = span.enter();
    tracing::info!(authorization = "Bearer hunter-2", "sent dbl_hunter2-hunter2 and more");
    tracing::warn!(target: "sqlx::query", url = %"postgres://ada:hunter2@db/todo", "a warning of a library");
    let error = io::Error::other("cookie: hunter2");
    tracing::error!(error = &error as &dyn std::error::Error, code = "AI_ERROR", "failed");
}

#[test]
fn every_part_of_a_line_is_redacted() {
    for format in [Format::Human, Format::Json] {
        let text = logged(&"trace".parse().unwrap(), format, log_tokens);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(!text.contains("hunter"), "{text}");
        for kept in ["and more", "a warning of a library", "dbl_[redacted]", "ada:[redacted]@db/todo", "failed"] {
            assert!(text.contains(kept), "{kept} is not in {text}");
        }
    }
}

#[test]
fn a_panic_is_logged_on_one_redacted_line() {
    let text = logged(&LogFilter::standard(false), Format::Json, || {
        let before = panic::take_hook();
        panic::set_hook(Box::new(log_panic));
        let result = panic::catch_unwind(|| panic!("no such token: dbl_hunter2, in {FORGERY}"));
        panic::set_hook(before);
        assert!(result.is_err());
    });
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("panic: no such token: dbl_[redacted], in milk") && !text.contains("hunter2"), "{text}");
}
