//! Observes the decisions of a rate limiter.

use std::sync::Arc;

use async_trait::async_trait;
use domain::runtime::rate_limit::{RateDecision, RateKey, RateLimiter};

use crate::metrics::Metrics;

/// A limiter whose refusals are counted by policy.
pub(crate) struct ObservedRateLimiter {
    inner: Arc<dyn RateLimiter>,
    metrics: Metrics,
}

impl ObservedRateLimiter {
    /// Observes `inner`.
    pub fn new(inner: Arc<dyn RateLimiter>, metrics: Metrics) -> Self {
        Self { inner, metrics }
    }
}

#[async_trait]
impl RateLimiter for ObservedRateLimiter {
    async fn take(&self, key: RateKey) -> RateDecision {
        let decision = self.inner.take(key).await;
        if let RateDecision::Refused { policy, .. } = decision {
            self.metrics.refusals.with_label_values(&[policy.name]).inc();
        }
        decision
    }

    async fn give_back(&self, key: RateKey) {
        self.inner.give_back(key).await;
    }
}
