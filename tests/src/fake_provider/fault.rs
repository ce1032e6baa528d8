//! What can be wrong with an answer. How each is brought about is in `delivery` and `server`.

use std::time::Duration;

/// What is wrong with an answer. A piece is what carries content: a piece of text or of a plan, the beginning of a tool
/// call, a fragment of its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Another status than 200, with the provider's error body.
    Status {
        /// The status.
        status: u16,
        /// The header `Retry-After`, as it is sent.
        retry_after: Option<String>,
    },
    /// The connection is closed after so many pieces, without an end of the body.
    CutAfter(usize),
    /// The connection is closed after the first fragment of a tool call's arguments.
    CutInArguments,
    /// The body ends after so many pieces, properly, without a finish reason and without `[DONE]`.
    EndsAfter(usize),
    /// Nothing more comes after so many pieces, and the connection stays open.
    HangsAfter(usize),
    /// After so many pieces the stream tells of an error, and ends.
    ErrorAfter(usize),
    /// Everything but the closing `[DONE]`.
    NoDone,
    /// Events whose data is no JSON.
    Garbage,
    /// A page of HTML with status 200, as a proxy gives it.
    HtmlPage,
    /// Text without end, in events of about a kilobyte.
    EndlessLines,
    /// One line without end.
    EndlessLine,
    /// Not a byte, ever; the connection stays open.
    Silent,
}

impl Fault {
    /// Another status than 200.
    pub fn status(status: u16) -> Self {
        Self::Status { status, retry_after: None }
    }

    /// Status 429, with `Retry-After` in whole seconds.
    pub fn rate_limited(retry_after: Duration) -> Self {
        Self::Status { status: 429, retry_after: Some(retry_after.as_secs().to_string()) }
    }
}
