//! The stream of a turn, read frame by frame.

use anyhow::{Context as _, bail, ensure};
use reqwest::header::HeaderMap;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

use crate::{TestUser, within_timeout};

/// An open stream of server-sent events.
#[derive(Debug)]
pub struct Frames {
    /// Status of the response.
    pub status: StatusCode,
    /// Headers of the response.
    pub headers: HeaderMap,
    response: Response,
    buffer: String,
    done: bool,
}

impl Frames {
    /// The next frame; `None` after `[DONE]`.
    ///
    /// # Errors
    /// If none comes within [`WAIT_TIMEOUT`](crate::WAIT_TIMEOUT), the stream ends without `[DONE]`, or a frame is not
    /// JSON.
    pub async fn next(&mut self) -> anyhow::Result<Option<Value>> {
        within_timeout("a frame", self.read()).await?
    }

    async fn read(&mut self) -> anyhow::Result<Option<Value>> {
        while !self.done {
            if let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.buffer = rest;
                let Some(data) = event.strip_prefix("data: ") else {
                    ensure!(event.starts_with(':'), "neither data nor a comment: {event:?}");
                    continue;
                };
                ensure!(!data.contains('\n'), "more than one line: {data:?}");
                self.done = data == "[DONE]";
                if !self.done {
                    return Ok(Some(serde_json::from_str(data).with_context(|| format!("not JSON: {data}"))?));
                }
            } else {
                let Some(bytes) = self.response.chunk().await? else { bail!("the stream ended without [DONE]") };
                self.buffer.push_str(std::str::from_utf8(&bytes)?);
            }
        }
        Ok(None)
    }

    /// Reads the remaining frames.
    ///
    /// # Errors
    /// Like [`next`](Self::next).
    pub async fn rest(mut self) -> anyhow::Result<Vec<Value>> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await? {
            frames.push(frame);
        }
        Ok(frames)
    }

    /// Reads up to the first frame of this type and returns it.
    ///
    /// # Errors
    /// Like [`next`](Self::next), or if there is none.
    pub async fn until(&mut self, kind: &str) -> anyhow::Result<Value> {
        while let Some(frame) = self.next().await? {
            if frame["type"] == kind {
                return Ok(frame);
            }
        }
        bail!("no frame of type {kind}")
    }
}

/// The types of `frames`, in order.
pub fn kinds(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame["type"].as_str().unwrap_or_default()).collect()
}

/// The concatenated text of `frames`.
pub fn text(frames: &[Value]) -> String {
    frames.iter().filter(|frame| frame["type"] == "text-delta").filter_map(|frame| frame["delta"].as_str()).collect()
}

impl TestUser {
    /// Sends a request and opens its response as a stream.
    ///
    /// # Errors
    /// If there is no response.
    pub async fn open(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Frames> {
        let response = self.request(method, path, body, &[("accept", "text/event-stream")])?.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Frames { status, headers, response, buffer: String::new(), done: false })
    }

    /// Sends a message, in a conversation or in a new one, and opens the answer as a stream.
    ///
    /// # Errors
    /// If the response is not a stream.
    pub async fn stream(&self, message: &str, conversation: Option<&str>) -> anyhow::Result<Frames> {
        let body = Self::chat_body(message, conversation);
        let mut frames = self.open(Method::POST, "/api/{me}/chat", Some(&body)).await?;
        if frames.status != StatusCode::OK {
            let mut text = String::new();
            while let Some(bytes) = frames.response.chunk().await? {
                text.push_str(&String::from_utf8_lossy(&bytes));
            }
            bail!("{}: {text}", frames.status);
        }
        Ok(frames)
    }
}
