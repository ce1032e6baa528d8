//! An HTTP/1.1 connection. It costs little CPU time, because the server shares the CPUs.

use std::net::SocketAddr;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A request whose body is in memory.
pub(crate) type Request = hyper::Request<Full<Bytes>>;

/// A keep-alive connection, for one request at a time.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Connects to the server.
    ///
    /// # Errors
    /// If it refuses.
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends with the sender. An error is also returned to the request.
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    /// Sends a request and returns the response, whose body is still to be read.
    ///
    /// # Errors
    /// If the connection is closed.
    pub(crate) async fn start(&mut self, request: Request) -> anyhow::Result<Response<Incoming>> {
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }

    /// Sends a request and reads the response to its end. The body is discarded if the request was successful.
    ///
    /// # Errors
    /// If the connection is closed.
    pub(crate) async fn send(&mut self, request: Request) -> anyhow::Result<Result<(), Refusal>> {
        let mut response = self.start(request).await?;
        if response.status().is_success() {
            while let Some(frame) = response.frame().await {
                frame?;
            }
            return Ok(Ok(()));
        }
        let (status, retry_after) = (response.status(), response.headers().contains_key("retry-after"));
        let body = response.collect().await?.to_bytes();
        Ok(Err(Refusal { status, retry_after, body: String::from_utf8_lossy(&body).into_owned() }))
    }

    /// Sends a request and returns the body as JSON.
    ///
    /// # Errors
    /// If the status is not 2xx, or the body is not JSON.
    pub(crate) async fn json(&mut self, request: Request) -> anyhow::Result<serde_json::Value> {
        let response = self.start(request).await?;
        let status = response.status();
        let body = response.collect().await?.to_bytes();
        let text = || format!("{status} {}", String::from_utf8_lossy(&body));
        anyhow::ensure!(status.is_success(), "{}", text());
        serde_json::from_slice(&body).with_context(text)
    }
}

/// A response whose status is not 2xx.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The status.
    pub(crate) status: StatusCode,
    /// Whether it has the header `Retry-After`.
    pub(crate) retry_after: bool,
    /// The body.
    pub(crate) body: String,
}
