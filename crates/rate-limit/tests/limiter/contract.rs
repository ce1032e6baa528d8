//! The contract, on both adapters.

use std::time::Duration;

use domain::runtime::rate_limit::{RateDecision, RateKey, RatePolicy};
use domain::text::NormalizedText;
use futures_util::future::join_all;

use crate::subject::{Subject, account, account_from, api, chat, own_password, peer, registration, retry_after};

/// Creates two tests from each function `async fn(Subject) -> anyhow::Result<()>` with its limit per minute.
macro_rules! on_both_limiters {
    ($($name:ident: $per_minute:literal),+ $(,)?) => {$(
        mod $name {
            use crate::subject::Subject;

            #[tokio::test]
            async fn in_process() -> anyhow::Result<()> {
                super::$name(Subject::in_process($per_minute)).await
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn redis() -> anyhow::Result<()> {
                match Subject::redis(stringify!($name), $per_minute).await? {
                    Some(subject) => super::$name(subject).await,
                    None => Ok(()),
                }
            }
        }
    )+};
}

on_both_limiters! {
    the_whole_quota_is_available_at_once_and_then_restored_evenly: 1_000,
    a_decision_contains_the_remaining_quota_and_the_waiting_time: 2,
    an_interval_that_is_not_a_whole_number_of_microseconds_is_rounded_up: 7,
    the_highest_quota_is_counted_exactly: 1_000_000,
    a_refused_action_is_not_counted: 2,
    users_networks_accounts_and_kinds_are_counted_separately: 3,
    an_action_that_is_given_back_is_available_to_its_key_only: 3,
    giving_back_never_exceeds_the_quota: 2,
    any_number_of_successes_does_not_restore_failures: 1_000,
    a_quota_of_zero_disables_all_limits: 0,
    concurrent_actions_do_not_exceed_the_quota: 1_000,
    concurrent_successes_neither_add_to_the_failures_nor_use_up_the_quota: 1_000,
}

const MINUTE: Duration = Duration::from_mins(1);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

async fn the_whole_quota_is_available_at_once_and_then_restored_evenly(subject: Subject) -> anyhow::Result<()> {
    let key = own_password(1);
    assert_eq!(subject.take_all(&key).await, 10);
    subject.pass(seconds(20)).await?;
    assert_eq!(subject.take_all(&key).await, 0);
    subject.pass(seconds(50)).await?;
    assert_eq!(subject.take_all(&key).await, 1);
    subject.pass(MINUTE * 5).await?;
    assert_eq!(subject.take_all(&key).await, 5);
    subject.pass(Duration::from_hours(400 * 24)).await?;
    assert_eq!(subject.take_all(&key).await, 10);
    Ok(())
}

async fn a_decision_contains_the_remaining_quota_and_the_waiting_time(subject: Subject) -> anyhow::Result<()> {
    let policy = RatePolicy { name: "chat", quota: 2, window: MINUTE };
    for (rest, full_in) in [(1, 30), (0, 60)] {
        let RateDecision::Allowed { policy: actual, remaining, reset } = subject.take(&chat(1)).await else {
            panic!("refused")
        };
        assert_eq!((actual, remaining), (policy, rest));
        subject.assert_time(reset, seconds(full_in));
    }
    let refused = subject.take(&chat(1)).await;
    assert!(matches!(refused, RateDecision::Refused { policy: actual, .. } if actual == policy), "{refused:?}");
    subject.assert_time(retry_after(refused), seconds(30));
    subject.pass(seconds(10)).await?;
    subject.assert_time(retry_after(subject.take(&chat(1)).await), seconds(20));
    subject.pass(seconds(35)).await?;
    let RateDecision::Allowed { remaining: 0, reset, .. } = subject.take(&chat(1)).await else { panic!("refused") };
    subject.assert_time(reset, seconds(45));
    Ok(())
}

async fn an_interval_that_is_not_a_whole_number_of_microseconds_is_rounded_up(subject: Subject) -> anyhow::Result<()> {
    assert_eq!(subject.take_all(&chat(1)).await, 7);
    subject.assert_time(retry_after(subject.take(&chat(1)).await), Duration::from_micros(8_571_429));
    Ok(())
}

async fn the_highest_quota_is_counted_exactly(subject: Subject) -> anyhow::Result<()> {
    let policy = RatePolicy { name: "chat", quota: 1_000_000, window: MINUTE };
    let reset = Duration::from_micros(60);
    let first = RateDecision::Allowed { policy, remaining: 999_999, reset };
    assert_eq!(subject.take(&chat(1)).await, first);
    subject.pass(seconds(1)).await?;
    assert_eq!(subject.take(&chat(1)).await, first);
    Ok(())
}

async fn a_refused_action_is_not_counted(subject: Subject) -> anyhow::Result<()> {
    assert_eq!(subject.take_all(&chat(1)).await, 2);
    for _ in 0..100 {
        subject.assert_time(retry_after(subject.take(&chat(1)).await), seconds(30));
    }
    subject.pass(seconds(30)).await?;
    assert_eq!(subject.take_all(&chat(1)).await, 1);
    Ok(())
}

async fn users_networks_accounts_and_kinds_are_counted_separately(subject: Subject) -> anyhow::Result<()> {
    let minute = |name| RatePolicy { name, quota: 3, window: MINUTE };
    let passwords = |name| RatePolicy { name, quota: 10, window: MINUTE * 10 };
    for (key, policy) in [
        (chat(1), minute("chat")),
        (chat(2), minute("chat")),
        (api(1), minute("api")),
        (api(2), minute("api")),
        (peer(1), minute("sign-in-peer")),
        (peer(2), minute("sign-in-peer")),
        (registration(), minute("registration")),
        (account("ada@example.com"), RatePolicy { name: "sign-in-account", quota: 100, window: MINUTE * 10 }),
        (account_from("Ada@example.com", [192, 0, 2, 1]), passwords("sign-in-account-peer")),
        (account_from("ada@example.com", [192, 0, 2, 2]), passwords("sign-in-account-peer")),
        (account_from("bob@example.com", [192, 0, 2, 1]), passwords("sign-in-account-peer")),
        (RateKey::SignInAccountPeer(NormalizedText::new("ada@example.com"), None), passwords("sign-in-account-peer")),
        (own_password(1), passwords("own-password")),
        (own_password(2), passwords("own-password")),
    ] {
        assert_eq!(subject.take_all(&key).await, policy.quota, "{key:?}");
        let refused = subject.take(&key).await;
        assert!(matches!(refused, RateDecision::Refused { policy: actual, .. } if actual == policy), "{refused:?}");
        subject.assert_time(retry_after(refused), policy.window / policy.quota);
    }
    assert_eq!(subject.take_all(&account_from("ada@EXAMPLE.com", [0, 0, 0, 0, 0, 0xffff, 0xc000, 0x201])).await, 0);
    Ok(())
}

async fn an_action_that_is_given_back_is_available_to_its_key_only(subject: Subject) -> anyhow::Result<()> {
    let (mine, other) = (own_password(1), own_password(2));
    assert_eq!((subject.take_all(&mine).await, subject.take_all(&other).await), (10, 10));
    for _ in 0..3 {
        subject.give_back(&mine).await;
    }
    assert_eq!((subject.take_all(&mine).await, subject.take_all(&other).await), (3, 0));
    subject.assert_time(retry_after(subject.take(&mine).await), MINUTE);
    Ok(())
}

async fn giving_back_never_exceeds_the_quota(subject: Subject) -> anyhow::Result<()> {
    // A key that is not counted.
    subject.give_back(&chat(1)).await;
    assert_eq!(subject.take_all(&chat(1)).await, 2);
    // More than were taken.
    for _ in 0..5 {
        subject.give_back(&chat(1)).await;
    }
    assert_eq!(subject.take_all(&chat(1)).await, 2);
    // Actions that have been restored in the meantime.
    subject.pass(MINUTE).await?;
    for _ in 0..2 {
        subject.give_back(&chat(1)).await;
    }
    assert_eq!(subject.take_all(&chat(1)).await, 2);
    Ok(())
}

async fn any_number_of_successes_does_not_restore_failures(subject: Subject) -> anyhow::Result<()> {
    let mut failures = 0;
    for _ in 0..50 {
        if subject.take(&own_password(1)).await.is_counted() {
            subject.give_back(&own_password(1)).await;
        }
        failures += u32::from(subject.take(&own_password(1)).await.is_counted());
    }
    assert_eq!(failures, 10);
    Ok(())
}

async fn a_quota_of_zero_disables_all_limits(subject: Subject) -> anyhow::Result<()> {
    for key in [
        chat(1),
        api(1),
        account("ada@example.com"),
        account_from("ada@example.com", [0, 0, 0, 0, 0, 0, 0, 1]),
        peer(1),
        registration(),
    ] {
        for _ in 0..200 {
            assert_eq!(subject.take(&key).await, RateDecision::Unlimited);
        }
        subject.give_back(&key).await;
    }
    assert_eq!(subject.take(&own_password(1)).await, RateDecision::Unlimited);
    Ok(())
}

/// Checks that of 100 actions, of which one is restored every 6 s, as many were taken as the time allows.
#[track_caller]
fn assert_hundred(subject: &Subject, taken: u32) {
    let restored = subject.elapsed().as_secs() / 6;
    assert!((100..=100 + restored).contains(&u64::from(taken)), "{taken}, {restored} restored");
}

async fn concurrent_actions_do_not_exceed_the_quota(subject: Subject) -> anyhow::Result<()> {
    for number in 0..5 {
        let key = account(&format!("{number}@example.com"));
        let taken = join_all((0..16).map(|_| {
            let (limiter, key) = (subject.limiter.clone(), key.clone());
            tokio::spawn(async move { crate::subject::take_all(limiter.as_ref(), &key).await })
        }));
        let taken = taken.await.into_iter().collect::<Result<Vec<_>, _>>()?;
        assert_hundred(&subject, taken.iter().sum());
    }
    Ok(())
}

async fn concurrent_successes_neither_add_to_the_failures_nor_use_up_the_quota(subject: Subject) -> anyhow::Result<()> {
    let key = account("ada@example.com");
    let kept = join_all((0..16).map(|_| {
        let (limiter, key) = (subject.limiter.clone(), key.clone());
        tokio::spawn(async move {
            let mut kept = 0;
            while limiter.take(key.clone()).await.is_counted() {
                limiter.give_back(key.clone()).await;
                kept += u32::from(limiter.take(key.clone()).await.is_counted());
            }
            kept
        })
    }));
    let kept: u32 = kept.await.into_iter().collect::<Result<Vec<_>, _>>()?.iter().sum();
    assert_hundred(&subject, kept + subject.take_all(&key).await);
    Ok(())
}
