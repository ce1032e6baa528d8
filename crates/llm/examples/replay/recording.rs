//! The format of recordings: YAML documents of `when` and `then`, as HTTP mock servers write them.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

/// One request and its response. Unused fields are ignored.
#[derive(Deserialize)]
pub(crate) struct Exchange {
    #[serde(rename = "when")]
    pub request: Request,
    #[serde(rename = "then")]
    pub response: Response,
}

#[derive(Deserialize)]
pub(crate) struct Request {
    path: Option<String>,
    url: Option<String>,
    method: Option<String>,
    body: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Response {
    pub status: u16,
    #[serde(default)]
    header: Vec<Header>,
    body: Option<String>,
    body_base64: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

/// Parses the exchanges of a recording.
pub(crate) fn parse(text: &str) -> anyhow::Result<Vec<Exchange>> {
    let exchanges: Vec<Exchange> = serde_saphyr::from_multiple(text).context("invalid YAML of a recording")?;
    anyhow::ensure!(!exchanges.is_empty(), "the recording has no exchanges");
    Ok(exchanges)
}

impl Request {
    pub fn method(&self) -> &str {
        self.method.as_deref().unwrap_or("?")
    }

    /// Returns the path, or the URL if it was recorded instead, without a query.
    pub fn path(&self) -> &str {
        let path = self.path.as_deref().or(self.url.as_deref()).unwrap_or_default();
        path.split_once('?').map_or(path, |(path, _)| path)
    }

    /// Returns the model in the body.
    pub fn model(&self) -> Option<String> {
        let body: Value = serde_json::from_str(self.body.as_deref()?).ok()?;
        body["model"].as_str().map(str::to_owned)
    }
}

impl Response {
    pub fn body(&self) -> anyhow::Result<Vec<u8>> {
        match &self.body_base64 {
            Some(encoded) => STANDARD.decode(encoded).context("the body is not base64"),
            None => Ok(self.body.clone().unwrap_or_default().into_bytes()),
        }
    }

    /// Returns a header; names are case-insensitive.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value.as_str())
    }
}
