//! Servers that give every connection the same answer.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Listens on a free port and gives each connection to `answer`.
fn listen(answer: impl Fn(TcpStream) -> std::io::Result<()> + Send + 'static) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            // A client that goes away is its own concern.
            drop(answer(connection));
        }
    });
    Ok(address)
}

/// Starts an HTTP server that answers each request with this status and JSON. Returns its base URL.
pub fn http(status: &'static str, body: &'static str) -> anyhow::Result<String> {
    let address = listen(move |mut connection| {
        let (mut request, mut piece) = (Vec::new(), [0; 4096]);
        // Requests of these tests are smaller than a piece, and their bodies do not matter.
        while !request.windows(4).any(|window| window == b"\r\n\r\n") {
            let read = connection.read(&mut piece)?;
            if read == 0 {
                return Ok(());
            }
            request.extend_from_slice(&piece[..read]);
        }
        write!(
            connection,
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    })?;
    Ok(format!("http://{address}"))
}

/// Starts a Postgres server that refuses every password. The servers of tests require none.
pub fn postgres_that_refuses_passwords() -> anyhow::Result<SocketAddr> {
    listen(|mut connection| {
        let mut length = [0; 4];
        loop {
            connection.read_exact(&mut length)?;
            let mut message = vec![0; u32::from_be_bytes(length).saturating_sub(4).min(10_000) as usize];
            connection.read_exact(&mut message)?;
            // A request for TLS (SSLRequest) is answered by one byte; then the startup message follows.
            if message != 80_877_103_u32.to_be_bytes() {
                break;
            }
            connection.write_all(b"N")?;
        }
        let fields = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user \"me\"\0\0";
        connection.write_all(b"E")?;
        connection.write_all(&u32::try_from(fields.len() + 4).unwrap_or_default().to_be_bytes())?;
        connection.write_all(fields)
    })
}

/// Returns an address at which nothing listens.
pub fn unused_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
