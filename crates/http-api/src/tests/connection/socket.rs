//! Behaviour that needs a real connection.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use domain::llm::Step;
use domain::runtime::ManualClock;

use crate::server::accept;
use crate::stream_limit::MAX_STREAMS;
use crate::tests::support::{
    FakeLedger, KEEP_ALIVE, ME, Ports, TOKEN, exchange, ports_with_llm, raw_chat_request, with_server,
};

fn login(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

#[actix_web::test]
async fn a_chunked_body_is_measured_while_it_arrives() {
    let mut body = Vec::new();
    for _ in 0..20 {
        body.extend_from_slice(b"1000\r\n");
        body.extend_from_slice(&[b' '; 0x1000]);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n\r\n");
    let response = exchange(Ports::new(), login("Transfer-Encoding: chunked\r\nConnection: close", &body)).await;
    assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
    assert!(response.contains(r#""code":"PAYLOAD_TOO_LARGE""#), "{response}");
}

#[actix_web::test]
async fn a_large_body_is_answered_413_before_the_connection_closes() {
    let body = vec![b' '; 4 * 1024 * 1024];
    let response = exchange(Ports::new(), login(&format!("Content-Length: {}", body.len()), &body)).await;
    assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
    assert!(response.contains(r#""code":"PAYLOAD_TOO_LARGE""#), "{response}");
}

#[actix_web::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let request =
        |method: &str| format!("{method} /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").into_bytes();
    let get = exchange(Ports::new(), request("GET")).await;
    let head = exchange(Ports::new(), request("HEAD")).await;
    let split = |response: &str| {
        response.split_once("\r\n\r\n").map(|(head, body)| (head.to_lowercase(), body.to_owned())).unwrap()
    };
    let ((get, body), (head, nothing)) = (split(&get), split(&head));
    assert_eq!((body.as_str(), nothing.as_str()), (r#"{"status":"up"}"#, ""));
    for line in ["content-length: 15", "content-type: application/json", "x-content-type-options: nosniff"] {
        assert!(get.contains(line) && head.contains(line), "{line}\n{get}\n{head}");
    }
}

#[actix_web::test]
async fn while_the_server_drains_a_connection_ends_with_its_next_response() {
    let ports = Ports::new();
    ports.options.draining.begin();
    // The client asks to keep the connection: `exchange` returns when the server has closed it.
    let request = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n".to_vec();
    let response = exchange(ports, request).await.to_lowercase();
    assert!(response.starts_with("http/1.1 200 ") && response.contains("\r\nconnection: close\r\n"), "{response}");
}

#[actix_web::test]
async fn control_characters_in_a_header_are_refused() {
    let request = b"GET /health HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\x1b[31m\r\nConnection: close\r\n\r\n".to_vec();
    let response = exchange(Ports::new(), request).await;
    assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
}

#[actix_web::test]
async fn a_stream_is_sent_chunked() {
    let response =
        exchange(ports_with_llm([Step::says("Hi.")]), raw_chat_request("Accept: text/event-stream\r\n")).await;
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let head = head.to_lowercase();
    assert!(head.starts_with("http/1.1 200 ") && head.contains("\r\ntransfer-encoding: chunked"), "{head}");
    assert!(head.contains("\r\ncontent-type: text/event-stream\r\n") && !head.contains("content-length"), "{head}");
    assert!(body.contains("data: {\"type\":\"text-delta\",\"id\":\"text-0\",\"delta\":\"Hi.\"}\n\n"), "{body}");
    assert!(body.contains("data: [DONE]\n\n") && body.ends_with("\r\n0\r\n\r\n"), "{body}");
}

#[actix_web::test]
async fn a_stream_to_an_http_1_0_client_has_no_chunks_and_ends_with_the_connection() {
    // The connection is closed although the client asks to keep it: nothing else tells the end.
    for connection in ["", "Connection: keep-alive\r\n"] {
        let request = raw_chat_request("Accept: text/event-stream\r\n");
        let request = String::from_utf8(request).unwrap().replace("Connection: close\r\n", connection);
        let request = request.replace(" HTTP/1.1\r\n", " HTTP/1.0\r\n").into_bytes();
        let response = exchange(ports_with_llm([Step::says("Hi.")]), request).await;
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        let head = head.to_lowercase();
        assert!(head.contains(" 200 ") && !head.contains("transfer-encoding"), "{head}");
        assert!(!head.contains("content-length") && !head.contains("keep-alive"), "{head}");
        assert!(body.starts_with("data: {") && body.ends_with("data: [DONE]\n\n"), "{body}");
    }
}

/// Opens a stream of events. Returns the status and the connection.
fn follow(address: SocketAddr) -> (String, TcpStream) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = format!("GET /api/{ME}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut response = Vec::new();
    // The whole head: closing a connection with unread bytes resets it.
    while !response.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        response.extend_from_slice(&byte);
    }
    (String::from_utf8_lossy(&response[9..12]).into_owned(), stream)
}

#[actix_web::test]
async fn a_disconnected_reader_frees_its_stream() {
    let mut ports = Ports::new();
    FakeLedger::default().install(&mut ports);
    let is_freed = with_server(ports, |address| {
        let mut readers: Vec<_> = (0..MAX_STREAMS).map(|_| follow(address)).collect();
        assert!(readers.iter().all(|(status, _)| status == "200"));
        assert_eq!(follow(address).0, "429");
        readers.pop();
        let deadline = Instant::now() + Duration::from_secs(10);
        // The server's clock does not advance, so no keep-alive comment is written.
        while Instant::now() < deadline {
            if follow(address).0 == "200" {
                return true;
            }
            sleep(Duration::from_millis(10));
        }
        false
    });
    assert!(is_freed.await, "the stream is not freed");
}

#[actix_web::test]
async fn an_accepted_connection_sends_packets_without_delay() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (socket, _) = listener.accept().await.unwrap();
    assert!(!socket.nodelay().unwrap(), "not the default");
    let (mut connection, peer) = accept(socket, Arc::new(ManualClock::default()), KEEP_ALIVE).unwrap();
    assert_eq!((connection.socket_mut().nodelay().unwrap(), peer), (true, client.local_addr().unwrap()));
}
