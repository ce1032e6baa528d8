//! Metrics of requests and streams.

use std::error::Error;
use std::sync::Arc;

use http_api::{FinishedRequest, Monitor, StreamEnding};
use prometheus::{HistogramVec, IntCounterVec, IntGauge, Registry};

use super::Metrics;
use super::families::{counters, gauge, histograms};

/// Upper bounds in seconds: a read takes about 0.1 ms, a sign-in 50 ms, and a turn minutes.
const SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0];

/// Requests and streams. The routes are those of the route table.
pub(crate) struct HttpMetrics {
    in_flight: IntGauge,
    requests: IntCounterVec,
    duration: HistogramVec,
    open_streams: IntGauge,
    streams: IntCounterVec,
}

impl HttpMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            in_flight: gauge(
                registry,
                "doable_http_requests_in_flight",
                "Requests whose response is not ready. Open streams are not among them.",
            )?,
            requests: counters(
                registry,
                "doable_http_requests_total",
                "Requests whose response is ready, or that were abandoned.",
                &["route", "method", "status", "code"],
            )?,
            duration: histograms(
                registry,
                "doable_http_request_duration_seconds",
                "Time until the response is ready. A stream then begins.",
                &["route", "method"],
                SECONDS,
            )?,
            open_streams: gauge(registry, "doable_http_streams_open", "Open streams of events and turns.")?,
            streams: counters(registry, "doable_http_streams_total", "Ended streams.", &["route", "ending"])?,
        })
    }
}

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
