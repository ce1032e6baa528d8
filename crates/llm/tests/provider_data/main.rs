//! Fields that only the sender of a reply understands: from the replies of each provider to the next request.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod requests;

use std::sync::Arc;

use domain::llm::{LlmError, LlmEvent, LlmMessage, LlmRequest, LlmToolCall, MAX_PROVIDER_DATA_BYTES};
use llm::{Cohere, Deviation, ErrorMapper, OpenAi, Provider, ReplyReader};
use serde_json::{Value, json};

/// Reads a body in pieces of this length.
fn read<P: Provider>(body: &str, length: usize) -> Vec<LlmEvent> {
    let errors = ErrorMapper::new("m", P::MODEL_SETTING, None);
    let mut reader = ReplyReader::new(P::new("m".into(), None).decoder(errors));
    let mut out = Vec::new();
    body.as_bytes().chunks(length).for_each(|piece| reader.push(piece, &mut out).unwrap());
    reader.end(&mut out).unwrap();
    out
}

/// Reads a body whole and byte by byte, and returns the reply as it is sent back.
fn reply<P: Provider>(body: &str) -> LlmMessage {
    let events = read::<P>(body, body.len());
    assert_eq!(events, read::<P>(body, 1));
    as_message(&events)
}

fn as_message(events: &[LlmEvent]) -> LlmMessage {
    let (mut text, mut calls, mut provider_data) = (String::new(), Vec::new(), None);
    for event in events {
        match event {
            LlmEvent::TextDelta(delta) => text.push_str(delta),
            LlmEvent::ToolCallComplete { call, .. } => calls.push(call.clone()),
            LlmEvent::ProviderData(data) => provider_data = Some(data.clone()),
            _ => {}
        }
    }
    LlmMessage::Assistant { text, plan: None, calls, provider_data }
}

fn data_of(message: &LlmMessage) -> Option<&str> {
    let LlmMessage::Assistant { provider_data, .. } = message else { panic!("{message:?}") };
    provider_data.as_deref()
}

/// The messages of the request that follows `replies`, the system's aside. Each call gets a result.
fn sent<P: Provider>(replies: &[LlmMessage], deviations: &[Deviation]) -> Vec<Value> {
    let with_results = |reply: &LlmMessage| {
        let LlmMessage::Assistant { calls, .. } = reply else { panic!("{reply:?}") };
        let result = |call: &LlmToolCall| LlmMessage::ToolResult {
            call_id: call.id.clone(),
            tool: call.tool.clone(),
            content: json!({"success": true}),
        };
        std::iter::once(reply.clone()).chain(calls.iter().map(result)).collect::<Vec<_>>()
    };
    let messages = replies.iter().flat_map(with_results).collect();
    let request = LlmRequest { system: "Be kind.".into(), messages, tools: Arc::new([]) };
    let provider = P::new("m".into(), None);
    let body = serde_json::to_value(provider.body(&request, deviations)).unwrap();
    body["messages"].as_array().unwrap()[1..].to_vec()
}

/// The first reply of the next request.
fn sent_back<P: Provider>(body: &str) -> Value {
    sent::<P>(&[reply::<P>(body)], &[]).remove(0)
}

fn sse(events: &[Value]) -> String {
    let events: Vec<_> = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    events.concat() + "data: [DONE]\n\n"
}

fn delta(delta: &Value) -> Value {
    json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

fn finish(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

fn call(index: u8, id: &str, tool: &str) -> Value {
    json!({"index": index, "id": id, "type": "function", "function": {"name": tool, "arguments": "{}"}})
}

/// A stream of these deltas and one call.
fn with_call(deltas: &[Value]) -> String {
    let mut events: Vec<_> = deltas.iter().map(delta).collect();
    events.push(delta(&json!({"tool_calls": [call(0, "own", "add_task")]})));
    events.push(finish("tool_calls"));
    sse(&events)
}

#[test]
fn a_signature_of_64_kib_in_a_late_chunk_returns_whole_with_its_call() {
    let signature = "Ab3/+=\u{e9}\"\\".repeat(64 * 1024 / 10);
    let extra = json!({"google": {"thought_signature": signature}});
    let events = [
        delta(
            &json!({"tool_calls": [call(0, "function-call-1", "add_task"), call(1, "function-call-2", "list_tasks")]}),
        ),
        delta(&json!({"tool_calls": [{"index": 0, "extra_content": extra}]})),
        delta(&json!({"content": "", "extra_content": {"google": {"thought_signature": "of the text"}}})),
        finish("tool_calls"),
    ];
    let returned = sent_back::<OpenAi>(&sse(&events));
    assert_eq!(returned["tool_calls"][0]["extra_content"], extra);
    assert_eq!(returned["tool_calls"][0]["id"], "function-call-1");
    assert_eq!(returned["tool_calls"][0]["function"], json!({"name": "add_task", "arguments": "{}"}));
    assert_eq!(returned["tool_calls"][1].get("extra_content"), None);
    assert_eq!(returned["extra_content"]["google"]["thought_signature"], "of the text");
}

#[test]
fn a_signature_in_a_repeated_or_complete_call_returns_once() {
    let mut complete = call(0, "a", "add_task");
    complete["extra_content"] = json!({"google": {"thought_signature": "s"}});
    let streamed =
        sse(&[delta(&json!({"tool_calls": [complete]})), delta(&json!({"tool_calls": [complete]})), finish("stop")]);
    let message = json!({"content": null, "tool_calls": [complete]});
    let document = json!({"choices": [{"finish_reason": "tool_calls", "message": message}]}).to_string();
    for body in [streamed, document] {
        let calls = sent_back::<OpenAi>(&body)["tool_calls"].clone();
        assert_eq!((calls.as_array().unwrap().len(), &calls[0]["extra_content"]), (1, &complete["extra_content"]));
    }
}

#[test]
fn reasoning_returns_joined_under_the_name_that_the_server_gave_it() {
    for name in ["reasoning_content", "reasoning"] {
        let fragments = ["", "The user ", "wants\u{0}milk."].map(|text| json!({"content": null, name: text}));
        let returned = sent_back::<OpenAi>(&with_call(&fragments));
        assert_eq!(returned[name], "The user wants\u{0}milk.");
        assert_eq!(returned.as_object().unwrap().len(), 3, "{returned}");
        let text =
            sent_back::<OpenAi>(&sse(&[delta(&json!({name: "hm"})), delta(&json!({"content": "Hi"})), finish("stop")]));
        assert_eq!(text, json!({"role": "assistant", "content": "Hi", name: "hm"}));
    }
}

#[test]
fn fragments_of_reasoning_details_return_as_the_entries_that_they_are_pieces_of() {
    let text =
        |text: &str| json!({"type": "reasoning.text", "text": text, "format": "anthropic-claude-v1", "index": 0});
    let encrypted = |id: &str| json!({"type": "reasoning.encrypted", "data": "AAAA", "id": id, "index": 0});
    let summary = |text: &str| json!({"type": "reasoning.summary", "summary": text, "index": 0});
    let signature = json!({"type": "reasoning.text", "signature": "sig", "text": null, "index": 0});
    let deltas = [
        json!({"reasoning": "Let", "reasoning_details": [text("Let")]}),
        json!({"reasoning": " me", "reasoning_details": [text(" me")]}),
        json!({"reasoning_details": [signature]}),
        json!({"reasoning": "Then", "reasoning_details": [text("Then")]}),
        json!({"reasoning_details": [summary("a"), encrypted("own")]}),
        json!({"reasoning_details": [encrypted("other")]}),
        json!({"reasoning_details": [summary("b")]}),
        json!({"reasoning_details": summary("c")}),
        json!({"reasoning_details": [{"type": "reasoning.summary", "summary": "d", "index": 1}]}),
    ];
    let returned = sent_back::<OpenAi>(&with_call(&deltas));
    let mut signed = text("Let me");
    signed["signature"] = "sig".into();
    let last = json!({"type": "reasoning.summary", "summary": "d", "index": 1});
    let expected = [signed, text("Then"), summary("a"), encrypted("own"), encrypted("other"), summary("bc"), last];
    assert_eq!(returned["reasoning_details"], json!(expected));
    assert_eq!(returned.get("reasoning"), None, "the same text twice");
}

#[test]
fn entries_of_a_whole_reply_are_not_joined() {
    let entry = |text: &str| json!({"type": "reasoning.text", "text": text});
    let message = json!({"content": "Hi", "reasoning_details": [entry("a"), entry("b")]});
    let body = json!({"choices": [{"finish_reason": "stop", "message": message}]}).to_string();
    assert_eq!(sent_back::<OpenAi>(&body)["reasoning_details"], json!([entry("a"), entry("b")]));
}

#[test]
fn thoughts_in_the_content_return_in_front_of_the_text() {
    let thought = |text: &str| json!([{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]);
    let deltas =
        [json!({"content": thought("Let ")}), json!({"content": thought("me.")}), json!({"content": "Adding."})];
    let expected = json!([thought("Let me.")[0], {"type": "text", "text": "Adding."}]);
    assert_eq!(sent_back::<OpenAi>(&with_call(&deltas))["content"], expected);
    assert_eq!(sent_back::<OpenAi>(&with_call(&deltas[..2]))["content"], thought("Let me."));
}

fn cohere(events: &[Value], end: &str) -> String {
    sse(&[events, &[json!({"type": "message-end", "delta": {"finish_reason": end}})]].concat())
}

fn cohere_content(kind: &str, index: u8, content: &Value) -> Value {
    json!({"type": kind, "index": index, "delta": {"message": {"content": content}}})
}

#[test]
fn coheres_thoughts_return_with_calls_and_with_text() {
    let thoughts = [
        cohere_content("content-start", 0, &json!({"type": "thinking", "thinking": ""})),
        cohere_content("content-delta", 0, &json!({"thinking": "I need "})),
        cohere_content("content-delta", 0, &json!({"thinking": "the list."})),
        json!({"type": "content-end", "index": 0}),
    ];
    let call = json!({"id": "list_tasks_1", "type": "function", "function": {"name": "list_tasks", "arguments": "{}"}});
    let call = json!({"type": "tool-call-start", "index": 0, "delta": {"message": {"tool_calls": call}}});
    let thinking = json!({"type": "thinking", "thinking": "I need the list."});
    let with_call = sent_back::<Cohere>(&cohere(&[&thoughts[..], &[call]].concat(), "TOOL_CALL"));
    assert_eq!(with_call["content"], json!([thinking]));
    assert_eq!((&with_call["tool_calls"][0]["id"], with_call.get("tool_plan")), (&json!("list_tasks_1"), None));
    let text = cohere_content("content-delta", 1, &json!({"text": "Nothing."}));
    let with_text = sent_back::<Cohere>(&cohere(&[&thoughts[..], &[text]].concat(), "COMPLETE"));
    assert_eq!(with_text["content"], json!([thinking, {"type": "text", "text": "Nothing."}]));
    let message = json!({"content": [thinking, {"type": "text", "text": "Nothing."}]});
    let document = json!({"message": message, "finish_reason": "COMPLETE"}).to_string();
    assert_eq!(sent_back::<Cohere>(&document), with_text);
}

#[test]
fn blocks_of_thoughts_without_a_thought_do_not_return() {
    let start = cohere_content("content-start", 0, &json!({"type": "thinking", "thinking": ""}));
    let text = cohere_content("content-delta", 1, &json!({"text": "Hi"}));
    assert_eq!(data_of(&reply::<Cohere>(&cohere(&[start, text], "COMPLETE"))), None);
}

#[test]
fn coheres_fields_are_in_the_order_in_which_its_calls_are_completed() {
    let start = |index: u8, id: &str| {
        let call = json!({"id": id, "type": "function", "function": {"name": id, "arguments": "{}"}});
        json!({"type": "tool-call-start", "index": index, "delta": {"message": {"tool_calls": call}}})
    };
    let end = |index: u8| json!({"type": "tool-call-end", "index": index});
    let events = [start(0, "first"), start(1, "second"), end(1), end(0)];
    let calls = sent_back::<Cohere>(&cohere(&events, "TOOL_CALL"))["tool_calls"].clone();
    let pairs: Vec<_> = calls.as_array().unwrap().iter().map(|call| (&call["id"], &call["function"]["name"])).collect();
    assert!(pairs.len() == 2 && pairs.iter().all(|(id, name)| id == name), "{calls}");
}

#[test]
fn thoughts_without_end_are_not_kept_and_the_calls_keep_their_ids() {
    let thought = json!({"reasoning_content": "x".repeat(1000)});
    let body = with_call(&vec![thought; 3 * MAX_PROVIDER_DATA_BYTES / 1000]);
    let message = as_message(&read::<OpenAi>(&body, 4096));
    assert_eq!(data_of(&message), Some("{\"tool_calls\":[{\"id\":\"own\"}]}"));
}

#[test]
fn thoughts_without_end_end_as_an_error_at_the_limit_of_a_body() {
    let body = sse(&[delta(&json!({"reasoning_content": "x".repeat(400_000)}))]).replace("data: [DONE]\n\n", "");
    let errors = ErrorMapper::new("m", OpenAi::MODEL_SETTING, None);
    let mut reader = ReplyReader::new(OpenAi::new("m".into(), None).decoder(errors));
    let mut out = Vec::new();
    let (count, error) =
        (1..100).find_map(|count| Some((count, reader.push(body.as_bytes(), &mut out).err()?))).unwrap();
    assert!(matches!(error, LlmError::BadReply(_)), "{error:?}");
    assert!(count > 80 && out.iter().all(|event| *event == LlmEvent::Thinking), "{count}");
}

#[test]
fn many_small_fragments_are_kept_up_to_the_limit_of_what_they_are_joined_to() {
    let fragment = json!({"reasoning_details": [{"type": "reasoning.text", "text": "x", "format": "f", "index": 0}]});
    let count = MAX_PROVIDER_DATA_BYTES / 8;
    let message = as_message(&read::<OpenAi>(&with_call(&vec![fragment; count]), 4096));
    let returned = sent::<OpenAi>(&[message], &[]).remove(0);
    assert_eq!(returned["reasoning_details"][0]["text"].as_str().unwrap().len(), count);
}

#[test]
fn the_limit_is_exact_and_counts_what_is_stored() {
    let data = |reasoning: String| {
        let body = with_call(&[json!({"reasoning_content": reasoning})]);
        data_of(&as_message(&read::<OpenAi>(&body, 4096))).map(str::to_owned)
    };
    let rest = data("x".to_owned()).unwrap().len() - 1;
    let longest = data("x".repeat(MAX_PROVIDER_DATA_BYTES - rest)).unwrap();
    assert_eq!(longest.len(), MAX_PROVIDER_DATA_BYTES);
    let ids = Some("{\"tool_calls\":[{\"id\":\"own\"}]}".to_owned());
    for too_long in ["x".repeat(MAX_PROVIDER_DATA_BYTES - rest + 1), "\u{1}".repeat(MAX_PROVIDER_DATA_BYTES / 5)] {
        assert_eq!(data(too_long), ids);
    }
}

#[test]
fn a_reply_that_was_cut_off_has_no_provider_data() {
    let events = |reason: &str| sse(&[delta(&json!({"content": "Hi", "reasoning": "hm"})), finish(reason)]);
    for reason in ["length", "content_filter"] {
        assert_eq!(data_of(&reply::<OpenAi>(&events(reason))), None, "{reason}");
    }
    assert!(data_of(&reply::<OpenAi>(&events("stop"))).is_some());
    let thought = cohere_content("content-delta", 0, &json!({"type": "thinking", "thinking": "hm"}));
    assert_eq!(data_of(&reply::<Cohere>(&cohere(&[thought], "MAX_TOKENS"))), None);
}

#[test]
fn deeply_nested_fields_can_be_read_again() {
    let mut deep = json!("s");
    for _ in 0..115 {
        deep = json!([deep]);
    }
    let mut signed = call(0, "a", "add_task");
    signed["extra_content"] = json!({"x": deep});
    let returned = sent_back::<OpenAi>(&sse(&[delta(&json!({"tool_calls": [signed]})), finish("stop")]));
    assert_eq!(returned["tool_calls"][0]["extra_content"], json!({"x": deep}));
}
