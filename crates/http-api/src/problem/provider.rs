//! Problems of the assistant's provider.

use std::time::Duration;

use super::code::Code;
use super::details::Problem;

/// `Retry-After` when a provider limits requests without saying for how long.
const AI_RETRY_AFTER: Duration = Duration::from_secs(30);

/// `Retry-After` when the quota at the provider is used up: no client shall expect an answer soon.
const QUOTA_RETRY_AFTER: Duration = Duration::from_hours(1);

/// The provider limits the rate of requests.
pub(super) fn busy(retry_after: Option<Duration>) -> Problem {
    Problem::new(Code::AiUnavailable).with_retry_after(retry_after.unwrap_or(AI_RETRY_AFTER))
}

/// Only the operator of the server or a new month can change it.
pub(super) fn quota_exhausted() -> Problem {
    Problem::new(Code::AiUnavailable)
        .with_message("The assistant is not available: the server's quota at its provider is used up")
        .with_retry_after(QUOTA_RETRY_AFTER)
}

/// Names the setting, because only the operator of the server can fix it.
pub(super) fn model_retired(setting: &str) -> Problem {
    Problem::new(Code::AiError)
        .with_message(format!("The assistant's model is no longer available; set {setting} to another one"))
}
