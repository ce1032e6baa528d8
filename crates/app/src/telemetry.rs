//! Logs: lines for people when standard error is a terminal, one JSON object a line otherwise.
//!
//! No line can be forged: whatever text gets into an event, it stays within the event's line and its characters
//! cannot move a terminal's cursor. No secret is told: what is secret is of a type that does not print itself; libraries,
//! which know nothing of that, are never heard below info level; and every line passes a last filter, which takes out what
//! has a secret's name or looks like one (`redact`).
//!
//! Deliberately not here: metrics and traces.

mod filter;
mod one_line;
mod redact;
#[cfg(test)]
pub(crate) mod tests;

use std::io::{self, IsTerminal as _};
use std::panic::{self, PanicHookInfo};

use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Layer as _, fmt, registry};

pub use filter::{LogFilter, LogFilterError};
use one_line::OneLine;
use redact::{Redacting, Rules};

/// Why logging cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Something logs already.
    #[error("logging has already begun")]
    Begun(#[source] TryInitError),
    /// The filter cannot be read.
    #[error(transparent)]
    Filter(#[from] LogFilterError),
    /// The rules of the last filter cannot be made.
    #[error("the rules that keep secrets out of the log cannot be made")]
    Rules(#[from] regex::Error),
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// For people, with colours unless `NO_COLOR` is set (<https://no-color.org>).
    Human,
    /// For programs: time, level, message, target and fields, and the spans that the event is in.
    Json,
}

/// Begins to log to standard error, panics too.
///
/// # Errors
/// [`TelemetryError`]: it can begin once.
pub fn init(filter: &LogFilter) -> Result<(), TelemetryError> {
    let format = if io::stderr().is_terminal() { Format::Human } else { Format::Json };
    subscriber(filter, format, io::stderr)?.try_init().map_err(TelemetryError::Begun)?;
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// A text without what the log would not tell either: for what is said past it.
///
/// # Errors
/// [`TelemetryError::Rules`].
pub fn redacted(text: &str) -> Result<String, TelemetryError> {
    Ok(Rules::new()?.text(text).into_owned())
}

fn subscriber<W>(filter: &LogFilter, format: Format, writer: W) -> Result<impl Subscriber + Send + Sync, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let writer = Redacting::new(writer, format, Rules::new()?);
    let lines = match format {
        Format::Human => fmt::layer().with_writer(writer).fmt_fields(OneLine::default()).boxed(),
        Format::Json => fmt::layer().with_writer(writer).json().with_current_span(false).boxed(),
    };
    Ok(registry().with(filter.directives()?).with(filter::ceiling()).with(lines))
}

/// Without this a panic would be written past the log, on several lines.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(location, "panic: {}", panic.payload_as_str().unwrap_or("no message"));
}
