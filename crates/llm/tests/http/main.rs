//! The transport against servers on loopback: well-behaved ones, and ones that are not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod server;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::llm::{FinishReason, LlmClient, LlmError, LlmEvent, LlmReply, LlmRequest, collect};
use futures_util::StreamExt as _;
use llm::{CohereClient, HttpOptions, HttpOptionsError, OpenAiClient};
use serde_json::json;
use wiremock::matchers::{body_partial_json, header, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use server::{LAST_CHUNK, Then, chunk, chunked, serve};

const KEY: &str = "sk-very-secret-key";

fn options(base_url: &str) -> HttpOptions {
    HttpOptions {
        base_url: base_url.parse().unwrap(),
        key: Some(KEY.into()),
        model: "some-model".into(),
        temperature: None,
        connect_timeout: HttpOptions::CONNECT_TIMEOUT,
    }
}

fn cohere(base_url: &str) -> CohereClient {
    CohereClient::new(options(base_url)).unwrap()
}

fn openai(base_url: &str) -> OpenAiClient {
    OpenAiClient::new(options(base_url)).unwrap()
}

fn request() -> LlmRequest {
    LlmRequest { system: "Be kind.".into(), messages: Vec::new(), tools: Arc::new([]) }
}

async fn ask(client: &dyn LlmClient) -> Result<LlmReply, LlmError> {
    collect(client.respond(request()).await?).await
}

/// The events up to an error, and the error.
async fn events(client: &dyn LlmClient) -> (Vec<LlmEvent>, Option<LlmError>) {
    let mut stream = client.respond(request()).await.unwrap();
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(event) => events.push(event),
            Err(error) => {
                assert!(stream.next().await.is_none(), "something behind an error");
                return (events, Some(error));
            }
        }
    }
    (events, None)
}

const HELLO: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n";
const STOP: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

fn event_stream(body: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(body.as_bytes(), "text/event-stream")
}

async fn answering(response: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(response).mount(&server).await;
    server
}

#[tokio::test]
async fn a_request_goes_to_the_provider_s_path_with_the_key() {
    let server = MockServer::start().await;
    let sent = Mock::given(path("/v1/chat/completions")).and(header("authorization", format!("Bearer {KEY}")));
    let sent = sent.and(header("content-type", "application/json"));
    let sent = sent.and(body_partial_json(json!({"model": "some-model", "stream": true})));
    sent.respond_with(event_stream(&format!("{HELLO}{STOP}"))).expect(1).mount(&server).await;
    let reply = ask(&openai(&server.uri())).await.unwrap();
    assert_eq!((reply.text.as_str(), reply.reason), ("Hello", FinishReason::Stop));
}

#[tokio::test]
async fn without_a_key_none_is_sent() {
    let server = answering(event_stream(&format!("{HELLO}{STOP}"))).await;
    for key in [None, Some(" ".into())] {
        ask(&OpenAiClient::new(HttpOptions { key, ..options(&server.uri()) }).unwrap()).await.unwrap();
    }
    let requests = server.received_requests().await.unwrap();
    assert!(requests.iter().all(|request: &Request| !request.headers.contains_key("authorization")));
}

#[tokio::test]
async fn a_cohere_reply_with_crlf_is_read() {
    let content = json!({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Größe"}}}});
    let end = json!({"type": "message-end", "delta": {"finish_reason": "COMPLETE"}});
    let body = format!("event: content-delta\r\ndata: {content}\r\n\r\nevent: message-end\r\ndata: {end}\r\n\r\n");
    let server = answering(event_stream(&body)).await;
    assert_eq!(ask(&cohere(&server.uri())).await.unwrap().text, "Größe");
    assert_eq!(server.received_requests().await.unwrap()[0].url.path(), "/v2/chat");
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let choice = json!({"message": {"content": "Hello"}, "finish_reason": "stop"});
    let server = answering(ResponseTemplate::new(200).set_body_json(json!({"choices": [choice]}))).await;
    assert_eq!(ask(&openai(&server.uri())).await.unwrap().text, "Hello");
    let body = json!({"message": {"content": [{"type": "text", "text": "Hello"}]}, "finish_reason": "COMPLETE"});
    let server = answering(ResponseTemplate::new(200).set_body_json(body)).await;
    assert_eq!(ask(&cohere(&server.uri())).await.unwrap().text, "Hello");
}

#[tokio::test]
async fn events_come_while_the_reply_does() {
    let server = serve(chunked(), chunk(HELLO), Then::Wait).await;
    let client = openai(server.address.as_str());
    let mut stream = client.respond(request()).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), LlmEvent::TextDelta("Hello".into()));
}

#[tokio::test]
async fn dropping_the_stream_ends_the_request() {
    let server = serve(chunked(), chunk(HELLO), Then::Wait).await;
    let client = openai(server.address.as_str());
    let mut stream = client.respond(request()).await.unwrap();
    assert!(stream.next().await.is_some());
    drop(stream);
    server.gone.await.unwrap();
}

#[tokio::test]
async fn dropping_the_call_before_its_answer_ends_the_request() {
    let server = serve(String::new(), String::new(), Then::Wait).await;
    let client = openai(server.address.as_str());
    {
        let mut respond = client.respond(request());
        while server.connections.load(Ordering::SeqCst) == 0 {
            assert!(futures_util::poll!(&mut respond).is_pending());
            tokio::task::yield_now().await;
        }
    }
    server.gone.await.unwrap();
}

#[tokio::test]
async fn a_connection_is_used_again_for_the_next_call() {
    let server = serve(chunked(), chunk(&format!("{HELLO}{STOP}")) + LAST_CHUNK, Then::Serve).await;
    let client = openai(server.address.as_str());
    for _ in 0..3 {
        ask(&client).await.unwrap();
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_server_that_does_not_end_after_the_reply_does_not_hold_it_up() {
    for then in [Then::Wait, Then::Repeat] {
        let server = serve(chunked(), chunk(&format!("{HELLO}{STOP}")), then).await;
        assert_eq!(ask(&openai(server.address.as_str())).await.unwrap().text, "Hello");
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_mid_call_completes_no_call() {
    let call = json!({"index": 0, "id": "a", "function": {"name": "add_task", "arguments": "{\"title\":\"milk\"}"}});
    let call = format!("data: {}\n\n", json!({"choices": [{"delta": {"tool_calls": [call]}}]}));
    for tail in [chunk(&call), chunk(&call) + LAST_CHUNK] {
        let server = serve(chunked(), tail, Then::Close).await;
        let (events, error) = events(&openai(server.address.as_str())).await;
        assert!(matches!(events[0], LlmEvent::ToolCallStarted { .. }), "{events:?}");
        assert!(!events.iter().any(|event| matches!(event, LlmEvent::ToolCallComplete { .. })), "{events:?}");
        assert!(matches!(error, Some(LlmError::Unavailable(_))), "{error:?}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_behind_the_last_words_breaks_nothing() {
    let stop = STOP.replace("data: [DONE]\n\n", "");
    let call = json!({"index": 0, "id": "a", "function": {"name": "add_task", "arguments": "{}"}});
    let call = format!("data: {}\n\n", json!({"choices": [{"delta": {"tool_calls": [call]}}]}));
    let server = serve(chunked(), chunk(&call) + &chunk(&stop), Then::Close).await;
    let reply = ask(&openai(server.address.as_str())).await.unwrap();
    assert_eq!((reply.calls.len(), reply.reason), (1, FinishReason::ToolCalls));
    let end = json!({"type": "message-end", "delta": {"finish_reason": "COMPLETE"}});
    let server = serve(chunked(), chunk(&format!("data: {end}")), Then::Close).await;
    assert_eq!(ask(&cohere(server.address.as_str())).await.unwrap().reason, FinishReason::Stop);
    // Without them, and in the middle of them, it is the connection's fault.
    for cut in [HELLO, &stop[..stop.len() - 10]] {
        let server = serve(chunked(), chunk(cut), Then::Close).await;
        let error = ask(&openai(server.address.as_str())).await.unwrap_err();
        let is_the_connection_s =
            std::error::Error::source(&error).is_some_and(<dyn std::error::Error>::is::<reqwest::Error>);
        assert!(matches!(error, LlmError::Unavailable(_)) && is_the_connection_s, "{error:?}");
    }
}

#[tokio::test]
async fn endless_output_is_cut_off() {
    let line = "x".repeat(64 * 1024);
    for (begin, again) in [
        ("data: ".to_owned(), line.clone()),
        ("{".to_owned(), line.clone()),
        (": ".to_owned(), line.clone()),
        (String::new(), HELLO.replace("}]}", &format!("}}],\"padding\":\"{line}\"}}"))),
    ] {
        let server = serve(chunked() + &chunk(&format!("{begin} ")), chunk(&again), Then::Repeat).await;
        let (_, error) = events(&openai(server.address.as_str())).await;
        assert!(matches!(error, Some(LlmError::BadReply(_))), "{begin}: {error:?}");
    }
}

#[tokio::test]
async fn an_endless_error_is_read_in_part() {
    let head = chunked().replace("200 OK", "500 No");
    let server = serve(head, chunk(&"x".repeat(64 * 1024)), Then::Repeat).await;
    let error = openai(server.address.as_str()).respond(request()).await.err();
    assert!(matches!(error, Some(LlmError::Unavailable(_))), "{error:?}");
    // What was not read stands in the buffers of the connection.
    assert!(server.repetitions.load(Ordering::SeqCst) < 1000);
}

#[tokio::test]
async fn garbage_instead_of_http_and_no_server_at_all_are_unavailable() {
    let server = serve("garbage\r\n\r\n".into(), String::new(), Then::Close).await;
    let error = openai(server.address.as_str()).respond(request()).await.err();
    assert!(matches!(error, Some(LlmError::Unavailable(_))), "{error:?}");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = openai(&format!("http://{nobody}")).respond(request()).await.err();
    assert!(matches!(error, Some(LlmError::Unavailable(_))), "{error:?}");
}

#[tokio::test]
async fn a_wait_that_is_asked_for_is_told() {
    for (value, expected) in [("7", Some(7)), ("nonsense", None), ("999999999", Some(llm::MAX_RETRY_AFTER.as_secs()))] {
        let server = answering(ResponseTemplate::new(429).insert_header("retry-after", value)).await;
        let error = cohere(&server.uri()).respond(request()).await.err();
        let Some(LlmError::RateLimited { retry_after, .. }) = error else { panic!("{error:?}") };
        assert_eq!(retry_after, expected.map(Duration::from_secs));
    }
}

#[tokio::test]
async fn a_wait_until_a_date_is_counted_from_the_answer_s_own_date() {
    let (now, then) = ("Sun, 06 Nov 1994 12:00:00 GMT", "Sun, 06 Nov 1994 12:00:30 GMT");
    let head = format!("HTTP/1.1 429 No\r\ndate: {now}\r\nretry-after: {then}\r\ncontent-length: 0\r\n\r\n");
    let server = serve(head, String::new(), Then::Close).await;
    let error = cohere(server.address.as_str()).respond(request()).await.err();
    let Some(LlmError::RateLimited { retry_after, .. }) = error else { panic!("{error:?}") };
    assert_eq!(retry_after, Some(Duration::from_secs(30)));
}

#[tokio::test]
async fn a_refused_key_and_a_retired_model_are_told_apart() {
    let body = json!({"id": "1", "message": "invalid api token"});
    let server = answering(ResponseTemplate::new(401).set_body_json(body)).await;
    assert!(matches!(cohere(&server.uri()).respond(request()).await.err(), Some(LlmError::Unauthorized(_))));
    let body = json!({"id": "1", "message": "model 'some-model' was removed"});
    let server = answering(ResponseTemplate::new(404).set_body_json(body)).await;
    let error = cohere(&server.uri()).respond(request()).await.err();
    let Some(LlmError::ModelRetired { model, setting, .. }) = error else { panic!("{error:?}") };
    assert_eq!((model.as_str(), setting), ("some-model", "COHERE_MODEL"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = answering(event_stream(STOP)).await;
    let location = elsewhere.uri().replace("http://", "http://me:hunter2@") + "/v1/x?token=hunter3#hunter4";
    for (location, told) in [(location.as_str(), elsewhere.uri() + "/v1/x"), ("/login", "/login".to_owned())] {
        let server = answering(ResponseTemplate::new(307).insert_header("location", location)).await;
        let error = openai(&server.uri()).respond(request()).await.err().unwrap();
        assert!(matches!(error, LlmError::BadReply(_)), "{error:?}");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains(&format!("{told}: the base URL")) && cause.contains("not followed"), "{cause}");
        assert!(!format!("{error:?} {cause}").contains("hunter"), "{error:?}");
    }
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_server_that_refuses_an_optional_field_is_asked_without_it_from_then_on() {
    let server = MockServer::start().await;
    let refusal = json!({"message": {"detail": [{"loc": ["body", "stream_options", "include_usage"]}]}});
    let asked = Mock::given(body_partial_json(json!({"stream_options": {"include_usage": true}})));
    asked.respond_with(ResponseTemplate::new(422).set_body_json(refusal)).expect(1).mount(&server).await;
    Mock::given(method("POST")).respond_with(event_stream(&format!("{HELLO}{STOP}"))).expect(2).mount(&server).await;
    let client = openai(&server.uri());
    for _ in 0..2 {
        ask(&client).await.unwrap();
    }
}

#[tokio::test]
async fn the_key_is_in_no_error_and_no_debug_output() {
    let echo = json!({"error": {"message": format!("the key {KEY} is odd"), "code": KEY}});
    let inside = format!("data: {echo}\n\n");
    let mut seen = Vec::new();
    for response in [
        ResponseTemplate::new(400).set_body_json(&echo),
        ResponseTemplate::new(401).set_body_json(&echo),
        event_stream(&inside),
    ] {
        let server = answering(response).await;
        let error = ask(&openai(&server.uri())).await.unwrap_err();
        seen.push(format!("{error} {error:?} {}", std::error::Error::source(&error).unwrap()));
    }
    let gone = openai("http://127.0.0.1:1/v1?token=sk-very-secret-key");
    let error = gone.respond(request()).await.err().unwrap();
    seen.push(format!("{error} {error:?} {gone:?} {:?}", options("http://127.0.0.1:1/v1?token=sk-very-secret-key")));
    let broken = HttpOptions { key: Some(format!("{KEY}\n{KEY}").into()), ..options("http://127.0.0.1:1") };
    let error = OpenAiClient::new(broken).unwrap_err();
    seen.push(format!("{error} {error:?}"));
    for text in seen {
        assert!(!text.contains("very-secret"), "{text}");
    }
}

#[test]
fn an_address_that_http_cannot_be_spoken_with_or_that_names_a_user_is_refused() {
    for address in ["ftp://a.example", "mailto:a@b", "http://user@a.example", "https://:password@a.example"] {
        let error = OpenAiClient::new(options(address)).unwrap_err();
        assert!(matches!(error, HttpOptionsError::BaseUrl), "{address}: {error:?}");
    }
    assert_eq!(openai("https://a.example").provider(), "openai");
    assert_eq!((cohere("https://a.example").provider(), cohere("https://a.example").model()), ("cohere", "some-model"));
}
