//! Requests and replies as in the API reference, and as compatible servers deviate from it.

use std::sync::Arc;

use domain::llm::{LlmMessage, LlmToolCall};
use domain::tool::ToolSpec;

use super::*;
use crate::reply_reader::ReplyReader;

mod tool_calls;

fn openai() -> OpenAi {
    OpenAi::new("some-model".into(), None)
}

fn read(body: &str) -> (Vec<LlmEvent>, Result<(), LlmError>) {
    let errors = ErrorMapper::new("some-model", OpenAi::MODEL_SETTING, None);
    let mut reader = ReplyReader::new(openai().decoder(errors));
    let mut out = Vec::new();
    let result = reader.push(body.as_bytes(), &mut out).and_then(|()| reader.end(&mut out));
    (out, result)
}

/// Returns the events but the provider data, whose tests are in `crates/llm/tests`.
fn read_complete(body: &str) -> Vec<LlmEvent> {
    let (mut out, result) = read(body);
    result.unwrap();
    out.retain(|event| !matches!(event, LlmEvent::ProviderData(_)));
    out
}

fn sse(chunks: &[Value]) -> String {
    let events: Vec<_> = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    events.concat() + "data: [DONE]\n\n"
}

fn delta(delta: Value) -> Value {
    let mut choice = json!({"index": 0, "finish_reason": null});
    choice["delta"] = delta;
    json!({"object": "chat.completion.chunk", "choices": [choice]})
}

fn text(text: &str) -> Value {
    delta(json!({"content": text}))
}

fn finish(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

fn text_event(text: &str) -> LlmEvent {
    LlmEvent::TextDelta(text.into())
}

fn finished(reason: FinishReason) -> LlmEvent {
    LlmEvent::Finished { reason, usage: None }
}

fn sent<P: Provider>(provider: &P, request: &LlmRequest, deviations: &[Deviation]) -> Value {
    serde_json::to_value(provider.body(request, deviations)).unwrap()
}

fn request(messages: Vec<LlmMessage>) -> LlmRequest {
    let tool = ToolSpec {
        name: "add_task",
        description: "Adds a task.",
        parameters: Arc::new(json!({"type": "object"})),
        read_only: false,
        destructive: false,
        idempotent: false,
    };
    LlmRequest { system: "Be kind.".into(), messages, tools: Arc::new([tool]) }
}

#[test]
fn a_request_contains_the_required_and_the_optional_fields() {
    let body = sent(&openai(), &request(vec![LlmMessage::User { text: "Hi".into() }]), &[]);
    let tool = json!({"name": "add_task", "description": "Adds a task.", "parameters": {"type": "object"}});
    assert_eq!(
        body,
        json!({
            "model": "some-model",
            "stream": true,
            "stream_options": {"include_usage": true},
            "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}],
            "tools": [{"type": "function", "function": tool}],
        })
    );
    let without_optional = sent(&openai(), &request(vec![]), &[Deviation::RejectsOptionalFields]);
    assert_eq!(without_optional.get("stream_options"), None);
}

#[test]
fn temperature_is_sent_only_if_it_is_set() {
    let body = sent(&OpenAi::new("m".into(), Some(0.7)), &request(vec![]), &[]);
    assert_eq!(body["temperature"].to_string(), "0.7");
    assert_eq!(sent(&openai(), &request(vec![]), &[]).get("temperature"), None);
}

#[test]
fn an_assistant_message_with_calls_omits_an_empty_text_and_a_result_is_json_text() {
    let calls = vec![LlmToolCall { id: "c1".into(), tool: "add_task".into(), arguments: "{\"a\":1}".into() }];
    let sent = |text: &str| {
        let (text, plan, calls) = (text.into(), Some("a plan".into()), calls.clone());
        let content = json!({"success": true});
        let result = LlmMessage::ToolResult { call_id: "c1".into(), tool: "add_task".into(), content };
        let assistant = LlmMessage::Assistant { text, plan, calls, provider_data: None };
        sent(&openai(), &request(vec![assistant, result]), &[])["messages"].clone()
    };
    let function = json!({"name": "add_task", "arguments": "{\"a\":1}"});
    let expected = json!([{"id": "call00001", "type": "function", "function": function}]);
    assert_eq!(sent("")[1], json!({"role": "assistant", "tool_calls": expected}));
    assert_eq!(sent("Sure.")[1], json!({"role": "assistant", "content": "Sure.", "tool_calls": expected}));
    let result = json!({"role": "tool", "tool_call_id": "call00001", "content": "{\"success\":true}"});
    assert_eq!(sent("")[2], result);
}

#[test]
fn rejections_of_fields_are_distinguished_from_other_errors() {
    let deviation =
        |status, message: &str| openai().deviation(status, &ErrorBody { codes: Vec::new(), message: message.into() });
    let optional = Some(Deviation::RejectsOptionalFields);
    assert_eq!(deviation(400, "Unknown parameter: 'stream_options'."), optional);
    assert_eq!(deviation(422, "[{\"loc\":[\"body\",\"stream_options\",\"include_usage\"]}]"), optional);
    assert_eq!(deviation(400, "Unknown parameter: 'tools'."), None);
    assert_eq!(deviation(500, "stream_options"), None);
    for message in [
        "The `reasoning_content` in the thinking mode must be passed back to the API.",
        "Missing `reasoning_content` field in the assistant message at message index 2",
        "thinking is enabled but reasoning_content is missing in assistant tool call message at index 2",
    ] {
        assert_eq!(deviation(400, message), Some(Deviation::RequiresReasoning), "{message}");
    }
    for message in [
        "messages.2.assistant.reasoning_content: property 'messages.2.assistant.reasoning_content' is unsupported",
        "{\"loc\":[\"body\",\"messages\",1,\"assistant\",\"reasoning\"],\"msg\":\"Extra inputs are not permitted\"}",
        "messages.1.content.0: Invalid `signature` in `thinking` block",
        "Corrupted thought signature.",
        "Invalid JSON payload received. Unknown name \"extra_content\" at 'messages[1].tool_calls[0]'",
    ] {
        assert_eq!(deviation(400, message), Some(Deviation::RejectsProviderData), "{message}");
        assert_eq!(deviation(503, message), None, "{message}");
    }
    assert_eq!(deviation(400, "Function call is missing a thought_signature in functionCall parts."), None);
}

#[test]
fn a_text_reply_is_streamed_between_comments() {
    let body = format!(
        ": PROCESSING\n\n{}",
        sse(&[delta(json!({"role": "assistant", "content": null})), text("Hel"), text("lo"), finish("stop")])
    );
    assert_eq!(read_complete(&body), [text_event("Hel"), text_event("lo"), finished(FinishReason::Stop)]);
}

#[test]
fn content_may_be_null_empty_absent_or_parts_and_thoughts_have_no_text() {
    let parts =
        json!([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "b"}, "c"]);
    let chunks = [
        delta(json!({"content": null, "reasoning_content": "let me see"})),
        delta(json!({"content": "", "reasoning": "let me see"})),
        delta(json!({})),
        text("a"),
        delta(json!({"content": parts})),
        delta(json!({"content": {"type": "text", "text": "d"}})),
        delta(json!({"content": null, "reasoning": null, "reasoning_content": "", "reasoning_details": []})),
        delta(json!({"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]})),
        delta(json!({"content": null, "refusal": "e"})),
        finish("stop"),
    ];
    let (thinking, end) = (LlmEvent::Thinking, finished(FinishReason::Stop));
    let expected = [
        &thinking,
        &thinking,
        &text_event("a"),
        &thinking,
        &text_event("bc"),
        &text_event("d"),
        &thinking,
        &text_event("e"),
        &end,
    ];
    assert_eq!(read_complete(&sse(&chunks)).iter().collect::<Vec<_>>(), expected);
}

#[test]
fn parts_of_unknown_types_are_ignored() {
    let parts = json!([{"type": "image_url"}, {"type": "text", "text": "a"}, {"new": 1}, {"type": "video", "text": 3}]);
    let events = read_complete(&sse(&[delta(json!({"content": parts})), finish("stop")]));
    assert_eq!(events, [text_event("a"), finished(FinishReason::Stop)]);
}

#[test]
fn usage_may_be_missing_repeated_and_without_choices() {
    let usage = |tokens_in: f64, tokens_out: u64| json!({"prompt_tokens": tokens_in, "completion_tokens": tokens_out});
    let last_usage = |chunks: &[Value]| match read_complete(&sse(chunks)).last() {
        Some(LlmEvent::Finished { usage, .. }) => usage.map(|usage| (usage.tokens_in, usage.tokens_out)),
        other => panic!("{other:?}"),
    };
    let mut with_usage = finish("stop");
    assert_eq!(last_usage(&[text("a"), with_usage.clone()]), None);
    with_usage["usage"] = usage(5.0, 2);
    let without_choices = json!({"choices": [], "usage": usage(5.0, 3)});
    let null = json!({"choices": [], "usage": null});
    assert_eq!(last_usage(&[text("a"), with_usage.clone()]), Some((5, 2)));
    assert_eq!(last_usage(&[text("a"), with_usage, without_choices, null]), Some((5, 3)));
    let groq = json!({"choices": [{"delta": {}, "finish_reason": "stop"}], "x_groq": {"usage": usage(1.0, 1)}});
    assert_eq!(last_usage(&[groq]), Some((1, 1)));
}

#[test]
fn a_repeated_finish_reason_finishes_the_reply_once() {
    let events = read_complete(&sse(&[text("a"), finish("stop"), finish("stop")]));
    assert_eq!(events, [text_event("a"), finished(FinishReason::Stop)]);
}

#[test]
fn a_reply_without_done_and_without_a_finish_reason_is_truncated() {
    let no_finish = sse(&[text("a")]);
    assert_eq!(read_complete(&no_finish), [text_event("a"), finished(FinishReason::Stop)]);
    let no_done = sse(&[text("a"), finish("length")]).replace("data: [DONE]\n\n", "");
    assert_eq!(read_complete(&no_done), [text_event("a"), finished(FinishReason::Length)]);
    let (events, result) = read(&no_finish.replace("data: [DONE]\n\n", ""));
    assert_eq!(events, [text_event("a")]);
    assert!(matches!(result, Err(LlmError::Unavailable(_))), "{result:?}");
}

#[test]
fn a_truncated_last_chunk_is_a_truncated_reply() {
    let body = sse(&[text("a"), finish("stop")]);
    let (_, result) = read(&body[..body.len() - 40]);
    assert!(matches!(result, Err(LlmError::Unavailable(_))), "{result:?}");
}

#[test]
fn an_error_inside_the_stream_is_mapped_by_its_codes() {
    let error = |error: Value| {
        let (events, result) = read(&sse(&[text("a"), error]));
        assert_eq!(events, [text_event("a")]);
        result.unwrap_err()
    };
    assert!(matches!(error(json!({"error": {"message": "slow down", "code": 429}})), LlmError::RateLimited { .. }));
    assert!(matches!(error(json!({"error": {"type": "rate_limit_exceeded"}})), LlmError::RateLimited { .. }));
    assert!(matches!(
        error(json!({"error": {"code": "502", "message": "upstream"}, "choices": []})),
        LlmError::Unavailable(_)
    ));
    assert!(matches!(error(json!({"error": "overloaded", "error_type": "overloaded"})), LlmError::Unavailable(_)));
    assert!(matches!(error(json!({"object": "error", "message": "no", "code": 400})), LlmError::BadReply(_)));
    assert!(matches!(error(json!({"error": {"type": "invalid_api_key"}})), LlmError::Unauthorized(_)));
    assert!(matches!(error(json!({"error": {"code": "model_not_found"}})), LlmError::ModelRetired { .. }));
    assert!(matches!(error(finish("error")), LlmError::Unavailable(_)));
    let named_event = "event: error\ndata: {\"message\": \"broken\"}\n\n";
    assert!(matches!(read(named_event).1, Err(LlmError::Unavailable(_))));
    let no_error = json!({"error": null, "choices": [{"delta": {"content": "b"}, "finish_reason": "stop"}]});
    assert_eq!(read_complete(&sse(&[no_error])).len(), 2);
}

#[test]
fn invalid_bodies_are_bad_replies() {
    for body in [
        "data: {invalid\n\ndata: [DONE]\n\n".to_owned(),
        "data: [DONE]\n\n".to_owned(),
        sse(&[json!({"something": "else"})]),
        sse(&[delta(json!({"content": 3}))]),
        sse(&[delta(json!({"content": [{"type": "text"}]}))]),
        sse(&[delta(json!({"tool_calls": ["x"]})), finish("tool_calls")]),
        json!({"choices": []}).to_string(),
        json!({"models": []}).to_string(),
        json!([]).to_string(),
        json!([{"choices": []}]).to_string(),
        json!("no").to_string(),
        "null".to_owned(),
        "-1".to_owned(),
        "404".to_owned(),
        "true".to_owned(),
        "false".to_owned(),
    ] {
        let (_, result) = read(&body);
        assert!(matches!(result, Err(LlmError::BadReply(_))), "{body}: {result:?}");
    }
}

#[test]
fn a_reply_in_one_document_is_decoded() {
    let function = json!({"name": "list_tasks", "arguments": {"status": "all"}});
    let message = json!({"role": "assistant", "content": null, "tool_calls": [{"function": function}]});
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 4});
    let body = json!({"choices": [{"finish_reason": "stop", "message": message}], "usage": usage}).to_string();
    let events = read_complete(&body);
    let call = LlmToolCall { id: "call_0".into(), tool: "list_tasks".into(), arguments: "{\"status\":\"all\"}".into() };
    assert_eq!(events[2], LlmEvent::ToolCallComplete { index: 0, call });
    let usage = Some(Usage { tokens_in: 3, tokens_out: 4 });
    assert_eq!(events[3], LlmEvent::Finished { reason: FinishReason::ToolCalls, usage });
    let (_, result) = read("{\"error\": {\"message\": \"busy\", \"code\": 503}}");
    assert!(matches!(result, Err(LlmError::Unavailable(_))), "{result:?}");
}

#[test]
fn several_choices_are_joined_into_one_reply() {
    let call = json!({"id": "a", "function": {"name": "list_tasks", "arguments": "{}"}});
    let choices = json!([{"message": {"content": "Let me look."}}, {"message": {"tool_calls": [call]}}]);
    let events = read_complete(&json!({"choices": choices}).to_string());
    assert_eq!(events[0], text_event("Let me look."));
    assert_eq!(events.last(), Some(&finished(FinishReason::ToolCalls)));
}

#[test]
fn the_endpoint_is_derived_from_any_base_url() {
    let endpoint = |base: &str| openai().endpoint(&base.parse().unwrap()).to_string();
    for base in [
        "http://127.0.0.1:1",
        "http://127.0.0.1:1/",
        "http://127.0.0.1:1/v1",
        "http://127.0.0.1:1/v1/",
        "http://127.0.0.1:1/v1/chat/completions",
    ] {
        assert_eq!(endpoint(base), "http://127.0.0.1:1/v1/chat/completions");
    }
    assert_eq!(endpoint("https://openrouter.ai/api/v1"), "https://openrouter.ai/api/v1/chat/completions");
    assert_eq!(endpoint("https://a.example/x?v=1"), "https://a.example/x/chat/completions?v=1");
}
