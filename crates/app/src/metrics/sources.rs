//! Metrics that are read at each scrape from where they are kept.

use std::sync::Arc;

use llm::{BreakerState, ResilientClient};
use persistence::{Database, PoolStatus};
use rate_limit::RedisRateLimiter;

use super::reading::{Kind, Reading};
use super::registry::Metrics;
use crate::runtime::{BackgroundTasks, LocalChangeSignals, LocalTurnSignals};

/// Adds the use of the connections of `database`, each kind of them by its name.
pub(crate) fn database(metrics: &Metrics, database: &Database) -> Result<(), prometheus::Error> {
    type Column = (Kind, &'static str, &'static str, fn(&PoolStatus) -> f64);
    let columns: [Column; 5] = [
        (Kind::Gauge, "doable_database_connections_max", "Maximum number of connections.", |pool| pool.size.into()),
        (
            Kind::Gauge,
            "doable_database_connections_in_use",
            "Statements and transactions that have a connection. Pipelined ones share connections.",
            |pool| pool.in_use.into(),
        ),
        (Kind::Gauge, "doable_database_connection_waiters", "Callers that wait for a connection.", |pool| {
            pool.waiting.into()
        }),
        (
            Kind::Counter,
            "doable_database_connection_acquisitions_total",
            "Times that a connection was acquired.",
            #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
            |pool| pool.acquired as f64,
        ),
        (
            Kind::Counter,
            "doable_database_connection_wait_seconds_total",
            "Time that callers have waited for a connection.",
            |pool| pool.waited.as_secs_f64(),
        ),
    ];
    for (kind, name, help, column) in columns {
        let database = database.clone();
        let values = move || database.pools().iter().map(|pool| (vec![pool.name.to_owned()], column(pool))).collect();
        metrics.read(Reading::new(kind, name, help, &["pool"], values)?)?;
    }
    Ok(())
}

/// Adds the state of the circuit breaker of `client`, 1 for the current one.
pub(crate) fn breaker(
    metrics: &Metrics,
    provider: String,
    client: Arc<ResilientClient>,
) -> Result<(), prometheus::Error> {
    let values = move || {
        let current = client.breaker_state();
        let is_current = |state: BreakerState| if state == current { 1.0 } else { 0.0 };
        let row = |state: BreakerState| (vec![provider.clone(), state.as_str().to_owned()], is_current(state));
        BreakerState::ALL.map(row).to_vec()
    };
    metrics.read(Reading::new(
        Kind::Gauge,
        "doable_model_breaker_state",
        "Whether this is the state of the circuit breaker before a language model.",
        &["provider", "state"],
        values,
    )?)
}

/// Adds running turns, readers of live events and the work in the background.
pub(crate) fn runtime(
    metrics: &Metrics,
    turns: LocalTurnSignals,
    changes: LocalChangeSignals,
    background: Arc<BackgroundTasks>,
) -> Result<(), prometheus::Error> {
    let readers = changes.clone();
    for (name, help, value) in [
        ("doable_turns_running", "Turns that this process runs.", {
            Box::new(move || Some(count(turns.open_turns()))) as Box<dyn Fn() -> Option<f64> + Send + Sync>
        }),
        (
            "doable_change_readers",
            "Open subscriptions to changes of this process.",
            Box::new(move || Some(count(readers.readers()))),
        ),
        (
            "doable_change_poll_age_seconds",
            "Time since the ledger was last polled for changes of other processes with success. Live events may be this late.",
            Box::new(move || changes.poll_age().map(|age| age.as_secs_f64())),
        ),
        (
            "doable_background_tasks",
            "Tasks in the background: turns, and small writes that no request waits for.",
            Box::new(move || Some(count(background.running()))),
        ),
    ] {
        metrics.read(Reading::single(Kind::Gauge, name, help, value)?)?;
    }
    Ok(())
}

/// Adds whether the counts of `limiter` are reached, and how often they were not.
pub(crate) fn shared_limiter(metrics: &Metrics, limiter: &RedisRateLimiter) -> Result<(), prometheus::Error> {
    let (connected, decisions) = (limiter.clone(), limiter.clone());
    let help = "Whether the counts of rate limits at REDIS_URL are reached.";
    metrics.read(Reading::single(Kind::Gauge, "doable_rate_limit_redis_up", help, move || {
        Some(if connected.is_connected() { 1.0 } else { 0.0 })
    })?)?;
    let help = "Actions that RATE_LIMIT_FALLBACK has decided, because the counts at REDIS_URL were not reached.";
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
    let fallbacks = move || Some(decisions.decisions_without_redis() as f64);
    metrics.read(Reading::single(Kind::Counter, "doable_rate_limit_fallbacks_total", help, fallbacks)?)
}

/// Adds the version of this build, with the value 1.
pub(crate) fn build(metrics: &Metrics, database: &'static str) -> Result<(), prometheus::Error> {
    let values = move || vec![(vec![env!("CARGO_PKG_VERSION").to_owned(), database.to_owned()], 1.0)];
    let help = "The version of this server and its kind of database.";
    metrics.read(Reading::new(Kind::Gauge, "doable_build_info", help, &["version", "database"], values)?)
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn count(number: usize) -> f64 {
    number as f64
}
