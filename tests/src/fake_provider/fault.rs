//! Faults of an answer. `delivery` and `server` implement them.

use std::time::Duration;

/// A fault of an answer. A piece is a frame with content: text, a plan, the start of a tool call, or a fragment of its
/// arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A status other than 200, with the provider's error body.
    Status {
        /// HTTP status code.
        status: u16,
        /// Value of the header `Retry-After`.
        retry_after: Option<String>,
    },
    /// Status 429, because the quota of the account is used up.
    QuotaExhausted,
    /// Status 400, because the model generated an invalid call, in the form of Groq.
    FailedCall,
    /// Closes the connection after this many pieces, within the body.
    CutAfter(usize),
    /// Closes the connection after the first fragment of a tool call's arguments.
    CutInArguments,
    /// Ends the body properly after this many pieces, without a finish reason and without `[DONE]`.
    EndsAfter(usize),
    /// Sends nothing after this many pieces and keeps the connection open.
    HangsAfter(usize),
    /// Sends an error event after this many pieces, then ends.
    ErrorAfter(usize),
    /// Omits the closing `[DONE]`.
    NoDone,
    /// Sends events whose data is not JSON.
    Garbage,
    /// Sends an HTML page with status 200, like some proxies.
    HtmlPage,
    /// Sends endless text in events of about a kilobyte.
    EndlessLines,
    /// Sends the pieces of the reply, and then endless text in events of about a kilobyte.
    EndlessThoughts,
    /// Sends one endless line.
    EndlessLine,
    /// Sends no byte and keeps the connection open.
    Silent,
}

impl Fault {
    /// A status other than 200.
    pub fn status(status: u16) -> Self {
        Self::Status { status, retry_after: None }
    }

    /// Status 429, with `Retry-After` in whole seconds.
    pub fn rate_limited(retry_after: Duration) -> Self {
        Self::Status { status: 429, retry_after: Some(retry_after.as_secs().to_string()) }
    }
}
