//! Computes whether and after which delay a call is retried. `resilience.rs` waits.

use std::time::Duration;

use domain::llm::LlmError;

use super::options::RetryOptions;
use crate::error::ReportedError;

/// Maps a maximum delay to a delay from zero to that.
pub(super) type Jitter = Box<dyn Fn(Duration) -> Duration + Send + Sync>;

/// The [`Jitter`] of production: uniformly distributed.
pub(super) fn full_jitter(max: Duration) -> Duration {
    rand::random_range(Duration::ZERO..=max)
}

/// Returns the delay before the next attempt, after `retries` retries. `None` if the error is not retried, the retries
/// are used up, or `Retry-After` is too long.
pub(super) fn delay(options: &RetryOptions, error: &LlmError, retries: u32, jitter: &Jitter) -> Option<Duration> {
    let (max_retries, retry_after) = match error {
        LlmError::RateLimited { retry_after, .. } => (options.rate_limited_retries, retry_after.unwrap_or_default()),
        LlmError::Unavailable(_) => (options.unavailable_retries, Duration::ZERO),
        LlmError::BadReply(cause) if cause.downcast_ref().is_some_and(ReportedError::is_failed_call) => {
            (options.failed_call_retries, Duration::ZERO)
        }
        LlmError::QuotaExhausted(_)
        | LlmError::Unauthorized(_)
        | LlmError::ModelRetired { .. }
        | LlmError::Timeout(_)
        | LlmError::BadReply(_) => return None,
    };
    if retries >= max_retries || retry_after > options.max_retry_after {
        return None;
    }
    let backoff = options.initial_backoff.saturating_mul(2_u32.saturating_pow(retries)).min(options.max_backoff);
    Some(retry_after.saturating_add(jitter(backoff).min(backoff)))
}
