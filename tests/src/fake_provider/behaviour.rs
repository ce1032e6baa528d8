//! How a fake provider answers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Fault;

/// Receives a log line per request.
pub type Observer = Arc<dyn Fn(&str) + Send + Sync>;

/// How a [`FakeProvider`](super::FakeProvider) answers.
#[derive(Clone, Default)]
pub struct Behaviour {
    /// Source of answers when no scripted reply is left.
    pub default_reply: DefaultReply,
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
pub enum DefaultReply {
    /// The built-in assistant.
    #[default]
    Assistant,
    /// None: status 500, because the script was too short.
    Error,
}

impl Behaviour {
    /// The built-in assistant answers, without delay and faults.
    pub fn assistant() -> Self {
        Self::default()
    }

    /// Only [pushed](super::FakeProvider::push) replies are sent.
    pub fn scripted() -> Self {
        Self { default_reply: DefaultReply::Error, ..Self::default() }
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
        let Self { default_reply, fault, latency, piece_gap, observer } = self;
        f.debug_struct("Behaviour")
            .field("default_reply", default_reply)
            .field("fault", fault)
            .field("latency", latency)
            .field("piece_gap", piece_gap)
            .field("observed", &observer.is_some())
            .finish()
    }
}
