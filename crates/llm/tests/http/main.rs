//! The transport against local servers, including ones that violate HTTP.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod server;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::llm::{FinishReason, LlmClient, LlmError, LlmEvent, LlmMessage, LlmReply, LlmRequest, collect};
use futures_util::StreamExt as _;
use llm::{CohereClient, HttpOptions, HttpOptionsError, OpenAiClient};
use serde_json::json;
use wiremock::matchers::{body_partial_json, body_string_contains, header, method, path};
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

async fn respond(client: &dyn LlmClient) -> Result<LlmReply, LlmError> {
    collect(client.respond(request()).await?).await
}

/// Returns the events and the error, if any.
async fn events(client: &dyn LlmClient) -> (Vec<LlmEvent>, Option<LlmError>) {
    let mut stream = client.respond(request()).await.unwrap();
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(event) => events.push(event),
            Err(error) => {
                assert!(stream.next().await.is_none(), "an item after an error");
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

async fn server_with(response: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(response).mount(&server).await;
    server
}

#[tokio::test]
async fn a_request_has_the_provider_s_path_and_the_key() {
    let server = MockServer::start().await;
    let expected = Mock::given(path("/v1/chat/completions")).and(header("authorization", format!("Bearer {KEY}")));
    let expected = expected.and(header("content-type", "application/json"));
    let expected = expected.and(body_partial_json(json!({"model": "some-model", "stream": true})));
    expected.respond_with(event_stream(&format!("{HELLO}{STOP}"))).expect(1).mount(&server).await;
    let reply = respond(&openai(&server.uri())).await.unwrap();
    assert_eq!((reply.text.as_str(), reply.reason), ("Hello", FinishReason::Stop));
}

#[tokio::test]
async fn no_header_is_sent_without_a_key() {
    let server = server_with(event_stream(&format!("{HELLO}{STOP}"))).await;
    for key in [None, Some(" ".into())] {
        respond(&OpenAiClient::new(HttpOptions { key, ..options(&server.uri()) }).unwrap()).await.unwrap();
    }
    let requests = server.received_requests().await.unwrap();
    assert!(requests.iter().all(|request: &Request| !request.headers.contains_key("authorization")));
}

#[tokio::test]
async fn a_cohere_reply_with_crlf_is_decoded() {
    let content = json!({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Größe"}}}});
    let end = json!({"type": "message-end", "delta": {"finish_reason": "COMPLETE"}});
    let body = format!("event: content-delta\r\ndata: {content}\r\n\r\nevent: message-end\r\ndata: {end}\r\n\r\n");
    let server = server_with(event_stream(&body)).await;
    assert_eq!(respond(&cohere(&server.uri())).await.unwrap().text, "Größe");
    assert_eq!(server.received_requests().await.unwrap()[0].url.path(), "/v2/chat");
}

#[tokio::test]
async fn a_reply_in_one_document_is_decoded() {
    let choice = json!({"message": {"content": "Hello"}, "finish_reason": "stop"});
    let server = server_with(ResponseTemplate::new(200).set_body_json(json!({"choices": [choice]}))).await;
    assert_eq!(respond(&openai(&server.uri())).await.unwrap().text, "Hello");
    let body = json!({"message": {"content": [{"type": "text", "text": "Hello"}]}, "finish_reason": "COMPLETE"});
    let server = server_with(ResponseTemplate::new(200).set_body_json(body)).await;
    assert_eq!(respond(&cohere(&server.uri())).await.unwrap().text, "Hello");
}

#[tokio::test]
async fn events_are_returned_before_the_end_of_the_reply() {
    let server = serve(chunked(), chunk(HELLO), Then::Wait).await;
    let client = openai(server.url.as_str());
    let mut stream = client.respond(request()).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), LlmEvent::TextDelta("Hello".into()));
}

#[tokio::test]
async fn dropping_the_stream_cancels_the_request() {
    let server = serve(chunked(), chunk(HELLO), Then::Wait).await;
    let client = openai(server.url.as_str());
    let mut stream = client.respond(request()).await.unwrap();
    assert!(stream.next().await.is_some());
    drop(stream);
    server.disconnected.await.unwrap();
}

#[tokio::test]
async fn dropping_the_call_before_the_response_cancels_the_request() {
    let server = serve(String::new(), String::new(), Then::Wait).await;
    let client = openai(server.url.as_str());
    {
        let mut respond = client.respond(request());
        while server.connections.load(Ordering::SeqCst) == 0 {
            assert!(futures_util::poll!(&mut respond).is_pending());
            tokio::task::yield_now().await;
        }
    }
    server.disconnected.await.unwrap();
}

#[tokio::test]
async fn the_connection_is_reused() {
    let server = serve(chunked(), chunk(&format!("{HELLO}{STOP}")) + LAST_CHUNK, Then::Serve).await;
    let client = openai(server.url.as_str());
    for _ in 0..3 {
        respond(&client).await.unwrap();
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_body_without_an_end_does_not_delay_a_complete_reply() {
    for then in [Then::Wait, Then::Repeat] {
        let server = serve(chunked(), chunk(&format!("{HELLO}{STOP}")), then).await;
        assert_eq!(respond(&openai(server.url.as_str())).await.unwrap().text, "Hello");
    }
}

#[tokio::test]
async fn a_connection_closed_within_a_call_completes_no_call() {
    let call = json!({"index": 0, "id": "a", "function": {"name": "add_task", "arguments": "{\"title\":\"milk\"}"}});
    let call = format!("data: {}\n\n", json!({"choices": [{"delta": {"tool_calls": [call]}}]}));
    for tail in [chunk(&call), chunk(&call) + LAST_CHUNK] {
        let server = serve(chunked(), tail, Then::Close).await;
        let (events, error) = events(&openai(server.url.as_str())).await;
        assert!(matches!(events[0], LlmEvent::ToolCallStarted { .. }), "{events:?}");
        assert!(!events.iter().any(|event| matches!(event, LlmEvent::ToolCallComplete { .. })), "{events:?}");
        assert!(matches!(error, Some(LlmError::Unavailable(_))), "{error:?}");
    }
}

#[tokio::test]
async fn a_connection_closed_after_a_complete_reply_is_no_error() {
    let stop = STOP.replace("data: [DONE]\n\n", "");
    let call = json!({"index": 0, "id": "a", "function": {"name": "add_task", "arguments": "{}"}});
    let call = format!("data: {}\n\n", json!({"choices": [{"delta": {"tool_calls": [call]}}]}));
    let server = serve(chunked(), chunk(&call) + &chunk(&stop), Then::Close).await;
    let reply = respond(&openai(server.url.as_str())).await.unwrap();
    assert_eq!((reply.calls.len(), reply.reason), (1, FinishReason::ToolCalls));
    let end = json!({"type": "message-end", "delta": {"finish_reason": "COMPLETE"}});
    let server = serve(chunked(), chunk(&format!("data: {end}")), Then::Close).await;
    assert_eq!(respond(&cohere(server.url.as_str())).await.unwrap().reason, FinishReason::Stop);
    // Before the end of the reply, the cause is the connection's error.
    for truncated in [HELLO, &stop[..stop.len() - 10]] {
        let server = serve(chunked(), chunk(truncated), Then::Close).await;
        let error = respond(&openai(server.url.as_str())).await.unwrap_err();
        let is_connection_error =
            std::error::Error::source(&error).is_some_and(<dyn std::error::Error>::is::<reqwest::Error>);
        assert!(matches!(error, LlmError::Unavailable(_)) && is_connection_error, "{error:?}");
    }
}

#[tokio::test]
async fn oversized_replies_are_rejected() {
    let line = "x".repeat(64 * 1024);
    for (start, tail) in [
        ("data: ".to_owned(), line.clone()),
        ("{".to_owned(), line.clone()),
        (": ".to_owned(), line.clone()),
        (String::new(), HELLO.replace("}]}", &format!("}}],\"padding\":\"{line}\"}}"))),
    ] {
        let server = serve(chunked() + &chunk(&format!("{start} ")), chunk(&tail), Then::Repeat).await;
        let (_, error) = events(&openai(server.url.as_str())).await;
        assert!(matches!(error, Some(LlmError::BadReply(_))), "{start}: {error:?}");
    }
}

#[tokio::test]
async fn an_endless_error_response_is_read_in_part() {
    let head = chunked().replace("200 OK", "500 No");
    let server = serve(head, chunk(&"x".repeat(64 * 1024)), Then::Repeat).await;
    let error = openai(server.url.as_str()).respond(request()).await.err();
    assert!(matches!(error, Some(LlmError::Unavailable(_))), "{error:?}");
    // The unread rest is limited to the buffers of the connection.
    assert!(server.repetitions.load(Ordering::SeqCst) < 1000);
}

#[tokio::test]
async fn an_invalid_http_response_and_a_refused_connection_are_unavailable() {
    let server = serve("invalid\r\n\r\n".into(), String::new(), Then::Close).await;
    let error = openai(server.url.as_str()).respond(request()).await.err();
    assert!(matches!(error, Some(LlmError::Unavailable(_))), "{error:?}");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = openai(&format!("http://{closed}")).respond(request()).await.err();
    assert!(matches!(error, Some(LlmError::Unavailable(_))), "{error:?}");
}

#[tokio::test]
async fn retry_after_in_seconds_is_returned() {
    for (value, expected) in [("7", Some(7)), ("invalid", None), ("999999999", Some(llm::MAX_RETRY_AFTER.as_secs()))] {
        let server = server_with(ResponseTemplate::new(429).insert_header("retry-after", value)).await;
        let error = cohere(&server.uri()).respond(request()).await.err();
        let Some(LlmError::RateLimited { retry_after, .. }) = error else { panic!("{error:?}") };
        assert_eq!(retry_after, expected.map(Duration::from_secs));
    }
}

#[tokio::test]
async fn retry_after_as_a_date_is_relative_to_the_response_s_date() {
    let (date, until) = ("Sun, 06 Nov 1994 12:00:00 GMT", "Sun, 06 Nov 1994 12:00:30 GMT");
    let head = format!("HTTP/1.1 429 No\r\ndate: {date}\r\nretry-after: {until}\r\ncontent-length: 0\r\n\r\n");
    let server = serve(head, String::new(), Then::Close).await;
    let error = cohere(server.url.as_str()).respond(request()).await.err();
    let Some(LlmError::RateLimited { retry_after, .. }) = error else { panic!("{error:?}") };
    assert_eq!(retry_after, Some(Duration::from_secs(30)));
}

#[tokio::test]
async fn a_refused_key_and_a_retired_model_are_distinguished() {
    let body = json!({"id": "1", "message": "invalid api token"});
    let server = server_with(ResponseTemplate::new(401).set_body_json(body)).await;
    assert!(matches!(cohere(&server.uri()).respond(request()).await.err(), Some(LlmError::Unauthorized(_))));
    let body = json!({"id": "1", "message": "model 'some-model' was removed"});
    let server = server_with(ResponseTemplate::new(404).set_body_json(body)).await;
    let error = cohere(&server.uri()).respond(request()).await.err();
    let Some(LlmError::ModelRetired { model, setting, .. }) = error else { panic!("{error:?}") };
    assert_eq!((model.as_str(), setting), ("some-model", "COHERE_MODEL"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = server_with(event_stream(STOP)).await;
    let location = target.uri().replace("http://", "http://user:hunter2@") + "/v1/x?token=hunter3#hunter4";
    for (location, logged) in [(location.as_str(), target.uri() + "/v1/x"), ("/login", "/login".to_owned())] {
        let server = server_with(ResponseTemplate::new(307).insert_header("location", location)).await;
        let error = openai(&server.uri()).respond(request()).await.err().unwrap();
        assert!(matches!(error, LlmError::BadReply(_)), "{error:?}");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains(&format!("{logged}: the base URL")) && cause.contains("not followed"), "{cause}");
        assert!(!format!("{error:?} {cause}").contains("hunter"), "{error:?}");
    }
    assert!(target.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_rejected_optional_field_is_omitted_from_then_on() {
    let server = MockServer::start().await;
    let rejection = json!({"message": {"detail": [{"loc": ["body", "stream_options", "include_usage"]}]}});
    let with_field = Mock::given(body_partial_json(json!({"stream_options": {"include_usage": true}})));
    with_field.respond_with(ResponseTemplate::new(422).set_body_json(rejection)).expect(1).mount(&server).await;
    Mock::given(method("POST")).respond_with(event_stream(&format!("{HELLO}{STOP}"))).expect(2).mount(&server).await;
    let client = openai(&server.uri());
    for _ in 0..2 {
        respond(&client).await.unwrap();
    }
}

/// A request with a reply of another model.
fn continued() -> LlmRequest {
    let assistant = |text: &str, provider_data: Option<&str>| {
        let (text, provider_data) = (text.to_owned(), provider_data.map(str::to_owned));
        LlmMessage::Assistant { text, plan: None, calls: Vec::new(), provider_data }
    };
    let own = assistant("Hi", Some("{\"reasoning\":\"hm\"}"));
    LlmRequest { messages: vec![assistant("Hello", None), own], ..request() }
}

#[tokio::test]
async fn a_request_is_sent_again_with_required_or_without_rejected_reasoning() {
    let required = "The `reasoning_content` in the thinking mode must be passed back to the API.";
    let rejected = "messages.1: property 'reasoning' is unsupported";
    // What is required is sent at once by the second request; data of a conversation is always tried first.
    let cases = [(required, "\"reasoning_content\":\" \"", 1), (rejected, "\"content\":\"Hi\",\"role\"", 2)];
    for (message, sent, rejections) in cases {
        let server = MockServer::start().await;
        let accepted = Mock::given(body_string_contains(sent));
        accepted.respond_with(event_stream(&format!("{HELLO}{STOP}"))).expect(2).mount(&server).await;
        let rejection = ResponseTemplate::new(400).set_body_json(json!({"error": {"message": message}}));
        let others = Mock::given(method("POST")).respond_with(rejection).with_priority(10);
        others.expect(rejections).mount(&server).await;
        let client = openai(&server.uri());
        for _ in 0..2 {
            assert_eq!(collect(client.respond(continued()).await.unwrap()).await.unwrap().text, "Hello");
        }
        server.verify().await;
    }
}

#[tokio::test]
async fn what_an_error_says_is_not_believed_if_the_request_fails_without_it_too() {
    let body = json!({"error": {"message": "refused: \"Why is reasoning_content missing?\""}});
    let server = server_with(ResponseTemplate::new(400).set_body_json(body)).await;
    let client = openai(&server.uri());
    for requests in [2, 4] {
        let error = client.respond(continued()).await.err().unwrap();
        assert!(matches!(error, LlmError::BadReply(_)), "{error:?}");
        assert_eq!(server.received_requests().await.unwrap().len(), requests);
    }
}

#[test]
fn the_source_names_provider_server_and_model_and_nothing_secret() {
    let client = openai("https://gateway.example:8443/a/secret/v1?token=secret");
    assert_eq!(client.source(), "openai https://gateway.example:8443 some-model");
    assert_eq!(cohere("https://api.cohere.com/v2").source(), "cohere https://api.cohere.com some-model");
}

#[tokio::test]
async fn errors_and_debug_output_do_not_contain_the_key() {
    let echo = json!({"error": {"message": format!("the key {KEY} is invalid"), "code": KEY}});
    let in_reply = format!("data: {echo}\n\n");
    let mut texts = Vec::new();
    for response in [
        ResponseTemplate::new(400).set_body_json(&echo),
        ResponseTemplate::new(401).set_body_json(&echo),
        event_stream(&in_reply),
    ] {
        let server = server_with(response).await;
        let error = respond(&openai(&server.uri())).await.unwrap_err();
        texts.push(format!("{error} {error:?} {}", std::error::Error::source(&error).unwrap()));
    }
    let unreachable = openai("http://127.0.0.1:1/v1?token=sk-very-secret-key");
    let error = unreachable.respond(request()).await.err().unwrap();
    texts.push(format!(
        "{error} {error:?} {unreachable:?} {:?}",
        options("http://127.0.0.1:1/v1?token=sk-very-secret-key")
    ));
    let invalid = HttpOptions { key: Some(format!("{KEY}\n{KEY}").into()), ..options("http://127.0.0.1:1") };
    let error = OpenAiClient::new(invalid).unwrap_err();
    texts.push(format!("{error} {error:?}"));
    for text in texts {
        assert!(!text.contains("very-secret"), "{text}");
    }
}

#[test]
fn a_base_url_that_is_not_http_or_contains_credentials_is_rejected() {
    for url in ["ftp://a.example", "mailto:a@b", "http://user@a.example", "https://:password@a.example"] {
        let error = OpenAiClient::new(options(url)).unwrap_err();
        assert!(matches!(error, HttpOptionsError::BaseUrl), "{url}: {error:?}");
    }
    assert_eq!(openai("https://a.example").provider(), "openai");
    assert_eq!((cohere("https://a.example").provider(), cohere("https://a.example").model()), ("cohere", "some-model"));
}
