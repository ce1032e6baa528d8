//! A server of a few lines that answers each connection with bytes as they are, for what no well-behaved server does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use url::Url;

/// What comes after the bytes of an answer.
#[derive(Clone, Copy)]
pub(crate) enum Then {
    /// The connection is closed.
    Close,
    /// The answer's last bytes come again and again.
    Repeat,
    /// Nothing, until the client goes away.
    Wait,
    /// The next request on the same connection.
    Serve,
}

/// A server that answers every request alike.
pub(crate) struct Server {
    pub address: Url,
    /// How many connections were made.
    pub connections: Arc<AtomicUsize>,
    /// How often the tail was sent again.
    pub repetitions: Arc<AtomicUsize>,
    /// Resolves when the first client has gone away.
    pub gone: oneshot::Receiver<()>,
}

/// Starts a server that answers with `head` and then with `tail`, which is what is repeated.
pub(crate) async fn serve(head: String, tail: String, then: Then) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let (sender, gone) = oneshot::channel();
    let repetitions = Arc::new(AtomicUsize::new(0));
    let (counted, repeated) = (connections.clone(), repetitions.clone());
    tokio::spawn(async move {
        let mut sender = Some(sender);
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            answer(stream, &head, &tail, then, &repeated).await;
            if let Some(sender) = sender.take() {
                let _nobody_asks = sender.send(());
            }
        }
    });
    Server { address, connections, repetitions, gone }
}

async fn answer(mut stream: TcpStream, head: &str, tail: &str, then: Then, repeated: &AtomicUsize) {
    while read_request(&mut stream).await {
        let _gone = stream.write_all(head.as_bytes()).await;
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
                let _until_it_closes = stream.read(&mut [0; 64]).await;
            }
            Then::Serve => {}
        }
    }
}

/// Reads one request to the end of its body.
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

/// The head of an answer with a chunked body.
pub(crate) fn chunked() -> String {
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".into()
}

/// One chunk of such a body.
pub(crate) fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

/// The end of such a body.
pub(crate) const LAST_CHUNK: &str = "0\r\n\r\n";
