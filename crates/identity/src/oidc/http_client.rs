//! HTTP for `openidconnect`, without redirects and with responses of limited size.
//!
//! Proxies of the environment are ignored, so that the client secret is sent only to the provider. Timeouts
//! are up to the caller: dropping the future cancels the request.

use std::mem;

use futures_util::future::BoxFuture;
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use reqwest::header::AUTHORIZATION;
use reqwest::{Certificate, Request, StatusCode, redirect};

/// Maximum size of a response body. Key sets and tokens have a few thousand bytes.
const MAX_BODY_BYTES: usize = 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    #[error("the request failed")]
    Request(#[from] reqwest::Error),
    #[error("the provider responded with status {0}")]
    Status(StatusCode),
    #[error("the response has more than {MAX_BODY_BYTES} bytes")]
    TooLarge,
}

/// A pool of connections to the provider.
pub(super) struct HttpClient(reqwest::Client);

impl HttpClient {
    pub(super) fn new() -> reqwest::Result<Self> {
        // An error means that a provider is already installed.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        // Mozilla's certificate authorities in addition to the platform's, for images without any.
        let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|root| Certificate::from_der(root));
        let client = reqwest::Client::builder()
            .tls_certs_merge(roots.collect::<Result<Vec<_>, _>>()?)
            .user_agent(concat!("doable/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .build()?;
        Ok(Self(client))
    }

    pub(super) async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let mut request = Request::try_from(request)?;
        if let Some(credentials) = request.headers_mut().get_mut(AUTHORIZATION) {
            credentials.set_sensitive(true);
        }
        let mut response = self.0.execute(request).await?;
        let status = response.status();
        // These statuses mean that the provider is unavailable, whatever the body is.
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(HttpError::Status(status));
        }
        let headers = mem::take(response.headers_mut());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(HttpError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let mut http_response = HttpResponse::new(body);
        *http_response.status_mut() = status;
        *http_response.headers_mut() = headers;
        Ok(http_response)
    }
}

impl<'c> AsyncHttpClient<'c> for HttpClient {
    type Error = HttpError;
    type Future = BoxFuture<'c, Result<HttpResponse, HttpError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}
