//! Readers of endless streams, and a ledger that grows while they read.

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
use super::test_response::TestResponse;

/// An open response, read on demand.
pub(crate) struct StreamReader {
    body: BoxBody,
    ended: bool,
}

/// The result of a read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// Nothing is ready.
    Pending,
    /// A part of the body.
    Data(String),
    /// The stream has ended.
    End,
}

impl StreamReader {
    /// Opens a stream.
    #[track_caller]
    pub(crate) fn open<S, B>(app: &S, request: TestRequest) -> impl Future<Output = Self>
    where
        S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
        B: MessageBody + 'static,
    {
        let response = test::call_service(app, request.to_request());
        async move {
            let response = response.await;
            assert_eq!(response.status(), 200);
            Self { body: response.into_body().boxed(), ended: false }
        }
    }

    /// Requests a stream that is refused.
    pub(crate) async fn refused<S, B>(app: &S, request: TestRequest) -> TestResponse
    where
        S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
        B: MessageBody,
    {
        let response = test::call_service(app, request.to_request()).await;
        // Checked first, because an open stream does not end.
        assert_ne!(response.status(), 200);
        TestResponse::read(response).await
    }

    /// Reads without waiting.
    pub(crate) fn read(&mut self) -> Chunk {
        if self.ended {
            return Chunk::End;
        }
        let body = &mut self.body;
        let piece = future::poll_fn(|context| body.as_pin_mut().poll_next(context)).now_or_never();
        match piece.map(|piece| piece.transpose().unwrap()) {
            None => Chunk::Pending,
            Some(None) => {
                self.ended = true;
                Chunk::End
            }
            Some(Some(bytes)) => Chunk::Data(String::from_utf8(bytes.to_vec()).unwrap()),
        }
    }

    /// Reads what is ready. Returns the numbers of the changes.
    pub(crate) fn seqs(&mut self) -> Vec<u64> {
        let mut seqs = Vec::new();
        while let Chunk::Data(piece) = self.read() {
            let number = piece.strip_prefix("id: ").and_then(|rest| rest.lines().next());
            seqs.extend(number.map(|number| number.parse::<u64>().unwrap()));
        }
        seqs
    }
}

/// An event of a change.
#[derive(Debug, PartialEq)]
pub(crate) struct Event {
    pub id: u64,
    pub data: Value,
}

/// Parses events as the standard for server-sent events does.
#[track_caller]
pub(crate) fn events(text: &str) -> Vec<Event> {
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

/// A ledger that is the same for every user and grows while it is followed.
#[derive(Clone, Default)]
pub(crate) struct FakeLedger(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    readers: Vec<mpsc::Sender<()>>,
    pages: HashMap<UserId, usize>,
}

impl FakeLedger {
    /// Adds entries and wakes the readers.
    pub(crate) fn add(&self, entries: impl IntoIterator<Item = Entry>) {
        let mut state = self.0.lock().unwrap();
        state.entries.extend(entries);
        for reader in &mut state.readers {
            // A pending signal is enough.
            let _full = reader.try_send(());
        }
    }

    /// Removes the oldest entries.
    pub(crate) fn prune(&self, count: usize) {
        self.0.lock().unwrap().entries.drain(..count);
    }

    /// Ends the signals of all readers, as a shutdown does.
    pub(crate) fn shut_down(&self) {
        self.0.lock().unwrap().readers.clear();
    }

    /// Number of pages that were read for a user.
    pub(crate) fn pages(&self, user: UserId) -> usize {
        self.0.lock().unwrap().pages.get(&user).copied().unwrap_or_default()
    }

    /// Sets it as the ledger of `ports`.
    pub(crate) fn install(&self, ports: &mut Ports) {
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
