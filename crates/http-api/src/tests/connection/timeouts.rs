//! A connection's times, without a server: what puts them off and what does not.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use domain::runtime::ManualClock;
use futures_util::task::noop_waker_ref;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection::{Connection, HEAD_TIMEOUT, IDLE_TIMEOUT, WRITE_TIMEOUT};

/// The other end: what it has sent, and how much it takes.
#[derive(Default)]
struct Line {
    sent: usize,
    takes: usize,
}

impl AsyncRead for Line {
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

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        match std::mem::take(&mut self.takes) {
            0 => Poll::Pending,
            taken => Poll::Ready(Ok(taken)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

struct Ends {
    clock: Arc<ManualClock>,
    connection: Connection<Line>,
}

impl Ends {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        Self { connection: Connection::new(Line::default(), clock.clone()), clock }
    }

    /// The other end sends so many bytes, and everything is read. Whether the connection lives.
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

    /// The other end takes so many bytes of a hundred. Whether the connection lives.
    fn writes(&mut self, taken: usize) -> bool {
        self.connection.socket_mut().takes = taken;
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
fn a_byte_now_and_then_does_not_put_off_the_end_of_a_head() {
    let mut ends = Ends::new();
    assert!(ends.reads(0));
    ends.clock.advance(IDLE_TIMEOUT.saturating_sub(SECOND));
    // The first one does: the head's own time begins with it.
    assert!(ends.reads(1));
    for _ in 1..HEAD_TIMEOUT.as_secs() {
        ends.clock.advance(SECOND);
        assert!(ends.reads(1));
    }
    ends.clock.advance(SECOND);
    assert!(!ends.reads(1));
}

#[test]
fn a_byte_that_is_taken_puts_off_the_end_of_a_connection_that_stalls() {
    let mut ends = Ends::new();
    for _ in 0..3 {
        assert!(ends.writes(1));
        ends.clock.advance(WRITE_TIMEOUT.saturating_sub(SECOND));
        assert!(ends.writes(0));
    }
    ends.clock.advance(SECOND);
    assert!(!ends.writes(0));
}

#[test]
fn no_request_is_waited_for_as_long_as_an_answer_is_on_its_way() {
    let mut ends = Ends::new();
    assert!(ends.writes(1));
    for _ in 0..5 {
        ends.clock.advance(IDLE_TIMEOUT);
        assert!(ends.reads(0) && ends.writes(1));
    }
    // All of it is gone: now it is the other end's turn.
    assert!(ends.writes(100));
    ends.clock.advance(IDLE_TIMEOUT.saturating_sub(SECOND));
    assert!(ends.reads(0));
    ends.clock.advance(SECOND);
    assert!(!ends.reads(0));
}
