//! Clients that are too slow, and those that are merely waited upon.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use domain::chat::ChatOptions;
use domain::llm::{FinishReason, LlmEvent, Step};
use domain::runtime::ManualClock;
use futures_channel::oneshot;

use crate::connection::{HEAD_TIMEOUT, IDLE_TIMEOUT, LINGER_TIMEOUT, WRITE_TIMEOUT};
use crate::extract::json::BODY_TIMEOUT;
use crate::tests::support::{ME, Ports, TOKEN, operations, ports_with_llm, raw_chat_request, with_server};

/// A client that reads and writes as it likes.
struct Client(TcpStream);

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self(stream)
    }

    fn chat_request(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).unwrap();
    }

    /// Reads until the response ends so.
    #[track_caller]
    fn hear(&mut self, end: &str) -> String {
        let mut said = Vec::new();
        while !said.ends_with(end.as_bytes()) {
            let mut byte = [0];
            let read = self.0.read(&mut byte);
            let read = read.unwrap_or_else(|error| panic!("{error} after {:?}", String::from_utf8_lossy(&said)));
            assert_eq!(read, 1, "it ends before {end:?}: {:?}", String::from_utf8_lossy(&said));
            said.extend_from_slice(&byte);
        }
        String::from_utf8(said).unwrap()
    }

    /// Everything that is said until the connection is closed.
    #[track_caller]
    fn rest(mut self) -> String {
        let mut said = Vec::new();
        self.0.read_to_end(&mut said).unwrap_or_else(|error| panic!("it is not cut: {error}"));
        String::from_utf8(said).unwrap()
    }
}

/// What `client` finds on a server whose clock it has in hand.
async fn with_clock<T: Send + 'static>(
    ports: Ports,
    client: impl FnOnce(Client, &ManualClock) -> T + Send + 'static,
) -> T {
    let clock = ports.clock.clone();
    with_server(ports, move |address| client(Client::connect(address), &clock)).await
}

const REQUEST: &str = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
const UP: &str = r#"{"status":"up"}"#;

/// Parts of a head that a client may stop after.
const HALVES: [&str; 5] = ["G", "\r\n", "GET /health HT", "GET /health HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: x\r\nX"];

fn is_told(said: &str) {
    assert_eq!(said, "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
}

#[actix_web::test]
async fn a_connection_that_never_asks_is_cut() {
    let cut = with_clock(Ports::new(), |client, clock| {
        clock.wait_for_sleeper(IDLE_TIMEOUT);
        clock.advance(IDLE_TIMEOUT);
        client.rest()
    });
    assert_eq!(cut.await, "");
}

#[actix_web::test]
async fn half_a_head_is_told_that_it_is_too_slow_and_cut() {
    for half in HALVES {
        let cut = with_clock(Ports::new(), move |mut client, clock| {
            client.chat_request(half);
            clock.wait_for_sleeper(HEAD_TIMEOUT);
            clock.advance(HEAD_TIMEOUT);
            client.rest()
        });
        is_told(&cut.await);
    }
}

#[actix_web::test]
async fn half_a_second_head_on_a_connection_that_was_kept_is_cut_too() {
    for half in HALVES {
        let cut = with_clock(Ports::new(), move |mut client, clock| {
            for _ in 0..2 {
                client.chat_request(REQUEST);
                client.hear(UP);
                // The wait for the next head has begun, and that for this one is over.
                clock.wait_for_sleeper(IDLE_TIMEOUT);
                clock.advance(IDLE_TIMEOUT.saturating_sub(Duration::from_secs(1)));
            }
            client.chat_request(half);
            clock.wait_for_sleeper(HEAD_TIMEOUT);
            clock.advance(HEAD_TIMEOUT);
            client.rest()
        });
        is_told(&cut.await);
    }
}

#[actix_web::test]
async fn half_a_head_that_came_with_the_request_before_it_is_cut_too() {
    let cut = with_clock(Ports::new(), |mut client, clock| {
        client.chat_request(format!("{REQUEST}GET /hea"));
        client.hear(UP);
        clock.wait_for_sleeper(IDLE_TIMEOUT);
        clock.advance(IDLE_TIMEOUT);
        client.rest()
    });
    assert_eq!(cut.await, "");
}

#[actix_web::test]
async fn a_connection_that_was_kept_and_is_not_used_is_closed() {
    let cut = with_clock(Ports::new(), |mut client, clock| {
        client.chat_request(REQUEST);
        client.hear(UP);
        clock.wait_for_sleeper(IDLE_TIMEOUT);
        clock.advance(IDLE_TIMEOUT);
        client.rest()
    });
    assert_eq!(cut.await, "");
}

/// The head of a request whose body has more to come.
fn unfinished(path: &str, headers: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n{headers}\r\n\r\n")
}

#[actix_web::test]
async fn a_body_that_does_not_come_in_time_is_answered_so_and_the_connection_closed() {
    for path in ["/auth/login".to_owned(), format!("/api/{ME}/tasks"), format!("/api/{ME}/chat")] {
        for (length, begun) in
            [("Content-Length: 100", "{"), ("Transfer-Encoding: chunked", "5\r\n{\"t"), ("Content-Length: 100", "")]
        {
            let head = unfinished(&path, &format!("Content-Type: application/json\r\n{length}"));
            let said = with_clock(Ports::new(), move |mut client, clock| {
                client.chat_request(head + begun);
                clock.wait_for_sleeper(BODY_TIMEOUT);
                clock.advance(BODY_TIMEOUT);
                let said = client.hear("}");
                clock.wait_for_sleeper(LINGER_TIMEOUT);
                clock.advance(LINGER_TIMEOUT);
                (said, client.rest())
            });
            let (said, rest) = said.await;
            assert!(
                said.starts_with("HTTP/1.1 408 ") && said.contains(r#""code":"REQUEST_TIMEOUT""#),
                "{path}: {said}"
            );
            assert!(said.to_lowercase().contains("\r\nconnection: close\r\n"), "{path}: {said}");
            assert_eq!(rest, "", "{path} {length}");
        }
    }
}

#[test]
fn every_operation_that_takes_a_body_is_described_with_that_answer() {
    let with_body = operations().filter(|(_, _, operation)| operation["requestBody"].is_object());
    for (path, method, operation) in with_body {
        let reference = operation["responses"]["408"]["$ref"].as_str().unwrap_or_default();
        assert!(reference.ends_with("/REQUEST_TIMEOUT"), "{method} {path}: {reference:?}");
    }
}

#[actix_web::test]
async fn a_body_that_comes_in_time_may_come_in_pieces() {
    let said = with_clock(Ports::new(), |mut client, clock| {
        client.chat_request(unfinished(
            &format!("/api/{ME}/tasks"),
            "Content-Type: application/json\r\nContent-Length: 2",
        ));
        clock.wait_for_sleeper(BODY_TIMEOUT);
        clock.advance(BODY_TIMEOUT.saturating_sub(Duration::from_secs(1)));
        client.chat_request("{");
        client.chat_request("}");
        client.hear("}")
    });
    let said = said.await;
    assert!(said.starts_with("HTTP/1.1 400 ") && said.contains("title"), "{said}");
}

#[actix_web::test]
async fn a_refused_body_that_does_not_end_is_cut() {
    for dribbles in [false, true] {
        let said = with_clock(Ports::new(), move |mut client, clock| {
            client.chat_request(unfinished("/auth/login", "Content-Type: text/plain\r\nTransfer-Encoding: chunked"));
            let said = client.hear("}");
            clock.wait_for_sleeper(IDLE_TIMEOUT);
            if dribbles {
                client.chat_request("1\r\nx\r\n");
                clock.wait_for_sleeper(HEAD_TIMEOUT);
                clock.advance(HEAD_TIMEOUT);
            } else {
                clock.advance(IDLE_TIMEOUT);
            }
            client.rest();
            said
        });
        let said = said.await;
        assert!(said.starts_with("HTTP/1.1 415 "), "{said}");
    }
}

/// A chat whose assistant does not say a word before the gate opens.
fn thinking() -> (Ports, oneshot::Sender<()>) {
    let (gate, opened) = oneshot::channel();
    let finished = LlmEvent::Finished { reason: FinishReason::Stop, usage: None };
    let says = vec![LlmEvent::TextDelta("At last.".to_owned()), finished];
    let mut ports = ports_with_llm([Step::Gated(opened, says)]);
    ports.conversations.expect_renew_lease().returning(|_, _, _| Ok(()));
    (ports, gate)
}

/// Longer than everything here, and shorter than a model's own deadline.
const LONG: Duration = Duration::from_secs(110);

#[actix_web::test]
async fn an_answer_that_takes_long_is_not_cut() {
    let longest = [HEAD_TIMEOUT, IDLE_TIMEOUT, WRITE_TIMEOUT, LINGER_TIMEOUT, BODY_TIMEOUT].into_iter().max();
    assert!(longest < Some(LONG));
    for (accept, begun, meanwhile, end) in [
        ("Accept: text/event-stream\r\n", "}\n\n\r\n", ": keep-alive\n\n\r\n", "data: [DONE]\n\n\r\n0\r\n\r\n"),
        ("Accept: application/json\r\n", "", "", "}"),
    ] {
        let (ports, gate) = thinking();
        let said = with_clock(ports, move |mut client, clock| {
            client.chat_request(raw_chat_request(accept));
            let mut said = client.hear(begun);
            clock.wait_for_sleeper(ChatOptions::default().model_deadline);
            clock.advance(LONG);
            said += &client.hear(meanwhile);
            gate.send(()).unwrap();
            said += &client.hear(end);
            said
        });
        let said = said.await;
        assert!(said.starts_with("HTTP/1.1 200 ") && said.contains("At last."), "{said}");
    }
}

#[actix_web::test]
async fn a_client_that_takes_nothing_of_its_answers_is_cut() {
    const ASKED: usize = 16;
    let responses = with_clock(Ports::new(), |mut client, clock| {
        clock.skip(WRITE_TIMEOUT);
        // Together more than the system holds for a client.
        client.chat_request("GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n".repeat(ASKED));
        clock.wait_for_skip();
        let mut said = Vec::new();
        // What was on its way when it was cut may be lost.
        let _end = client.0.read_to_end(&mut said);
        String::from_utf8_lossy(&said).matches("HTTP/1.1 200 ").count()
    });
    let responses = responses.await;
    assert!((1..ASKED).contains(&responses), "{responses}");
}
