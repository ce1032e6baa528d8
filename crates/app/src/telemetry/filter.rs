//! What is logged.

use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterFn, ParseError, filter_fn};

/// Our own crates, as they stand in a line's target.
pub(super) const HOUSE: [&str; 7] = ["app", "domain", "http_api", "identity", "llm", "migrations", "persistence"];

/// What is logged, in the directives of `tracing_subscriber::EnvFilter`: `info,http_api=debug`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(String);

/// The text is no [`LogFilter`].
#[derive(Debug, thiserror::Error)]
#[error("not a log filter")]
pub struct LogFilterError(#[source] ParseError);

impl LogFilter {
    /// Our own crates at info level, or at debug; libraries when they warn, and the migrations that are applied.
    pub fn standard(debug: bool) -> Self {
        let level = if debug { "debug" } else { "info" };
        let house = HOUSE.map(|name| format!(",{name}={level}")).concat();
        Self(format!("warn,sea_orm_migration=info{house}"))
    }

    pub(super) fn directives(&self) -> Result<EnvFilter, LogFilterError> {
        EnvFilter::builder().parse(&self.0).map_err(LogFilterError)
    }
}

impl FromStr for LogFilter {
    type Err = LogFilterError;

    fn from_str(text: &str) -> Result<Self, LogFilterError> {
        let filter = Self(text.to_owned());
        filter.directives().map(|_directives| filter)
    }
}

/// Lets libraries say nothing below info level, whatever the directives: at debug and trace level some of them write
/// what they are handed, and that may be a statement, a header or a body.
pub(super) fn ceiling() -> FilterFn<fn(&Metadata<'_>) -> bool> {
    let at_most: fn(&Metadata<'_>) -> bool = |metadata| *metadata.level() <= Level::INFO || is_ours(metadata.target());
    filter_fn(at_most).with_max_level_hint(LevelFilter::TRACE)
}

fn is_ours(target: &str) -> bool {
    let name = target.split_once("::").map_or(target, |(name, _)| name);
    HOUSE.contains(&name)
}
