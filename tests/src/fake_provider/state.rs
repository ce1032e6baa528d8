//! The state of a fake provider: its script and the recorded requests.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::Value;
use tokio::sync::watch;

use super::request::ChatRequest;
use super::{Behaviour, DefaultReply, Reply, assistant};

/// A recorded request.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    /// Path of the URL.
    pub path: String,
    /// Headers: an object with names in lower case.
    pub headers: Value,
    /// The body; a string if it was not JSON.
    pub body: Value,
    /// Text of the newest user message in the body.
    pub user_text: String,
    /// Time at which it was received completely.
    pub received_at: Instant,
    /// Time at which the last byte of the answer was handed to the socket; `None` if it never was.
    pub answered_at: Option<Instant>,
}

/// State shared by the server and the test.
#[derive(Debug)]
pub(super) struct State {
    behaviour: Behaviour,
    script: Mutex<VecDeque<Reply>>,
    requests: Mutex<Vec<RecordedRequest>>,
    count: watch::Sender<usize>,
    ids: AtomicU64,
}

impl State {
    pub fn new(behaviour: Behaviour) -> Self {
        Self {
            behaviour,
            script: Mutex::default(),
            requests: Mutex::default(),
            count: watch::Sender::new(0),
            ids: AtomicU64::new(0),
        }
    }

    pub fn push(&self, reply: Reply) {
        locked(&self.script).push_back(reply);
    }

    pub fn requests(&self) -> Vec<RecordedRequest> {
        locked(&self.requests).clone()
    }

    pub async fn wait_for_requests(&self, count: usize) -> anyhow::Result<()> {
        let mut counts = self.count.subscribe();
        let arrived = counts.wait_for(|arrived| *arrived >= count);
        // `self` holds the sender, so the wait itself cannot fail.
        drop(crate::within_timeout(&format!("{count} requests to the provider"), arrived).await?);
        Ok(())
    }

    /// Records a request and returns its index.
    pub fn record(&self, request: RecordedRequest) -> usize {
        let mut requests = locked(&self.requests);
        requests.push(request);
        self.count.send_replace(requests.len());
        requests.len() - 1
    }

    /// Records that the last byte of the answer to this request was sent.
    pub fn record_answered(&self, index: usize) {
        if let Some(request) = locked(&self.requests).get_mut(index) {
            request.answered_at = Some(Instant::now());
        }
    }

    /// Returns the reply to a request; `None` if no scripted reply is left and nothing else answers.
    pub fn reply(&self, chat_request: &ChatRequest) -> Option<Reply> {
        let scripted = locked(&self.script).pop_front();
        let mut reply = match (scripted, self.behaviour.default_reply) {
            (Some(reply), _) => reply,
            (None, DefaultReply::Assistant) => assistant::answer(chat_request),
            (None, DefaultReply::Error) => return None,
        };
        reply.fault = reply.fault.or_else(|| self.behaviour.fault.clone());
        reply.latency.get_or_insert(self.behaviour.latency);
        reply.piece_gap.get_or_insert(self.behaviour.piece_gap);
        Some(reply)
    }

    pub fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// Passes a log line to the observer.
    pub fn log(&self, line: &str) {
        if let Some(observer) = &self.behaviour.observer {
            observer(line);
        }
    }
}

/// Locks in spite of poisoning: a test that panicked while holding the lock has already failed.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
