//! Logging to standard error, in lines for people or JSON Lines. Traces are in `traces`.
//!
//! An event cannot forge a line: its text stays on the event's line, and its control characters are escaped. Secrets are
//! kept out of the log in three ways: secrets are of types that do not print them, libraries do not log below info level,
//! and tokens are redacted (`redact`) by their shape.

mod filter;
mod one_line;
mod redact;
#[cfg(test)]
pub(crate) mod tests;
mod traces;

use std::io::{self, IsTerminal as _};
use std::panic::{self, PanicHookInfo};

use tracing::Subscriber;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Layer, fmt, registry};

pub use filter::{LogFilter, LogFilterError};
use one_line::OneLine;
use redact::Redacting;
pub use redact::redacted;
pub use traces::{Traces, TracesError};

/// Reasons why logging cannot be initialized.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A subscriber has been installed before.
    #[error("logging is already initialized")]
    AlreadyInitialized(#[source] TryInitError),
    /// The filter's directives are malformed.
    #[error(transparent)]
    Filter(#[from] LogFilterError),
}

/// The format of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people, with colours unless `NO_COLOR` is set (<https://no-color.org>).
    Human,
    /// One JSON object: time, level, message, target, fields, and the spans that the event is in.
    Json,
}

/// A value of `LOG_FORMAT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// [`Format::Human`] if standard error is a terminal, else [`Format::Json`].
    Auto,
    /// [`Format::Human`].
    Text,
    /// [`Format::Json`].
    Json,
}

impl LogFormat {
    /// Returns the format of lines that are written to standard error.
    fn resolve(self) -> Format {
        match self {
            Self::Auto if io::stderr().is_terminal() => Format::Human,
            Self::Text => Format::Human,
            Self::Auto | Self::Json => Format::Json,
        }
    }
}

/// Logs events and panics to standard error, and exports spans to `traces` if there are any.
///
/// # Errors
/// [`TelemetryError`] if it is called twice.
pub fn init(filter: &LogFilter, format: LogFormat, traces: Option<&Traces>) -> Result<(), TelemetryError> {
    let (format, writer) = (format.resolve(), Redacting(io::stderr));
    let initialized = match traces {
        // Filters for each layer only where they are needed: a library that asks whether an event is enabled, and does not
        // send it, makes such a filter drop the next event of its thread, unless a filter of all layers refuses it before.
        None => subscriber(filter, format, writer)?.try_init(),
        Some(traces) => registry()
            .with(lines(format, writer).with_filter(filter_fn(|metadata| metadata.target() != traces::TARGET)))
            .with(traces.layer())
            .with(filter.directives_with_traces()?)
            .with(filter::ceiling(true))
            .try_init(),
    };
    initialized.map_err(TelemetryError::AlreadyInitialized)?;
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Creates a subscriber that writes lines to `writer` without redacting them. [`init`] redacts; tests use this to prove that
/// the types alone keep secrets out of the log.
///
/// # Errors
/// [`TelemetryError::Filter`].
pub fn subscriber<W>(
    filter: &LogFilter,
    format: Format,
    writer: W,
) -> Result<impl Subscriber + for<'span> LookupSpan<'span> + Send + Sync, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    Ok(registry().with(filter.directives()?).with(filter::ceiling(false)).with(lines(format, writer)))
}

fn lines<S, W>(format: Format, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    match format {
        Format::Human => fmt::layer().with_writer(writer).fmt_fields(OneLine::default()).boxed(),
        Format::Json => fmt::layer().with_writer(writer).json().with_current_span(false).boxed(),
    }
}

/// Logs a panic on one line. The default hook writes several, past the log.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(location, "panic: {}", panic.payload_as_str().unwrap_or("no message"));
}
