//! The observer of requests and streams, which renders the metrics: [`Monitor`].

use std::error::Error;
use std::time::Duration;

/// A request whose response is ready, or that was abandoned before.
#[derive(Clone, Copy, Debug)]
pub struct FinishedRequest<'r> {
    /// The pattern of the route, such as `/api/{user_id}/tasks`; [`UNMATCHED`] or [`ABANDONED`].
    pub route: &'r str,
    /// A method of the route table, or `other`.
    pub method: &'static str,
    /// The status, three digits. [`CLIENT_CLOSED_REQUEST`] if there was no response.
    pub status: &'r str,
    /// The code of the problem, such as `TASK_NOT_FOUND`; empty if there is none.
    pub code: &'static str,
    /// The time until the response was ready; a stream then begins.
    pub duration: Duration,
}

/// The route of a request to an address that is not in the route table.
pub const UNMATCHED: &str = "unmatched";
/// The route of a request that was dropped before its response, because its connection broke or the server stopped.
pub const ABANDONED: &str = "abandoned";
/// The status of such a request, as nginx logs it.
pub const CLIENT_CLOSED_REQUEST: &str = "499";

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnding {
    /// The server ended it.
    Complete,
    /// The client closed its connection, or did not read.
    Disconnected,
    /// Its next part could not be made.
    Failed,
}

impl StreamEnding {
    /// Returns the name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Disconnected => "disconnected",
            Self::Failed => "failed",
        }
    }
}

/// Counts requests and streams, and renders the metrics of the application. The calls of a request are made on the thread
/// that serves it, so they must be quick.
pub trait Monitor: Send + Sync {
    /// A request began. One call of [`request_finished`](Self::request_finished) follows.
    fn request_started(&self);

    /// The response of a request is ready, before it is sent.
    fn request_finished(&self, request: &FinishedRequest<'_>);

    /// The response is a stream, which began. One call of [`stream_ended`](Self::stream_ended) follows.
    fn stream_started(&self, route: &str);

    /// A stream ended.
    fn stream_ended(&self, route: &str, ending: StreamEnding);

    /// Returns the metrics in Prometheus' text format 0.0.4.
    ///
    /// # Errors
    /// If they cannot be rendered.
    fn render(&self) -> Result<String, Box<dyn Error + Send + Sync>>;
}
