//! The one place that does input and output for providers over HTTP: [`HttpClient`] posts what a
//! [`Provider`] translates and hands it what comes back.
//!
//! Proxies of the environment (`HTTPS_PROXY` and the like) are not used, so that the key goes to the set address and
//! nowhere else; redirects are not followed for the same reason. Deliberately not here: retries, circuit breaking and
//! every deadline but the one for connecting, which are [`ResilientClient`](crate::ResilientClient)'s. Dropping a
//! stream, or the future that waits for one, ends its request.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use domain::llm::{LlmClient, LlmError, LlmEvent, LlmRequest, LlmStream};
use futures_util::{StreamExt as _, stream};
use reqwest::header::{ACCEPT, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Certificate, Response, StatusCode, redirect};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::failure::{ErrorBody, FailureContext, retry_after};
use crate::provider::{Optional, Provider};
use crate::reader::ReplyReader;

/// So much of an error's body is read, in bytes, and so long it is waited for.
const MAX_ERROR_BODY: usize = 64 * 1024;
const ERROR_BODY_DEADLINE: Duration = Duration::from_secs(5);
/// So long the end of the body is waited for once the reply is whole: a connection at its end can be used again.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// Where a provider is, and what it is asked for.
#[derive(Clone)]
pub struct HttpOptions {
    /// The provider's address, with or without a slash or a version at its end. No user name, no password.
    pub base_url: Url,
    /// The key. A local server needs none.
    pub key: Option<SecretString>,
    /// The model's name.
    pub model: String,
    /// How freely the model chooses its words; not sent if it is not set.
    pub temperature: Option<f32>,
    /// How long making a connection may take.
    pub connect_timeout: Duration,
}

impl HttpOptions {
    /// How long making a connection may take if nothing else is said.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
}

impl fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpOptions")
            .field("base_url", &shown(&self.base_url))
            .field("model", &self.model)
            .field("temperature", &self.temperature)
            .field("connect_timeout", &self.connect_timeout)
            .finish_non_exhaustive()
    }
}

/// Why a client cannot be made of its options.
#[derive(Debug, thiserror::Error)]
pub enum HttpOptionsError {
    /// The address is not one that HTTP can be spoken with, or it names a user.
    #[error("the base URL must begin with http:// or https:// and have no user name or password in it")]
    BaseUrl,
    /// The key has characters that no header takes.
    #[error("the key must be visible ASCII characters")]
    Key,
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up")]
    Client(#[from] reqwest::Error),
}

/// A provider over HTTP. It keeps its connections, so one is made at start and shared.
pub struct HttpClient<P> {
    provider: P,
    http: reqwest::Client,
    endpoint: Url,
    headers: HeaderMap,
    failure: FailureContext,
    /// Whether the server has refused the fields that are optional.
    plain: AtomicBool,
}

impl<P> fmt::Debug for HttpClient<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("endpoint", &shown(&self.endpoint)).finish_non_exhaustive()
    }
}

impl<P: Provider> HttpClient<P> {
    /// A client for the provider at `options`. Nothing is sent.
    ///
    /// # Errors
    /// If there can be no such client.
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
        Ok(Self {
            endpoint: provider.endpoint(&base_url),
            headers: headers(&provider, key.as_ref())?,
            failure: FailureContext::new(provider.model(), P::MODEL_SETTING, key),
            plain: AtomicBool::new(false),
            provider,
            http,
        })
    }

    async fn post(&self, request: &LlmRequest, optional: Optional) -> Result<Response, LlmError> {
        let body = serde_json::to_vec(&self.provider.body(request, optional))
            .map_err(|error| LlmError::BadReply(Box::new(error)))?;
        let request = self.http.post(self.endpoint.clone()).headers(self.headers.clone()).body(body);
        request.send().await.map_err(unreachable)
    }

    /// Where an answer wants the request to go, as it may be logged.
    fn target(&self, response: &Response) -> Option<String> {
        let location = response.headers().get(LOCATION)?.to_str().ok()?;
        self.endpoint.join(location).ok().map(|url| shown(&url))
    }

    /// What an answer that is no reply says, and when to try again.
    async fn said(response: Response) -> (ErrorBody, Option<Duration>) {
        let header = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let wait = header(RETRY_AFTER).and_then(|value| retry_after(value, header(DATE), SystemTime::now()));
        let mut response = response;
        let mut body = Vec::new();
        let reading = async {
            while body.len() < MAX_ERROR_BODY
                && let Ok(Some(piece)) = response.chunk().await
            {
                body.extend_from_slice(&piece);
            }
        };
        // However much of the body came, the status is what counts.
        let _in_time = tokio::time::timeout(ERROR_BODY_DEADLINE, reading).await;
        body.truncate(MAX_ERROR_BODY);
        (ErrorBody::read(&String::from_utf8_lossy(&body)), wait)
    }
}

fn headers<P: Provider>(provider: &P, key: Option<&SecretString>) -> Result<HeaderMap, HttpOptionsError> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let key = key.map(|key| key.expose_secret().trim()).filter(|key| !key.is_empty());
    if let Some(key) = key {
        let (name, value) = provider.key_header(key);
        // The cause would repeat the key.
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

    async fn respond(&self, request: LlmRequest) -> Result<LlmStream, LlmError> {
        loop {
            let optional = if self.plain.load(Ordering::Relaxed) { Optional::LeftOut } else { Optional::Sent };
            let response = self.post(&request, optional).await?;
            let status = response.status();
            if status.is_success() && status != StatusCode::NO_CONTENT {
                let decoder = self.provider.decoder(self.failure.clone());
                return Ok(events(response, ReplyReader::new(decoder)));
            }
            if status.is_redirection() {
                return Err(self.failure.of_redirect(status.as_u16(), self.target(&response).as_deref()));
            }
            let (said, retry_after) = Self::said(response).await;
            if optional == Optional::LeftOut || !self.provider.refuses_optional(status.as_u16(), &said) {
                return Err(self.failure.of_status(status.as_u16(), said, retry_after));
            }
            // Once is enough to know the server.
            self.plain.store(true, Ordering::Relaxed);
        }
    }
}

/// A reply that comes in.
struct Incoming<D> {
    response: Option<Response>,
    reader: ReplyReader<D>,
    ready: VecDeque<Result<LlmEvent, LlmError>>,
}

fn events<D: crate::provider::ReplyDecoder>(response: Response, reader: ReplyReader<D>) -> LlmStream {
    let incoming = Incoming { response: Some(response), reader, ready: VecDeque::new() };
    stream::unfold(incoming, |mut incoming| async move {
        loop {
            if let Some(event) = incoming.ready.pop_front() {
                return Some((event, incoming));
            }
            incoming.read_on().await?;
        }
    })
    .boxed()
}

impl<D: crate::provider::ReplyDecoder> Incoming<D> {
    /// Reads until something came; `None` once there is nothing more to read.
    async fn read_on(&mut self) -> Option<()> {
        let response = self.response.as_mut()?;
        let mut out = Vec::new();
        let result = match response.chunk().await {
            Ok(Some(piece)) => self.reader.push(&piece, &mut out),
            Ok(None) => self.reader.end(&mut out),
            // A server that goes away behind its last words has said them all: the reply may be whole as it is.
            Err(error) => self.reader.end(&mut out).map_err(|_cut| {
                out.clear();
                unreachable(error)
            }),
        };
        self.ready.extend(out.into_iter().map(Ok));
        let failed = result.is_err();
        self.ready.extend(result.err().map(Err));
        if failed || self.reader.is_finished() {
            let mut response = self.response.take()?;
            if !failed {
                let rest = async { while let Ok(Some(_)) = response.chunk().await {} };
                let _in_time = tokio::time::timeout(LAST_WORDS, rest).await;
            }
        }
        Some(())
    }
}

/// No connection, a connection that broke, or no answer that is HTTP.
fn unreachable(error: reqwest::Error) -> LlmError {
    // The address may carry what is nobody's business in its query.
    let error = error.without_url();
    // A connection that took too long to make was never made.
    if error.is_timeout() && !error.is_connect() {
        LlmError::Timeout(Box::new(error))
    } else {
        LlmError::Unavailable(Box::new(error))
    }
}

/// An address as it may be logged.
fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openai::OpenAi;

    #[test]
    fn whoever_logs_the_headers_does_not_log_the_key() {
        let key = SecretString::from(" sk-very-secret-key\n");
        let headers = headers(&OpenAi::new("m".into(), None), Some(&key)).unwrap();
        assert_eq!(headers.get("authorization").unwrap(), "Bearer sk-very-secret-key");
        assert!(!format!("{headers:?}").contains("very-secret"), "{headers:?}");
    }
}
