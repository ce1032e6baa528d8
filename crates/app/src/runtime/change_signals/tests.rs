//! Who is woken when, and how often storage is asked. Time is tokio's, and paused.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::system::MockSystemRepo;
use futures_util::FutureExt as _;
use uuid::Uuid;

use super::*;
use crate::telemetry::tests::{Captured, captured};

fn user(n: u128) -> UserId {
    Uuid::from_u128(n).into()
}

/// What storage answers to one poll: the head of each user, or a failure.
type Poll = Result<Vec<(UserId, u64)>, &'static str>;

/// A storage that gives these answers, the last one for ever, and counts how often it was asked.
fn system(answers: impl IntoIterator<Item = Poll>) -> (Arc<dyn SystemRepo>, Arc<AtomicUsize>) {
    let mut answers: VecDeque<_> = answers.into_iter().collect();
    let asked = Arc::new(AtomicUsize::new(0));
    let mut system = MockSystemRepo::new();
    let count = asked.clone();
    system.expect_change_heads().returning(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        match answer.unwrap() {
            Ok(heads) => Ok(heads.into_iter().map(|(user, seq)| (user, Seq(seq))).collect()),
            Err(cause) => Err(StorageError::Unavailable(cause.into())),
        }
    });
    (Arc::new(system), asked)
}

/// Lets the poller run this long.
async fn pass(seconds: u64) {
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
async fn signals_that_nobody_awaits_are_merged_into_one() {
    let signals = LocalChangeSignals::default();
    signals.notify(user(1));
    let mut reader = signals.subscribe(user(1));
    assert!(reader.next().now_or_never().is_none(), "what was before the subscription wakes nobody");
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
async fn users_without_readers_are_forgotten() {
    let signals = LocalChangeSignals::default();
    let readers: Vec<_> = (0..100).flat_map(|n| [signals.subscribe(user(n)), signals.subscribe(user(n))]).collect();
    assert_eq!(signals.locked().users.len(), 100);
    drop(readers);
    assert!(signals.locked().users.is_empty());
    let (kept, gone) = (signals.subscribe(user(1)), signals.subscribe(user(1)));
    drop(gone);
    signals.notify(user(1));
    assert_eq!(kept.into_future().await.0, Some(()));
}

#[tokio::test]
async fn a_shutdown_ends_every_subscription_and_those_to_come() {
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
async fn storage_is_asked_once_a_second_for_everybody_and_not_at_all_without_readers() {
    let signals = LocalChangeSignals::default();
    let (system, asked) = system([Ok(vec![(user(1), 1), (user(2), 1)])]);
    let poller = tokio::spawn(signals.clone().poll(system));
    // Half a second off the poller's ticks.
    tokio::time::sleep(Duration::from_millis(10_500)).await;
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    let readers = [signals.subscribe(user(1)), signals.subscribe(user(2)), signals.subscribe(user(2))];
    pass(10).await;
    assert_eq!(asked.load(Ordering::SeqCst), 10);
    drop(readers);
    pass(10).await;
    assert_eq!(asked.load(Ordering::SeqCst), 10);
    signals.shut_down();
    poller.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_head_that_another_process_moved_wakes_within_two_seconds_and_one_that_stays_does_not() {
    let signals = LocalChangeSignals::default();
    let heads = |first, second| Ok(vec![(user(1), first), (user(2), second)]);
    let (system, _asked) = system([heads(5, 5), heads(5, 5), heads(6, 5), heads(6, 5)]);
    let (mut moved, mut stays) = (signals.subscribe(user(1)), signals.subscribe(user(2)));
    let _poller = tokio::spawn(signals.clone().poll(system));
    // The first poll cannot know what came since the subscription.
    assert_eq!((moved.next().await, stays.next().await), (Some(()), Some(())));
    let began = tokio::time::Instant::now();
    assert_eq!(moved.next().await, Some(()));
    assert!(began.elapsed() <= Duration::from_secs(2), "{:?}", began.elapsed());
    pass(5).await;
    assert!(moved.next().now_or_never().is_none() && stays.next().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_head_that_moved_between_the_subscription_and_the_first_poll_wakes() {
    let signals = LocalChangeSignals::default();
    let (system, _asked) = system([Ok(vec![(user(1), 7)])]);
    let _poller = tokio::spawn(signals.clone().poll(system));
    pass(1).await;
    let mut first = signals.subscribe(user(1));
    assert_eq!(first.next().await, Some(()));
    drop(first);
    // Whoever comes anew is polled anew: what was known of the head is forgotten with the last reader.
    assert_eq!(signals.subscribe(user(1)).next().await, Some(()));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_logged_once_until_it_is_over_and_then_readers_are_woken() {
    let log = Captured::default();
    let _guard = captured(&log);
    let signals = LocalChangeSignals::default();
    let away = || Err("the database is away");
    let (system, asked) = system([away(), away(), away(), Ok(vec![(user(1), 1)])]);
    let mut reader = signals.subscribe(user(1));
    let poller = tokio::spawn(signals.clone().poll(system));
    assert_eq!(reader.next().await, Some(()));
    pass(3).await;
    assert!(asked.load(Ordering::SeqCst) > 4);
    let text = log.text();
    assert_eq!(text.matches("cannot be looked for").count(), 1, "{text}");
    assert_eq!(text.matches("are looked for again").count(), 1, "{text}");
    assert!(text.contains("the database is away"), "{text}");
    poller.abort();
}
