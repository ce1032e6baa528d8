//! A server on a socket, and requests to it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use actix_web::web;

use super::ports::{ME, Ports, TOKEN};

/// Runs `client` with the address of a server. Returns its result.
pub(crate) async fn with_server<T: Send + 'static>(
    ports: Ports,
    client: impl FnOnce(SocketAddr) -> T + Send + 'static,
) -> T {
    let (services, options) = ports.services();
    let listeners = crate::listen("127.0.0.1", 0).unwrap();
    let address = listeners[0].local_addr().unwrap();
    let server = crate::serve(listeners, &services, &options, Duration::ZERO).unwrap();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    let result = web::block(move || client(address)).await.unwrap();
    handle.stop(false).await;
    result
}

/// Sends `bytes` and returns everything that the server sends until it closes the connection.
pub(crate) async fn exchange(ports: Ports, bytes: Vec<u8>) -> String {
    with_server(ports, move |address| send_and_read(address, &bytes)).await
}

fn send_and_read(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    String::from_utf8_lossy(&received).into_owned()
}

pub(crate) fn raw_chat_request(headers: &str) -> Vec<u8> {
    let body = r#"{"message":"Hello"}"#;
    let head = format!(
        "POST /api/{ME}/chat HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n{headers}\r\n",
        body.len()
    );
    format!("{head}{body}").into_bytes()
}
