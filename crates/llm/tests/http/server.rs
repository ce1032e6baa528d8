//! A server that sends raw bytes, for behaviour that HTTP libraries do not allow.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use url::Url;

/// What the server does after a response.
#[derive(Clone, Copy)]
pub(crate) enum Then {
    /// Closes the connection.
    Close,
    /// Repeats the tail until the client disconnects.
    Repeat,
    /// Waits until the client disconnects.
    Wait,
    /// Serves the next request on the same connection.
    Serve,
}

/// A server with the same response to every request.
pub(crate) struct Server {
    pub url: Url,
    /// Number of accepted connections.
    pub connections: Arc<AtomicUsize>,
    /// Number of times that the tail was repeated.
    pub repetitions: Arc<AtomicUsize>,
    /// Resolves when the first client has disconnected.
    pub disconnected: oneshot::Receiver<()>,
}

/// Starts a server that responds with `head` and `tail`; [`Then::Repeat`] repeats the tail.
pub(crate) async fn serve(head: String, tail: String, then: Then) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let (sender, disconnected) = oneshot::channel();
    let repetitions = Arc::new(AtomicUsize::new(0));
    let (accepted, repeated) = (connections.clone(), repetitions.clone());
    tokio::spawn(async move {
        let mut sender = Some(sender);
        while let Ok((stream, _)) = listener.accept().await {
            accepted.fetch_add(1, Ordering::SeqCst);
            respond(stream, &head, &tail, then, &repeated).await;
            if let Some(sender) = sender.take() {
                let _receiver_dropped = sender.send(());
            }
        }
    });
    Server { url, connections, repetitions, disconnected }
}

async fn respond(mut stream: TcpStream, head: &str, tail: &str, then: Then, repeated: &AtomicUsize) {
    while read_request(&mut stream).await {
        let _disconnected = stream.write_all(head.as_bytes()).await;
        let mut open = stream.write_all(tail.as_bytes()).await.is_ok();
        match then {
            Then::Close => return,
            Then::Repeat => {
                while open {
                    repeated.fetch_add(1, Ordering::SeqCst);
                    open = stream.write_all(tail.as_bytes()).await.is_ok();
                }
            }
            Then::Wait => {
                let _disconnected = stream.read(&mut [0; 64]).await;
            }
            Then::Serve => {}
        }
    }
}

/// Reads one request to the end of its body. Returns `false` if the client has disconnected.
async fn read_request(stream: &mut TcpStream) -> bool {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece).await {
            Ok(count) if count > 0 => request.extend_from_slice(&piece[..count]),
            _ => return false,
        }
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return true;
        }
    }
}

/// Returns the head of a response with a chunked body.
pub(crate) fn chunked() -> String {
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".into()
}

/// Returns one chunk of such a body.
pub(crate) fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

/// The end of such a body.
pub(crate) const LAST_CHUNK: &str = "0\r\n\r\n";
