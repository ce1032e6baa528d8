//! The stream of a user's changes, read event by event.

use anyhow::{Context as _, bail, ensure};
use reqwest::header::HeaderMap;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

use crate::{TestUser, within_timeout};

/// A change and its number.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Id of the event: the number of the change.
    pub seq: u64,
    /// Data of the event.
    pub change: Value,
}

/// An open stream of changes.
#[derive(Debug)]
pub struct Events {
    /// Status of the response.
    pub status: StatusCode,
    /// Headers of the response.
    pub headers: HeaderMap,
    response: Response,
    buffer: String,
}

impl Events {
    /// The next event; `None` at the end of the stream.
    ///
    /// # Errors
    /// If neither comes within [`WAIT_TIMEOUT`](crate::WAIT_TIMEOUT), or an event is not a change.
    pub async fn next(&mut self) -> anyhow::Result<Option<Event>> {
        within_timeout("an event", self.read()).await?
    }

    /// The next `count` events.
    ///
    /// # Errors
    /// Like [`next`](Self::next), or if there are fewer.
    pub async fn take(&mut self, count: usize) -> anyhow::Result<Vec<Event>> {
        let mut events = Vec::new();
        while events.len() < count {
            events.push(self.next().await?.with_context(|| format!("the stream ended after {events:?}"))?);
        }
        Ok(events)
    }

    async fn read(&mut self) -> anyhow::Result<Option<Event>> {
        loop {
            while let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.buffer = rest;
                if let Some(event) = parse(&block)? {
                    return Ok(Some(event));
                }
            }
            match self.response.chunk().await? {
                Some(bytes) => self.buffer.push_str(std::str::from_utf8(&bytes)?),
                None => return Ok(None),
            }
        }
    }
}

/// The event in a block of lines; `None` if the block has only comments.
fn parse(block: &str) -> anyhow::Result<Option<Event>> {
    let (mut id, mut kind, mut data) = (None, None, None);
    for line in block.lines().filter(|line| !line.starts_with(':')) {
        match line.split_once(": ") {
            Some(("id", value)) => id = Some(value.parse()?),
            Some(("event", value)) => kind = Some(value),
            Some(("data", value)) => data = Some(serde_json::from_str::<Value>(value)?),
            Some(("retry", _)) => {}
            _ => bail!("unknown line: {line:?}"),
        }
    }
    let (Some(seq), Some(change)) = (id, data) else {
        ensure!(kind.is_none(), "an event without id or data: {block:?}");
        return Ok(None);
    };
    ensure!(kind == Some("change") && change["seq"] == seq, "not a change: {block:?}");
    Ok(Some(Event { seq, change }))
}

/// The numbers of `events`, in order.
pub fn seqs(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.seq).collect()
}

impl TestUser {
    /// Opens the stream of changes. `query` is empty or begins with `?`.
    ///
    /// # Errors
    /// If there is no response.
    pub async fn events(&self, query: &str, last_event_id: Option<u64>) -> anyhow::Result<Events> {
        let resume = last_event_id.map(|id| id.to_string());
        let mut headers = vec![("accept", "text/event-stream")];
        headers.extend(resume.as_deref().map(|id| ("last-event-id", id)));
        let path = format!("/api/{{me}}/events{query}");
        let response = self.request(Method::GET, &path, None, &headers)?.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Events { status, headers, response, buffer: String::new() })
    }
}
