//! The metrics of one application, and their text for Prometheus (text format 0.0.4).
//!
//! Every label has a bounded number of values: none is a text of a client, a user or a model.

mod families;
mod model;
mod reading;

use std::sync::Arc;

use prometheus::{IntCounterVec, Registry, TextEncoder};

use families::counters;
pub(crate) use model::ModelMetrics;
pub(crate) use reading::{Kind, Reading};

/// The metrics of one application. Clones share them.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Registry,
    /// Calls of language models.
    pub model: Arc<ModelMetrics>,
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
    pub fn read(&self, reading: Reading) -> Result<(), prometheus::Error> {
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
