//! HTTP for `openidconnect`: one request, no redirect followed, an answer of bounded size.
//!
//! Proxies of the environment are not used, so that the client's secret goes to the provider and nowhere else. Deliberately
//! not here: deadlines, which are the caller's. Dropping the future ends its request.

use std::mem;

use futures_util::future::BoxFuture;
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use reqwest::header::AUTHORIZATION;
use reqwest::{Certificate, Request, StatusCode, redirect};

/// The most bytes of an answer. Key sets and tokens have a few thousand.
const MOST_BYTES: usize = 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpFailure {
    #[error("the request failed")]
    Request(#[from] reqwest::Error),
    #[error("the provider answered with status {0}")]
    Status(StatusCode),
    #[error("the answer has more than {MOST_BYTES} bytes")]
    TooLong,
}

/// The connections to the provider.
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

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpFailure> {
        let mut request = Request::try_from(request)?;
        if let Some(credentials) = request.headers_mut().get_mut(AUTHORIZATION) {
            credentials.set_sensitive(true);
        }
        let mut response = self.0.execute(request).await?;
        let status = response.status();
        // Then the body tells nothing about the sign-in.
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(HttpFailure::Status(status));
        }
        let headers = mem::take(response.headers_mut());
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await? {
            if body.len() + piece.len() > MOST_BYTES {
                return Err(HttpFailure::TooLong);
            }
            body.extend_from_slice(&piece);
        }
        let mut answer = HttpResponse::new(body);
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        Ok(answer)
    }
}

impl<'c> AsyncHttpClient<'c> for HttpClient {
    type Error = HttpFailure;
    type Future = BoxFuture<'c, Result<HttpResponse, HttpFailure>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}
