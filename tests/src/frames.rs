//! A stream of server-sent events, read frame by frame while it comes.

use anyhow::{Context as _, bail, ensure};
use reqwest::header::HeaderMap;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

use crate::TestUser;

/// An answer that streams.
#[derive(Debug)]
pub struct Frames {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    response: Response,
    buffer: String,
    done: bool,
}

impl Frames {
    /// The next frame; `None` behind the mark that they are all there.
    ///
    /// # Errors
    /// If the stream ends without that mark, or a frame is no JSON.
    pub async fn next(&mut self) -> anyhow::Result<Option<Value>> {
        while !self.done {
            if let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.buffer = rest;
                let Some(data) = event.strip_prefix("data: ") else {
                    ensure!(event.starts_with(':'), "neither data nor a comment: {event:?}");
                    continue;
                };
                ensure!(!data.contains('\n'), "more than a line: {data:?}");
                self.done = data == "[DONE]";
                if !self.done {
                    return Ok(Some(serde_json::from_str(data).with_context(|| format!("no JSON: {data}"))?));
                }
            } else {
                let Some(bytes) = self.response.chunk().await? else { bail!("the stream ended without its mark") };
                self.buffer.push_str(std::str::from_utf8(&bytes)?);
            }
        }
        Ok(None)
    }

    /// The frames that are left.
    ///
    /// # Errors
    /// As [`next`](Self::next).
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
    /// As [`next`](Self::next), or if there is none.
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

/// The texts of `frames`, put together.
pub fn text(frames: &[Value]) -> String {
    frames.iter().filter(|frame| frame["type"] == "text-delta").filter_map(|frame| frame["delta"].as_str()).collect()
}

impl TestUser {
    /// Sends a request and reads its answer as a stream.
    ///
    /// # Errors
    /// If no answer comes.
    pub async fn open(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Frames> {
        let response = self.request(method, path, body, &[("accept", "text/event-stream")])?.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Frames { status, headers, response, buffer: String::new(), done: false })
    }

    /// Says something, in a conversation or in a new one, and reads the answer while it comes.
    ///
    /// # Errors
    /// If no answer comes, or another one than a stream.
    pub async fn stream(&self, message: &str, conversation: Option<&str>) -> anyhow::Result<Frames> {
        let body = Self::words(message, conversation);
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
