//! Which readers are woken, and how often storage is polled. Tests of polling pause tokio's time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::storage::StorageError;
use domain::system::MockSystemRepo;
use futures_util::{FutureExt as _, StreamExt as _};
use uuid::Uuid;

use super::*;
use crate::telemetry::tests::{Captured, captured};

fn user(n: u128) -> UserId {
    Uuid::from_u128(n).into()
}

/// The result of one poll: the head of each user, or a failure.
type Poll = Result<Vec<(UserId, u64)>, &'static str>;

/// A storage that returns `results` in order and then repeats the last one, and a counter of its polls.
fn system(results: impl IntoIterator<Item = Poll>) -> (Arc<dyn SystemRepo>, Arc<AtomicUsize>) {
    let mut results: VecDeque<_> = results.into_iter().collect();
    let polls = Arc::new(AtomicUsize::new(0));
    let mut system = MockSystemRepo::new();
    let count = polls.clone();
    system.expect_change_heads().returning(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        let result = if results.len() > 1 { results.pop_front() } else { results.front().cloned() };
        match result.unwrap() {
            Ok(heads) => Ok(heads.into_iter().map(|(user, seq)| (user, Seq(seq))).collect()),
            Err(cause) => Err(StorageError::Unavailable(cause.into())),
        }
    });
    (Arc::new(system), polls)
}

/// Lets the poller run.
async fn advance(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test]
async fn a_commit_wakes_the_readers_of_its_owner_and_no_others() {
    let signals = LocalChangeSignals::default();
    let (mut first, mut second, mut other) =
        (signals.subscribe(user(1)), signals.subscribe(user(1)), signals.subscribe(user(2)));
    signals.notify(user(1));
    signals.notify(user(3));
    assert_eq!((first.next().await, second.next().await), (Some(()), Some(())));
    assert!(other.next().now_or_never().is_none());
}

#[tokio::test]
async fn signals_that_are_not_awaited_are_merged_into_one() {
    let signals = LocalChangeSignals::default();
    signals.notify(user(1));
    let mut reader = signals.subscribe(user(1));
    assert!(reader.next().now_or_never().is_none(), "a signal before the subscription does not wake");
    let mut reader = signals.subscribe(user(1));
    for _ in 0..1000 {
        signals.notify(user(1));
    }
    assert_eq!(reader.next().await, Some(()));
    assert!(reader.next().now_or_never().is_none());
}

#[tokio::test]
async fn a_signal_between_the_subscription_and_the_first_wait_is_not_missed() {
    let signals = LocalChangeSignals::default();
    let reader = signals.subscribe(user(1));
    signals.notify(user(1));
    assert_eq!(reader.into_future().await.0, Some(()));
}

#[tokio::test]
async fn users_without_readers_are_removed() {
    let signals = LocalChangeSignals::default();
    let readers: Vec<_> = (0..100).flat_map(|n| [signals.subscribe(user(n)), signals.subscribe(user(n))]).collect();
    assert_eq!(signals.0.len(), 100);
    drop(readers);
    assert_eq!(signals.0.len(), 0);
    let (kept, dropped) = (signals.subscribe(user(1)), signals.subscribe(user(1)));
    drop(dropped);
    signals.notify(user(1));
    assert_eq!(kept.into_future().await.0, Some(()));
}

#[tokio::test]
async fn a_shutdown_ends_current_and_later_subscriptions() {
    let signals = LocalChangeSignals::default();
    let waiting = tokio::spawn(signals.subscribe(user(1)).collect::<Vec<_>>());
    let unread = signals.subscribe(user(1));
    tokio::task::yield_now().await;
    signals.shut_down();
    assert_eq!(waiting.await.unwrap(), []);
    assert_eq!(unread.collect::<Vec<_>>().await, []);
    assert_eq!(signals.subscribe(user(1)).collect::<Vec<_>>().await, []);
}

#[tokio::test(start_paused = true)]
async fn storage_is_polled_once_a_second_for_all_users_and_not_without_readers() {
    let signals = LocalChangeSignals::default();
    let (system, polls) = system([Ok(vec![(user(1), 1), (user(2), 1)])]);
    let poller = tokio::spawn(signals.clone().poll(system));
    // Half a second off the poller's ticks.
    tokio::time::sleep(Duration::from_millis(10_500)).await;
    assert_eq!(polls.load(Ordering::SeqCst), 0);
    let readers = [signals.subscribe(user(1)), signals.subscribe(user(2)), signals.subscribe(user(2))];
    advance(10).await;
    assert_eq!(polls.load(Ordering::SeqCst), 10);
    drop(readers);
    advance(10).await;
    assert_eq!(polls.load(Ordering::SeqCst), 10);
    signals.shut_down();
    poller.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_changed_head_wakes_within_two_seconds_and_an_unchanged_one_does_not() {
    let signals = LocalChangeSignals::default();
    let heads = |first, second| Ok(vec![(user(1), first), (user(2), second)]);
    let (system, _asked) = system([heads(5, 5), heads(5, 5), heads(6, 5), heads(6, 5)]);
    let (mut changed, mut unchanged) = (signals.subscribe(user(1)), signals.subscribe(user(2)));
    let _poller = tokio::spawn(signals.clone().poll(system));
    // The first poll cannot tell whether entries were added since the subscription.
    assert_eq!((changed.next().await, unchanged.next().await), (Some(()), Some(())));
    let started = tokio::time::Instant::now();
    assert_eq!(changed.next().await, Some(()));
    assert!(started.elapsed() <= Duration::from_secs(2), "{:?}", started.elapsed());
    advance(5).await;
    assert!(changed.next().now_or_never().is_none() && unchanged.next().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn the_first_poll_after_a_subscription_wakes() {
    let signals = LocalChangeSignals::default();
    let (system, _asked) = system([Ok(vec![(user(1), 7)])]);
    let _poller = tokio::spawn(signals.clone().poll(system));
    advance(1).await;
    let mut first = signals.subscribe(user(1));
    assert_eq!(first.next().await, Some(()));
    drop(first);
    // The known head is removed with the last reader.
    assert_eq!(signals.subscribe(user(1)).next().await, Some(()));
}

#[tokio::test(start_paused = true)]
async fn consecutive_failures_are_logged_once_and_readers_are_woken_after_recovery() {
    let log = Captured::default();
    let _guard = captured(&log);
    let signals = LocalChangeSignals::default();
    let failure = || Err("connection refused");
    let (system, polls) = system([failure(), failure(), failure(), Ok(vec![(user(1), 1)])]);
    let mut reader = signals.subscribe(user(1));
    let poller = tokio::spawn(signals.clone().poll(system));
    assert_eq!(reader.next().await, Some(()));
    advance(3).await;
    assert!(polls.load(Ordering::SeqCst) > 4);
    let text = log.text();
    assert_eq!(text.matches("failed; retrying").count(), 1, "{text}");
    assert_eq!(text.matches("has recovered").count(), 1, "{text}");
    assert!(text.contains("connection refused"), "{text}");
    poller.abort();
}
