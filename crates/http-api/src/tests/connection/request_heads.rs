//! Heads that the parser refuses before there is a request: too much of them, and those that two readers could read in
//! two ways (RFC 9112, 11.2).

use crate::tests::support::{Ports, exchange};

/// A refusal has a status, no body, and is the last thing that the connection says.
#[track_caller]
fn is_refused(said: &str, status: u16, what: &str) {
    let what = &what[..what.len().min(200)];
    assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{what:?}: {said}");
    assert!(said.ends_with("\r\n\r\n") && said.matches("HTTP/1.1").count() == 1, "{what:?}: {said}");
}

fn head(headers: &str) -> String {
    format!("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n")
}

#[actix_web::test]
async fn a_head_has_at_most_96_headers() {
    let with = |count: usize| head(&"X-Y: z\r\n".repeat(count - 2));
    let said = exchange(Ports::new(), with(96).into_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    is_refused(&exchange(Ports::new(), with(97).into_bytes()).await, 431, "97 headers");
}

#[actix_web::test]
async fn a_head_has_at_most_128_kib() {
    let said = exchange(Ports::new(), head(&format!("X-Y: {}\r\n", "z".repeat(120 * 1024))).into_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    for begun in ["GET /health HTTP/1.1\r\nHost: x\r\nX-Y: ", "GET /"] {
        // All of it is read, so that the response is not lost to what is not.
        let large = format!("{begun}{}", "z".repeat(128 * 1024 - begun.len()));
        is_refused(&exchange(Ports::new(), large.clone().into_bytes()).await, 431, &large);
    }
}

#[actix_web::test]
async fn an_address_that_is_too_long_is_refused() {
    let long = head("").replace("/health", &format!("/{}", "z".repeat(66_000)));
    is_refused(&exchange(Ports::new(), long.clone().into_bytes()).await, 400, &long);
}

#[actix_web::test]
async fn a_head_that_could_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_read() {
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
        is_refused(&exchange(Ports::new(), request.into_bytes()).await, 400, ambiguous);
    }
    for request in [
        format!("POST /auth/login HTTP/1.1\r\nContent-Length: 5\r\n\r\n{smuggled}"),
        format!("POST /auth/login HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{smuggled}"),
        format!("POST /auth/login HTTP/2.0\r\nHost: x\r\n\r\n{smuggled}"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ] {
        let said = exchange(Ports::new(), request.clone().into_bytes()).await;
        assert!(said.starts_with("HTTP/1.") && said[8..].starts_with(" 400 "), "{request:?}: {said}");
        assert_eq!(said.matches("HTTP/1.").count(), 1, "{request:?}: {said}");
    }
}

#[actix_web::test]
async fn a_chunk_whose_size_is_none_ends_the_connection() {
    for size in ["zz", "-1", "0x1", "+1", "ffffffffffffffffff", " 1"] {
        let request = format!(
            "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
             {size}\r\nx\r\n0\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n"
        );
        let said = exchange(Ports::new(), request.into_bytes()).await;
        assert!(said.starts_with("HTTP/1.1 400 ") && !said.contains("HTTP/1.1 200 "), "{size:?}: {said}");
    }
}
