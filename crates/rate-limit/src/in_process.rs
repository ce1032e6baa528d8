//! Rate limits, counted in this process only. The algorithm is governor's GCRA (generic cell rate algorithm, ITU-T
//! I.371): the whole quota may be used at once, and one request is restored every `window / quota`. This interval is
//! rounded down to whole nanoseconds, so the whole quota is restored after a window.

mod counts;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::runtime::Timer;
use domain::runtime::rate_limit::{RateDecision, RateKey, RateLimiter, RatePolicy};
use governor::clock::{self, Clock as _, Reference as _};
use governor::middleware::{NoOpMiddleware, RateLimitingMiddleware, StateSnapshot};
use governor::nanos::Nanos;
use governor::{NotUntil, Quota};

use crate::limits::{ByKind, Limit, RateLimits};
use counts::Counts;

/// [`RateLimiter`] whose counts are those of this process.
pub struct GovernorRateLimiter {
    limits: ByKind<Counted>,
    /// Keys are stored as hashes of eight bytes, however long an email address is. Keys with equal hashes share a limit.
    /// The hash function is seeded at random, so a client cannot search for such keys.
    hasher: RandomState,
}

/// A limit with its counts.
struct Counted {
    policy: RatePolicy,
    limiter: governor::RateLimiter<u64, Counts, GovernorClock, QuotaSnapshot>,
    /// The counts of `limiter`, which can only take.
    counts: Counts,
    /// The time in which one action is restored.
    interval: Duration,
}

impl GovernorRateLimiter {
    /// Creates a limiter without counts.
    pub fn new(limits: RateLimits, timer: &Arc<dyn Timer>) -> Self {
        Self { limits: limits.map(|limit| Counted::new(limit, timer)), hasher: RandomState::new() }
    }

    /// Returns the limit of `key`, if there is one, and the hash of `key`.
    fn find(&self, key: &RateKey) -> Option<(&Counted, u64)> {
        self.limits.find(key).map(|limit| (limit, self.hasher.hash_one(key)))
    }
}

#[async_trait]
impl RateLimiter for GovernorRateLimiter {
    async fn take(&self, key: RateKey) -> RateDecision {
        self.find(&key).map_or(RateDecision::Unlimited, |(limit, key)| limit.take(key))
    }

    async fn give_back(&self, key: RateKey) {
        if let Some((limit, key)) = self.find(&key) {
            limit.counts.restore(key, limit.interval.into());
        }
    }
}

impl Counted {
    fn new(limit: Limit, timer: &Arc<dyn Timer>) -> Self {
        let Limit { policy, quota, per_minute } = limit;
        let rate = Quota::per_minute(per_minute).allow_burst(quota);
        let counts = Counts::default();
        Self {
            policy,
            limiter: governor::RateLimiter::new(rate, counts.clone(), GovernorClock(timer.clone())),
            counts,
            interval: rate.replenish_interval(),
        }
    }

    fn take(&self, key: u64) -> RateDecision {
        let policy = self.policy;
        let checked = self.limiter.check_key(&key);
        let now = self.limiter.clock().now();
        match checked {
            Ok(QuotaSnapshot { remaining, full_at }) => {
                RateDecision::Allowed { policy, remaining, reset: full_at.duration_since(now).into() }
            }
            Err(not_until) => RateDecision::Refused { policy, retry_after: not_until.wait_time_from(now) },
        }
    }
}

/// Governor's clock on the [`Timer`] port.
struct GovernorClock(Arc<dyn Timer>);

impl clock::Clock for GovernorClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}

/// The quota after a request that is allowed.
#[derive(Debug)]
struct QuotaSnapshot {
    remaining: u32,
    /// The timer's time at which the whole quota is restored.
    full_at: Nanos,
}

/// Makes governor return the quota of an allowed request.
impl RateLimitingMiddleware<Nanos> for QuotaSnapshot {
    type PositiveOutcome = Self;
    type NegativeOutcome = NotUntil<Nanos>;

    fn allow<K>(key: &K, state: impl Into<StateSnapshot>) -> Self {
        let state = state.into();
        let remaining = state.remaining_burst_capacity();
        // The time at which the whole quota is restored is exposed only through a refusal.
        let full_at = NoOpMiddleware::disallow(key, state, Nanos::default()).earliest_possible();
        Self { remaining, full_at }
    }

    fn disallow<K>(key: &K, state: impl Into<StateSnapshot>, start: Nanos) -> NotUntil<Nanos> {
        NoOpMiddleware::disallow(key, state, start)
    }
}
