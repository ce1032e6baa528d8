//! The filter of log events.

use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterFn, ParseError, filter_fn};

use super::traces;

/// The crates of this workspace as they appear in targets.
pub(super) const WORKSPACE_CRATES: [&str; 9] =
    ["app", "assistant", "domain", "http_api", "identity", "llm", "migrations", "persistence", "rate_limit"];

/// Directives of `tracing_subscriber::EnvFilter`, such as `info,http_api=debug`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(String);

/// The text is not a valid [`LogFilter`].
#[derive(Debug, thiserror::Error)]
#[error("not a log filter")]
pub struct LogFilterError(#[source] ParseError);

impl LogFilter {
    /// The crates of this workspace at info or debug level, libraries at warn level.
    pub fn standard(debug: bool) -> Self {
        let level = if debug { "debug" } else { "info" };
        let workspace = WORKSPACE_CRATES.map(|name| format!(",{name}={level}")).concat();
        Self(format!("warn{workspace}"))
    }

    pub(super) fn directives(&self) -> Result<EnvFilter, LogFilterError> {
        EnvFilter::builder().parse(&self.0).map_err(LogFilterError)
    }

    /// The directives, and that of the spans of traces.
    pub(super) fn directives_with_traces(&self) -> Result<EnvFilter, LogFilterError> {
        Self(format!("{},{}=info", self.0, traces::TARGET)).directives()
    }
}

impl FromStr for LogFilter {
    type Err = LogFilterError;

    fn from_str(text: &str) -> Result<Self, LogFilterError> {
        let filter = Self(text.to_owned());
        filter.directives().map(|_directives| filter)
    }
}

/// Drops events of libraries below info level regardless of the directives, because at debug and trace level some libraries
/// log statements, headers or bodies. Without traces drops their spans too.
pub(super) fn ceiling(has_traces: bool) -> FilterFn<impl Fn(&Metadata<'_>) -> bool> {
    let is_logged = move |metadata: &Metadata<'_>| {
        (*metadata.level() <= Level::INFO || is_workspace_crate(metadata.target()))
            && (has_traces || metadata.target() != traces::TARGET)
    };
    filter_fn(is_logged).with_max_level_hint(LevelFilter::TRACE)
}

fn is_workspace_crate(target: &str) -> bool {
    let name = target.split_once("::").map_or(target, |(name, _)| name);
    WORKSPACE_CRATES.contains(&name)
}
