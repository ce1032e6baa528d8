//! A client's connection, with an eye on the time: a client that keeps the server waiting is cut off.
//!
//! The framework times the first request's head and a connection that is idle. It waits for ever for the rest of a later
//! head, for the rest of a body that was refused, and for a client that takes nothing of an answer. Here one rule holds for
//! all of them, from the first request to the last. While a request is answered, nothing but the client's taking of the
//! answer is timed: a turn may take minutes.
//! Deliberately not here: the time that a body may take, which ends in an answer. That is [`crate::body`].

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, http};
use domain::runtime::Timer;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// So long a connection may be silent before its first request, and between an answer and the next request.
pub(crate) const SILENCE: Duration = Duration::from_secs(15);
/// So long a request's head may take, from its first byte to its last. What comes of a refused body counts as a head.
pub(crate) const HEAD: Duration = Duration::from_secs(10);
/// So long a client may take nothing of what is there for it.
pub(crate) const STALL: Duration = Duration::from_secs(60);
/// So long a connection that will take no further request stays open for its last answer to arrive.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// The answer to half a head (RFC 9110, 15.5.9).
const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

type Sleep = BoxFuture<'static, ()>;

/// A connection. It fails with [`io::ErrorKind::TimedOut`] when its client is too slow.
pub(crate) struct Connection<S> {
    socket: S,
    timer: Arc<dyn Timer>,
    activity: Rc<Activity>,
    /// What is waited for between two requests.
    wait: Option<Wait>,
    /// Until when the client has to take something, if it does not.
    stall: Option<Sleep>,
}

/// The wait for a request.
struct Wait {
    /// So many requests came before it.
    after: u64,
    /// Whether something of it is there.
    begun: bool,
    over: Sleep,
}

/// What is known of a connection's requests. Requests find it in their connection's data.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    begun: Cell<u64>,
    ended: Cell<u64>,
    closing: Cell<bool>,
    /// Whether the client has closed its side.
    gone: Cell<bool>,
}

impl Activity {
    /// Whether a request is being answered.
    fn is_serving(&self) -> bool {
        self.begun.get() > self.ended.get()
    }
}

impl<S> Connection<S> {
    pub(crate) fn new(socket: S, timer: Arc<dyn Timer>) -> Self {
        Self { socket, timer, activity: Rc::default(), wait: None, stall: None }
    }

    /// The other end, for tests that are one.
    #[cfg(test)]
    pub(crate) fn socket_mut(&mut self) -> &mut S {
        &mut self.socket
    }

    /// What its requests tell it by.
    pub(crate) fn activity(&self) -> Rc<Activity> {
        Rc::clone(&self.activity)
    }
}

impl<S: AsyncWrite + Unpin> Connection<S> {
    /// Fails if a request has been waited for for too long.
    fn check_wait(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        // As long as the last answer is on its way to the client, it is not the client who is waited for.
        if self.activity.is_serving() || self.stall.is_some() {
            self.wait = None;
            return Ok(());
        }
        let after = self.activity.begun.get();
        let wait = self.wait.take().filter(|wait| wait.after == after).unwrap_or_else(|| {
            let length = if self.activity.closing.get() { LINGER } else { SILENCE };
            Wait { after, begun: false, over: self.timer.sleep(length) }
        });
        let wait = self.wait.insert(wait);
        if wait.over.poll_unpin(context).is_pending() {
            return Ok(());
        }
        if wait.begun {
            // It is told if it can be. If not, it is cut all the same.
            let _told = Pin::new(&mut self.socket).poll_write(context, TOO_SLOW);
        }
        self.wait = None;
        tracing::debug!("a connection is cut: its client is too slow to ask");
        Err(io::ErrorKind::TimedOut.into())
    }

    /// Takes note that bytes have come.
    fn received(&mut self) {
        let Some(wait) = self.wait.as_mut().filter(|wait| !wait.begun) else { return };
        if !self.activity.closing.get() {
            wait.begun = true;
            wait.over = self.timer.sleep(HEAD);
        }
    }

    /// Fails if the client has taken nothing for too long.
    fn check_stall(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let stall = self.stall.get_or_insert_with(|| self.timer.sleep(STALL));
        if stall.poll_unpin(context).is_pending() {
            return Ok(());
        }
        self.stall = None;
        tracing::debug!("a connection is cut: its client does not take the answer");
        Err(io::ErrorKind::TimedOut.into())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Connection<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // First, so that a client cannot put it off by sending without a pause.
        this.check_wait(context)?;
        let before = (buffer.filled().len(), buffer.remaining());
        let read = Pin::new(&mut this.socket).poll_read(context, buffer);
        if buffer.filled().len() > before.0 {
            this.received();
        } else if read.is_ready() && before.1 > 0 {
            this.activity.gone.set(true);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write(context, bytes);
        match written {
            Poll::Pending => this.check_stall(context)?,
            Poll::Ready(_) => this.stall = None,
        }
        written
    }

    /// The framework flushes when it has nothing more to write: from then on it is the client's turn.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check_wait(context)?;
        Pin::new(&mut this.socket).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(context)
    }
}

/// A request that is being answered, from its head to the end of its answer.
struct Serving(Rc<Activity>);

impl Serving {
    fn begin(activity: &Rc<Activity>) -> Self {
        activity.begun.update(|begun| begun + 1);
        Self(Rc::clone(activity))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.ended.update(|ended| ended + 1);
    }
}

/// An answer's body, which is over when it is dropped. A stream ends when its client has closed its side: nobody would
/// notice before the next piece, and what it holds would be held until then.
struct Served {
    body: BoxBody,
    serving: Serving,
}

impl MessageBody for Served {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        if this.serving.0.gone.get() && this.body.size() == BodySize::Stream {
            return Poll::Ready(None);
        }
        this.body.as_pin_mut().poll_next(context)
    }
}

/// Middleware: tells the connection when a request is being answered. It is the outermost, so that everything else is
/// part of the answering. After a 408 the connection takes no further request.
pub(crate) async fn watch<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let activity = request.conn_data::<Rc<Activity>>().cloned();
    let serving = activity.as_ref().map(Serving::begin);
    let mut response = next.call(request).await?.map_into_boxed_body();
    if response.status() == StatusCode::REQUEST_TIMEOUT {
        response.response_mut().head_mut().set_connection_type(http::ConnectionType::Close);
        activity.inspect(|activity| activity.closing.set(true));
    }
    Ok(match serving {
        Some(serving) => response.map_body(|_, body| BoxBody::new(Served { body, serving })),
        None => response,
    })
}
