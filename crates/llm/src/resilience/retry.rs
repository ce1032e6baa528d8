//! Whether a provider is asked again, and after which wait: pure but for the chance that is handed in.
//!
//! Deliberately not here: waiting, and whether there is still time for it.

use std::time::Duration;

use domain::llm::LlmError;

use super::RetryOptions;

/// Draws a wait from zero to the one that it is handed.
pub(super) type Jitter = Box<dyn Fn(Duration) -> Duration + Send + Sync>;

/// The [`Jitter`] of production: each wait is as likely as any other.
pub(super) fn random_part(longest: Duration) -> Duration {
    rand::random_range(Duration::ZERO..=longest)
}

/// How long to wait after `error` before the next try, when there were `retries` already. Nothing if there is to be
/// none: the error is of another kind, there were enough, or the provider wants to be left alone for too long.
pub(super) fn wait(options: &RetryOptions, error: &LlmError, retries: u32, jitter: &Jitter) -> Option<Duration> {
    let (most, retry_after) = match error {
        LlmError::RateLimited { retry_after, .. } => (options.rate_limited, retry_after.unwrap_or_default()),
        LlmError::Unavailable(_) => (options.unavailable, Duration::ZERO),
        LlmError::Unauthorized(_) | LlmError::ModelRetired { .. } | LlmError::Timeout(_) | LlmError::BadReply(_) => {
            return None;
        }
    };
    if retries >= most || retry_after > options.longest_retry_after {
        return None;
    }
    let longest = options.first_wait.saturating_mul(2_u32.saturating_pow(retries)).min(options.longest_wait);
    Some(retry_after.saturating_add(jitter(longest).min(longest)))
}
