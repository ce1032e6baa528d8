//! The metrics of one application, and their text.

use std::sync::Arc;

use prometheus::{HistogramVec, IntCounterVec, Registry, TextEncoder};

use super::families::{counters, histograms};
use super::http::HttpMetrics;
use super::model::{ModelMetrics, SECONDS};
use super::reading::Reading;

/// The metrics of one application. Clones share them.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Registry,
    /// Calls of language models.
    pub model: Arc<ModelMetrics>,
    /// Requests and streams.
    pub(super) http: Arc<HttpMetrics>,
    /// Ended attempts at turns, by provider, state and failure.
    pub turns: IntCounterVec,
    /// Their duration, by provider.
    pub turn_duration: HistogramVec,
    /// Refused sign-ins, by way and reason.
    pub sign_in_failures: IntCounterVec,
    /// Executed tool calls, by tool and result.
    pub tool_calls: IntCounterVec,
    /// Refusals of the rate limiter, by policy.
    pub refusals: IntCounterVec,
}

impl Metrics {
    /// Creates metrics without observations.
    ///
    /// # Errors
    /// If two families have the same name or a name is invalid.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        Ok(Self {
            http: Arc::new(HttpMetrics::new(&registry)?),
            turns: counters(
                &registry,
                "doable_turns_total",
                "Ended turns of the assistant; a turn that is tried again counts each time.",
                &["provider", "state", "failure"],
            )?,
            turn_duration: histograms(
                &registry,
                "doable_turn_duration_seconds",
                "Duration of turns, from their start in storage to their end.",
                &["provider"],
                SECONDS,
            )?,
            sign_in_failures: counters(
                &registry,
                "doable_sign_in_failures_total",
                "Sign-ins that were refused.",
                &["way", "reason"],
            )?,
            model: Arc::new(ModelMetrics::new(&registry)?),
            tool_calls: counters(
                &registry,
                "doable_tool_calls_total",
                "Tool calls that were executed.",
                &["tool", "result"],
            )?,
            refusals: counters(
                &registry,
                "doable_rate_limit_refusals_total",
                "Actions that a rate limit refused.",
                &["policy"],
            )?,
            registry,
        })
    }

    /// Adds a family whose values are read at each scrape.
    ///
    /// # Errors
    /// If its name is invalid or taken.
    pub(super) fn read(&self, reading: Reading) -> Result<(), prometheus::Error> {
        self.registry.register(Box::new(reading))
    }

    /// Returns all metrics in the text format.
    ///
    /// # Errors
    /// If a family has no metric or an invalid name.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}
