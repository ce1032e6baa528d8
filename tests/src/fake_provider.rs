//! A language model provider that is none: a server on loopback that speaks Cohere's chat API v2 and OpenAI's chat
//! completions, with scripted answers or a small rule-based mind, and with any fault that is asked for.
//!
//! Deliberately not here: a model. What it understands is enough to try the product on, and always the same.

mod brain;
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

/// Is told a line about each request.
pub type Observer = Arc<dyn Fn(&str) + Send + Sync>;

/// How a [`FakeProvider`] answers.
#[derive(Clone, Default)]
pub struct Behaviour {
    /// What answers when no scripted reply is left.
    pub otherwise: Otherwise,
    /// What is wrong with every answer whose reply does not say so itself.
    pub fault: Option<Fault>,
    /// How long it takes before the first byte, unless the reply says so itself.
    pub latency: Duration,
    /// How long it takes between two pieces, unless the reply says so itself.
    pub piece_gap: Duration,
    /// Is told a line about each request.
    pub observer: Option<Observer>,
}

/// What answers when no scripted reply is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Otherwise {
    /// The rule-based mind, which reads the conversation and calls the tools on tasks.
    #[default]
    Brain,
    /// Nobody: status 500, which tells that a script was too short.
    Refuse,
}

impl Behaviour {
    /// The rule-based mind answers, at once and without faults.
    pub fn brain() -> Self {
        Self::default()
    }

    /// Only the replies that are [pushed](FakeProvider::push) are given.
    pub fn scripted() -> Self {
        Self { otherwise: Otherwise::Refuse, ..Self::default() }
    }

    /// Every answer has this fault.
    #[must_use]
    pub fn fault(self, fault: Fault) -> Self {
        Self { fault: Some(fault), ..self }
    }

    /// Every answer takes this long before its first byte.
    #[must_use]
    pub fn latency(self, latency: Duration) -> Self {
        Self { latency, ..self }
    }

    /// Every answer takes this long between two pieces.
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

/// A request that came in.
#[derive(Clone, Debug)]
pub struct Received {
    /// The path.
    pub path: String,
    /// The headers: an object, the names in lower case.
    pub headers: Value,
    /// The body; a text if it was no JSON.
    pub body: Value,
    /// What the user said last, as the body tells it.
    pub user_text: String,
    /// When it was there whole.
    pub at: Instant,
    /// When the last byte of the answer was handed to the socket; nothing if it never was.
    pub answered: Option<Instant>,
}

/// The server. It ends, with whatever is still open, when this value is dropped.
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

    /// Starts a server on this port of 127.0.0.1; on a free one if it is 0.
    ///
    /// # Errors
    /// If it cannot listen.
    pub fn start_on(port: u16, behaviour: Behaviour) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared::new(behaviour));
        let running = Running::start(port, shared.clone())?;
        Ok(Self { shared, running })
    }

    /// Where it listens, without a path: what `COHERE_BASE_URL` is set to.
    pub fn url(&self) -> String {
        format!("http://{}", self.running.address)
    }

    /// What `OPENAI_BASE_URL` is set to.
    pub fn openai_url(&self) -> String {
        format!("{}/v1", self.url())
    }

    /// Adds a reply to the script. Each is given once, in order, and before anything else answers.
    pub fn push(&self, reply: Reply) {
        self.shared.push(reply);
    }

    /// The requests so far, in the order in which they came.
    pub fn requests(&self) -> Vec<Received> {
        self.shared.received()
    }

    /// Waits until so many requests have come in.
    pub async fn arrived(&self, requests: usize) {
        self.shared.arrived(requests).await;
    }
}

#[cfg(test)]
mod tests;
