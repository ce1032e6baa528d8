//! Whether there is a connection pooler between this process and the server: [`is_pooled`].

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_postgres::{Client, Error, SimpleQueryMessage};

/// Whether another process executes the client's statements than the one that it was told at the start. A server tells
/// its own process id; a pooler, which passes statements to servers that it chooses, makes up a number.
pub(super) async fn is_pooled(client: &Client) -> Result<bool, Error> {
    let rows = client.simple_query("SELECT pg_backend_pid()").await?;
    let executing = rows.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0)?.parse::<i32>().ok(),
        _ => None,
    });
    // The driver tells the number only in the request to cancel a statement, which is not sent.
    let request = CancelRequest::default();
    client.cancel_token().cancel_query_raw(request.clone(), request.clone()).await?;
    Ok(executing != request.process_id())
}

/// A connection that keeps what is written and agrees to use TLS, without encryption.
#[derive(Clone, Default)]
struct CancelRequest(Arc<Mutex<Vec<u8>>>);

impl CancelRequest {
    /// The process id in the request, whose last eight bytes are this number and the key
    /// (<https://www.postgresql.org/docs/current/protocol-message-formats.html>).
    fn process_id(&self) -> Option<i32> {
        let written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (number, _key) = written.last_chunk::<8>()?.split_first_chunk::<4>()?;
        Some(i32::from_be_bytes(*number))
    }
}

impl AsyncRead for CancelRequest {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        buffer.put_slice(b"S");
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for CancelRequest {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl TlsStream for CancelRequest {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl TlsConnect<Self> for CancelRequest {
    type Stream = Self;
    type Error = io::Error;
    type Future = Ready<io::Result<Self>>;

    fn connect(self, stream: Self) -> Self::Future {
        ready(Ok(stream))
    }
}
