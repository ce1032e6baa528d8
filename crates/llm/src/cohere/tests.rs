//! Requests and replies as in Cohere's API reference.

use std::sync::Arc;

use domain::llm::{LlmMessage, LlmToolCall};
use domain::tool::ToolSpec;
use serde_json::json;

use super::*;
use crate::reply_reader::ReplyReader;

fn cohere(model: &str) -> Cohere {
    Cohere::new(model.into(), None)
}

fn read(body: &str) -> (Vec<LlmEvent>, Result<(), LlmError>) {
    let errors = ErrorMapper::new("command-a-03-2025", Cohere::MODEL_SETTING, None);
    let mut reader = ReplyReader::new(cohere("command-a-03-2025").decoder(errors));
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

/// Returns the messages of a request without the system text.
fn sent_messages(messages: Vec<LlmMessage>) -> Vec<Value> {
    let body = sent(&cohere("m"), &request(messages), &[]);
    body["messages"].as_array().unwrap()[1..].to_vec()
}

/// Events as Cohere sends them: each with its name, and `[DONE]` without one.
fn sse(events: &[Value]) -> String {
    let event = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or("message"));
    events.iter().map(event).collect::<String>() + "data: [DONE]\n\n"
}

fn end(reason: &str) -> Value {
    json!({"type": "message-end", "delta": {"finish_reason": reason}})
}

fn call_start(index: u64, id: &str, tool: &str) -> Value {
    let call = json!({"id": id, "type": "function", "function": {"name": tool, "arguments": ""}});
    json!({"type": "tool-call-start", "index": index, "delta": {"message": {"tool_calls": call}}})
}

fn call_delta(index: u64, fragment: &str) -> Value {
    let call = json!({"function": {"arguments": fragment}});
    json!({"type": "tool-call-delta", "index": index, "delta": {"message": {"tool_calls": call}}})
}

fn call_end(index: u64) -> Value {
    json!({"type": "tool-call-end", "index": index})
}

fn complete_calls(events: &[LlmEvent]) -> Vec<LlmToolCall> {
    let complete = events.iter().filter_map(|event| match event {
        LlmEvent::ToolCallComplete { call, .. } => Some(call.clone()),
        _ => None,
    });
    complete.collect()
}

fn call(id: &str, tool: &str, arguments: &str) -> LlmToolCall {
    LlmToolCall { id: id.into(), tool: tool.into(), arguments: arguments.into() }
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
fn a_request_contains_the_required_fields_only() {
    let body = sent(&cohere("command-a-03-2025"), &request(vec![LlmMessage::User { text: "Hi".into() }]), &[]);
    let tool = json!({"name": "add_task", "description": "Adds a task.", "parameters": {"type": "object"}});
    assert_eq!(
        body,
        json!({
            "model": "command-a-03-2025",
            "stream": true,
            "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}],
            "tools": [{"type": "function", "function": tool}],
        })
    );
}

#[test]
fn temperature_is_sent_in_its_shortest_form() {
    let body = sent(&Cohere::new("m".into(), Some(0.3)), &request(vec![]), &[]);
    assert_eq!(body["temperature"].to_string(), "0.3");
}

#[test]
fn the_field_tools_is_omitted_if_there_are_none() {
    let request = LlmRequest { tools: Arc::new([]), ..request(vec![]) };
    assert_eq!(sent(&cohere("m"), &request, &[]).get("tools"), None);
}

#[test]
fn an_assistant_message_with_calls_has_a_plan_and_no_content() {
    let assistant = |text: &str, plan: Option<&str>| LlmMessage::Assistant {
        text: text.into(),
        plan: plan.map(str::to_owned),
        calls: vec![call("c1", "add_task", r#"{"title":"milk"}"#)],
        provider_data: None,
    };
    let message_json = |message| sent_messages(vec![message]).remove(0);
    let function = json!({"name": "add_task", "arguments": "{\"title\":\"milk\"}"});
    let calls = json!([{"id": "call00001", "type": "function", "function": function}]);
    let expected = |plan: &str| json!({"role": "assistant", "tool_calls": calls, "tool_plan": plan});
    assert_eq!(message_json(assistant("", Some("I will add it."))), expected("I will add it."));
    assert_eq!(message_json(assistant("Sure.", Some("Add."))), expected("Add.\n\nSure."));
    let without_plan = json!({"role": "assistant", "tool_calls": calls});
    assert_eq!(message_json(assistant("", None)), without_plan);
    assert_eq!(message_json(assistant(" ", Some(""))), without_plan);
}

#[test]
fn a_tool_result_is_json_text_with_the_id_of_its_call() {
    let calls = vec![call("c1", "add_task", "{}")];
    let assistant = LlmMessage::Assistant { text: String::new(), plan: None, calls, provider_data: None };
    let content = json!({"success": true});
    let result = LlmMessage::ToolResult { call_id: "c1".into(), tool: "add_task".into(), content };
    let expected = json!({"role": "tool", "tool_call_id": "call00001", "content": "{\"success\":true}"});
    assert_eq!(sent_messages(vec![assistant, result])[1], expected);
}

#[test]
fn rejected_thoughts_are_distinguished_from_other_errors() {
    let deviation = |status, message: &str| {
        cohere("m").deviation(status, &ErrorBody { codes: Vec::new(), message: message.into() })
    };
    let message = "Thinking content is not supported by this model: 'messages[2].content[0]'";
    assert_eq!(deviation(400, message), Some(Deviation::RejectsProviderData));
    assert_eq!((deviation(500, message), deviation(400, "invalid request")), (None, None));
}

#[test]
fn a_text_reply_is_streamed_with_usage_in_floats() {
    let content =
        |text: &str| json!({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": text}}}});
    let start =
        json!({"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}});
    let usage = json!({"billed_units": {"input_tokens": 9.0}, "tokens": {"input_tokens": 512.0, "output_tokens": 7.0}});
    let end = json!({"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": usage}});
    let begin = json!({"type": "message-start", "id": "1", "delta": {"message": {"role": "assistant", "content": []}}});
    let body = sse(&[begin, start, content("Hel"), content("lo"), json!({"type": "content-end", "index": 0}), end]);
    let usage = Some(Usage { tokens_in: 512, tokens_out: 7 });
    assert_eq!(
        read_complete(&body),
        [
            LlmEvent::TextDelta("Hel".into()),
            LlmEvent::TextDelta("lo".into()),
            LlmEvent::Finished { reason: FinishReason::Stop, usage },
        ]
    );
}

#[test]
fn billed_units_are_used_if_tokens_are_missing() {
    let billed = json!({"billed_units": {"input_tokens": 9.0, "output_tokens": 2}});
    assert_eq!(parse_usage(&billed), Some(Usage { tokens_in: 9, tokens_out: 2 }));
    assert_eq!(parse_usage(&json!({})), None);
    assert_eq!(parse_usage(&json!({"tokens": {"input_tokens": -1.0, "output_tokens": "x"}})), None);
}

#[test]
fn calls_are_streamed_in_fragments_after_the_plan() {
    let plan = json!({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "I will."}}});
    let events = [
        plan,
        call_start(0, "a_1", "add_task"),
        call_delta(0, "{\"title\":"),
        call_delta(0, "\"milk\"}"),
        call_end(0),
        call_start(1, "a_2", "list_tasks"),
        call_end(1),
        end("TOOL_CALL"),
    ];
    let fragment = |fragment: &str| LlmEvent::ToolCallArguments { index: 0, fragment: fragment.into() };
    assert_eq!(
        read_complete(&sse(&events)),
        [
            LlmEvent::PlanDelta("I will.".into()),
            LlmEvent::ToolCallStarted { index: 0, id: "a_1".into(), tool: "add_task".into() },
            fragment("{\"title\":"),
            fragment("\"milk\"}"),
            LlmEvent::ToolCallComplete { index: 0, call: call("a_1", "add_task", "{\"title\":\"milk\"}") },
            LlmEvent::ToolCallStarted { index: 1, id: "a_2".into(), tool: "list_tasks".into() },
            LlmEvent::ToolCallComplete { index: 1, call: call("a_2", "list_tasks", "{}") },
            finished(FinishReason::ToolCalls),
        ]
    );
}

#[test]
fn parallel_calls_may_interleave_and_be_in_an_array() {
    let start = json!({"id": "x", "type": "function", "function": {"name": "list_tasks", "arguments": "{"}});
    let start = json!({"type": "tool-call-start", "index": 1, "delta": {"message": {"tool_calls": [start]}}});
    let events =
        [call_start(0, "x", "add_task"), start, call_delta(0, "{\"a\":1}"), call_delta(1, "}"), end("TOOL_CALL")];
    let calls = complete_calls(&read_complete(&sse(&events)));
    assert_eq!(calls, [call("x", "add_task", "{\"a\":1}"), call("call_1", "list_tasks", "{}")]);
}

#[test]
fn thoughts_citations_and_unknown_events_are_not_text() {
    let block =
        |kind: &str, content: Value| json!({"type": kind, "index": 0, "delta": {"message": {"content": content}}});
    let text = json!({"type": "content-delta", "index": 1, "delta": {"message": {"content": {"text": "4"}}}});
    let events = [
        block("content-start", json!({"type": "thinking", "thinking": ""})),
        block("content-delta", json!({"thinking": "two and two"})),
        block("content-delta", json!({"text": "hm"})),
        text,
        json!({"type": "citation-start", "index": 0, "delta": {"message": {"citations": {"text": "4"}}}}),
        json!({"type": "unknown-event", "delta": 3}),
        end("COMPLETE"),
    ];
    let thinking = || LlmEvent::Thinking;
    let expected = [thinking(), thinking(), thinking(), LlmEvent::TextDelta("4".into()), finished(FinishReason::Stop)];
    assert_eq!(read_complete(&sse(&events)), expected);
    let without_a_start = block("content-delta", json!({"thinking": "two and two"}));
    assert_eq!(read_complete(&sse(&[without_a_start, end("COMPLETE")])), [thinking(), finished(FinishReason::Stop)]);
}

#[test]
fn a_reply_without_message_end_is_truncated_and_completes_no_call() {
    let events = [call_start(0, "a", "add_task"), call_delta(0, "{\"title\":\"milk\"}")];
    let (out, result) = read(&sse(&events));
    assert!(matches!(result, Err(LlmError::Unavailable(_))), "{result:?}");
    assert_eq!(complete_calls(&out), []);
    let without_done = sse(&events).replace("data: [DONE]\n\n", "");
    let (out, result) = read(&without_done);
    assert!(matches!(result, Err(LlmError::Unavailable(_))), "{result:?}");
    assert_eq!(complete_calls(&out), []);
}

#[test]
fn a_call_truncated_by_the_token_limit_is_not_completed() {
    let events = [call_start(0, "a", "add_task"), call_end(0), call_start(1, "b", "add_task"), end("MAX_TOKENS")];
    let events = read_complete(&sse(&events));
    assert_eq!(complete_calls(&events), [call("a", "add_task", "{}")]);
    assert_eq!(events.last(), Some(&finished(FinishReason::Length)));
}

#[test]
fn finish_reasons_that_report_failures_are_errors() {
    let error = |reason: &str| read(&sse(&[end(reason)])).1.unwrap_err();
    assert!(matches!(error("ERROR"), LlmError::Unavailable(_)));
    assert!(matches!(error("TIMEOUT"), LlmError::Timeout(_)));
    assert!(matches!(error("ERROR_TOXIC"), LlmError::BadReply(_)));
    assert!(matches!(error("ERROR_LIMIT"), LlmError::BadReply(_)));
    assert!(matches!(error(""), LlmError::BadReply(_)));
    let unfinished = [call_start(0, "a", "add_task"), call_delta(0, "{}"), end("ERROR")];
    assert_eq!(complete_calls(&read(&sse(&unfinished)).0), []);
    assert_eq!(read_complete(&sse(&[end("USER_CANCEL")])), [finished(FinishReason::Other)]);
}

#[test]
fn an_error_event_without_a_type_is_an_error() {
    let (_, result) = read("data: {\"id\":\"1\",\"message\":\"internal error\"}\n\n");
    let error = result.unwrap_err();
    assert!(
        matches!(&error, LlmError::Unavailable(cause) if cause.to_string().contains("internal error")),
        "{error:?}"
    );
}

#[test]
fn invalid_events_and_unknown_calls_are_bad_replies() {
    for body in [
        "data: {invalid\n\ndata: [DONE]\n\n".to_owned(),
        sse(&[call_delta(0, "{}")]),
        sse(&[call_end(3)]),
        sse(&[call_start(0, "a", ""), end("TOOL_CALL")]),
        sse(&[json!({"type": "content-delta", "delta": {"message": {"content": 3}}})]),
        json!({"message": {"content": [{"type": "text"}]}, "finish_reason": "COMPLETE"}).to_string(),
        json!([{"message": {"content": "a"}}]).to_string(),
        json!("no").to_string(),
        json!({"id": "1"}).to_string(),
    ] {
        let (_, result) = read(&body);
        assert!(matches!(result, Err(LlmError::BadReply(_))), "{body}: {result:?}");
    }
}

#[test]
fn a_reply_in_one_document_is_decoded() {
    let function = json!({"name": "list_tasks", "arguments": "null"});
    let calls = json!([{"id": "a", "type": "function", "function": function}]);
    let message = json!({"role": "assistant", "tool_plan": "Look.", "tool_calls": calls});
    let events = read_complete(&json!({"id": "1", "message": message, "finish_reason": "TOOL_CALL"}).to_string());
    assert_eq!(events[0], LlmEvent::PlanDelta("Look.".into()));
    assert_eq!(complete_calls(&events), [call("a", "list_tasks", "{}")]);
    let content = json!([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Done."}]);
    let body = json!({"message": {"role": "assistant", "content": content}, "finish_reason": "COMPLETE"}).to_string();
    let expected = [LlmEvent::Thinking, LlmEvent::TextDelta("Done.".into()), finished(FinishReason::Stop)];
    assert_eq!(read_complete(&body), expected);
    let content = json!([{"type": "video"}, {"type": "text", "text": "Done."}]);
    let body = json!({"message": {"role": "assistant", "content": content}, "finish_reason": "COMPLETE"}).to_string();
    assert_eq!(read_complete(&body), expected[1..]);
}

#[test]
fn the_endpoint_is_derived_from_any_base_url() {
    let endpoint = |base: &str| cohere("m").endpoint(&base.parse().unwrap()).to_string();
    for base in [
        "https://api.cohere.com",
        "https://api.cohere.com/",
        "https://api.cohere.com/v2/",
        "https://api.cohere.com/v1",
        "https://api.cohere.com/v2/chat",
    ] {
        assert_eq!(endpoint(base), "https://api.cohere.com/v2/chat");
    }
    assert_eq!(endpoint("http://127.0.0.1:9/gateway/"), "http://127.0.0.1:9/gateway/v2/chat");
}

#[test]
fn a_removed_model_is_replaced() {
    for removed in ["command-r-plus", "command-r-plus-04-2024"] {
        assert_eq!(Cohere::successor_of(removed), Some("command-r-plus-08-2024"));
        assert_eq!(cohere(removed).model(), "command-r-plus-08-2024");
    }
    for current in ["command-a-03-2025", "command-r-plus-08-2024", "command-r"] {
        assert_eq!((Cohere::successor_of(current), cohere(current).model()), (None, current));
    }
}
