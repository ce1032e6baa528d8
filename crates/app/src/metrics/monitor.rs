//! Counts the requests and streams of the HTTP API.

use std::error::Error;
use std::sync::Arc;

use http_api::{FinishedRequest, Monitor, StreamEnding};

use super::http::HttpMetrics;
use super::registry::Metrics;

/// [`Monitor`] that counts in these metrics.
pub(crate) struct HttpMonitor {
    metrics: Metrics,
    http: Arc<HttpMetrics>,
}

impl HttpMonitor {
    /// Counts in `metrics`.
    pub fn new(metrics: Metrics) -> Self {
        Self { http: metrics.http.clone(), metrics }
    }
}

impl Monitor for HttpMonitor {
    fn request_started(&self) {
        self.http.in_flight.inc();
    }

    fn request_finished(&self, request: &FinishedRequest<'_>) {
        let FinishedRequest { route, method, status, code, duration } = *request;
        self.http.in_flight.dec();
        self.http.requests.with_label_values(&[route, method, status, code]).inc();
        self.http.duration.with_label_values(&[route, method]).observe(duration.as_secs_f64());
    }

    fn stream_started(&self, _route: &str) {
        self.http.open_streams.inc();
    }

    fn stream_ended(&self, route: &str, ending: StreamEnding) {
        self.http.open_streams.dec();
        self.http.streams.with_label_values(&[route, ending.as_str()]).inc();
    }

    fn render(&self) -> Result<String, Box<dyn Error + Send + Sync>> {
        Ok(self.metrics.render()?)
    }
}
