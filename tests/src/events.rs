//! The stream of a user's changes, read event by event while it comes.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use reqwest::header::HeaderMap;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

use crate::TestUser;

/// Maximum time until an expected event is there.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The number of the change.
    pub seq: u64,
    /// The change.
    pub change: Value,
}

/// A stream of changes.
#[derive(Debug)]
pub struct Events {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    response: Response,
    buffer: String,
}

impl Events {
    /// The next event; `None` at the end of the stream.
    ///
    /// # Errors
    /// If neither comes within [`DEADLINE`], or what comes is no event of a change.
    pub async fn next(&mut self) -> anyhow::Result<Option<Event>> {
        tokio::time::timeout(DEADLINE, self.read()).await.context("no event comes")?
    }

    /// The next events, this many.
    ///
    /// # Errors
    /// As [`next`](Self::next), or if there are fewer.
    pub async fn take(&mut self, count: usize) -> anyhow::Result<Vec<Event>> {
        let mut events = Vec::new();
        while events.len() < count {
            events.push(self.next().await?.with_context(|| format!("the stream ended behind {events:?}"))?);
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

/// The event in a block of lines; `None` if the block has comments alone.
fn parse(block: &str) -> anyhow::Result<Option<Event>> {
    let (mut id, mut kind, mut data) = (None, None, None);
    for line in block.lines().filter(|line| !line.starts_with(':')) {
        match line.split_once(": ") {
            Some(("id", value)) => id = Some(value.parse()?),
            Some(("event", value)) => kind = Some(value),
            Some(("data", value)) => data = Some(serde_json::from_str::<Value>(value)?),
            Some(("retry", _)) => {}
            _ => bail!("an unknown line: {line:?}"),
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
    /// If no answer comes.
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
