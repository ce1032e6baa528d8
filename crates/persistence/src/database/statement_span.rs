//! The spans of statements in traces, by OpenTelemetry's conventions for databases
//! (<https://opentelemetry.io/docs/specs/semconv/database/database-spans/>).
//!
//! A span has the text of its statements with placeholders, never their values or the message of an error, which are
//! personal data. It lasts as long as the caller waits: for a connection, for a thread and for the answer. The statements
//! of a batch have one span, because they are one request to the database.

use domain::storage::StorageError;
use futures_util::TryFutureExt as _;
use sea_orm::{DbBackend, DbErr};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

/// Maximum length of the text of statements in bytes. A batch of many rows has many placeholders.
const MAX_TEXT_BYTES: usize = 2000;

/// Maximum length of a summary in bytes, as the conventions have it.
const MAX_SUMMARY_BYTES: usize = 255;

/// Creates the span of statements that are executed together. Without traces nothing is computed.
pub(super) fn of<'s, S>(backend: DbBackend, statements: S) -> Span
where
    S: IntoIterator<Item = &'s str, IntoIter: ExactSizeIterator + Clone>,
{
    let statements = statements.into_iter();
    tracing::info_span!(
        target: "otel",
        "statement",
        otel.kind = "client",
        otel.name = summary(statements.clone()),
        db.system.name = if backend == DbBackend::Sqlite { "sqlite" } else { "postgresql" },
        db.query.summary = summary(statements.clone()),
        db.query.text = text(statements.clone()),
        db.operation.batch.size = batch_size(statements.len()),
        "error.type" = Empty,
        otel.status_code = Empty,
    )
}

/// Executes `work` in its span, which gets the kind of an error. (No `async fn`, whose future would have `work` twice.)
pub(super) fn recorded<T, E: ErrorType>(
    span: Span,
    work: impl Future<Output = Result<T, E>>,
) -> impl Future<Output = Result<T, E>> {
    work.instrument(span.clone()).inspect_err(move |error| {
        span.record("error.type", error.error_type());
        span.record("otel.status_code", "ERROR");
    })
}

/// An error that has a kind.
pub(super) trait ErrorType {
    /// The kind, without the values that a message may contain.
    fn error_type(&self) -> &'static str;
}

impl ErrorType for StorageError {
    fn error_type(&self) -> &'static str {
        match self {
            Self::Exhausted(_) => "exhausted",
            Self::Unavailable(_) => "unavailable",
            Self::Full(_) => "full",
            Self::Corrupt(_) => "corrupt",
            Self::Other(_) => "_OTHER",
        }
    }
}

impl ErrorType for DbErr {
    fn error_type(&self) -> &'static str {
        if matches!(self, Self::Conn(_) | Self::ConnectionAcquire(_)) { "unavailable" } else { "_OTHER" }
    }
}

/// The number of statements, unless it is one.
fn batch_size(size: usize) -> Option<i64> {
    i64::try_from(size).ok().filter(|size| *size > 1)
}

fn text<'s>(statements: impl Iterator<Item = &'s str>) -> String {
    joined(statements, MAX_TEXT_BYTES)
}

/// The operation and the first table of each statement, such as `SELECT tasks; INSERT changes`.
fn summary<'s>(statements: impl Iterator<Item = &'s str>) -> String {
    let summaries = statements.map(|sql| {
        let operation = sql.split_ascii_whitespace().next().unwrap_or_default();
        let begins = ["FROM \"", "INTO \"", "UPDATE \""].into_iter();
        let first = begins.filter_map(|begin| sql.find(begin).map(|at| at + begin.len())).min();
        let table = first.and_then(|at| sql[at..].split_once('"'));
        table.map_or_else(|| operation.to_owned(), |(table, _)| format!("{operation} {table}"))
    });
    joined(summaries, MAX_SUMMARY_BYTES)
}

/// Joins `parts` with semicolons until they have `limit` bytes.
fn joined(parts: impl Iterator<Item: AsRef<str>>, limit: usize) -> String {
    let mut text = String::new();
    for part in parts {
        if !text.is_empty() {
            text.push_str("; ");
        }
        let part = part.as_ref();
        text.push_str(&part[..part.floor_char_boundary(limit)]);
        if text.len() > limit {
            text.truncate(text.floor_char_boundary(limit));
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_has_operations_and_tables() {
        for (sql, expected) in [
            (r#"SELECT "id" FROM "tasks" WHERE "id" IN (SELECT "task_id" FROM "changes")"#, "SELECT tasks"),
            (r#"INSERT INTO "changes" ("seq") SELECT "change_seq" FROM "users""#, "INSERT changes"),
            (r#"UPDATE "users" SET "name" = ? WHERE EXISTS (SELECT 1 FROM "sessions")"#, "UPDATE users"),
            ("COMMIT", "COMMIT"),
            ("", ""),
            (r#"DELETE FROM "unfinished"#, "DELETE"),
        ] {
            assert_eq!(summary([sql].into_iter()), expected, "{sql}");
        }
        assert_eq!(summary([r#"DELETE FROM "a""#, r#"DELETE FROM "b""#].into_iter()), "DELETE a; DELETE b");
    }

    #[test]
    fn texts_are_cut() {
        let long = "ä".repeat(10_000);
        assert_eq!(joined([&*long].into_iter(), 3), "ä");
        assert_eq!(joined(["ab", "cd", "ef"].into_iter(), 5), "ab; c");
        assert_eq!(joined(["ab", "cd"].into_iter(), 6), "ab; cd");
        let many = std::iter::repeat_n("DELETE", 100_000);
        assert_eq!((summary(many.clone()).len(), text(many).len()), (MAX_SUMMARY_BYTES, MAX_TEXT_BYTES));
    }
}
