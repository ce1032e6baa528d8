//! The limiters under test, and keys.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::runtime::ManualClock;
use domain::runtime::rate_limit::{RateDecision, RateKey, RateLimiter};
use domain::text::NormalizedText;
use rate_limit::{GovernorRateLimiter, RateLimits};
use uuid::Uuid;

use crate::server::SharedLimiter;

/// A limiter whose time a test lets pass.
pub struct Subject {
    pub limiter: Arc<dyn RateLimiter>,
    time: Time,
}

enum Time {
    Manual(Arc<ManualClock>),
    /// Of a server; with the real time of the start.
    Real(SharedLimiter, Instant),
}

pub fn limits(per_minute: u32) -> RateLimits {
    let limit = NonZeroU32::new(per_minute);
    RateLimits { chat: limit, api: limit, sign_in: limit }
}

impl Subject {
    pub fn in_process(per_minute: u32) -> Self {
        let clock = Arc::<ManualClock>::default();
        let limiter = GovernorRateLimiter::new(limits(per_minute), &(clock.clone() as Arc<_>));
        Self { limiter: Arc::new(limiter), time: Time::Manual(clock) }
    }

    /// `None` if the test has to be skipped.
    pub async fn redis(test: &str, per_minute: u32) -> anyhow::Result<Option<Self>> {
        let Some(shared) = SharedLimiter::start_or_skip(test, limits(per_minute)).await? else { return Ok(None) };
        Ok(Some(Self { limiter: Arc::new(shared.limiter.clone()), time: Time::Real(shared, Instant::now()) }))
    }

    pub async fn pass(&self, time: Duration) -> anyhow::Result<()> {
        match &self.time {
            Time::Manual(clock) => clock.advance(time),
            Time::Real(shared, _) => shared.pass(time).await?,
        }
        Ok(())
    }

    /// The time that has really passed since the start.
    pub fn elapsed(&self) -> Duration {
        match &self.time {
            Time::Manual(_) => Duration::ZERO,
            Time::Real(_, start) => start.elapsed(),
        }
    }

    pub async fn take(&self, key: &RateKey) -> RateDecision {
        self.limiter.take(key.clone()).await
    }

    pub async fn give_back(&self, key: &RateKey) {
        self.limiter.give_back(key.clone()).await;
    }

    pub async fn take_all(&self, key: &RateKey) -> u32 {
        take_all(self.limiter.as_ref(), key).await
    }

    /// Checks that `actual` is `expected` to a microsecond, less the time that has really passed.
    #[track_caller]
    pub fn assert_time(&self, actual: Duration, expected: Duration) {
        let earliest = expected.saturating_sub(self.elapsed() + Duration::from_micros(1));
        assert!((earliest..=expected).contains(&actual), "{actual:?} instead of {earliest:?} to {expected:?}");
    }
}

/// Takes until the first refusal. Returns how many were allowed.
pub async fn take_all(limiter: &dyn RateLimiter, key: &RateKey) -> u32 {
    let mut taken = 0;
    loop {
        match limiter.take(key.clone()).await {
            RateDecision::Allowed { .. } => taken += 1,
            RateDecision::Refused { .. } => return taken,
            decision => panic!("{decision:?} after {taken}"),
        }
    }
}

pub fn retry_after(decision: RateDecision) -> Duration {
    match decision {
        RateDecision::Refused { retry_after, .. } => retry_after,
        decision => panic!("{decision:?}"),
    }
}

pub fn chat(user: u128) -> RateKey {
    RateKey::Chat(Uuid::from_u128(user).into())
}

pub fn api(user: u128) -> RateKey {
    RateKey::Api(Uuid::from_u128(user).into())
}

/// Ten at once, one restored each minute.
pub fn own_password(user: u128) -> RateKey {
    RateKey::OwnPassword(Uuid::from_u128(user).into())
}

/// A hundred at once, one restored every six seconds.
pub fn account(email: &str) -> RateKey {
    RateKey::SignInAccount(NormalizedText::new(email))
}

pub fn account_from(email: &str, network: impl Into<IpAddr>) -> RateKey {
    RateKey::SignInAccountPeer(NormalizedText::new(email), Some(network.into().into()))
}

/// A key with a /64 of its own for each number.
pub fn peer(number: u64) -> RateKey {
    RateKey::SignInPeer(IpAddr::from(Ipv6Addr::from_bits(u128::from(number) << 64)).into())
}

pub fn registration() -> RateKey {
    RateKey::Registration(IpAddr::from(Ipv4Addr::LOCALHOST).into())
}
