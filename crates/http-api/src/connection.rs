//! A client's connection with timeouts: clients that keep the server waiting are disconnected.
//!
//! actix-http times the head of the first request and idle connections. It waits forever for the rest of a later head, for
//! the rest of a refused body, and for a client that does not read its response. The timeouts here apply to every request of
//! a connection. While a request is processed only the client's reading is timed: a turn may take minutes.
//!
//! The timeout of a body is in [`crate::extract::json`], because it is answered.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{StatusCode, Version};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, http};
use domain::runtime::Timer;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Maximum time from the first to the last byte of a request's head. The rest of a refused body counts as a head.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum time in which a client reads nothing of its response.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_mins(1);
/// Time that a connection stays open after its last response, so that the client receives it.
pub(crate) const LINGER_TIMEOUT: Duration = Duration::from_secs(1);

/// The response to an incomplete head (RFC 9110, 15.5.9).
const REQUEST_TIMEOUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

type Sleep = BoxFuture<'static, ()>;

/// A connection. Reading and writing fail with [`io::ErrorKind::TimedOut`] when the client is too slow.
pub(crate) struct Connection<S> {
    socket: S,
    timer: Arc<dyn Timer>,
    /// Maximum time before the first request, and between a response and the next request.
    idle_timeout: Duration,
    activity: Rc<Activity>,
    /// The wait for the next request, between two requests.
    wait: Option<Wait>,
    /// The write timeout, while the client does not read.
    write_timeout: Option<Sleep>,
}

/// The wait for a request.
struct Wait {
    /// Number of requests before it.
    preceding: u64,
    /// Whether a byte of the request was received.
    started: bool,
    timeout: Sleep,
}

/// The state of a connection's requests, in the connection data of each request.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    started: Cell<u64>,
    finished: Cell<u64>,
    /// Whether no further request is accepted.
    closing: Cell<bool>,
    /// Whether the client has closed its side.
    closed_by_client: Cell<bool>,
}

impl Activity {
    /// Whether a request is being processed.
    fn is_busy(&self) -> bool {
        self.started.get() > self.finished.get()
    }
}

impl<S> Connection<S> {
    pub(crate) fn new(socket: S, timer: Arc<dyn Timer>, idle_timeout: Duration) -> Self {
        Self { socket, timer, idle_timeout, activity: Rc::default(), wait: None, write_timeout: None }
    }

    /// The socket, for tests that act as the client.
    #[cfg(test)]
    pub(crate) fn socket_mut(&mut self) -> &mut S {
        &mut self.socket
    }

    /// The state of the connection's requests.
    pub(crate) fn activity(&self) -> Rc<Activity> {
        Rc::clone(&self.activity)
    }
}

impl<S: AsyncWrite + Unpin> Connection<S> {
    /// Fails if the next request takes too long.
    fn check_request_timeout(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        // No request is awaited while the last response is being sent.
        if self.activity.is_busy() || self.write_timeout.is_some() {
            self.wait = None;
            return Ok(());
        }
        let preceding = self.activity.started.get();
        let wait = self.wait.take().filter(|wait| wait.preceding == preceding).unwrap_or_else(|| {
            let timeout = if self.activity.closing.get() { LINGER_TIMEOUT } else { self.idle_timeout };
            Wait { preceding, started: false, timeout: self.timer.sleep(timeout) }
        });
        let wait = self.wait.insert(wait);
        if wait.timeout.poll_unpin(context).is_pending() {
            return Ok(());
        }
        if wait.started {
            // Best effort: the connection is closed in any case.
            let _written = Pin::new(&mut self.socket).poll_write(context, REQUEST_TIMEOUT);
        }
        self.wait = None;
        tracing::debug!("connection closed: the request took too long");
        Err(io::ErrorKind::TimedOut.into())
    }

    /// Starts the head timeout at the first byte of a request.
    fn on_received(&mut self) {
        let Some(wait) = self.wait.as_mut().filter(|wait| !wait.started) else { return };
        if !self.activity.closing.get() {
            wait.started = true;
            wait.timeout = self.timer.sleep(HEAD_TIMEOUT);
        }
    }

    /// Fails if the client has read nothing for too long.
    fn check_write_timeout(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let timeout = self.write_timeout.get_or_insert_with(|| self.timer.sleep(WRITE_TIMEOUT));
        if timeout.poll_unpin(context).is_pending() {
            return Ok(());
        }
        self.write_timeout = None;
        tracing::debug!("connection closed: the client does not read the response");
        Err(io::ErrorKind::TimedOut.into())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Connection<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Checked first, so that a client cannot postpone it by sending continuously.
        this.check_request_timeout(context)?;
        let (filled, capacity) = (buffer.filled().len(), buffer.remaining());
        let read = Pin::new(&mut this.socket).poll_read(context, buffer);
        if buffer.filled().len() > filled {
            this.on_received();
        } else if read.is_ready() && capacity > 0 {
            this.activity.closed_by_client.set(true);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write(context, bytes);
        match written {
            Poll::Pending => this.check_write_timeout(context)?,
            Poll::Ready(_) => this.write_timeout = None,
        }
        written
    }

    /// actix-http flushes when it has nothing more to write. From then on the next request is awaited.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check_request_timeout(context)?;
        Pin::new(&mut this.socket).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(context)
    }
}

/// A request that is being processed, from its head to the end of its response.
struct ActiveRequest(Rc<Activity>);

impl ActiveRequest {
    fn start(activity: &Rc<Activity>) -> Self {
        activity.started.update(|started| started + 1);
        Self(Rc::clone(activity))
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.finished.update(|finished| finished + 1);
    }
}

/// The body of a response, which ends its request on drop. A stream ends as soon as the client has closed its side:
/// actix-http would notice only when it writes the next chunk, and keep the stream's resources until then.
struct TrackedBody {
    body: BoxBody,
    request: ActiveRequest,
}

impl MessageBody for TrackedBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        if this.request.0.closed_by_client.get() && this.body.size() == BodySize::Stream {
            return Poll::Ready(None);
        }
        this.body.as_pin_mut().poll_next(context)
    }
}

/// Middleware: tracks the processing of a request for the timeouts of its connection. It must be the outermost. After a
/// 408 the connection accepts no further request. HTTP/1.0 has no chunks: a stream ends there with the connection
/// (RFC 9112, 6.1).
pub(crate) async fn track_request<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let activity = request.conn_data::<Rc<Activity>>().cloned();
    let active = activity.as_ref().map(ActiveRequest::start);
    let version = request.version();
    let mut response = next.call(request).await?.map_into_boxed_body();
    if response.status() == StatusCode::REQUEST_TIMEOUT {
        response.response_mut().head_mut().set_connection_type(http::ConnectionType::Close);
        activity.inspect(|activity| activity.closing.set(true));
    }
    if version < Version::HTTP_11 && response.response().body().size() == BodySize::Stream {
        let head = response.response_mut().head_mut();
        head.no_chunking(true);
        head.set_connection_type(http::ConnectionType::Close);
    }
    Ok(match active {
        Some(request) => response.map_body(|_, body| BoxBody::new(TrackedBody { body, request })),
        None => response,
    })
}
