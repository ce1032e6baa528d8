//! A fake language model provider: a server on loopback that speaks Cohere's chat API v2 and OpenAI's chat completions.
//! Answers are scripted or come from the built-in assistant, with faults on request.

mod assistant;
mod behaviour;
mod cohere;
mod delivery;
mod fault;
mod metadata;
mod openai;
mod reply;
mod request;
mod server;
mod state;

use std::sync::Arc;

pub use behaviour::{Behaviour, DefaultReply, Observer};
pub use fault::Fault;
pub use reply::{Gate, Reply};
pub use state::RecordedRequest;

use server::Server;
use state::State;

/// The provider. Dropping it closes its server and the open connections.
#[derive(Debug)]
pub struct FakeProvider {
    state: Arc<State>,
    server: Server,
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
        let state = Arc::new(State::new(behaviour));
        let server = Server::start(port, state.clone())?;
        Ok(Self { state, server })
    }

    /// Base URL without a path: the value of `COHERE_BASE_URL`.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// The value of `OPENAI_BASE_URL`.
    pub fn openai_url(&self) -> String {
        format!("{}/v1", self.url())
    }

    /// Adds a reply to the script. Each is sent once, in order, before any other source answers.
    pub fn push(&self, reply: Reply) {
        self.state.push(reply);
    }

    /// The requests so far, in order of arrival.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.state.requests()
    }

    /// Waits until this many requests have arrived.
    ///
    /// # Errors
    /// If they have not within [`WAIT_TIMEOUT`](crate::WAIT_TIMEOUT).
    pub async fn wait_for_requests(&self, count: usize) -> anyhow::Result<()> {
        self.state.wait_for_requests(count).await
    }
}

#[cfg(test)]
mod tests;
