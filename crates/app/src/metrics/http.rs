//! Metrics of requests and streams.

use prometheus::{HistogramVec, IntCounterVec, IntGauge, Registry};

use super::families::{counters, gauge, histograms};

/// Upper bounds in seconds: a read takes about 0.1 ms, a sign-in 50 ms, and a turn minutes.
const SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0];

/// Requests and streams. The routes are those of the route table.
pub(crate) struct HttpMetrics {
    pub(super) in_flight: IntGauge,
    pub(super) requests: IntCounterVec,
    pub(super) duration: HistogramVec,
    pub(super) open_streams: IntGauge,
    pub(super) streams: IntCounterVec,
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
