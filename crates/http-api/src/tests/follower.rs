//! Readers of streams that do not end by themselves, and a ledger that grows while they read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::test::{self, TestRequest};
use domain::change::{ChangeRepoError, Entry, EntryPage, Head, Seq};
use domain::id::UserId;
use domain::user::TimeZone;
use futures_channel::mpsc;
use futures_util::{FutureExt as _, StreamExt as _, future};
use serde_json::Value;

use super::Ports;
use super::answer::Answer;

/// An open answer. Nothing of it is read before the test asks for it.
pub(super) struct Reader {
    body: BoxBody,
    ended: bool,
}

/// What a reader finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// Nothing, for now.
    Waits,
    /// Something.
    Piece(String),
    /// The end.
    End,
}

impl Reader {
    /// Opens a stream.
    #[track_caller]
    pub(super) fn open<S, B>(app: &S, request: TestRequest) -> impl Future<Output = Self>
    where
        S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
        B: MessageBody + 'static,
    {
        let answer = test::call_service(app, request.to_request());
        async move {
            let answer = answer.await;
            assert_eq!(answer.status(), 200);
            Self { body: answer.into_body().boxed(), ended: false }
        }
    }

    /// Asks for a stream that is refused.
    pub(super) async fn refused<S, B>(app: &S, request: TestRequest) -> Answer
    where
        S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
        B: MessageBody,
    {
        let answer = test::call_service(app, request.to_request()).await;
        // Looked at first: a stream that is opened does not end.
        assert_ne!(answer.status(), 200);
        Answer::read(answer).await
    }

    /// Reads once.
    pub(super) fn read(&mut self) -> Read {
        if self.ended {
            return Read::End;
        }
        let body = &mut self.body;
        let piece = future::poll_fn(|context| body.as_pin_mut().poll_next(context)).now_or_never();
        match piece.map(|piece| piece.transpose().unwrap()) {
            None => Read::Waits,
            Some(None) => {
                self.ended = true;
                Read::End
            }
            Some(Some(bytes)) => Read::Piece(String::from_utf8(bytes.to_vec()).unwrap()),
        }
    }

    /// Reads what is there: the numbers of the changes.
    pub(super) fn seqs(&mut self) -> Vec<u64> {
        let mut seqs = Vec::new();
        while let Read::Piece(piece) = self.read() {
            let number = piece.strip_prefix("id: ").and_then(|rest| rest.lines().next());
            seqs.extend(number.map(|number| number.parse::<u64>().unwrap()));
        }
        seqs
    }
}

/// An event that is a change.
#[derive(Debug, PartialEq)]
pub(super) struct Event {
    pub id: u64,
    pub data: Value,
}

/// The events in a text, as a reader that knows the standard and nothing else finds them.
#[track_caller]
pub(super) fn events(text: &str) -> Vec<Event> {
    let blocks = text.split_terminator("\n\n").filter(|block| !block.starts_with(':'));
    let event = |block: &str| {
        let mut fields: HashMap<&str, &str> = HashMap::new();
        for line in block.split(['\n', '\r']) {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?} in {text:?}"));
            assert_eq!(fields.insert(name, value), None, "{name} twice in {text:?}");
        }
        assert_eq!((fields.len(), fields["event"]), (3, "change"), "{text:?}");
        Event { id: fields["id"].parse().unwrap(), data: serde_json::from_str(fields["data"]).unwrap() }
    };
    blocks.map(event).collect()
}

/// The ledger of every user alike, which grows while it is followed.
#[derive(Clone, Default)]
pub(super) struct GrowingLedger(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    readers: Vec<mpsc::Sender<()>>,
    pages: HashMap<UserId, usize>,
}

impl GrowingLedger {
    /// Adds entries and wakes the readers.
    pub(super) fn add(&self, entries: impl IntoIterator<Item = Entry>) {
        let mut state = self.0.lock().unwrap();
        state.entries.extend(entries);
        for reader in &mut state.readers {
            // A signal that waits already is enough.
            let _full = reader.try_send(());
        }
    }

    /// Removes the oldest entries.
    pub(super) fn prune(&self, count: usize) {
        self.0.lock().unwrap().entries.drain(..count);
    }

    /// Ends every reader's signals, as a shutdown does.
    pub(super) fn shut_down(&self) {
        self.0.lock().unwrap().readers.clear();
    }

    /// How many pages were read for a user.
    pub(super) fn pages(&self, user: UserId) -> usize {
        self.0.lock().unwrap().pages.get(&user).copied().unwrap_or_default()
    }

    /// Makes it the ledger of `ports`.
    pub(super) fn install(&self, ports: &mut Ports) {
        let ledger = self.clone();
        ports.changes.expect_head().returning(move |_| {
            let seq = ledger.0.lock().unwrap().head();
            Ok(Head { seq, time_zone: TimeZone::default() })
        });
        let ledger = self.clone();
        ports.changes.expect_list().returning(move |owner, after, limit| {
            let mut state = ledger.0.lock().unwrap();
            *state.pages.entry(owner).or_default() += 1;
            let later = state.entries.iter().filter(|entry| entry.seq > after);
            let entries = later.take(limit.get().into()).cloned().collect();
            Ok::<_, ChangeRepoError>(EntryPage { head: state.head(), entries })
        });
        let ledger = self.clone();
        ports.change_signals.expect_subscribe().returning(move |_| {
            let (reader, signals) = mpsc::channel(0);
            ledger.0.lock().unwrap().readers.push(reader);
            signals.boxed()
        });
    }
}

impl State {
    fn head(&self) -> Seq {
        self.entries.last().map(|entry| entry.seq).unwrap_or_default()
    }
}
