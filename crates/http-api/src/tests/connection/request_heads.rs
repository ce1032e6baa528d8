//! Heads that the parser refuses: too large ones, and those that two parsers may read differently (RFC 9112, 11.2).

use crate::tests::support::{Ports, exchange};

/// Checks that the last response has this status and no body.
#[track_caller]
fn assert_refused(response: &str, status: u16, what: &str) {
    let what = &what[..what.len().min(200)];
    assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{what:?}: {response}");
    assert!(response.ends_with("\r\n\r\n") && response.matches("HTTP/1.1").count() == 1, "{what:?}: {response}");
}

fn head(headers: &str) -> String {
    format!("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n")
}

#[actix_web::test]
async fn a_head_has_at_most_96_headers() {
    let with = |count: usize| head(&"X-Y: z\r\n".repeat(count - 2));
    let response = exchange(Ports::new(), with(96).into_bytes()).await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    assert_refused(&exchange(Ports::new(), with(97).into_bytes()).await, 431, "97 headers");
}

#[actix_web::test]
async fn a_head_has_at_most_128_kib() {
    let response = exchange(Ports::new(), head(&format!("X-Y: {}\r\n", "z".repeat(120 * 1024))).into_bytes()).await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    for start in ["GET /health HTTP/1.1\r\nHost: x\r\nX-Y: ", "GET /"] {
        // No more than the server reads: unread bytes reset the connection, and the response may be lost.
        let large = format!("{start}{}", "z".repeat(128 * 1024 - start.len()));
        assert_refused(&exchange(Ports::new(), large.clone().into_bytes()).await, 431, &large);
    }
}

#[actix_web::test]
async fn an_overlong_request_target_is_refused() {
    let long = head("").replace("/health", &format!("/{}", "z".repeat(66_000)));
    assert_refused(&exchange(Ports::new(), long.clone().into_bytes()).await, 400, &long);
}

#[actix_web::test]
async fn an_ambiguous_head_is_refused_and_nothing_after_it_is_read() {
    let smuggled = "0\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    for ambiguous in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5, 6",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length:",
        "Content-Length: 99999999999999999999",
        "Content-Length : 5",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding:\u{b}chunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding:\r\n chunked",
        "X: y\r\n Transfer-Encoding: chunked",
        "Host: y",
    ] {
        let request = format!("POST /auth/login HTTP/1.1\r\nHost: x\r\n{ambiguous}\r\n\r\n{smuggled}");
        assert_refused(&exchange(Ports::new(), request.into_bytes()).await, 400, ambiguous);
    }
    for request in [
        format!("POST /auth/login HTTP/1.1\r\nContent-Length: 5\r\n\r\n{smuggled}"),
        format!("POST /auth/login HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{smuggled}"),
        format!("POST /auth/login HTTP/2.0\r\nHost: x\r\n\r\n{smuggled}"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ] {
        let response = exchange(Ports::new(), request.clone().into_bytes()).await;
        assert!(response.starts_with("HTTP/1.") && response[8..].starts_with(" 400 "), "{request:?}: {response}");
        assert_eq!(response.matches("HTTP/1.").count(), 1, "{request:?}: {response}");
    }
}

#[actix_web::test]
async fn an_invalid_chunk_size_closes_the_connection() {
    for size in ["zz", "-1", "0x1", "+1", "ffffffffffffffffff", " 1"] {
        let request = format!(
            "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
             {size}\r\nx\r\n0\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n"
        );
        let response = exchange(Ports::new(), request.into_bytes()).await;
        assert!(response.starts_with("HTTP/1.1 400 ") && !response.contains("HTTP/1.1 200 "), "{size:?}: {response}");
    }
}
