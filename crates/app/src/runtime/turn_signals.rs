//! The running turns of this process: what happens in them, for those who follow, and the wish that they end.
//!
//! One log for each turn, whatever the number of its readers: a reader is a place in the log. So a reader that never
//! reads costs nothing more, and texts that came in a thousand pieces are kept as one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::chat::{StopReason, TurnEvent, TurnEvents, TurnSignals};
use domain::id::TurnId;
use domain::turn::Attempt;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, stream};
use tokio::sync::watch;

/// [`TurnSignals`] within this process.
#[derive(Clone, Debug, Default)]
pub struct LocalTurnSignals {
    open: Arc<Mutex<HashMap<TurnId, OpenTurn>>>,
}

/// What is open of a turn.
#[derive(Clone, Debug)]
struct OpenTurn {
    /// Which try at the turn it is.
    attempt: u32,
    log: Arc<Log>,
    stop: watch::Sender<Option<StopReason>>,
}

/// What happened in a turn so far.
#[derive(Debug)]
struct Log {
    events: Mutex<Vec<TurnEvent>>,
    /// How many events and closings there were; readers wait for it to change.
    changes: watch::Sender<Progress>,
}

/// What readers are woken for.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    changes: u64,
    closed: bool,
}

/// Where a reader is: the next event, and how many bytes of it were read if it is a text.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    event: usize,
    bytes: usize,
}

impl LocalTurnSignals {
    /// Asks every turn to end because the process does.
    pub fn shut_down(&self) {
        for turn in locked(&self.open).values() {
            turn.stop.send_replace(Some(StopReason::Shutdown));
        }
    }

    fn find(&self, turn: TurnId) -> Option<OpenTurn> {
        locked(&self.open).get(&turn).cloned()
    }

    /// The turn, if this try at it is the one that is open.
    fn find_attempt(&self, attempt: Attempt) -> Option<OpenTurn> {
        self.find(attempt.turn).filter(|open| open.attempt == attempt.number)
    }
}

impl TurnSignals for LocalTurnSignals {
    fn open(&self, attempt: Attempt) -> BoxFuture<'static, StopReason> {
        let log = Arc::new(Log { events: Mutex::default(), changes: watch::Sender::default() });
        let stop = watch::Sender::new(None);
        let mut stopped = stop.subscribe();
        let open = OpenTurn { attempt: attempt.number, log, stop };
        let before = locked(&self.open).insert(attempt.turn, open);
        if let Some(before) = before {
            before.log.close();
        }
        Box::pin(async move {
            match stopped.wait_for(Option::is_some).await.map(|reason| *reason) {
                Ok(Some(reason)) => reason,
                // Closed: nobody can stop it any more.
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
        let changes = log.changes.subscribe();
        let reader = Reader { log, changes, place: Place::default() };
        Some(stream::unfold(reader, Reader::next).boxed())
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
            locked(&self.open).remove(&attempt.turn);
            open.log.close();
        }
    }
}

impl Log {
    fn close(&self) {
        self.changes.send_modify(|progress| progress.closed = true);
    }

    fn push(&self, event: TurnEvent) {
        {
            let mut events = locked(&self.events);
            match (events.last_mut(), event) {
                (Some(TurnEvent::TextDelta(text)), TurnEvent::TextDelta(more)) => text.push_str(&more),
                (_, event) => events.push(event),
            }
        }
        self.changes.send_modify(|progress| progress.changes += 1);
    }

    /// What stands at `place`, with the place behind it.
    fn read(&self, place: Place) -> Option<(TurnEvent, Place)> {
        let events = locked(&self.events);
        let event = events.get(place.event)?;
        let next = Place { event: place.event + 1, bytes: 0 };
        let TurnEvent::TextDelta(text) = event else { return Some((event.clone(), next)) };
        match text.get(place.bytes..).filter(|more| !more.is_empty()) {
            Some(more) => Some((TurnEvent::TextDelta(more.to_owned()), Place { bytes: text.len(), ..place })),
            // The text may still grow as long as nothing stands behind it.
            None => events.get(next.event).map(|event| {
                let behind = Place { event: next.event + 1, bytes: 0 };
                (event.clone(), behind)
            }),
        }
    }
}

struct Reader {
    log: Arc<Log>,
    changes: watch::Receiver<Progress>,
    place: Place,
}

impl Reader {
    async fn next(mut self) -> Option<(TurnEvent, Self)> {
        loop {
            // Marked as seen first, so that what comes between looking and waiting wakes.
            let closed = self.changes.borrow_and_update().closed;
            if let Some((event, place)) = self.log.read(self.place) {
                self.place = place;
                return Some((event, self));
            }
            if closed || self.changes.changed().await.is_err() {
                return None;
            }
        }
    }
}

/// Nothing panics while it holds one of these locks.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
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
    async fn who_comes_late_gets_everything_from_the_beginning() {
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
    async fn who_reads_along_gets_each_piece_as_it_comes() {
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
    async fn a_waiting_reader_is_woken_by_an_event_and_by_the_end() {
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
    async fn a_turn_is_stopped_once_and_only_where_it_is_open() {
        let signals = LocalTurnSignals::default();
        let (one, other) = (signals.open(first(turn(1))), signals.open(first(turn(2))));
        assert!(signals.stop(turn(1)) && signals.stop(turn(1)));
        assert_eq!(one.now_or_never(), Some(StopReason::User));
        signals.shut_down();
        assert_eq!(other.now_or_never(), Some(StopReason::Shutdown));
        signals.close(first(turn(1)));
        assert!(!signals.stop(turn(1)));
        assert_eq!(locked(&signals.open).len(), 1);
    }

    #[tokio::test]
    async fn a_reader_that_never_reads_costs_no_more_than_the_text() {
        let signals = LocalTurnSignals::default();
        let _stopped = signals.open(first(turn(1)));
        let _never_read = signals.subscribe(turn(1)).unwrap();
        for _ in 0..10_000 {
            signals.publish(first(turn(1)), text("x"));
        }
        let log = signals.find(turn(1)).unwrap().log;
        assert_eq!(locked(&log.events).len(), 1);
    }

    #[tokio::test]
    async fn an_earlier_try_neither_speaks_for_a_later_one_nor_closes_it() {
        let signals = LocalTurnSignals::default();
        let _stopped = signals.open(first(turn(1)));
        let follower = signals.subscribe(turn(1)).unwrap();
        let second = Attempt { turn: turn(1), number: 2 };
        let _stopped = signals.open(second);
        assert_eq!(follower.collect::<Vec<_>>().await, [], "who followed the first try is let go");
        signals.publish(first(turn(1)), text("old"));
        signals.close(first(turn(1)));
        let events = signals.subscribe(turn(1)).unwrap();
        signals.publish(second, text("new"));
        signals.close(second);
        assert_eq!(events.collect::<Vec<_>>().await, [text("new")]);
    }
}
