//! The fake provider over HTTP: both APIs, whole and with every fault.

use std::time::Duration;

use futures_util::FutureExt as _;
use reqwest::Response;
use serde_json::{Value, json};

use super::*;
use crate::{http_client, wait_until};

const COHERE: &str = "/v2/chat";
const OPENAI: &str = "/v1/chat/completions";

fn body(stream: bool) -> Value {
    json!({
        "model": "some-model",
        "stream": stream,
        "stream_options": {"include_usage": true},
        "messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hello"}],
    })
}

async fn post(provider: &FakeProvider, path: &str, body: &Value) -> anyhow::Result<Response> {
    Ok(http_client().post(format!("{}{path}", provider.url())).bearer_auth("any").json(body).send().await?)
}

async fn streamed(reply: Reply, path: &str) -> Vec<Value> {
    let provider = FakeProvider::start(Behaviour::scripted()).unwrap();
    provider.push(reply);
    let response = post(&provider, path, &body(true)).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (200, &"text/event-stream".parse().unwrap())
    );
    data(&response.text().await.unwrap())
}

/// The data of the events; `[DONE]` as a string.
fn data(stream: &str) -> Vec<Value> {
    let lines = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|_| line.into())).collect()
}

#[tokio::test]
async fn cohere_streams_text_as_typed_events() {
    let events = streamed(Reply::says("Hi there").usage(7, 2), COHERE).await;
    let types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap_or("")).collect();
    let expected =
        ["message-start", "content-start", "content-delta", "content-delta", "content-end", "message-end", ""];
    assert_eq!(types, expected);
    assert_eq!(
        events[3],
        json!({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "there"}}}})
    );
    assert_eq!(events[5]["delta"]["finish_reason"], "COMPLETE");
    assert_eq!(events[5]["delta"]["usage"]["tokens"], json!({"input_tokens": 7.0, "output_tokens": 2.0}));
    assert_eq!(events[6], "[DONE]");
}

#[tokio::test]
async fn cohere_streams_a_tool_call_as_an_object_with_its_arguments_in_fragments() {
    let arguments = json!({"title": "buy milk"});
    let events = streamed(Reply::calls("add_task", &arguments).plan("I will add."), COHERE).await;
    let of_type = |name: &str| events.iter().filter(|event| event["type"] == name).collect::<Vec<_>>();
    assert_eq!(of_type("tool-plan-delta").len(), 3);
    let start = &of_type("tool-call-start")[0]["delta"]["message"]["tool_calls"];
    assert_eq!((&start["function"]["name"], &start["function"]["arguments"]), (&json!("add_task"), &json!("")));
    assert!(start["id"].is_string());
    let fragments = of_type("tool-call-delta").into_iter();
    let fragments =
        fragments.map(|event| event["delta"]["message"]["tool_calls"]["function"]["arguments"].as_str().unwrap());
    assert_eq!(fragments.collect::<String>(), arguments.to_string());
    assert!(of_type("content-start").is_empty());
    assert_eq!(of_type("message-end")[0]["delta"]["finish_reason"], "TOOL_CALL");
}

#[tokio::test]
async fn openai_streams_chunks_and_ends_with_the_usage() {
    let reply = Reply::says("Hi there").and_calls("list_tasks", &json!({})).call_id("same").usage(7, 2);
    let chunks = streamed(reply, OPENAI).await;
    let deltas: Vec<_> = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]).collect();
    assert_eq!(*deltas[0], json!({"role": "assistant", "content": null}));
    assert_eq!((&deltas[1]["content"], &deltas[2]["content"]), (&json!("Hi "), &json!("there")));
    assert_eq!(
        deltas[3]["tool_calls"],
        json!([{"index": 0, "id": "same", "type": "function", "function": {"name": "list_tasks", "arguments": ""}}])
    );
    assert_eq!(deltas[4]["tool_calls"], json!([{"index": 0, "function": {"arguments": "{}"}}]));
    assert_eq!(chunks[5]["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!((&chunks[6]["choices"], &chunks[6]["usage"]["total_tokens"]), (&json!([]), &json!(9)));
    assert_eq!(chunks[7], "[DONE]");
}

#[tokio::test]
async fn openai_streams_no_usage_unless_requested() {
    let provider = FakeProvider::start(Behaviour::assistant()).unwrap();
    let mut body = body(true);
    body["stream_options"] = Value::Null;
    let text = post(&provider, OPENAI, &body).await.unwrap().text().await.unwrap();
    assert!(text.ends_with("data: [DONE]\n\n") && !text.contains("usage"), "{text}");
}

#[tokio::test]
async fn without_stream_both_apis_answer_with_one_object() {
    let provider = FakeProvider::start(Behaviour::scripted()).unwrap();
    let reply = Reply::calls("list_tasks", &json!({"status": "all"})).plan("I will.").call_id("c1").without_usage();
    for path in [COHERE, OPENAI, "/chat/completions"] {
        provider.push(reply.clone());
        let answer: Value = post(&provider, path, &body(false)).await.unwrap().json().await.unwrap();
        let message = if path == COHERE { &answer["message"] } else { &answer["choices"][0]["message"] };
        let function = json!({"name": "list_tasks", "arguments": "{\"status\":\"all\"}"});
        assert_eq!(message["tool_calls"], json!([{"id": "c1", "type": "function", "function": function}]), "{answer}");
        assert!(answer.get("usage").is_none());
        assert_eq!(message.get("tool_plan"), (path == COHERE).then_some(&json!("I will.")));
    }
}

#[tokio::test]
async fn thoughts_and_signatures_are_the_same_in_a_stream_and_in_one_object() {
    let reply = Reply::calls("list_tasks", &json!({})).thoughts("Look first.").signature("s");
    let extra = json!({"google": {"thought_signature": "s"}});
    let provider = FakeProvider::start(Behaviour::scripted()).unwrap();
    provider.push(reply.clone());
    let whole: Value = post(&provider, OPENAI, &body(false)).await.unwrap().json().await.unwrap();
    let message = &whole["choices"][0]["message"];
    assert_eq!(
        (&message["reasoning_content"], &message["tool_calls"][0]["extra_content"]),
        (&json!("Look first."), &extra)
    );
    let chunks = streamed(reply.clone(), OPENAI).await;
    let deltas: Vec<_> = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]).collect();
    let thoughts: String = deltas.iter().filter_map(|delta| delta["reasoning_content"].as_str()).collect();
    assert_eq!(thoughts, "Look first.");
    assert!(deltas.iter().any(|delta| delta["tool_calls"][0]["extra_content"] == extra), "{chunks:?}");
    provider.push(reply.clone());
    let whole: Value = post(&provider, COHERE, &body(false)).await.unwrap().json().await.unwrap();
    assert_eq!(whole["message"]["content"], json!([{"type": "thinking", "thinking": "Look first."}]));
    let events = streamed(reply, COHERE).await;
    let thoughts = events.iter().filter_map(|event| event["delta"]["message"]["content"]["thinking"].as_str());
    assert_eq!(thoughts.collect::<String>(), "Look first.");
}

#[tokio::test]
async fn errors_have_the_format_of_their_api() {
    let limited = Fault::rate_limited(Duration::from_secs(3));
    let provider = FakeProvider::start(Behaviour::assistant().fault(limited)).unwrap();
    for path in [COHERE, OPENAI] {
        let response = post(&provider, path, &body(true)).await.unwrap();
        assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (429, &"3".parse().unwrap()));
        let problem: Value = response.json().await.unwrap();
        let message = if path == COHERE { &problem["message"] } else { &problem["error"]["message"] };
        assert!(message.is_string(), "{problem}");
        assert_eq!(problem["id"].is_string(), path == COHERE);
    }
}

#[tokio::test]
async fn invalid_requests_are_refused_and_recorded() {
    let provider = FakeProvider::start(Behaviour::assistant()).unwrap();
    let orphan = json!({"model": "m", "messages": [{"role": "tool", "tool_call_id": "c", "content": "{}"}]});
    assert_eq!(post(&provider, OPENAI, &orphan).await.unwrap().status(), 400);
    let no_key = http_client().post(format!("{}{COHERE}", provider.url())).json(&body(true)).send().await.unwrap();
    assert_eq!(no_key.status(), 401);
    let received = provider.requests();
    assert_eq!((&received[0].body, received[1].user_text.as_str()), (&orphan, "hello"));
    assert_eq!(received[0].headers["authorization"], "Bearer any");
    assert!(received[1].headers.get("authorization").is_none());
}

#[tokio::test]
async fn a_cut_stream_breaks_after_its_pieces() {
    let provider = FakeProvider::start(Behaviour::scripted()).unwrap();
    for path in [COHERE, OPENAI] {
        for (reply, last) in [
            (Reply::pieces(["one ", "two ", "three"]).fault(Fault::CutAfter(2)), "two "),
            (Reply::calls("add_task", &json!({"title": "x"})).fault(Fault::CutInArguments), r#"{\"tit"#),
        ] {
            provider.push(reply);
            let mut response = post(&provider, path, &body(true)).await.unwrap();
            let mut text = String::new();
            let broken = loop {
                match response.chunk().await {
                    Ok(Some(more)) => text.push_str(std::str::from_utf8(&more).unwrap()),
                    Ok(None) => break false,
                    Err(_) => break true,
                }
            };
            assert!(broken && data(&text).last().unwrap().to_string().contains(last), "{text}");
        }
    }
    assert!(provider.requests().iter().all(|request| request.answered_at.is_none()));
}

#[tokio::test]
async fn a_stream_can_fail_end_early_or_lack_its_end_marker() {
    for path in [COHERE, OPENAI] {
        let failed = streamed(Reply::pieces(["a", "b"]).fault(Fault::ErrorAfter(1)), path).await;
        let error = failed.last().unwrap();
        assert!(error["error"]["message"].is_string() || error["delta"]["finish_reason"] == "ERROR", "{error}");
        let early = streamed(Reply::pieces(["a", "b"]).fault(Fault::EndsAfter(1)), path).await;
        assert!(early.last().unwrap().to_string().contains("\"a\""), "{early:?}");
        let unmarked = streamed(Reply::says("a").fault(Fault::NoDone), path).await;
        assert_ne!(unmarked.last().unwrap(), "[DONE]");
        let garbage = streamed(Reply::says("a b").fault(Fault::Garbage), path).await;
        assert_eq!(garbage.iter().filter(|data| data.as_str().is_some_and(|text| text.contains("oops"))).count(), 2);
    }
}

#[tokio::test]
async fn endless_output_is_many_megabytes() {
    let provider = FakeProvider::start(Behaviour::scripted()).unwrap();
    for (fault, one_line) in [(Fault::EndlessLine, true), (Fault::EndlessLines, false)] {
        provider.push(Reply::says("x").fault(fault));
        let mut response = post(&provider, COHERE, &body(true)).await.unwrap();
        let (mut bytes, mut newest) = (0, Vec::new());
        while bytes < 4_000_000 {
            newest = response.chunk().await.unwrap().unwrap().to_vec();
            bytes += newest.len();
        }
        assert_eq!(newest.iter().all(|byte| *byte == b'x'), one_line);
    }
    provider.push(Reply::says("more"));
    assert_eq!(post(&provider, COHERE, &body(true)).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_gate_holds_an_answer_before_or_within_it() {
    let provider = FakeProvider::start(Behaviour::scripted()).unwrap();
    let (before, within) = (Gate::new(), Gate::new());
    provider.push(Reply::pieces(["one", "two"]).held(&before).held_after(1, &within));
    let body = body(true);
    let mut answer = Box::pin(post(&provider, OPENAI, &body));
    tokio::select! {
        _ = &mut answer => panic!("the answer passed a closed gate"),
        arrived = provider.wait_for_requests(1) => arrived.unwrap(),
    }
    provider.push(Reply::says("overtakes"));
    post(&provider, OPENAI, &body).await.unwrap().text().await.unwrap();
    assert!((&mut answer).now_or_never().is_none());
    before.open();
    let mut response = answer.await.unwrap();
    let mut text = String::new();
    while !text.contains("one") {
        text.push_str(std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap());
    }
    assert!(!text.contains("two") && response.chunk().now_or_never().is_none(), "{text}");
    within.open();
    assert!(response.text().await.unwrap().contains("two"));
    assert!(provider.requests()[0].answered_at.is_some());
}

#[tokio::test]
async fn hanging_and_silent_answers_stay_open_and_send_nothing() {
    let provider = FakeProvider::start(Behaviour::scripted()).unwrap();
    provider.push(Reply::pieces(["one", "two"]).fault(Fault::HangsAfter(1)));
    provider.push(Reply::says("never").fault(Fault::Silent));
    let mut hanging = post(&provider, COHERE, &body(true)).await.unwrap();
    let body = body(true);
    let silent = post(&provider, COHERE, &body);
    let wait = provider.wait_for_requests(2);
    tokio::pin!(silent, wait);
    tokio::select! {
        _ = &mut silent => panic!("a silent provider answered"),
        arrived = &mut wait => arrived.unwrap(),
    }
    let mut text = String::new();
    while !text.contains("one") {
        text.push_str(std::str::from_utf8(&hanging.chunk().await.unwrap().unwrap()).unwrap());
    }
    assert!(hanging.chunk().now_or_never().is_none() && !text.contains("two"));
}

#[tokio::test]
async fn dropping_the_provider_closes_its_connections() {
    let provider = FakeProvider::start(Behaviour::assistant().fault(Fault::HangsAfter(1))).unwrap();
    let mut hanging = post(&provider, COHERE, &body(true)).await.unwrap();
    let url = provider.url();
    drop(provider);
    while let Ok(Some(_)) = hanging.chunk().await {}
    // The listener is closed at the same time as the connections, in another thread.
    let request = http_client().post(format!("{url}{COHERE}")).json(&body(true));
    let is_closed = async || Ok(request.try_clone().unwrap().send().await.is_err());
    wait_until("the listener to close", is_closed).await.unwrap();
}

#[tokio::test]
async fn a_request_after_the_last_scripted_reply_is_an_error() {
    let provider = FakeProvider::start(Behaviour::scripted()).unwrap();
    provider.push(Reply::says("once"));
    let statuses = [post(&provider, COHERE, &body(true)).await, post(&provider, COHERE, &body(true)).await];
    assert_eq!(statuses.map(|response| response.unwrap().status().as_u16()), [200, 500]);
}
