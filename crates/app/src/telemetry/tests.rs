//! What a log line looks like, and what never gets into one.

use std::path::Path;
use std::sync::{Arc, Mutex};

use secrecy::SecretString;
use serde_json::Value;
use tracing::subscriber::{DefaultGuard, set_default, with_default};

use super::*;

/// A place to write log lines to.
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

/// Logs of this thread go to `log`, for people, until the guard is dropped.
pub(crate) fn captured(log: &Captured) -> DefaultGuard {
    let writer = log.clone();
    set_default(subscriber(&LogFilter::standard(false), Format::Human, move || writer.clone()).unwrap())
}

fn logged(filter: &LogFilter, format: Format, work: impl FnOnce()) -> String {
    let log = Captured::default();
    let writer = log.clone();
    with_default(subscriber(filter, format, move || writer.clone()).unwrap(), work);
    log.text()
}

/// A text that would begin a line of its own, colour it, erase what stands above and turn it round.
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
fn no_text_forges_a_line_for_people() {
    let text = logged(&LogFilter::standard(false), Format::Human, log_forgeries);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].contains("INFO") && lines[1].contains("ERROR") && lines[1].contains("failed"), "{text}");
    // Colours are the formatter's own: take them away, and no control character may be left.
    let plain = text.replace("\u{1b}[0m", "").replace("\u{1b}[1m", "").replace("\u{1b}[2m", "");
    let plain = plain.replace("\u{1b}[3m", "").replace("\u{1b}[31m", "").replace("\u{1b}[32m", "");
    let forged = plain.chars().find(|c| (c.is_control() && *c != '\n') || "\u{202e}\u{2028}".contains(*c));
    assert_eq!(forged, None, "{text:?}");
    assert!(text.contains("milk\\r\\n2026"), "{text}");
}

#[test]
fn no_text_forges_a_line_for_programs() {
    let text = logged(&LogFilter::standard(false), Format::Json, log_forgeries);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[0]["fields"]["text"], FORGERY);
    assert_eq!(lines[0]["fields"]["message"], format!("created {FORGERY}"));
    assert_eq!((&lines[0]["level"], &lines[1]["level"]), (&"INFO".into(), &"ERROR".into()));
    assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c < '\u{7f}'), "{text:?}");
}

#[test]
fn a_line_for_programs_has_time_level_target_message_fields_and_spans() {
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

fn log_everything() {
    tracing::debug!(target: "app::wiring", "house-debug");
    tracing::trace!(target: "persistence", "house-trace");
    tracing::debug!(target: "sqlx::query", statement = "SELECT 'hunter2'", "library-debug");
    tracing::trace!(target: "h2::codec", "library-trace");
    tracing::debug!(target: "application", "library-that-begins-like-ours");
    tracing::info!(target: "sqlx::query", "library-info");
    tracing::warn!(target: "sqlx::query", "library-warn");
    tracing::info!(target: "sea_orm_migration", "migration-info");
}

/// The messages that get through.
fn heard(filter: &LogFilter) -> Vec<String> {
    let text = logged(filter, Format::Json, log_everything);
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| line["fields"]["message"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn libraries_are_heard_when_they_warn_and_we_as_far_as_was_asked() {
    assert_eq!(heard(&LogFilter::standard(false)), ["library-warn", "migration-info"]);
    assert_eq!(heard(&LogFilter::standard(true)), ["house-debug", "library-warn", "migration-info"]);
    assert_eq!(heard(&"off".parse().unwrap()), [""; 0]);
}

#[test]
fn libraries_stay_silent_below_info_whatever_is_asked() {
    for everything in ["trace", "trace,sqlx=trace,h2=trace", "sqlx::query=debug,trace"] {
        let heard = heard(&everything.parse().unwrap());
        assert_eq!(heard, ["house-debug", "house-trace", "library-info", "library-warn", "migration-info"]);
    }
}

#[test]
fn every_crate_of_ours_is_known_as_ours() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for entry in crates.read_dir().unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap().replace('-', "_");
        assert!(
            filter::HOUSE.contains(&name.as_str()) || ["test_database", "test_openid"].contains(&name.as_str()),
            "{name}"
        );
    }
}

#[test]
fn a_filter_that_is_none_is_refused() {
    for bad in ["app=loud", "app=info,=,", "[", "a=b=c"] {
        assert!(bad.parse::<LogFilter>().is_err(), "{bad}");
    }
}

#[test]
fn a_secret_is_not_told_at_any_level() {
    let secret = SecretString::from("hunter2");
    let text = logged(&"trace".parse().unwrap(), Format::Json, || {
        tracing::trace!(?secret, "a secret");
    });
    assert!(text.contains("a secret") && !text.contains("hunter2"), "{text}");
}

/// Everything that makes a line, with a secret in it that no type protects.
fn log_secrets() {
    let span = tracing::info_span!("request", path = "/auth/tokens/dbl_hunter2-hunter2", token = tracing::field::Empty);
    span.record("token", "hunter2");
    let _entered = span.enter();
    tracing::info!(authorization = "Bearer hunter2", password = ?Some("hunter2"), "told password=hunter2 and more");
    tracing::warn!(target: "sqlx::query", url = %"postgres://ada:hunter2@db/todo", "a library said it");
    let error = io::Error::other(r#"{"refresh_token":"hunter2","status":1}"#);
    tracing::error!(error = &error as &dyn std::error::Error, code = "AI_ERROR", "failed");
}

#[test]
fn every_line_passes_the_last_filter() {
    for format in [Format::Human, Format::Json] {
        let text = logged(&"trace".parse().unwrap(), format, log_secrets);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(!text.contains("hunter2"), "{text}");
        for kept in ["and more", "a library said it", "dbl_[redacted]", "ada:[redacted]@db/todo", "AI_ERROR"] {
            assert!(text.contains(kept), "{kept} is not in {text}");
        }
    }
}

#[test]
fn a_panic_is_logged_without_secrets() {
    let text = logged(&LogFilter::standard(false), Format::Json, || {
        let before = panic::take_hook();
        panic::set_hook(Box::new(log_panic));
        let ended = panic::catch_unwind(|| panic!("no such password: hunter2, in {FORGERY}"));
        panic::set_hook(before);
        assert!(ended.is_err());
    });
    assert!(text.contains("panic: no such password: [redacted], in milk") && !text.contains("hunter2"), "{text}");
}

#[test]
fn the_last_word_of_the_program_tells_no_secret() {
    let said = redacted("DATABASE_URL: postgres://ada:hunter2@db cannot be opened").unwrap();
    assert_eq!(said, "DATABASE_URL: postgres://ada:[redacted]@db cannot be opened");
}
