//! Rate limits, counted in this process alone. The algorithm is governor's GCRA (generic cell rate algorithm, ITU-T
//! I.371): the whole quota is available at once, and one request is added each `window / quota`. This interval is rounded
//! down to whole nanoseconds, so that the quota is always complete again after a window.

mod counts;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::rate_limit::{RateDecision, RateKey, RateLimiter, RatePolicy};
use domain::runtime::Timer;
use governor::clock::{self, Clock as _, Reference as _};
use governor::middleware::{NoOpMiddleware, RateLimitingMiddleware, StateSnapshot};
use governor::nanos::Nanos;
use governor::{NotUntil, Quota};

use counts::Counts;

/// So many attempts at one account may come at once.
const ATTEMPTS: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// So many more each minute.
const ATTEMPTS_PER_MINUTE: NonZeroU32 = NonZeroU32::MIN;

/// How many requests a minute are allowed. What is absent is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// Messages of one user to the assistant.
    pub chat: Option<NonZeroU32>,
    /// Other requests of one user.
    pub api: Option<NonZeroU32>,
    /// Attempts to sign in from one network. If it is absent, attempts at one account are not limited either.
    pub sign_in: Option<NonZeroU32>,
}

/// [`RateLimiter`] within this process.
pub struct GovernorRateLimiter {
    chat: Option<Limit>,
    api: Option<Limit>,
    sign_in_account: Option<Limit>,
    sign_in_peer: Option<Limit>,
    /// Keys are kept as hashes: eight bytes each, however long somebody makes an address. The hash is keyed at random,
    /// so nobody can look for two keys with the same one; two that have it nevertheless would share a limit.
    hasher: RandomState,
}

/// One limit, and what was counted by it.
struct Limit {
    policy: RatePolicy,
    limiter: governor::RateLimiter<u64, Counts, GovernorClock, Telling>,
}

impl GovernorRateLimiter {
    /// A limiter that has counted nothing yet.
    pub fn new(limits: RateLimits, timer: &Arc<dyn Timer>) -> Self {
        let limit = |name, per_minute: Option<NonZeroU32>| Some(Limit::new(name, per_minute?, per_minute?, timer));
        let account = |_| Limit::new("sign-in-account", ATTEMPTS, ATTEMPTS_PER_MINUTE, timer);
        Self {
            chat: limit("chat", limits.chat),
            api: limit("api", limits.api),
            sign_in_account: limits.sign_in.map(account),
            sign_in_peer: limit("sign-in-peer", limits.sign_in),
            hasher: RandomState::new(),
        }
    }

    fn decide(&self, key: &RateKey) -> RateDecision {
        let limit = match key {
            RateKey::Chat(_) => &self.chat,
            RateKey::Api(_) => &self.api,
            RateKey::SignInAccount(_) => &self.sign_in_account,
            RateKey::SignInPeer(_) => &self.sign_in_peer,
        };
        limit.as_ref().map_or(RateDecision::Unlimited, |limit| limit.take(self.hasher.hash_one(key)))
    }
}

#[async_trait]
impl RateLimiter for GovernorRateLimiter {
    async fn take(&self, key: RateKey) -> RateDecision {
        self.decide(&key)
    }
}

impl Limit {
    /// `quota` at once, and then `per_minute`, of which `quota` is a multiple.
    fn new(name: &'static str, quota: NonZeroU32, per_minute: NonZeroU32, timer: &Arc<dyn Timer>) -> Self {
        let window = Duration::from_mins(u64::from(quota.get() / per_minute));
        let rate = Quota::per_minute(per_minute).allow_burst(quota);
        Self {
            policy: RatePolicy { name, quota: quota.get(), window },
            limiter: governor::RateLimiter::new(rate, Counts::default(), GovernorClock(timer.clone())),
        }
    }

    fn take(&self, key: u64) -> RateDecision {
        let policy = self.policy;
        let taken = self.limiter.check_key(&key);
        let now = self.limiter.clock().now();
        match taken {
            Ok(Taken { remaining, full_at }) => {
                RateDecision::Allowed { policy, remaining, reset: full_at.duration_since(now).into() }
            }
            Err(not_until) => RateDecision::Refused { policy, retry_after: not_until.wait_time_from(now) },
        }
    }
}

/// Governor's clock over the [`Timer`] port.
struct GovernorClock(Arc<dyn Timer>);

impl clock::Clock for GovernorClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}

/// One was counted.
struct Taken {
    /// So many more may come at once.
    remaining: u32,
    /// When the whole quota is there again, in time elapsed since the limit was made.
    full_at: Nanos,
}

/// Has governor tell what is left.
#[derive(Debug)]
struct Telling;

impl RateLimitingMiddleware<Nanos> for Telling {
    type PositiveOutcome = Taken;
    type NegativeOutcome = NotUntil<Nanos>;

    fn allow<K>(key: &K, state: impl Into<StateSnapshot>) -> Taken {
        let state = state.into();
        let remaining = state.remaining_burst_capacity();
        // A snapshot does not tell when the whole quota is there again, but one that is taken for a refusal does.
        let full_at = NoOpMiddleware::disallow(key, state, Nanos::default()).earliest_possible();
        Taken { remaining, full_at }
    }

    fn disallow<K>(key: &K, state: impl Into<StateSnapshot>, start: Nanos) -> NotUntil<Nanos> {
        NoOpMiddleware::disallow(key, state, start)
    }
}

/// Whoever panicked while it held the lock has left nothing half done.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
