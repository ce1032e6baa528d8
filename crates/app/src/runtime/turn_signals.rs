//! The running turns of this process: their events for followers, and stop requests. For turns of other processes, wakes
//! their followers.
//!
//! Each turn has one log, in which consecutive text deltas are merged. A reader is a position in the log, so readers need
//! no buffers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::chat::{StopReason, TurnEvent, TurnEvents, TurnSignals};
use domain::conversation::turn::{Attempt, TurnProgress};
use domain::id::TurnId;
use domain::system::SystemRepo;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use tokio::sync::watch;

use super::lock::lock;
use super::wakers::Wakers;

/// Time between two polls for the progress of turns of other processes.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// [`TurnSignals`] of this process. [`poll`](Self::poll) adds those of other processes.
#[derive(Clone, Debug, Default)]
pub struct LocalTurnSignals {
    open: Arc<Mutex<HashMap<TurnId, OpenTurn>>>,
    elsewhere: Wakers<TurnId, TurnProgress>,
}

/// A turn that is open in this process.
#[derive(Clone, Debug)]
struct OpenTurn {
    /// The number of the attempt.
    attempt: u32,
    log: Arc<Log>,
    stop: watch::Sender<Option<StopReason>>,
}

/// The events of a turn so far.
#[derive(Debug)]
struct Log {
    events: Mutex<Vec<TurnEvent>>,
    /// Whether the turn is closed. Sent again with each event, to wake the readers.
    closed: watch::Sender<bool>,
}

/// A reader's position: the index of the next event, and the number of bytes that were read of it if it is a text.
#[derive(Clone, Copy, Debug, Default)]
struct Position {
    event: usize,
    bytes: usize,
}

impl LocalTurnSignals {
    /// Polls for the progress of turns of other processes until [`shut_down`](Self::shut_down).
    pub async fn poll(self, system: Arc<dyn SystemRepo>) {
        let read = move |turns: Vec<_>| {
            let system = system.clone();
            async move { system.turn_progress(&turns).await }
        };
        self.elsewhere.poll(POLL_INTERVAL, "chat turns", read).await;
    }

    /// Stops every turn with [`StopReason::Shutdown`], and ends the subscriptions to turns of other processes.
    pub fn shut_down(&self) {
        self.elsewhere.shut_down();
        for turn in lock(&self.open).values() {
            turn.stop.send_replace(Some(StopReason::Shutdown));
        }
    }

    /// The number of turns of this process that have not ended.
    pub fn open_turns(&self) -> usize {
        lock(&self.open).len()
    }

    fn find(&self, turn: TurnId) -> Option<OpenTurn> {
        lock(&self.open).get(&turn).cloned()
    }

    /// Returns the turn if this attempt is open.
    fn find_attempt(&self, attempt: Attempt) -> Option<OpenTurn> {
        self.find(attempt.turn).filter(|open| open.attempt == attempt.number)
    }
}

impl TurnSignals for LocalTurnSignals {
    fn open(&self, attempt: Attempt) -> BoxFuture<'static, StopReason> {
        let log = Arc::new(Log { events: Mutex::default(), closed: watch::Sender::default() });
        let stop = watch::Sender::new(None);
        let mut stopped = stop.subscribe();
        let open = OpenTurn { attempt: attempt.number, log, stop };
        let earlier = lock(&self.open).insert(attempt.turn, open);
        if let Some(earlier) = earlier {
            earlier.log.close();
        }
        Box::pin(async move {
            match stopped.wait_for(Option::is_some).await.map(|reason| *reason) {
                Ok(Some(reason)) => reason,
                // Closed: it can no longer be stopped.
                Ok(None) | Err(_) => std::future::pending().await,
            }
        })
    }

    fn publish(&self, attempt: Attempt, event: TurnEvent) {
        if let Some(open) = self.find_attempt(attempt) {
            open.log.push(event);
        }
    }

    fn subscribe(&self, turn: TurnId) -> Option<TurnEvents> {
        let log = self.find(turn)?.log;
        let closed = log.closed.subscribe();
        let reader = Reader { log, closed, position: Position::default() };
        Some(stream::unfold(reader, Reader::next).boxed())
    }

    fn subscribe_elsewhere(&self, turn: TurnId) -> BoxStream<'static, ()> {
        self.elsewhere.subscribe(turn)
    }

    fn stop(&self, turn: TurnId) -> bool {
        let Some(open) = self.find(turn) else { return false };
        open.stop.send_if_modified(|reason| {
            let first = reason.is_none();
            *reason = reason.or(Some(StopReason::User));
            first
        });
        true
    }

    fn close(&self, attempt: Attempt) {
        if let Some(open) = self.find_attempt(attempt) {
            lock(&self.open).remove(&attempt.turn);
            open.log.close();
        }
    }
}

impl Log {
    fn close(&self) {
        self.closed.send_replace(true);
    }

    fn push(&self, event: TurnEvent) {
        {
            let mut events = lock(&self.events);
            match (events.last_mut(), event) {
                (Some(TurnEvent::TextDelta(text)), TurnEvent::TextDelta(more)) => text.push_str(&more),
                (_, event) => events.push(event),
            }
        }
        self.closed.send_modify(|_closed| {});
    }

    /// Returns the event at `position`, or its unread text, and the position after it.
    fn read(&self, position: Position) -> Option<(TurnEvent, Position)> {
        let events = lock(&self.events);
        let event = events.get(position.event)?;
        let next = Position { event: position.event + 1, bytes: 0 };
        let TurnEvent::TextDelta(text) = event else { return Some((event.clone(), next)) };
        if let Some(more) = text.get(position.bytes..).filter(|more| !more.is_empty()) {
            return Some((TurnEvent::TextDelta(more.to_owned()), Position { bytes: text.len(), ..position }));
        }
        // A text without a next event may still grow.
        let event = events.get(next.event)?;
        Some((event.clone(), Position { event: next.event + 1, bytes: 0 }))
    }
}

struct Reader {
    log: Arc<Log>,
    closed: watch::Receiver<bool>,
    position: Position,
}

impl Reader {
    async fn next(mut self) -> Option<(TurnEvent, Self)> {
        loop {
            // Marked as seen before the log is read, so that an event in between wakes the reader.
            let closed = *self.closed.borrow_and_update();
            if let Some((event, position)) = self.log.read(self.position) {
                self.position = position;
                return Some((event, self));
            }
            if closed || self.closed.changed().await.is_err() {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::conversation::turn::TurnState;
    use domain::system::MockSystemRepo;
    use futures_util::FutureExt as _;
    use futures_util::future::join_all;
    use uuid::Uuid;

    use super::*;

    fn turn(n: u128) -> TurnId {
        Uuid::from_u128(n).into()
    }

    fn first(turn: TurnId) -> Attempt {
        Attempt { turn, number: 1 }
    }

    fn text(text: &str) -> TurnEvent {
        TurnEvent::TextDelta(text.to_owned())
    }

    #[tokio::test]
    async fn a_late_reader_receives_all_events() {
        let signals = LocalTurnSignals::default();
        let _stopped = signals.open(first(turn(1)));
        let early = signals.subscribe(turn(1)).unwrap();
        signals.publish(first(turn(1)), TurnEvent::RoundStarted);
        for piece in ["a", "b", "é"] {
            signals.publish(first(turn(1)), text(piece));
        }
        let late = signals.subscribe(turn(1)).unwrap();
        signals.publish(first(turn(1)), TurnEvent::RoundFinished);
        signals.close(first(turn(1)));
        let all = [TurnEvent::RoundStarted, text("abé"), TurnEvent::RoundFinished];
        assert_eq!(early.collect::<Vec<_>>().await, all);
        assert_eq!(late.collect::<Vec<_>>().await, all);
        assert!(signals.subscribe(turn(1)).is_none());
    }

    #[tokio::test]
    async fn a_reader_receives_each_text_delta_when_it_is_published() {
        let signals = LocalTurnSignals::default();
        let _stopped = signals.open(first(turn(1)));
        let mut events = signals.subscribe(turn(1)).unwrap();
        assert!(events.next().now_or_never().is_none(), "nothing yet");
        let mut events = signals.subscribe(turn(1)).unwrap();
        for piece in ["a", "bc"] {
            signals.publish(first(turn(1)), text(piece));
            assert_eq!(events.next().await, Some(text(piece)));
        }
        signals.publish(first(turn(1)), TurnEvent::RoundFinished);
        signals.publish(first(turn(1)), text("d"));
        assert_eq!(events.next().await, Some(TurnEvent::RoundFinished));
        assert_eq!(events.next().await, Some(text("d")));
        signals.close(first(turn(1)));
        assert_eq!(events.next().await, None);
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken_by_an_event_and_by_the_close() {
        let signals = LocalTurnSignals::default();
        let _stopped = signals.open(first(turn(1)));
        let events = signals.subscribe(turn(1)).unwrap();
        let reader = tokio::spawn(events.collect::<Vec<_>>());
        tokio::task::yield_now().await;
        signals.publish(first(turn(1)), text("a"));
        tokio::task::yield_now().await;
        signals.close(first(turn(1)));
        assert_eq!(reader.await.unwrap(), [text("a")]);
    }

    #[tokio::test]
    async fn the_first_stop_reason_is_kept_and_a_closed_turn_is_not_stopped() {
        let signals = LocalTurnSignals::default();
        let (one, other) = (signals.open(first(turn(1))), signals.open(first(turn(2))));
        assert!(signals.stop(turn(1)) && signals.stop(turn(1)));
        assert_eq!(one.now_or_never(), Some(StopReason::User));
        signals.shut_down();
        assert_eq!(other.now_or_never(), Some(StopReason::Shutdown));
        signals.close(first(turn(1)));
        assert!(!signals.stop(turn(1)));
        assert_eq!(lock(&signals.open).len(), 1);
    }

    #[tokio::test]
    async fn text_deltas_are_merged_for_a_reader_that_never_reads() {
        let signals = LocalTurnSignals::default();
        let _stopped = signals.open(first(turn(1)));
        let _never_read = signals.subscribe(turn(1)).unwrap();
        for _ in 0..10_000 {
            signals.publish(first(turn(1)), text("x"));
        }
        let log = signals.find(turn(1)).unwrap().log;
        assert_eq!(lock(&log.events).len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn followers_of_turns_elsewhere_are_woken_when_these_were_stored_within_a_second_by_one_query_for_all() {
        let signals = LocalTurnSignals::default();
        let progress = |length| TurnProgress { attempt: 1, state: TurnState::Running, length };
        // The second turn is deleted after the first poll.
        let mut polls = [(1, Some(1)), (2, None)].into_iter();
        let mut system = MockSystemRepo::new();
        system.expect_turn_progress().withf(|turns| turns.len() == 2).returning(move |_turns| {
            let (first, second) = polls.next().unwrap_or((2, None));
            let second = second.map(|length| (turn(2), progress(length)));
            Ok([(turn(1), progress(first))].into_iter().chain(second).collect())
        });
        let _poller = tokio::spawn(signals.clone().poll(Arc::new(system)));
        let mut followers = [1, 1, 2].map(|n| signals.subscribe_elsewhere(turn(n)));
        for _stored in 0..2 {
            let woken = join_all(followers.iter_mut().map(|follower| follower.next()));
            let woken = tokio::time::timeout(Duration::from_secs(1), woken).await;
            assert_eq!(woken, Ok(vec![Some(()); 3]));
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(followers.iter_mut().all(|follower| follower.next().now_or_never().is_none()), "nothing new");
        signals.shut_down();
        for follower in &mut followers {
            assert_eq!(follower.next().await, None);
        }
    }

    #[tokio::test]
    async fn an_earlier_attempt_can_neither_publish_to_a_later_one_nor_close_it() {
        let signals = LocalTurnSignals::default();
        let _stopped = signals.open(first(turn(1)));
        let follower = signals.subscribe(turn(1)).unwrap();
        let second = Attempt { turn: turn(1), number: 2 };
        let _stopped = signals.open(second);
        assert_eq!(follower.collect::<Vec<_>>().await, [], "the stream of the first attempt ends");
        signals.publish(first(turn(1)), text("old"));
        signals.close(first(turn(1)));
        let events = signals.subscribe(turn(1)).unwrap();
        signals.publish(second, text("new"));
        signals.close(second);
        assert_eq!(events.collect::<Vec<_>>().await, [text("new")]);
    }
}
