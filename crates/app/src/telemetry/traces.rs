//! The export of traces to an OpenTelemetry collector, by OTLP over HTTP.
//!
//! Of the spans of `tracing`, those with these targets are exported, and no others: those of the log contain paths
//! and addresses. Log events are not exported either. In turn, no log line contains an exported span.
//!
//! A thread of the SDK sends finished spans in batches. Its queue is bounded: while the collector does not answer, further
//! spans are dropped, and no request waits for it.

mod collector;
mod sampler;

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tracing::{Level, Subscriber};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::registry::LookupSpan;
use url::Url;

use crate::settings::TraceSettings;
use collector::{Collector, CollectorError};
use sampler::RequestSampler;

/// The target of the spans that are exported.
pub(super) const TARGET: &str = "otel";

/// The target of the span of a turn, which is exported and in the lines of the log.
const TURN_TARGET: &str = "otel::turn";

/// Maximum time that a batch may take, its retries included.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum time that the end of the process waits for the last spans to be sent.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The name of this service unless a setting has another one.
const SERVICE_NAME: &str = "doable";

/// Reasons why traces cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The HTTP client cannot be created.
    #[error(transparent)]
    Collector(#[from] CollectorError),
    /// The exporter cannot be created.
    #[error("OTEL_EXPORTER_OTLP_ENDPOINT: cannot create the exporter")]
    Exporter(#[from] ExporterBuildError),
}

/// The running export.
#[derive(Clone, Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts the export if `OTEL_EXPORTER_OTLP_ENDPOINT` is set. Sends no request yet. Must be called on a tokio runtime,
    /// which sends the requests.
    ///
    /// # Errors
    /// [`TracesError`].
    pub fn start(settings: &TraceSettings) -> Result<Option<Self>, TracesError> {
        let Some(endpoint) = &settings.otel_exporter_otlp_endpoint else { return Ok(None) };
        let headers = settings.otel_exporter_otlp_headers.clone().map(|headers| headers.0).unwrap_or_default();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new(headers, EXPORT_TIMEOUT, Handle::current())?)
            .with_endpoint(traces_url(endpoint))
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(EXPORT_TIMEOUT)
            .build()?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(RequestSampler::new(settings))
            .with_resource(resource(settings))
            .build();
        // Reads the header traceparent of requests.
        global::set_text_map_propagator(TraceContextPropagator::new());
        Ok(Some(Self(provider)))
    }

    /// Returns the layer that exports spans.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let is_exported =
            |metadata: &tracing::Metadata<'_>| metadata.is_span() && [TARGET, TURN_TARGET].contains(&metadata.target());
        OpenTelemetryLayer::new(self.0.tracer(SERVICE_NAME))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            // The parent is the span of `tracing` that surrounds it.
            .with_context_activation(false)
            .with_filter(filter_fn(is_exported).with_max_level_hint(LevelFilter::from_level(Level::INFO)))
    }

    /// Sends the spans that wait, for at most 1 s, and ends the export.
    pub async fn shut_down(self) {
        let shut_down = spawn_blocking(move || self.0.shutdown_with_timeout(FLUSH_TIMEOUT)).await;
        match shut_down {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the last spans were not sent to the collector"),
            Err(error) => tracing::warn!(%error, "the export of traces was not shut down"),
        }
    }
}

/// Appends the path of traces to the base URL of the collector (OTLP 1.x, "Endpoint URLs for OTLP/HTTP").
fn traces_url(endpoint: &Url) -> String {
    format!("{}/v1/traces", endpoint.as_str().trim_end_matches('/'))
}

fn resource(settings: &TraceSettings) -> Resource {
    let attributes = settings.otel_resource_attributes.iter().flat_map(|attributes| attributes.0.clone());
    let attributes = attributes.map(|(name, value)| KeyValue::new(name, value));
    let resource = Resource::builder()
        .with_service_name(SERVICE_NAME)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attributes(attributes);
    match &settings.otel_service_name {
        Some(name) => resource.with_service_name(name.clone()),
        None => resource,
    }
    .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_traces_is_appended_to_the_endpoint() {
        for (endpoint, url) in [
            ("http://localhost:4318", "http://localhost:4318/v1/traces"),
            ("https://example.com/otlp/", "https://example.com/otlp/v1/traces"),
        ] {
            assert_eq!(traces_url(&endpoint.parse().unwrap()), url);
        }
    }
}
