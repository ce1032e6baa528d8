//! Rate limits, counted in this process only. The algorithm is governor's GCRA (generic cell rate algorithm, ITU-T
//! I.371): the whole quota may be used at once, and one request is restored every `window / quota`. This interval is
//! rounded down to whole nanoseconds, so the whole quota is restored after a window.

mod counts;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::runtime::Timer;
use domain::runtime::rate_limit::{RateDecision, RateKey, RateLimiter, RatePolicy};
use governor::clock::{self, Clock as _, Reference as _};
use governor::middleware::{NoOpMiddleware, RateLimitingMiddleware, StateSnapshot};
use governor::nanos::Nanos;
use governor::{NotUntil, Quota};

use counts::Counts;

/// Maximum wrong passwords at once, per account and network at sign-in, and per user who confirms a change.
const PASSWORDS: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// Wrong passwords that are restored each minute.
const PASSWORDS_PER_MINUTE: NonZeroU32 = NonZeroU32::MIN;
/// Maximum wrong passwords for an account at once, from all networks: those of ten networks. No more than 100 in a row are
/// recommended (NIST SP 800-63B-4, 3.2.2).
const ACCOUNT_PASSWORDS: NonZeroU32 = NonZeroU32::new(100).unwrap();
/// Wrong passwords for an account that are restored each minute, from all networks.
const ACCOUNT_PASSWORDS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(10).unwrap();

/// Maximum requests per minute; no limit if absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// Messages of one user to the assistant.
    pub chat: Option<NonZeroU32>,
    /// Other requests of one user.
    pub api: Option<NonZeroU32>,
    /// Failed requests without a token from one network, and registrations from one network. If absent, wrong passwords are
    /// not limited either.
    pub sign_in: Option<NonZeroU32>,
}

/// [`RateLimiter`] whose counts are those of this process.
pub struct GovernorRateLimiter {
    chat: Option<Limit>,
    api: Option<Limit>,
    sign_in_peer: Option<Limit>,
    sign_in_account_peer: Option<Limit>,
    sign_in_account: Option<Limit>,
    registration: Option<Limit>,
    own_password: Option<Limit>,
    /// Keys are stored as hashes of eight bytes, however long an email address is. Keys with equal hashes share a limit.
    /// The hash function is seeded at random, so a client cannot search for such keys.
    hasher: RandomState,
}

/// A limit with its counts.
struct Limit {
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
        let limit = |name, per_minute: Option<NonZeroU32>| Some(Limit::new(name, per_minute?, per_minute?, timer));
        let passwords = |name, quota, per_minute| limits.sign_in.map(|_| Limit::new(name, quota, per_minute, timer));
        Self {
            chat: limit("chat", limits.chat),
            api: limit("api", limits.api),
            sign_in_peer: limit("sign-in-peer", limits.sign_in),
            sign_in_account_peer: passwords("sign-in-account-peer", PASSWORDS, PASSWORDS_PER_MINUTE),
            sign_in_account: passwords("sign-in-account", ACCOUNT_PASSWORDS, ACCOUNT_PASSWORDS_PER_MINUTE),
            registration: limit("registration", limits.sign_in),
            own_password: passwords("own-password", PASSWORDS, PASSWORDS_PER_MINUTE),
            hasher: RandomState::new(),
        }
    }

    /// Returns the limit of `key`, if there is one, and the hash of `key`.
    fn find(&self, key: &RateKey) -> Option<(&Limit, u64)> {
        let limit = match key {
            RateKey::Chat(_) => &self.chat,
            RateKey::Api(_) => &self.api,
            RateKey::SignInPeer(_) => &self.sign_in_peer,
            RateKey::SignInAccountPeer(..) => &self.sign_in_account_peer,
            RateKey::SignInAccount(_) => &self.sign_in_account,
            RateKey::Registration(_) => &self.registration,
            RateKey::OwnPassword(_) => &self.own_password,
        };
        limit.as_ref().map(|limit| (limit, self.hasher.hash_one(key)))
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

impl Limit {
    /// Allows `quota` at once, and restores `per_minute`, of which `quota` is a multiple.
    fn new(name: &'static str, quota: NonZeroU32, per_minute: NonZeroU32, timer: &Arc<dyn Timer>) -> Self {
        let window = Duration::from_mins(u64::from(quota.get() / per_minute));
        let rate = Quota::per_minute(per_minute).allow_burst(quota);
        let counts = Counts::default();
        Self {
            policy: RatePolicy { name, quota: quota.get(), window },
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
