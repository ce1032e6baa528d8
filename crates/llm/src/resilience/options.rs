//! The options of [`ResilientClient`](super::ResilientClient) and their defaults.

use std::time::Duration;

/// Timeouts, retries and circuit breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResilienceOptions {
    /// How long a call may take.
    pub timeouts: Timeouts,
    /// When and how often a call is retried.
    pub retries: RetryOptions,
    /// When calls are rejected without an attempt.
    pub breaker: BreakerOptions,
}

/// Timeouts of a call. They end it with `LlmError::Timeout`, which is not retried. The connect timeout of the transport
/// applies within `first_event`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Maximum time from each attempt to its first event. Default: 60 s, for models that think before they answer.
    pub first_event: Duration,
    /// Maximum time between two events, while the caller waits for the second. Default: 30 s.
    pub idle: Duration,
    /// Maximum time from the first attempt to the last event, with retries, delays and a slow reader. Default: 120 s.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { first_event: Duration::from_mins(1), idle: Duration::from_secs(30), total: Duration::from_mins(2) }
    }
}

impl Timeouts {
    /// Scales the timeouts to `total`, for slow models on small machines: `first_event` is half of it, at least 60 s;
    /// `idle` a quarter, at least 30 s; neither is longer than `total`.
    pub fn from_total(total: Duration) -> Self {
        let Self { first_event, idle, .. } = Self::default();
        Self { first_event: first_event.max(total / 2).min(total), idle: idle.max(total / 4).min(total), total }
    }
}

/// Retries of a call before its first event.
///
/// The delay is random between zero and the backoff ("full jitter",
/// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>), so that calls that failed at the same
/// time are not retried at the same time. `Retry-After` is added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryOptions {
    /// Maximum number of retries of the call, whatever their reason, up to which `LlmError::RateLimited` is retried.
    /// Default: 1, because more requests prolong a rate limit.
    pub rate_limited_retries: u32,
    /// The same for `LlmError::Unavailable`. Default: 2.
    pub unavailable_retries: u32,
    /// The same for a reply whose call the provider reports as invalid. Default: 1.
    pub failed_call_retries: u32,
    /// Backoff before the first retry; doubles with each. Default: 500 ms.
    pub initial_backoff: Duration,
    /// Maximum backoff, without `Retry-After`. Default: 5 s.
    pub max_backoff: Duration,
    /// Maximum `Retry-After` that is waited for; after a longer one the call fails at once. Default: 10 s.
    pub max_retry_after: Duration,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self {
            rate_limited_retries: 1,
            unavailable_retries: 2,
            failed_call_retries: 1,
            initial_backoff: Duration::from_millis(500),
            max_backoff: Duration::from_secs(5),
            max_retry_after: Duration::from_secs(10),
        }
    }
}

/// The circuit breaker, which rejects calls that are likely to fail.
///
/// Failures are `LlmError::Unavailable`, `LlmError::Timeout` and streams that end without `Finished`. Other errors
/// count as successes, because the provider responded, and reset the number of failures. A call that the caller drops
/// counts as neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerOptions {
    /// Number of consecutive failures, of attempts, that opens the breaker; 0 is treated as 1. Default: 5.
    pub failure_threshold: u32,
    /// Time that the breaker stays open. Then it lets one call through: success closes it, failure opens it again.
    /// Default: 30 s.
    pub open_duration: Duration,
}

impl Default for BreakerOptions {
    fn default() -> Self {
        Self { failure_threshold: 5, open_duration: Duration::from_secs(30) }
    }
}
