//! How long a provider may take, how often it is asked again, and when it is left alone: the options of
//! [`super::ResilientClient`], with what is good for most as their defaults.

use std::time::Duration;

/// Everything that can be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResilienceOptions {
    /// How long it may take.
    pub deadlines: Deadlines,
    /// How often it is asked again.
    pub retries: RetryOptions,
    /// When it is left alone.
    pub breaker: BreakerOptions,
}

/// How long a provider may take. What takes longer is `LlmError::Timeout`, which is not tried again. The deadline for
/// connecting is the transport's own and lies within the one for the first event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// From each request to its first event. 60 s by default: models that think are silent for long.
    pub first_event: Duration,
    /// From one event to the next, counted while somebody waits for it. 30 s by default.
    pub between_events: Duration,
    /// From the first request to the last event: retries, the waits between them and a slow reader included. 120 s by
    /// default.
    pub total: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            first_event: Duration::from_mins(1),
            between_events: Duration::from_secs(30),
            total: Duration::from_mins(2),
        }
    }
}

impl Deadlines {
    /// `total` in total. The first event may take half of it, and 60 s in any case; from one to the next, a quarter of
    /// it, and 30 s in any case; neither longer than `total`. So whoever waits longer in all, for a model that runs on a
    /// small machine, waits longer for its first word too.
    pub fn within(total: Duration) -> Self {
        let Self { first_event, between_events, .. } = Self::default();
        Self {
            first_event: first_event.max(total / 2).min(total),
            between_events: between_events.max(total / 4).min(total),
            total,
        }
    }
}

/// How often a provider is asked again before its first event, and after which wait.
///
/// The wait is drawn anew from zero to twice the last longest one ("full jitter",
/// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>), so that callers that failed together
/// do not come back together. What the provider says in `Retry-After` comes on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryOptions {
    /// The most retries, those after other errors counted, with which `LlmError::RateLimited` is still tried again.
    /// 1 by default: whoever asks to slow down is not helped by insistence.
    pub rate_limited: u32,
    /// The same for `LlmError::Unavailable`. 2 by default.
    pub unavailable: u32,
    /// The longest wait before the first retry; it doubles with each. 500 ms by default.
    pub first_wait: Duration,
    /// The longest wait of all, `Retry-After` aside. 5 s by default.
    pub longest_wait: Duration,
    /// The longest `Retry-After` that is waited for. A longer one is handed to the caller at once. 10 s by default.
    pub longest_retry_after: Duration,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self {
            rate_limited: 1,
            unavailable: 2,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(5),
            longest_retry_after: Duration::from_secs(10),
        }
    }
}

/// When a provider that keeps failing is left alone, so that callers need not wait for what will fail.
///
/// Failures are `LlmError::Unavailable`, `LlmError::Timeout` and a stream that ends before it is finished. The other
/// errors are answers: a provider that says 429, refuses the key or talks nonsense is there, and so they end a row of
/// failures. An answer that its caller dropped counts as neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerOptions {
    /// So many failures in a row, each try counted, open the breaker; 0 counts as 1. 5 by default.
    pub failures: u32,
    /// So long an open breaker refuses every call. Then one is let through: if that is answered the breaker closes, if
    /// it fails the breaker opens again. 30 s by default.
    pub open_for: Duration,
}

impl Default for BreakerOptions {
    fn default() -> Self {
        Self { failures: 5, open_for: Duration::from_secs(30) }
    }
}
