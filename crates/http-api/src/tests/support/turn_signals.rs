//! Turn signals within one thread: published events are stored and replayed to every subscriber.

use std::collections::HashMap;
use std::sync::Mutex;

use domain::chat::{StopReason, TurnEvent, TurnEvents, TurnSignals};
use domain::conversation::turn::Attempt;
use domain::id::TurnId;
use futures_channel::{mpsc, oneshot};
use futures_util::future::{self, BoxFuture};
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _, stream};

#[derive(Default)]
pub(crate) struct FakeTurnSignals(Mutex<HashMap<TurnId, OpenTurn>>);

#[derive(Default)]
struct OpenTurn {
    events: Vec<TurnEvent>,
    readers: Vec<mpsc::UnboundedSender<TurnEvent>>,
    stop: Option<oneshot::Sender<StopReason>>,
}

impl TurnSignals for FakeTurnSignals {
    fn open(&self, Attempt { turn, .. }: Attempt) -> BoxFuture<'static, StopReason> {
        let (stop, stopped) = oneshot::channel();
        self.0.lock().unwrap().insert(turn, OpenTurn { stop: Some(stop), ..OpenTurn::default() });
        stopped
            .then(|stopped| async move { if let Ok(reason) = stopped { reason } else { future::pending().await } })
            .boxed()
    }

    fn publish(&self, Attempt { turn, .. }: Attempt, event: TurnEvent) {
        let mut turns = self.0.lock().unwrap();
        let open = turns.get_mut(&turn).unwrap();
        open.readers.retain(|reader| reader.unbounded_send(event.clone()).is_ok());
        open.events.push(event);
    }

    fn subscribe(&self, turn: TurnId) -> Option<TurnEvents> {
        let mut turns = self.0.lock().unwrap();
        let open = turns.get_mut(&turn)?;
        let (reader, later) = mpsc::unbounded();
        open.readers.push(reader);
        Some(stream::iter(open.events.clone()).chain(later).boxed())
    }

    fn subscribe_elsewhere(&self, _turn: TurnId) -> BoxStream<'static, ()> {
        stream::pending().boxed()
    }

    fn stop(&self, turn: TurnId) -> bool {
        let mut turns = self.0.lock().unwrap();
        let Some(open) = turns.get_mut(&turn) else { return false };
        if let Some(stop) = open.stop.take() {
            stop.send(StopReason::User).unwrap();
        }
        true
    }

    fn close(&self, Attempt { turn, .. }: Attempt) {
        self.0.lock().unwrap().remove(&turn);
    }
}
