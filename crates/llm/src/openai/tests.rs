//! The translation for OpenAI-compatible servers, on bodies written after their documentation and after how they differ.

use std::sync::Arc;

use domain::llm::LlmToolCall;
use domain::tool::ToolSpec;

use super::*;
use crate::reader::ReplyReader;

mod calls;

fn openai() -> OpenAi {
    OpenAi::new("some-model".into(), None)
}

fn read(body: &str) -> (Vec<LlmEvent>, Result<(), LlmError>) {
    let failure = FailureContext::new("some-model", OpenAi::MODEL_SETTING, None);
    let mut reader = ReplyReader::new(openai().decoder(failure));
    let mut out = Vec::new();
    let result = reader.push(body.as_bytes(), &mut out).and_then(|()| reader.end(&mut out));
    (out, result)
}

fn whole(body: &str) -> Vec<LlmEvent> {
    let (out, result) = read(body);
    result.unwrap();
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

fn said(text: &str) -> LlmEvent {
    LlmEvent::TextDelta(text.into())
}

fn finished(reason: FinishReason) -> LlmEvent {
    LlmEvent::Finished { reason, usage: None }
}

fn request(messages: Vec<LlmMessage>) -> LlmRequest {
    let tool = ToolSpec {
        name: "add_task",
        description: "Adds a task.",
        parameters: json!({"type": "object"}),
        read_only: false,
        destructive: false,
        idempotent: false,
    };
    LlmRequest { system: "Be kind.".into(), messages, tools: Arc::new([tool]) }
}

#[test]
fn a_request_is_a_stream_with_system_tools_and_nothing_that_is_not_needed() {
    let body = openai().body(&request(vec![LlmMessage::User { text: "Hi".into() }]), Optional::Sent);
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
    let plain = openai().body(&request(vec![]), Optional::LeftOut);
    assert_eq!(plain.get("stream_options"), None);
}

#[test]
fn temperature_is_sent_only_where_it_is_set() {
    let body = OpenAi::new("m".into(), Some(0.7)).body(&request(vec![]), Optional::Sent);
    assert_eq!(body["temperature"].to_string(), "0.7");
    assert_eq!(openai().body(&request(vec![]), Optional::Sent).get("temperature"), None);
}

#[test]
fn a_tool_turn_is_told_with_its_text_if_it_has_one_and_a_result_as_json_text() {
    let calls = vec![LlmToolCall { id: "c1".into(), tool: "add_task".into(), arguments: "{\"a\":1}".into() }];
    let turn = |text: &str| {
        message(&LlmMessage::Assistant { text: text.into(), plan: Some("a plan".into()), calls: calls.clone() })
    };
    let told = json!([{"id": "c1", "type": "function", "function": {"name": "add_task", "arguments": "{\"a\":1}"}}]);
    assert_eq!(turn(""), json!({"role": "assistant", "tool_calls": told}));
    assert_eq!(turn("Sure."), json!({"role": "assistant", "content": "Sure.", "tool_calls": told}));
    let content = json!({"success": true});
    let result = LlmMessage::ToolResult { call_id: "c1".into(), tool: "add_task".into(), content };
    assert_eq!(message(&result), json!({"role": "tool", "tool_call_id": "c1", "content": "{\"success\":true}"}));
}

#[test]
fn the_complaint_about_an_optional_field_is_told_from_others() {
    let said = |message: &str| ErrorBody { codes: Vec::new(), message: message.into() };
    assert!(openai().refuses_optional(400, &said("Unknown parameter: 'stream_options'.")));
    assert!(openai().refuses_optional(422, &said("[{\"loc\":[\"body\",\"stream_options\",\"include_usage\"]}]")));
    assert!(!openai().refuses_optional(400, &said("Unknown parameter: 'tools'.")));
    assert!(!openai().refuses_optional(500, &said("stream_options")));
}

#[test]
fn a_text_comes_in_pieces_between_comments() {
    let body = format!(
        ": PROCESSING\n\n{}",
        sse(&[delta(json!({"role": "assistant", "content": null})), text("Hel"), text("lo"), finish("stop")])
    );
    assert_eq!(whole(&body), [said("Hel"), said("lo"), finished(FinishReason::Stop)]);
}

#[test]
fn content_may_be_null_empty_absent_or_parts_and_thoughts_are_told_without_their_words() {
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
    let told = [&thinking, &thinking, &said("a"), &thinking, &said("bc"), &said("d"), &thinking, &said("e"), &end];
    assert_eq!(whole(&sse(&chunks)).iter().collect::<Vec<_>>(), told);
}

#[test]
fn parts_of_an_unknown_kind_are_passed_over() {
    let parts = json!([{"type": "image_url"}, {"type": "text", "text": "a"}, {"new": 1}, {"type": "video", "text": 3}]);
    let told = whole(&sse(&[delta(json!({"content": parts})), finish("stop")]));
    assert_eq!(told, [said("a"), finished(FinishReason::Stop)]);
}

#[test]
fn usage_may_be_missing_come_twice_and_come_without_choices() {
    let usage = |tokens_in: f64, tokens_out: u64| json!({"prompt_tokens": tokens_in, "completion_tokens": tokens_out});
    let last = |chunks: &[Value]| match whole(&sse(chunks)).last() {
        Some(LlmEvent::Finished { usage, .. }) => usage.map(|usage| (usage.tokens_in, usage.tokens_out)),
        other => panic!("{other:?}"),
    };
    let mut with_usage = finish("stop");
    assert_eq!(last(&[text("a"), with_usage.clone()]), None);
    with_usage["usage"] = usage(5.0, 2);
    let alone = json!({"choices": [], "usage": usage(5.0, 3)});
    let null = json!({"choices": [], "usage": null});
    assert_eq!(last(&[text("a"), with_usage.clone()]), Some((5, 2)));
    assert_eq!(last(&[text("a"), with_usage, alone, null]), Some((5, 3)));
    let groq = json!({"choices": [{"delta": {}, "finish_reason": "stop"}], "x_groq": {"usage": usage(1.0, 1)}});
    assert_eq!(last(&[groq]), Some((1, 1)));
}

#[test]
fn a_repeated_finish_reason_ends_the_reply_once() {
    let told = whole(&sse(&[text("a"), finish("stop"), finish("stop")]));
    assert_eq!(told, [said("a"), finished(FinishReason::Stop)]);
}

#[test]
fn a_reply_is_whole_with_done_or_with_a_finish_reason_and_cut_without_both() {
    let no_finish = sse(&[text("a")]);
    assert_eq!(whole(&no_finish), [said("a"), finished(FinishReason::Stop)]);
    let no_done = sse(&[text("a"), finish("length")]).replace("data: [DONE]\n\n", "");
    assert_eq!(whole(&no_done), [said("a"), finished(FinishReason::Length)]);
    let (told, result) = read(&no_finish.replace("data: [DONE]\n\n", ""));
    assert_eq!(told, [said("a")]);
    assert!(matches!(result, Err(LlmError::Unavailable(_))), "{result:?}");
}

#[test]
fn a_last_chunk_cut_in_the_middle_is_a_cut() {
    let body = sse(&[text("a"), finish("stop")]);
    let (_, result) = read(&body[..body.len() - 40]);
    assert!(matches!(result, Err(LlmError::Unavailable(_))), "{result:?}");
}

#[test]
fn an_error_inside_the_stream_is_what_it_says_it_is() {
    let error = |error: Value| {
        let (told, result) = read(&sse(&[text("a"), error]));
        assert_eq!(told, [said("a")]);
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
    let named = "event: error\ndata: {\"message\": \"broken\"}\n\n";
    assert!(matches!(read(named).1, Err(LlmError::Unavailable(_))));
    let no_error = json!({"error": null, "choices": [{"delta": {"content": "b"}, "finish_reason": "stop"}]});
    assert_eq!(whole(&sse(&[no_error])).len(), 2);
}

#[test]
fn garbage_is_a_bad_reply() {
    for body in [
        "data: {nonsense\n\ndata: [DONE]\n\n".to_owned(),
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
fn a_server_that_does_not_stream_is_understood() {
    let function = json!({"name": "list_tasks", "arguments": {"status": "all"}});
    let message = json!({"role": "assistant", "content": null, "tool_calls": [{"function": function}]});
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 4});
    let body = json!({"choices": [{"finish_reason": "stop", "message": message}], "usage": usage}).to_string();
    let events = whole(&body);
    let call = LlmToolCall { id: "call_0".into(), tool: "list_tasks".into(), arguments: "{\"status\":\"all\"}".into() };
    assert_eq!(events[2], LlmEvent::ToolCallComplete { index: 0, call });
    let usage = Some(Usage { tokens_in: 3, tokens_out: 4 });
    assert_eq!(events[3], LlmEvent::Finished { reason: FinishReason::ToolCalls, usage });
    let (_, result) = read("{\"error\": {\"message\": \"busy\", \"code\": 503}}");
    assert!(matches!(result, Err(LlmError::Unavailable(_))), "{result:?}");
}

#[test]
fn one_reply_in_several_choices_is_put_together() {
    let call = json!({"id": "a", "function": {"name": "list_tasks", "arguments": "{}"}});
    let choices = json!([{"message": {"content": "Let me look."}}, {"message": {"tool_calls": [call]}}]);
    let events = whole(&json!({"choices": choices}).to_string());
    assert_eq!(events[0], said("Let me look."));
    assert_eq!(events.last(), Some(&finished(FinishReason::ToolCalls)));
}

#[test]
fn the_address_is_found_from_any_base() {
    let address = |base: &str| openai().endpoint(&base.parse().unwrap()).to_string();
    for base in [
        "http://127.0.0.1:1",
        "http://127.0.0.1:1/",
        "http://127.0.0.1:1/v1",
        "http://127.0.0.1:1/v1/",
        "http://127.0.0.1:1/v1/chat/completions",
    ] {
        assert_eq!(address(base), "http://127.0.0.1:1/v1/chat/completions");
    }
    assert_eq!(address("https://openrouter.ai/api/v1"), "https://openrouter.ai/api/v1/chat/completions");
    assert_eq!(address("https://a.example/x?v=1"), "https://a.example/x/chat/completions?v=1");
}
