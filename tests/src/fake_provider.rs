//! A fake language model provider: a server on loopback that speaks Cohere's chat API v2 and OpenAI's chat completions.
//! Answers are scripted or come from the built-in assistant, with faults on request.

mod assistant;
mod cohere;
mod delivery;
mod fault;
mod openai;
mod reply;
mod request;
mod server;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

pub use fault::Fault;
pub use reply::{Gate, Reply};

use server::{Running, Shared};

/// Receives a log line per request.
pub type Observer = Arc<dyn Fn(&str) + Send + Sync>;

/// How a [`FakeProvider`] answers.
#[derive(Clone, Default)]
pub struct Behaviour {
    /// Source of answers when no scripted reply is left.
    pub otherwise: Otherwise,
    /// Fault of every answer whose reply sets none.
    pub fault: Option<Fault>,
    /// Delay before the first byte, unless the reply sets one.
    pub latency: Duration,
    /// Delay between two pieces, unless the reply sets one.
    pub piece_gap: Duration,
    /// Receives a log line per request.
    pub observer: Option<Observer>,
}

/// Source of answers when no scripted reply is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Otherwise {
    /// The built-in assistant.
    #[default]
    Assistant,
    /// None: status 500, because the script was too short.
    Refuse,
}

impl Behaviour {
    /// The built-in assistant answers, without delay and faults.
    pub fn assistant() -> Self {
        Self::default()
    }

    /// Only [pushed](FakeProvider::push) replies are sent.
    pub fn scripted() -> Self {
        Self { otherwise: Otherwise::Refuse, ..Self::default() }
    }

    /// Adds a fault to every answer.
    #[must_use]
    pub fn fault(self, fault: Fault) -> Self {
        Self { fault: Some(fault), ..self }
    }

    /// Delays the first byte of every answer.
    #[must_use]
    pub fn latency(self, latency: Duration) -> Self {
        Self { latency, ..self }
    }

    /// Delays every piece of every answer.
    #[must_use]
    pub fn piece_gap(self, piece_gap: Duration) -> Self {
        Self { piece_gap, ..self }
    }
}

impl fmt::Debug for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { otherwise, fault, latency, piece_gap, observer } = self;
        f.debug_struct("Behaviour")
            .field("otherwise", otherwise)
            .field("fault", fault)
            .field("latency", latency)
            .field("piece_gap", piece_gap)
            .field("observed", &observer.is_some())
            .finish()
    }
}

/// A recorded request.
#[derive(Clone, Debug)]
pub struct Received {
    /// Path of the URL.
    pub path: String,
    /// Headers: an object with names in lower case.
    pub headers: Value,
    /// The body; a string if it was not JSON.
    pub body: Value,
    /// Text of the newest user message in the body.
    pub user_text: String,
    /// Time at which it was received completely.
    pub at: Instant,
    /// Time at which the last byte of the answer was handed to the socket; `None` if it never was.
    pub answered: Option<Instant>,
}

/// The server. Dropping it closes the server and its open connections.
#[derive(Debug)]
pub struct FakeProvider {
    shared: Arc<Shared>,
    running: Running,
}

impl FakeProvider {
    /// Starts a server on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// If it cannot listen.
    pub fn start(behaviour: Behaviour) -> anyhow::Result<Self> {
        Self::start_on(0, behaviour)
    }

    /// Starts a server on this port of 127.0.0.1; on a free port if 0.
    ///
    /// # Errors
    /// If it cannot listen.
    pub fn start_on(port: u16, behaviour: Behaviour) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared::new(behaviour));
        let running = Running::start(port, shared.clone())?;
        Ok(Self { shared, running })
    }

    /// Base URL without a path: the value of `COHERE_BASE_URL`.
    pub fn url(&self) -> String {
        format!("http://{}", self.running.address)
    }

    /// The value of `OPENAI_BASE_URL`.
    pub fn openai_url(&self) -> String {
        format!("{}/v1", self.url())
    }

    /// Adds a reply to the script. Each is sent once, in order, before any other source answers.
    pub fn push(&self, reply: Reply) {
        self.shared.push(reply);
    }

    /// The requests so far, in order of arrival.
    pub fn requests(&self) -> Vec<Received> {
        self.shared.received()
    }

    /// Waits until this many requests have arrived.
    pub async fn arrived(&self, requests: usize) {
        self.shared.arrived(requests).await;
    }
}

#[cfg(test)]
mod tests;
