//! The limits, on a manual clock.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::thread;

use domain::runtime::ManualClock;
use domain::text::NormalizedText;
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

fn account(email: &str) -> RateKey {
    RateKey::SignInAccount(NormalizedText::new(email))
}

fn account_from(email: &str, network: &str) -> RateKey {
    let network = network.parse::<IpAddr>().unwrap();
    RateKey::SignInAccountPeer(NormalizedText::new(email), Some(network.into()))
}

/// A key with a /64 of its own for each number.
fn peer(number: u64) -> RateKey {
    RateKey::SignInPeer(IpAddr::from(Ipv6Addr::from_bits(u128::from(number) << 64)).into())
}

fn registration() -> RateKey {
    RateKey::Registration(IpAddr::from(Ipv4Addr::LOCALHOST).into())
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
fn a_refused_request_is_not_counted() {
    let fixture = Fixture::new(20);
    fixture.take_all(&chat(1));
    for _ in 0..1000 {
        assert_eq!(fixture.retry_after(&chat(1)), Duration::from_secs(3));
    }
    fixture.advance(seconds(3));
    assert_eq!(fixture.take_all(&chat(1)), 1);
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
fn users_and_limits_are_counted_separately() {
    let fixture = Fixture::new(3);
    let api = |user| RateKey::Api(Uuid::from_u128(user).into());
    let keys = [chat(1), chat(2), api(1), api(2), peer(1), peer(2), registration()];
    assert_eq!(keys.map(|key| fixture.take_all(&key)), [3; 7]);
    let policy = |key| match fixture.take(&key) {
        RateDecision::Refused { policy, .. } => (policy.name, policy.quota, policy.window),
        decision => panic!("{decision:?}"),
    };
    let minute = Duration::from_mins(1);
    assert_eq!(policy(chat(1)), ("chat", 3, minute));
    assert_eq!(policy(api(1)), ("api", 3, minute));
    assert_eq!(policy(peer(1)), ("sign-in-peer", 3, minute));
    assert_eq!(policy(registration()), ("registration", 3, minute));
}

#[test]
fn ten_wrong_passwords_and_then_one_a_minute_are_allowed_for_an_account_from_a_network() {
    let fixture = Fixture::new(1_000);
    let ada = account_from("ada@example.com", "192.0.2.1");
    assert_eq!(fixture.take_all(&account_from("Ada@example.com", "192.0.2.1")), 10);
    assert_eq!(fixture.take_all(&account_from("ada@EXAMPLE.com", "::ffff:192.0.2.1")), 0);
    assert_eq!(fixture.take_all(&account_from("ada@example.com", "192.0.2.2")), 10);
    assert_eq!(fixture.take_all(&account_from("bob@example.com", "192.0.2.1")), 10);
    assert_eq!(fixture.take_all(&RateKey::SignInAccountPeer(NormalizedText::new("ada@example.com"), None)), 10);
    assert_eq!(fixture.take_all(&RateKey::OwnPassword(Uuid::nil().into())), 10);
    let policy = RatePolicy { name: "sign-in-account-peer", quota: 10, window: Duration::from_mins(10) };
    let refused = RateDecision::Refused { policy, retry_after: Duration::from_mins(1) };
    assert_eq!(fixture.take(&ada), refused);
    fixture.advance(seconds(59));
    assert_eq!(fixture.take_all(&ada), 0);
    fixture.advance(seconds(1));
    assert_eq!(fixture.take_all(&ada), 1);
}

#[test]
fn an_account_allows_the_wrong_passwords_of_ten_networks() {
    let fixture = Fixture::new(1_000);
    assert_eq!(fixture.take_all(&account("Ada@example.com")), 100);
    assert_eq!(fixture.take_all(&account("bob@example.com")), 100);
    let policy = RatePolicy { name: "sign-in-account", quota: 100, window: Duration::from_mins(10) };
    let refused = RateDecision::Refused { policy, retry_after: seconds(6) };
    assert_eq!(fixture.take(&account("ada@example.com")), refused);
    fixture.advance(Duration::from_mins(1));
    assert_eq!(fixture.take_all(&account("ada@example.com")), 10);
}

#[test]
fn a_try_that_is_given_back_is_available_again_to_its_key_only() {
    let fixture = Fixture::new(20);
    assert_eq!((fixture.take_all(&peer(1)), fixture.take_all(&peer(2))), (20, 20));
    for _ in 0..3 {
        fixture.give_back(&peer(1));
    }
    assert_eq!((fixture.take_all(&peer(1)), fixture.take_all(&peer(2))), (3, 0));
    assert_eq!(fixture.retry_after(&peer(1)), seconds(3));
}

#[test]
fn giving_back_never_exceeds_the_quota() {
    let fixture = Fixture::new(20);
    // A key that is not counted.
    fixture.give_back(&peer(1));
    assert_eq!(fixture.take_all(&peer(1)), 20);
    // Tries that have been restored in the meantime.
    fixture.advance(seconds(60));
    for _ in 0..20 {
        fixture.give_back(&peer(1));
    }
    assert_eq!(fixture.take_all(&peer(1)), 20);
}

#[test]
fn any_number_of_successes_does_not_restore_failures() {
    let fixture = Fixture::new(20);
    let mut failures = 0;
    for _ in 0..1_000 {
        if fixture.take(&peer(1)).permitted().is_ok() {
            fixture.give_back(&peer(1));
        }
        failures += u32::from(fixture.take(&peer(1)).permitted().is_ok());
    }
    assert_eq!(failures, 20);
}

#[test]
fn a_quota_of_zero_disables_all_limits() {
    let fixture = Fixture::new(0);
    for key in [
        chat(1),
        RateKey::Api(Uuid::nil().into()),
        account("ada@example.com"),
        account_from("ada@example.com", "::1"),
        peer(1),
        registration(),
        RateKey::OwnPassword(Uuid::nil().into()),
    ] {
        for _ in 0..200 {
            assert_eq!(fixture.take(&key), RateDecision::Unlimited);
        }
        fixture.give_back(&key);
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
    let counts = fixture.limiter.sign_in_peer.unwrap().limiter.into_state_store();
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
