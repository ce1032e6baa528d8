//! Slow clients are disconnected; clients that wait for the server are not.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use domain::chat::ChatOptions;
use domain::llm::{FinishReason, LlmEvent, Step};
use domain::runtime::ManualClock;
use futures_channel::oneshot;

use crate::connection::{HEAD_TIMEOUT, LINGER_TIMEOUT, WRITE_TIMEOUT};
use crate::extract::json::BODY_TIMEOUT;
use crate::tests::support::{KEEP_ALIVE, ME, Ports, TOKEN, operations, ports_with_llm, raw_chat_request, with_server};

/// A client on a plain socket.
struct Client(TcpStream);

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self(stream)
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).unwrap();
    }

    /// Reads until the received bytes end with `end`.
    #[track_caller]
    fn read_until(&mut self, end: &str) -> String {
        let mut response = Vec::new();
        while !response.ends_with(end.as_bytes()) {
            let mut byte = [0];
            let read = self.0.read(&mut byte);
            let read = read.unwrap_or_else(|error| panic!("{error} after {:?}", String::from_utf8_lossy(&response)));
            assert_eq!(read, 1, "the connection ends before {end:?}: {:?}", String::from_utf8_lossy(&response));
            response.extend_from_slice(&byte);
        }
        String::from_utf8(response).unwrap()
    }

    /// Reads until the connection is closed.
    #[track_caller]
    fn rest(mut self) -> String {
        let mut response = Vec::new();
        self.0.read_to_end(&mut response).unwrap_or_else(|error| panic!("the connection is not closed: {error}"));
        String::from_utf8(response).unwrap()
    }
}

/// Runs `client` with a connection to a server and the clock of the server. Returns its result.
async fn with_clock<T: Send + 'static>(
    ports: Ports,
    client: impl FnOnce(Client, &ManualClock) -> T + Send + 'static,
) -> T {
    let clock = ports.clock.clone();
    with_server(ports, move |address| client(Client::connect(address), &clock)).await
}

const REQUEST: &str = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
const RESPONSE_BODY: &str = r#"{"status":"up"}"#;

/// Incomplete heads.
const INCOMPLETE_HEADS: [&str; 5] =
    ["G", "\r\n", "GET /health HT", "GET /health HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: x\r\nX"];

fn assert_timed_out(response: &str) {
    assert_eq!(response, "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
}

#[actix_web::test]
async fn a_connection_without_a_request_is_closed() {
    let rest = with_clock(Ports::new(), |client, clock| {
        clock.wait_for_sleeper(KEEP_ALIVE);
        clock.advance(KEEP_ALIVE);
        client.rest()
    });
    assert_eq!(rest.await, "");
}

#[actix_web::test]
async fn an_incomplete_head_is_answered_408_and_closed() {
    for head in INCOMPLETE_HEADS {
        let rest = with_clock(Ports::new(), move |mut client, clock| {
            client.send(head);
            clock.wait_for_sleeper(HEAD_TIMEOUT);
            clock.advance(HEAD_TIMEOUT);
            client.rest()
        });
        assert_timed_out(&rest.await);
    }
}

#[actix_web::test]
async fn an_incomplete_second_head_is_answered_408_and_closed() {
    for head in INCOMPLETE_HEADS {
        let rest = with_clock(Ports::new(), move |mut client, clock| {
            for _ in 0..2 {
                client.send(REQUEST);
                client.read_until(RESPONSE_BODY);
                // The timeout of the next head has started, and that of this one was canceled.
                clock.wait_for_sleeper(KEEP_ALIVE);
                clock.advance(KEEP_ALIVE.saturating_sub(Duration::from_secs(1)));
            }
            client.send(head);
            clock.wait_for_sleeper(HEAD_TIMEOUT);
            clock.advance(HEAD_TIMEOUT);
            client.rest()
        });
        assert_timed_out(&rest.await);
    }
}

#[actix_web::test]
async fn an_incomplete_pipelined_head_is_closed() {
    let rest = with_clock(Ports::new(), |mut client, clock| {
        client.send(format!("{REQUEST}GET /hea"));
        client.read_until(RESPONSE_BODY);
        clock.wait_for_sleeper(KEEP_ALIVE);
        clock.advance(KEEP_ALIVE);
        client.rest()
    });
    assert_eq!(rest.await, "");
}

#[actix_web::test]
async fn an_idle_keep_alive_connection_is_closed() {
    let rest = with_clock(Ports::new(), |mut client, clock| {
        client.send(REQUEST);
        client.read_until(RESPONSE_BODY);
        clock.wait_for_sleeper(KEEP_ALIVE);
        clock.advance(KEEP_ALIVE);
        client.rest()
    });
    assert_eq!(rest.await, "");
}

#[actix_web::test]
async fn an_idle_connection_stays_open_for_as_long_as_is_set() {
    let mut ports = Ports::new();
    ports.options.keep_alive = Duration::from_secs(75);
    let rest = with_clock(ports, |mut client, clock| {
        for _ in 0..2 {
            client.send(REQUEST);
            client.read_until(RESPONSE_BODY);
            clock.wait_for_sleeper(Duration::from_secs(75));
            clock.advance(Duration::from_secs(74));
        }
        clock.advance(Duration::from_secs(1));
        client.rest()
    });
    assert_eq!(rest.await, "");
}

/// The head of a request with a body.
fn head_of_post(path: &str, headers: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n{headers}\r\n\r\n")
}

#[actix_web::test]
async fn a_late_body_is_answered_408_and_closed() {
    for path in ["/auth/login".to_owned(), format!("/api/{ME}/tasks"), format!("/api/{ME}/chat")] {
        for (length, start) in
            [("Content-Length: 100", "{"), ("Transfer-Encoding: chunked", "5\r\n{\"t"), ("Content-Length: 100", "")]
        {
            let head = head_of_post(&path, &format!("Content-Type: application/json\r\n{length}"));
            let response = with_clock(Ports::new(), move |mut client, clock| {
                client.send(head + start);
                clock.wait_for_sleeper(BODY_TIMEOUT);
                clock.advance(BODY_TIMEOUT);
                let response = client.read_until("}");
                clock.wait_for_sleeper(LINGER_TIMEOUT);
                clock.advance(LINGER_TIMEOUT);
                (response, client.rest())
            });
            let (response, rest) = response.await;
            assert!(
                response.starts_with("HTTP/1.1 408 ") && response.contains(r#""code":"REQUEST_TIMEOUT""#),
                "{path}: {response}"
            );
            assert!(response.to_lowercase().contains("\r\nconnection: close\r\n"), "{path}: {response}");
            assert_eq!(rest, "", "{path} {length}");
        }
    }
}

#[test]
fn every_operation_with_a_body_documents_408() {
    let with_body = operations().filter(|(_, _, operation)| operation["requestBody"].is_object());
    for (path, method, operation) in with_body {
        let reference = operation["responses"]["408"]["$ref"].as_str().unwrap_or_default();
        assert!(reference.ends_with("/REQUEST_TIMEOUT"), "{method} {path}: {reference:?}");
    }
}

#[actix_web::test]
async fn a_body_may_arrive_in_pieces() {
    let response = with_clock(Ports::new(), |mut client, clock| {
        client.send(head_of_post(&format!("/api/{ME}/tasks"), "Content-Type: application/json\r\nContent-Length: 2"));
        clock.wait_for_sleeper(BODY_TIMEOUT);
        clock.advance(BODY_TIMEOUT.saturating_sub(Duration::from_secs(1)));
        client.send("{");
        client.send("}");
        client.read_until("}")
    });
    let response = response.await;
    assert!(response.starts_with("HTTP/1.1 400 ") && response.contains("title"), "{response}");
}

#[actix_web::test]
async fn a_refused_body_that_does_not_end_is_closed() {
    for sends_slowly in [false, true] {
        let response = with_clock(Ports::new(), move |mut client, clock| {
            client.send(head_of_post("/auth/login", "Content-Type: text/plain\r\nTransfer-Encoding: chunked"));
            let response = client.read_until("}");
            clock.wait_for_sleeper(KEEP_ALIVE);
            if sends_slowly {
                client.send("1\r\nx\r\n");
                clock.wait_for_sleeper(HEAD_TIMEOUT);
                clock.advance(HEAD_TIMEOUT);
            } else {
                clock.advance(KEEP_ALIVE);
            }
            client.rest();
            response
        });
        let response = response.await;
        assert!(response.starts_with("HTTP/1.1 415 "), "{response}");
    }
}

/// A chat whose answer is held until the sender is used.
fn held_answer() -> (Ports, oneshot::Sender<()>) {
    let (gate, opened) = oneshot::channel();
    let finished = LlmEvent::Finished { reason: FinishReason::Stop, usage: None };
    let events = vec![LlmEvent::TextDelta("At last.".to_owned()), finished];
    let mut ports = ports_with_llm([Step::Gated(opened, events)]);
    ports.conversations.expect_renew_lease().returning(|_, _, _| Ok(()));
    (ports, gate)
}

/// Longer than all timeouts of a connection, and shorter than the deadline of the model.
const RESPONSE_TIME: Duration = Duration::from_secs(110);

#[actix_web::test]
async fn a_slow_response_is_not_closed() {
    let longest = [HEAD_TIMEOUT, KEEP_ALIVE, WRITE_TIMEOUT, LINGER_TIMEOUT, BODY_TIMEOUT].into_iter().max();
    assert!(longest < Some(RESPONSE_TIME));
    for (accept, start, meanwhile, end) in [
        ("Accept: text/event-stream\r\n", "}\n\n\r\n", ": keep-alive\n\n\r\n", "data: [DONE]\n\n\r\n0\r\n\r\n"),
        ("Accept: application/json\r\n", "", "", "}"),
    ] {
        let (ports, gate) = held_answer();
        let response = with_clock(ports, move |mut client, clock| {
            client.send(raw_chat_request(accept));
            let mut response = client.read_until(start);
            clock.wait_for_sleeper(ChatOptions::default().model_deadline);
            clock.advance(RESPONSE_TIME);
            response += &client.read_until(meanwhile);
            gate.send(()).unwrap();
            response += &client.read_until(end);
            response
        });
        let response = response.await;
        assert!(response.starts_with("HTTP/1.1 200 ") && response.contains("At last."), "{response}");
    }
}

#[actix_web::test]
async fn a_client_that_does_not_read_is_disconnected() {
    const REQUESTS: usize = 16;
    let responses = with_clock(Ports::new(), |mut client, clock| {
        clock.skip(WRITE_TIMEOUT);
        // The responses exceed the buffers of the sockets.
        client.send("GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n".repeat(REQUESTS));
        clock.wait_for_skip();
        let mut response = Vec::new();
        // Bytes in flight may be lost when the connection is closed.
        let _end = client.0.read_to_end(&mut response);
        String::from_utf8_lossy(&response).matches("HTTP/1.1 200 ").count()
    });
    let responses = responses.await;
    assert!((1..REQUESTS).contains(&responses), "{responses}");
}
