//! Exact times, threads and memory. The contract is in `tests/limiter/contract.rs`.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::thread;

use domain::runtime::ManualClock;
use futures_util::FutureExt as _;
use uuid::Uuid;

use super::*;

struct Fixture {
    clock: Arc<ManualClock>,
    limiter: GovernorRateLimiter,
}

impl Fixture {
    fn new(per_minute: u32) -> Self {
        let clock = Arc::<ManualClock>::default();
        let limit = NonZeroU32::new(per_minute);
        let limits = RateLimits { chat: limit, api: limit, sign_in: limit };
        let limiter = GovernorRateLimiter::new(limits, &(clock.clone() as Arc<dyn Timer>));
        Self { clock, limiter }
    }

    fn advance(&self, time: Duration) {
        self.clock.advance(time);
    }

    fn take(&self, key: &RateKey) -> RateDecision {
        self.limiter.take(key.clone()).now_or_never().unwrap()
    }

    fn give_back(&self, key: &RateKey) {
        self.limiter.give_back(key.clone()).now_or_never().unwrap();
    }

    /// Takes until the first refusal. Returns how many were allowed.
    fn take_all(&self, key: &RateKey) -> u32 {
        let mut taken = 0;
        while self.take(key).permitted().is_ok() {
            taken += 1;
        }
        taken
    }

    fn retry_after(&self, key: &RateKey) -> Duration {
        match self.take(key) {
            RateDecision::Refused { retry_after, .. } => retry_after,
            decision => panic!("{decision:?}"),
        }
    }
}

fn chat(user: u128) -> RateKey {
    RateKey::Chat(Uuid::from_u128(user).into())
}

/// A key with a /64 of its own for each number.
fn peer(number: u64) -> RateKey {
    RateKey::SignInPeer(IpAddr::from(Ipv6Addr::from_bits(u128::from(number) << 64)).into())
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_whole_quota_is_available_at_once_and_then_restored_evenly() {
    let fixture = Fixture::new(20);
    assert_eq!(fixture.take_all(&chat(1)), 20);
    fixture.advance(seconds(3).saturating_sub(Duration::from_micros(1)));
    assert_eq!(fixture.take_all(&chat(1)), 0);
    fixture.advance(Duration::from_micros(1));
    assert_eq!(fixture.take_all(&chat(1)), 1);
    fixture.advance(seconds(31));
    assert_eq!(fixture.take_all(&chat(1)), 10);
    fixture.advance(Duration::from_hours(400 * 24));
    assert_eq!(fixture.take_all(&chat(1)), 20);
}

#[test]
fn a_decision_contains_the_remaining_quota_and_the_waiting_time() {
    let fixture = Fixture::new(20);
    let policy = RatePolicy { name: "chat", quota: 20, window: Duration::from_mins(1) };
    for (remaining, reset) in [(19, 3), (18, 6), (17, 9)] {
        let reset = Duration::from_secs(reset);
        assert_eq!(fixture.take(&chat(1)), RateDecision::Allowed { policy, remaining, reset });
    }
    fixture.advance(Duration::from_millis(7_500));
    let reset = Duration::from_millis(4_500);
    assert_eq!(fixture.take(&chat(1)), RateDecision::Allowed { policy, remaining: 18, reset });
    assert_eq!(fixture.take_all(&chat(1)), 18);
    let retry_after = Duration::from_millis(1_500);
    assert_eq!(fixture.take(&chat(1)), RateDecision::Refused { policy, retry_after });
    fixture.advance(seconds(1));
    assert_eq!(fixture.retry_after(&chat(1)), Duration::from_millis(500));
}

#[test]
fn an_interval_that_is_not_a_whole_number_of_seconds_is_exact() {
    for quota in [7, 19, 77, 599, 600, 9_999] {
        let fixture = Fixture::new(quota);
        assert_eq!(fixture.take_all(&chat(1)), quota);
        // At most one nanosecond early per request, in microseconds.
        let tolerance = u64::from(quota / 1_000);
        let (mut passed, mut taken) = (0, 0);
        for number in (1..=quota).step_by((quota / 7) as usize) {
            let due = 60_000_000 * u64::from(number) / u64::from(quota);
            fixture.advance(Duration::from_micros(due - tolerance - 1 - passed));
            let before = fixture.take_all(&chat(1));
            fixture.advance(Duration::from_micros(tolerance + 2));
            let after = fixture.take_all(&chat(1));
            assert!(after >= 1 && before + after == number - taken, "{number} of {quota}: {before}, then {after}");
            (passed, taken) = (due + 1, number);
        }
    }
}

#[test]
fn concurrent_requests_do_not_exceed_the_quota() {
    let fixture = Fixture::new(1_000);
    for user in 0..20 {
        let taken: u32 = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| fixture.take_all(&chat(user)))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 1_000);
    }
}

#[test]
fn concurrent_successes_neither_add_to_the_failures_nor_use_up_the_quota() {
    let fixture = Fixture::new(1_000);
    for user in 0..20 {
        let kept: u32 = thread::scope(|scope| {
            let succeed_and_fail = || {
                let mut kept = 0;
                while fixture.take(&chat(user)).permitted().is_ok() {
                    fixture.give_back(&chat(user));
                    kept += u32::from(fixture.take(&chat(user)).permitted().is_ok());
                }
                kept
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(succeed_and_fail)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(kept + fixture.take_all(&chat(user)), 1_000);
    }
}

#[test]
fn a_flood_of_keys_uses_bounded_memory_and_does_not_evict_a_key_in_use() {
    let fixture = Fixture::new(20);
    assert_eq!(fixture.take_all(&peer(0)), 20);
    for number in 1..=1_000_000 {
        assert!(fixture.take(&peer(number)).permitted().is_ok());
        if number % 1_000 == 0 {
            assert!(fixture.take(&peer(0)).permitted().is_err(), "allowed after {number}");
        }
    }
    let counts = &fixture.limiter.limits.find(&peer(0)).unwrap().counts;
    assert!(counts.len() <= Counts::CAPACITY, "{}", counts.len());
}

#[test]
fn a_key_that_is_first_used_during_a_flood_is_limited() {
    let fixture = Fixture::new(20);
    let mut taken = 0;
    for number in 1..=400_000 {
        assert!(fixture.take(&peer(number)).permitted().is_ok());
        if number >= 200_000 && number % 500 == 0 {
            taken += u32::from(fixture.take(&peer(0)).permitted().is_ok());
        }
    }
    assert_eq!(taken, 20);
}
