//! Metrics of language models. The labels are the configured providers and models.

use prometheus::{HistogramVec, IntCounterVec, Registry};

use super::families::{counters, histograms};

/// Upper bounds in seconds, up to the longest `LLM_TIMEOUT`.
pub(super) const SECONDS: &[f64] = &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0];

/// Calls of models, retries included in the call that they belong to.
pub(crate) struct ModelMetrics {
    /// Ended calls, by provider, model and result.
    pub calls: IntCounterVec,
    /// Duration of calls, by provider and model.
    pub duration: HistogramVec,
    /// Time from the call to its first text or tool call, by provider and model.
    pub first_token: HistogramVec,
    /// Tokens, by provider, model and direction.
    pub tokens: IntCounterVec,
}

impl ModelMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let labels = &["provider", "model"];
        Ok(Self {
            calls: counters(
                registry,
                "doable_model_calls_total",
                "Ended calls of a language model.",
                &["provider", "model", "result"],
            )?,
            duration: histograms(
                registry,
                "doable_model_call_duration_seconds",
                "Duration of calls of a language model, with their retries.",
                labels,
                SECONDS,
            )?,
            first_token: histograms(
                registry,
                "doable_model_first_token_seconds",
                "Time from a call of a language model to its first text or tool call.",
                labels,
                SECONDS,
            )?,
            tokens: counters(
                registry,
                "doable_model_tokens_total",
                "Tokens that a language model read (input) and wrote (output).",
                &["provider", "model", "direction"],
            )?,
        })
    }
}
