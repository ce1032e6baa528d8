//! The timeouts of a connection without a server.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use domain::runtime::ManualClock;
use futures_util::task::noop_waker_ref;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection::{Connection, HEAD_TIMEOUT, WRITE_TIMEOUT};
use crate::tests::support::KEEP_ALIVE;

/// A socket whose client sends and reads a given number of bytes.
#[derive(Default)]
struct FakeSocket {
    /// Bytes that the client has sent and the server has not read.
    sent: usize,
    /// Bytes that the client reads of the next write.
    accepted: usize,
}

impl AsyncRead for FakeSocket {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match std::mem::take(&mut self.sent) {
            0 => Poll::Pending,
            sent => {
                buffer.put_slice(&vec![b'x'; sent]);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for FakeSocket {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        match std::mem::take(&mut self.accepted) {
            0 => Poll::Pending,
            accepted => Poll::Ready(Ok(accepted)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

struct Setup {
    clock: Arc<ManualClock>,
    connection: Connection<FakeSocket>,
}

impl Setup {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        Self { connection: Connection::new(FakeSocket::default(), clock.clone(), KEEP_ALIVE), clock }
    }

    /// The client sends this many bytes, and the server reads all of them. Returns whether the connection is open.
    fn reads(&mut self, sent: usize) -> bool {
        self.connection.socket_mut().sent = sent;
        let mut space = [0; 100];
        loop {
            let mut buffer = ReadBuf::new(&mut space);
            let context = &mut Context::from_waker(noop_waker_ref());
            match Pin::new(&mut self.connection).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return false,
                Poll::Pending => return true,
            }
        }
    }

    /// The server writes 100 bytes, of which the client reads this many. Returns whether the connection is open.
    fn writes(&mut self, accepted: usize) -> bool {
        self.connection.socket_mut().accepted = accepted;
        let mut rest = 100;
        let context = &mut Context::from_waker(noop_waker_ref());
        loop {
            match Pin::new(&mut self.connection).poll_write(context, &vec![b'x'; rest]) {
                Poll::Ready(Ok(written)) if written == rest => break,
                Poll::Ready(Ok(written)) => rest -= written,
                Poll::Ready(Err(_)) => return false,
                Poll::Pending => return true,
            }
        }
        Pin::new(&mut self.connection).poll_flush(context).map(|flushed| flushed.is_ok()) == Poll::Ready(true)
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn slow_bytes_do_not_extend_the_head_timeout() {
    let mut setup = Setup::new();
    assert!(setup.reads(0));
    setup.clock.advance(KEEP_ALIVE.saturating_sub(SECOND));
    // The first byte starts the timeout of the head.
    assert!(setup.reads(1));
    for _ in 1..HEAD_TIMEOUT.as_secs() {
        setup.clock.advance(SECOND);
        assert!(setup.reads(1));
    }
    setup.clock.advance(SECOND);
    assert!(!setup.reads(1));
}

#[test]
fn a_byte_that_the_client_reads_restarts_the_write_timeout() {
    let mut setup = Setup::new();
    for _ in 0..3 {
        assert!(setup.writes(1));
        setup.clock.advance(WRITE_TIMEOUT.saturating_sub(SECOND));
        assert!(setup.writes(0));
    }
    setup.clock.advance(SECOND);
    assert!(!setup.writes(0));
}

#[test]
fn the_idle_timeout_starts_after_the_response_is_sent() {
    let mut setup = Setup::new();
    assert!(setup.writes(1));
    for _ in 0..5 {
        setup.clock.advance(KEEP_ALIVE);
        assert!(setup.reads(0) && setup.writes(1));
    }
    // The response is sent: the idle timeout starts.
    assert!(setup.writes(100));
    setup.clock.advance(KEEP_ALIVE.saturating_sub(SECOND));
    assert!(setup.reads(0));
    setup.clock.advance(SECOND);
    assert!(!setup.reads(0));
}
