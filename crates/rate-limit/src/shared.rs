//! Rate limits whose counts are those of all processes on one Redis or Valkey server. What happens while it cannot be
//! reached is a setting ([`RateLimitFallback`]).

mod bucket;
mod connection;
mod error;
mod keys;
mod options;
mod outage_log;
mod url;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use domain::runtime::Timer;
use domain::runtime::rate_limit::{RateDecision, RateKey, RateLimiter};

use crate::in_process::GovernorRateLimiter;
use crate::limits::{ByKind, Limit};
use bucket::{Bucket, Change};
use connection::Connection;
use keys::KeyNames;
use outage_log::OutageLog;

pub use error::RedisOptionsError;
pub use options::{RateLimitFallback, RedisOptions};
pub use url::{RedisUrl, RedisUrlError};

/// [`RateLimiter`] whose counts are on a Redis or Valkey server. Clones share the connection.
///
/// A request never waits for a connection: [`stay_connected`](Self::stay_connected) makes one in the background.
#[derive(Clone)]
pub struct RedisRateLimiter(Arc<Inner>);

struct Inner {
    limits: ByKind<Limit>,
    keys: KeyNames,
    connection: Connection,
    fallback: Fallback,
    undecided: AtomicU64,
}

/// [`RateLimitFallback`] with the counts that it needs.
enum Fallback {
    Allow,
    Local(Box<GovernorRateLimiter>),
    Refuse,
}

impl RedisRateLimiter {
    /// Creates a limiter that is not connected.
    ///
    /// # Errors
    /// [`RedisOptionsError`] if the file with the certificates cannot be read.
    pub fn new(options: &RedisOptions, timer: &Arc<dyn Timer>) -> Result<Self, RedisOptionsError> {
        let fallback = match options.fallback {
            RateLimitFallback::Allow => Fallback::Allow,
            RateLimitFallback::Local => Fallback::Local(Box::new(GovernorRateLimiter::new(options.limits, timer))),
            RateLimitFallback::Refuse => Fallback::Refuse,
        };
        Ok(Self(Arc::new(Inner {
            limits: options.limits.map(|limit| limit),
            keys: KeyNames::new(&options.key_secret),
            connection: Connection::new(options)?,
            fallback,
            undecided: AtomicU64::new(0),
        })))
    }

    /// Connects, and connects again after each failure. Never returns. Failures are logged at most once per minute.
    pub async fn stay_connected(self) {
        let Inner { connection, fallback, undecided, .. } = &*self.0;
        let mut log = OutageLog::new(connection.description(), fallback.effect());
        connection.maintain(|outcome| log.record(outcome, undecided.load(Ordering::Relaxed))).await;
    }

    /// Waits until the first attempt to connect of [`stay_connected`](Self::stay_connected) has ended, which takes a few
    /// seconds at most.
    pub async fn attempted(&self) {
        self.0.connection.attempted().await;
    }

    /// Whether there is a connection that has not failed.
    pub fn is_connected(&self) -> bool {
        self.0.connection.is_up()
    }

    /// Number of actions since the start that were decided by [`RateLimitFallback`].
    pub fn decisions_without_redis(&self) -> u64 {
        self.0.undecided.load(Ordering::Relaxed)
    }

    /// Changes the count of `key`. `None` if the server cannot be reached.
    async fn change(&self, limit: &Limit, key: &RateKey, change: Change) -> Option<Bucket> {
        self.0.connection.change(limit, &self.0.keys.name(limit, key), change).await
    }
}

#[async_trait]
impl RateLimiter for RedisRateLimiter {
    async fn take(&self, key: RateKey) -> RateDecision {
        let Some(limit) = self.0.limits.find(&key) else { return RateDecision::Unlimited };
        let policy = limit.policy;
        match self.change(limit, &key, Change::Take).await {
            Some(Bucket { allowed: true, remaining, wait }) => RateDecision::Allowed { policy, remaining, reset: wait },
            Some(Bucket { allowed: false, wait, .. }) => RateDecision::Refused { policy, retry_after: wait },
            None => {
                self.0.undecided.fetch_add(1, Ordering::Relaxed);
                match &self.0.fallback {
                    Fallback::Allow => RateDecision::Unlimited,
                    Fallback::Local(limiter) => limiter.take(key).await,
                    Fallback::Refuse => RateDecision::Unavailable,
                }
            }
        }
    }

    /// If the server has become reachable or unreachable since the action was taken, one more or one less is counted.
    async fn give_back(&self, key: RateKey) {
        let Some(limit) = self.0.limits.find(&key) else { return };
        let changed = self.change(limit, &key, Change::GiveBack).await;
        if let (None, Fallback::Local(limiter)) = (changed, &self.0.fallback) {
            limiter.give_back(key).await;
        }
    }
}

impl Fallback {
    /// What happens to requests, for the log.
    fn effect(&self) -> &'static str {
        match self {
            Self::Allow => "requests are not limited",
            Self::Local(_) => "this process counts for itself",
            Self::Refuse => "requests are refused",
        }
    }
}
