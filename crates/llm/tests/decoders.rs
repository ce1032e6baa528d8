//! Properties of decoders on truncated, corrupted and arbitrarily divided replies.

use domain::llm::LlmEvent;
use llm::{Cohere, ErrorMapper, OpenAi, Provider, ReplyReader};
use proptest::prelude::*;
use serde_json::{Value, json};

fn sse(events: &[Value]) -> String {
    let events: Vec<_> = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    events.concat() + "data: [DONE]\n\n"
}

fn openai_body() -> String {
    let delta = |delta: Value| json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
    let call = |index: u8, function: Value| {
        delta(json!({"tool_calls": [{"index": index, "id": index.to_string(), "function": function}]}))
    };
    sse(&[
        delta(json!({"reasoning_details": [{"type": "reasoning.text", "text": "Groß", "index": 0}]})),
        delta(json!({"reasoning_details": [{"type": "reasoning.text", "text": "er", "signature": "s", "index": 0}]})),
        delta(json!({"content": "Größer"})),
        call(0, json!({"name": "add_task", "arguments": "{\"title\":"})),
        call(1, json!({"name": "list_tasks", "arguments": ""})),
        call(0, json!({"arguments": "\"milk\"}"})),
        delta(json!({"tool_calls": [{"index": 0, "extra_content": {"google": {"thought_signature": "s"}}}]})),
        json!({"choices": [{"delta": {}, "finish_reason": "tool_calls"}], "usage": {"prompt_tokens": 3}}),
    ])
}

fn cohere_body() -> String {
    let call = |kind: &str, call: Value| json!({"type": kind, "index": 0, "delta": {"message": {"tool_calls": call}}});
    let content =
        |content: Value| json!({"type": "content-delta", "index": 0, "delta": {"message": {"content": content}}});
    let (thought, text) = (content(json!({"thinking": "Groß"})), content(json!({"text": "Größer"})));
    let end = json!({"finish_reason": "TOOL_CALL", "usage": {"tokens": {"input_tokens": 3.0}}});
    sse(&[
        json!({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "Add."}}}),
        thought.clone(),
        thought,
        text,
        call("tool-call-start", json!({"id": "a", "function": {"name": "add_task", "arguments": ""}})),
        call("tool-call-delta", json!({"function": {"arguments": "{}"}})),
        json!({"type": "tool-call-end", "index": 0}),
        json!({"type": "message-end", "delta": end}),
    ])
}

/// Reads a body in pieces of these lengths, cyclically. Returns the events and whether the reply was complete.
fn read<P: Provider>(body: &[u8], lengths: &[usize]) -> (Vec<LlmEvent>, bool) {
    let errors = ErrorMapper::new("m", P::MODEL_SETTING, None);
    let mut reader = ReplyReader::new(P::new("m".into(), None).decoder(errors));
    let (mut out, mut rest) = (Vec::new(), body);
    for length in lengths.iter().cycle() {
        let (piece, remaining) = rest.split_at((*length).min(rest.len()));
        if reader.push(piece, &mut out).is_err() {
            return (out, false);
        }
        rest = remaining;
        if rest.is_empty() {
            break;
        }
    }
    let complete = reader.end(&mut out).is_ok();
    (out, complete)
}

/// Asserts that a complete reply, and no other, ends in `Finished`, with provider data before it at most once, and that
/// each call is started and completed once, in this order.
fn assert_in_order(events: &[LlmEvent], complete: bool) {
    let finished = events.iter().position(|event| matches!(event, LlmEvent::Finished { .. }));
    assert_eq!(finished, complete.then(|| events.len() - 1), "{events:?}");
    let data = events.iter().position(|event| matches!(event, LlmEvent::ProviderData(_)));
    assert!(data.is_none_or(|data| complete && data + 2 == events.len()), "{events:?}");
    let (mut started, mut completed) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            LlmEvent::ToolCallStarted { index, .. } => {
                assert!(!started.contains(index), "{events:?}");
                started.push(*index);
            }
            LlmEvent::ToolCallArguments { index, .. } => assert!(started.contains(index), "{events:?}"),
            LlmEvent::ToolCallComplete { index, call } => {
                assert!(started.contains(index) && !completed.contains(index) && !call.id.is_empty(), "{events:?}");
                completed.push(*index);
            }
            _ => {}
        }
    }
}

fn assert_properties<P: Provider>(body: &[u8], changes: &[(usize, u8)], end: usize, lengths: &[usize]) {
    let expected = read::<P>(body, &[body.len()]);
    assert!(expected.1, "{expected:?}");
    assert!(expected.0.iter().any(|event| matches!(event, LlmEvent::ProviderData(_))), "{expected:?}");
    assert_eq!(read::<P>(body, lengths), expected);
    let mut corrupted = body[..end.min(body.len())].to_vec();
    for (position, byte) in changes {
        let length = corrupted.len();
        if let Some(changed) = corrupted.get_mut(position % length.max(1)) {
            *changed = *byte;
        }
    }
    let (events, complete) = read::<P>(&corrupted, lengths);
    assert_in_order(&events, complete);
}

proptest! {
    #[test]
    fn pieces_do_not_change_a_reply_and_corruption_keeps_the_order_of_events(
        changes in prop::collection::vec((0..2000_usize, any::<u8>()), 0..6),
        end in 0..2000_usize,
        lengths in prop::collection::vec(1..200_usize, 1..8),
    ) {
        assert_properties::<OpenAi>(openai_body().as_bytes(), &changes, end, &lengths);
        assert_properties::<Cohere>(cohere_body().as_bytes(), &changes, end, &lengths);
    }
}

#[test]
fn a_reply_truncated_anywhere_is_not_complete() {
    let openai = openai_body();
    let last = openai.find("{\"choices\":[{\"delta\":{},").unwrap_or_default();
    for end in 0..last {
        let (events, complete) = read::<OpenAi>(&openai.as_bytes()[..end], &[64]);
        assert!(!complete && !events.iter().any(|event| matches!(event, LlmEvent::ToolCallComplete { .. })), "{end}");
    }
    let cohere = cohere_body();
    let last = cohere.find("TOOL_CALL").unwrap_or_default();
    for end in 0..last {
        assert!(!read::<Cohere>(&cohere.as_bytes()[..end], &[64]).1, "{end}");
    }
    assert!(openai.len() > 300 && cohere.len() > 300 && last > 300);
}
