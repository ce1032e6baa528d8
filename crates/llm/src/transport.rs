//! The I/O for all providers: [`HttpClient`] sends what a [`Provider`] serializes, feeds its decoder, and separates thoughts
//! and calls from its text.
//!
//! Proxies of the environment (such as `HTTPS_PROXY`) are not used and redirects are not followed, so that the key is
//! only sent to the configured address. [`ResilientClient`](crate::ResilientClient) adds retries, the circuit breaker
//! and all timeouts but the one for connecting. Dropping a stream, or the future that returns it, cancels its request.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use domain::llm::{LlmClient, LlmError, LlmEvent, LlmRequest, LlmStream};
use futures_util::{StreamExt as _, stream};
use reqwest::header::{ACCEPT, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Certificate, Response, StatusCode, redirect};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::error::{ErrorBody, ErrorMapper, parse_retry_after};
use crate::marked_text::{OpenThoughts, separate};
use crate::provider::{Deviation, Provider, ReplyDecoder};
use crate::reply_reader::ReplyReader;

/// Maximum number of bytes that are read of an error response.
const MAX_ERROR_BODY_BYTES: usize = 64 * 1024;
/// Maximum time for reading an error response.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum time for reading the body to its end after a complete reply, so that the connection can be reused.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(50);

/// Address, credentials and model of a provider.
#[derive(Clone)]
pub struct HttpOptions {
    /// The provider's base URL; may end in a slash or a version. No user name and no password.
    pub base_url: Url,
    /// The API key. Local servers usually need none.
    pub key: Option<SecretString>,
    /// The model's name at the provider.
    pub model: String,
    /// The sampling temperature; the server's default if absent.
    pub temperature: Option<f32>,
    /// Maximum time for establishing a connection.
    pub connect_timeout: Duration,
}

impl HttpOptions {
    /// Default of `connect_timeout`.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
}

impl fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpOptions")
            .field("base_url", &loggable_url(&self.base_url))
            .field("model", &self.model)
            .field("temperature", &self.temperature)
            .field("connect_timeout", &self.connect_timeout)
            .finish_non_exhaustive()
    }
}

/// Why a client cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum HttpOptionsError {
    /// Not an HTTP URL with a host, or it contains credentials.
    #[error("the base URL must start with http:// or https:// and contain no user name or password")]
    BaseUrl,
    /// The key contains characters that are not allowed in a header.
    #[error("the key must consist of visible ASCII characters")]
    Key,
    /// The HTTP client cannot be created.
    #[error("the HTTP client cannot be created")]
    Client(#[from] reqwest::Error),
}

/// A client of a provider over HTTP, with a connection pool: create one at startup and share it.
pub struct HttpClient<P> {
    provider: P,
    http: reqwest::Client,
    endpoint: Url,
    headers: HeaderMap,
    errors: ErrorMapper,
    /// Provider, server and model.
    source: String,
    /// The deviations of the server that are known.
    deviations: Mutex<Vec<Deviation>>,
    open_thoughts: OpenThoughts,
}

impl<P> fmt::Debug for HttpClient<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("endpoint", &loggable_url(&self.endpoint)).finish_non_exhaustive()
    }
}

impl<P: Provider> HttpClient<P> {
    /// Creates a client. Sends no request. Installs ring as the process-wide provider of rustls if there is none.
    ///
    /// # Errors
    /// Returns an error if the base URL or the key is invalid, or the HTTP client cannot be created.
    pub fn new(options: HttpOptions) -> Result<Self, HttpOptionsError> {
        let HttpOptions { base_url, key, model, temperature, connect_timeout } = options;
        let is_http = matches!(base_url.scheme(), "http" | "https") && base_url.has_host();
        if !is_http || !base_url.username().is_empty() || base_url.password().is_some() {
            return Err(HttpOptionsError::BaseUrl);
        }
        let provider = P::new(model, temperature);
        // An error means that a provider is already installed.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        // Mozilla's certificate authorities in addition to the platform's, for images without any.
        let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|root| Certificate::from_der(root));
        let http = reqwest::Client::builder()
            .tls_certs_merge(roots.collect::<Result<Vec<_>, _>>()?)
            .user_agent(concat!("doable/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(connect_timeout)
            .build()?;
        let origin = base_url.origin().ascii_serialization();
        Ok(Self {
            source: format!("{} {origin} {}", P::NAME, provider.model()),
            endpoint: provider.endpoint(&base_url),
            headers: headers(&provider, key.as_ref())?,
            errors: ErrorMapper::new(provider.model(), P::MODEL_SETTING, key),
            deviations: Mutex::default(),
            open_thoughts: OpenThoughts::of_model(provider.model()),
            provider,
            http,
        })
    }

    async fn post(&self, request: &LlmRequest, deviations: &[Deviation]) -> Result<Response, LlmError> {
        let body = serde_json::to_vec(&self.provider.body(request, deviations))
            .map_err(|error| LlmError::BadReply(Box::new(error)))?;
        let request = self.http.post(self.endpoint.clone()).headers(self.headers.clone()).body(body);
        request.send().await.map_err(map_request_error)
    }

    /// A poisoned lock means that another request has panicked between two statements that cannot.
    fn deviations(&self) -> MutexGuard<'_, Vec<Deviation>> {
        self.deviations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers the deviations with which a request has succeeded: an error may quote what a user wrote.
    fn remember(&self, deviations: &[Deviation]) {
        let mut known = self.deviations();
        for deviation in deviations.iter().filter(|deviation| deviation.is_of_server()) {
            if !known.contains(deviation) {
                known.push(*deviation);
            }
        }
    }

    /// Returns the target of a redirect in loggable form.
    fn redirect_target(&self, response: &Response) -> Option<String> {
        let location = response.headers().get(LOCATION)?.to_str().ok()?;
        self.endpoint.join(location).ok().map(|url| loggable_url(&url))
    }

    /// Reads an error response and its `Retry-After`.
    async fn read_error(response: Response) -> (ErrorBody, Option<Duration>) {
        let header = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let wait = header(RETRY_AFTER).and_then(|value| parse_retry_after(value, header(DATE), SystemTime::now()));
        let mut response = response;
        let mut body = Vec::new();
        let reading = async {
            while body.len() < MAX_ERROR_BODY_BYTES
                && let Ok(Some(piece)) = response.chunk().await
            {
                body.extend_from_slice(&piece);
            }
        };
        // A partial body is enough: the status decides.
        let _elapsed = tokio::time::timeout(ERROR_BODY_TIMEOUT, reading).await;
        body.truncate(MAX_ERROR_BODY_BYTES);
        (ErrorBody::parse(&String::from_utf8_lossy(&body)), wait)
    }
}

fn headers<P: Provider>(provider: &P, key: Option<&SecretString>) -> Result<HeaderMap, HttpOptionsError> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let key = key.map(|key| key.expose_secret().trim()).filter(|key| !key.is_empty());
    if let Some(key) = key {
        let (name, value) = provider.auth_header(key);
        // The cause would contain the key.
        let Ok(mut value) = HeaderValue::from_str(&value) else { return Err(HttpOptionsError::Key) };
        value.set_sensitive(true);
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(headers)
}

#[async_trait]
impl<P: Provider> LlmClient for HttpClient<P> {
    fn provider(&self) -> &str {
        P::NAME
    }

    fn model(&self) -> &str {
        self.provider.model()
    }

    fn source(&self) -> String {
        self.source.clone()
    }

    async fn respond(&self, request: LlmRequest) -> Result<LlmStream, LlmError> {
        let mut deviations = self.deviations().clone();
        loop {
            let response = self.post(&request, &deviations).await?;
            let status = response.status();
            if status.is_success() && status != StatusCode::NO_CONTENT {
                self.remember(&deviations);
                let decoder = self.provider.decoder(self.errors.clone());
                let reply = reply_stream(response, ReplyReader::new(decoder));
                return Ok(separate(reply, request, self.open_thoughts.clone()));
            }
            if status.is_redirection() {
                return Err(self.errors.map_redirect(status.as_u16(), self.redirect_target(&response).as_deref()));
            }
            let (body, retry_after) = Self::read_error(response).await;
            match self.provider.deviation(status.as_u16(), &body) {
                Some(deviation) if !deviations.contains(&deviation) => deviations.push(deviation),
                _ => return Err(self.errors.map_response(status.as_u16(), body, retry_after)),
            }
        }
    }
}

/// A response whose body is being read.
struct Incoming<D> {
    response: Option<Response>,
    reader: ReplyReader<D>,
    ready: VecDeque<Result<LlmEvent, LlmError>>,
}

fn reply_stream<D: ReplyDecoder>(response: Response, reader: ReplyReader<D>) -> LlmStream {
    let incoming = Incoming { response: Some(response), reader, ready: VecDeque::new() };
    stream::unfold(incoming, |mut incoming| async move {
        loop {
            if let Some(event) = incoming.ready.pop_front() {
                return Some((event, incoming));
            }
            incoming.read_piece().await?;
        }
    })
    .boxed()
}

impl<D: ReplyDecoder> Incoming<D> {
    /// Reads the next piece of the body; `None` after its end.
    async fn read_piece(&mut self) -> Option<()> {
        let response = self.response.as_mut()?;
        let mut out = Vec::new();
        let result = match response.chunk().await {
            Ok(Some(piece)) => self.reader.push(&piece, &mut out),
            Ok(None) => self.reader.end(&mut out),
            // The reply may be complete even though the connection failed.
            Err(error) => self.reader.end(&mut out).map_err(|_truncated| {
                out.clear();
                map_request_error(error)
            }),
        };
        self.ready.extend(out.into_iter().map(Ok));
        let failed = result.is_err();
        self.ready.extend(result.err().map(Err));
        if failed || self.reader.is_finished() {
            let mut response = self.response.take()?;
            if !failed {
                let rest = async { while let Ok(Some(_)) = response.chunk().await {} };
                let _elapsed = tokio::time::timeout(DRAIN_TIMEOUT, rest).await;
            }
        }
        Some(())
    }
}

/// Maps a failed connection or an invalid HTTP response.
fn map_request_error(error: reqwest::Error) -> LlmError {
    // The query of the URL may contain secrets.
    let error = error.without_url();
    // A timeout while connecting means that the server is unreachable.
    if error.is_timeout() && !error.is_connect() {
        LlmError::Timeout(Box::new(error))
    } else {
        LlmError::Unavailable(Box::new(error))
    }
}

/// Returns a URL without credentials, query and fragment.
fn loggable_url(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openai::OpenAi;

    #[test]
    fn debug_output_of_the_headers_hides_the_key() {
        let key = SecretString::from(" sk-very-secret-key\n");
        let headers = headers(&OpenAi::new("m".into(), None), Some(&key)).unwrap();
        assert_eq!(headers.get("authorization").unwrap(), "Bearer sk-very-secret-key");
        assert!(!format!("{headers:?}").contains("very-secret"), "{headers:?}");
    }
}
