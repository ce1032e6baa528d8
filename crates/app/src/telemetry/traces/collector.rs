//! The HTTP client of the collector, which logs whether the collector takes the traces.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::runtime::with_causes;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response, ResponseBodyTooLarge};
use reqwest::header::HeaderMap;
use reqwest::{Certificate, Client, redirect};
use tokio::runtime::Handle;

/// Maximum size of a response, which the collector fills only to report rejected spans.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// Minimum time between two warnings.
const WARNING_INTERVAL: Duration = Duration::from_mins(5);

/// The HTTP client cannot be created.
#[derive(Debug, thiserror::Error)]
#[error("cannot create the HTTP client for the export of traces")]
pub struct CollectorError(#[from] reqwest::Error);

/// The client. The thread of the SDK has no runtime, so the requests are sent by `runtime`.
#[derive(Debug)]
pub(super) struct Collector {
    http: Client,
    headers: HeaderMap,
    runtime: Handle,
    health: Mutex<Health>,
}

impl Collector {
    /// Creates a client that adds `headers` to each request.
    pub(super) fn new(headers: HeaderMap, timeout: Duration, runtime: Handle) -> Result<Self, CollectorError> {
        // An error means that a provider is already installed.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        // Mozilla's certificate authorities in addition to the platform's, for images without any.
        let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|root| Certificate::from_der(root));
        let http = Client::builder()
            .tls_certs_merge(roots.collect::<Result<Vec<_>, _>>()?)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(timeout)
            .build()?;
        Ok(Self { http, headers, runtime, health: Mutex::default() })
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        request.headers_mut().extend(self.headers.clone());
        let sent = self.runtime.spawn(send(self.http.clone(), request)).await;
        let response = sent.map_err(HttpError::from).flatten();
        let failure = match &response {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("status {}", response.status().as_u16())),
            Err(error) => Some(with_causes(error.as_ref())),
        };
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        health.record(failure, Instant::now());
        response
    }
}

async fn send(http: Client, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    // Without the URL, whose path may be secret.
    let mut received = http.execute(request.try_into()?).await.map_err(reqwest::Error::without_url)?;
    let mut body = Vec::new();
    while let Some(piece) = received.chunk().await.map_err(reqwest::Error::without_url)? {
        if body.len() + piece.len() > MAX_RESPONSE_BYTES {
            return Err(ResponseBodyTooLarge::new().into());
        }
        body.extend_from_slice(&piece);
    }
    let mut response = Response::new(body.into());
    *response.status_mut() = received.status();
    *response.headers_mut() = received.headers().clone();
    Ok(response)
}

/// What was logged of the collector.
#[derive(Debug, Default)]
struct Health {
    warned_at: Option<Instant>,
    /// Whether the last line that was logged is a warning.
    is_failing: bool,
}

impl Health {
    /// Logs a failure, unless one was logged recently, and the first success after it.
    fn record(&mut self, failure: Option<String>, now: Instant) {
        match failure {
            Some(cause) if self.warned_at.is_none_or(|at| now.duration_since(at) >= WARNING_INTERVAL) => {
                (self.warned_at, self.is_failing) = (Some(now), true);
                tracing::warn!(
                    cause,
                    "the collector at OTEL_EXPORTER_OTLP_ENDPOINT does not take the traces; they are lost until it does, \
                     and this is repeated every 5 minutes at most"
                );
            }
            None if self.is_failing => {
                self.is_failing = false;
                tracing::info!("the collector at OTEL_EXPORTER_OTLP_ENDPOINT takes the traces again");
            }
            Some(_) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::tests::{Captured, captured};

    /// The levels that are logged for outcomes, each at a number of seconds.
    fn logged(outcomes: &[(u64, bool)]) -> Vec<&'static str> {
        let (mut health, start) = (Health::default(), Instant::now());
        let levels = outcomes.iter().filter_map(|&(seconds, succeeds)| {
            let log = Captured::default();
            let _guard = captured(&log);
            health.record((!succeeds).then(|| "refused".to_owned()), start + Duration::from_secs(seconds));
            ["WARN", "INFO"].into_iter().find(|level| log.text().contains(level))
        });
        levels.collect()
    }

    #[test]
    fn a_collector_that_fails_is_logged_once_in_five_minutes_and_its_recovery_once() {
        assert_eq!(logged(&[(0, true), (5, true)]), [""; 0]);
        assert_eq!(logged(&[(0, false), (5, false), (299, false), (300, false)]), ["WARN", "WARN"]);
        assert_eq!(logged(&[(0, false), (5, true), (10, true)]), ["WARN", "INFO"]);
        assert_eq!(logged(&[(0, false), (5, true), (10, false), (15, true), (20, false)]), ["WARN", "INFO"]);
        assert_eq!(
            logged(&[(0, false), (5, true), (10, false), (310, false), (315, true)]),
            ["WARN", "INFO", "WARN", "INFO"]
        );
    }
}
