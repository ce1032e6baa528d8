//! How turns are followed and stopped where there is one process and one thread: what is published is kept, and told to
//! whoever asks.

use std::collections::HashMap;
use std::sync::Mutex;

use domain::chat::{StopReason, TurnEvent, TurnEvents, TurnSignals};
use domain::id::TurnId;
use domain::turn::Attempt;
use futures_channel::{mpsc, oneshot};
use futures_util::future::{self, BoxFuture};
use futures_util::{FutureExt as _, StreamExt as _, stream};

#[derive(Default)]
pub(crate) struct FakeTurnSignals(Mutex<HashMap<TurnId, Open>>);

#[derive(Default)]
struct Open {
    said: Vec<TurnEvent>,
    readers: Vec<mpsc::UnboundedSender<TurnEvent>>,
    stop: Option<oneshot::Sender<StopReason>>,
}

impl TurnSignals for FakeTurnSignals {
    fn open(&self, Attempt { turn, .. }: Attempt) -> BoxFuture<'static, StopReason> {
        let (stop, stopped) = oneshot::channel();
        self.0.lock().unwrap().insert(turn, Open { stop: Some(stop), ..Open::default() });
        stopped
            .then(|stopped| async move { if let Ok(reason) = stopped { reason } else { future::pending().await } })
            .boxed()
    }

    fn publish(&self, Attempt { turn, .. }: Attempt, event: TurnEvent) {
        let mut open = self.0.lock().unwrap();
        let open = open.get_mut(&turn).unwrap();
        open.readers.retain(|reader| reader.unbounded_send(event.clone()).is_ok());
        open.said.push(event);
    }

    fn subscribe(&self, turn: TurnId) -> Option<TurnEvents> {
        let mut open = self.0.lock().unwrap();
        let open = open.get_mut(&turn)?;
        let (reader, events) = mpsc::unbounded();
        open.readers.push(reader);
        Some(stream::iter(open.said.clone()).chain(events).boxed())
    }

    fn stop(&self, turn: TurnId) -> bool {
        let mut open = self.0.lock().unwrap();
        let Some(open) = open.get_mut(&turn) else { return false };
        if let Some(stop) = open.stop.take() {
            stop.send(StopReason::User).unwrap();
        }
        true
    }

    fn close(&self, Attempt { turn, .. }: Attempt) {
        self.0.lock().unwrap().remove(&turn);
    }
}
