//! What the limiter on Redis can be told.

use std::time::Duration;

use super::url::RedisUrl;
use crate::limits::RateLimits;

/// What happens to an action while Redis cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimitFallback {
    /// It is allowed. Nothing is limited, wrong passwords included.
    Allow,
    /// The process counts for itself, from zero.
    Local,
    /// It is refused.
    Refuse,
}

/// Options of [`RedisRateLimiter`](super::RedisRateLimiter).
#[derive(Clone)]
pub struct RedisOptions {
    /// The server.
    pub url: RedisUrl,
    /// The limits of this process. Those of others on the same server may differ.
    pub limits: RateLimits,
    /// What happens while the server cannot be reached.
    pub fallback: RateLimitFallback,
    /// Secret that all processes share. Keys are hashed with it, because an email address is part of some.
    pub key_secret: [u8; 32],
    /// Maximum time for one decision.
    pub deadline: Duration,
    /// Minimum time between two attempts to connect.
    pub retry_interval: Duration,
    /// Maximum time until a connection that no request uses is checked.
    pub check_interval: Duration,
}

impl RedisOptions {
    /// The usual [`deadline`](Self::deadline): many times what a server in the same network needs, and short enough for a
    /// request to wait.
    pub const DEADLINE: Duration = Duration::from_millis(250);
    /// The usual [`retry_interval`](Self::retry_interval).
    pub const RETRY_INTERVAL: Duration = Duration::from_secs(1);
    /// The usual [`check_interval`](Self::check_interval): less than the idle timeouts of servers and networks between.
    pub const CHECK_INTERVAL: Duration = Duration::from_secs(10);
}
