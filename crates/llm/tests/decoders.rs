//! What holds of every reply that a decoder reads, however it was cut, garbled and divided on its way.

use domain::llm::LlmEvent;
use llm::{Cohere, FailureContext, OpenAi, Provider, ReplyReader};
use proptest::prelude::*;
use serde_json::{Value, json};

fn events(events: &[Value]) -> String {
    let events: Vec<_> = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    events.concat() + "data: [DONE]\n\n"
}

fn openai_body() -> String {
    let delta = |delta: Value| json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
    let call = |index: u8, function: Value| {
        delta(json!({"tool_calls": [{"index": index, "id": index.to_string(), "function": function}]}))
    };
    events(&[
        delta(json!({"content": "Größer"})),
        call(0, json!({"name": "add_task", "arguments": "{\"title\":"})),
        call(1, json!({"name": "list_tasks", "arguments": ""})),
        call(0, json!({"arguments": "\"milk\"}"})),
        json!({"choices": [{"delta": {}, "finish_reason": "tool_calls"}], "usage": {"prompt_tokens": 3}}),
    ])
}

fn cohere_body() -> String {
    let call = |kind: &str, call: Value| json!({"type": kind, "index": 0, "delta": {"message": {"tool_calls": call}}});
    let text = json!({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Größer"}}}});
    let end = json!({"finish_reason": "TOOL_CALL", "usage": {"tokens": {"input_tokens": 3.0}}});
    events(&[
        json!({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "Add."}}}),
        text,
        call("tool-call-start", json!({"id": "a", "function": {"name": "add_task", "arguments": ""}})),
        call("tool-call-delta", json!({"function": {"arguments": "{}"}})),
        json!({"type": "tool-call-end", "index": 0}),
        json!({"type": "message-end", "delta": end}),
    ])
}

/// What comes of a body in pieces of these lengths, again and again.
fn read<P: Provider>(body: &[u8], lengths: &[usize]) -> (Vec<LlmEvent>, bool) {
    let failure = FailureContext::new("m", P::MODEL_SETTING, None);
    let mut reader = ReplyReader::new(P::new("m".into(), None).decoder(failure));
    let (mut out, mut rest) = (Vec::new(), body);
    for length in lengths.iter().cycle() {
        let (piece, later) = rest.split_at((*length).min(rest.len()));
        if reader.push(piece, &mut out).is_err() {
            return (out, false);
        }
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    let whole = reader.end(&mut out).is_ok();
    (out, whole)
}

/// Finished once, at the end, if all went well and only then; each call begun before it is complete, and complete once.
fn assert_in_order(events: &[LlmEvent], whole: bool) {
    let finished = events.iter().position(|event| matches!(event, LlmEvent::Finished { .. }));
    assert_eq!(finished, whole.then(|| events.len() - 1), "{events:?}");
    let (mut begun, mut complete) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            LlmEvent::ToolCallStarted { index, .. } => {
                assert!(!begun.contains(index), "{events:?}");
                begun.push(*index);
            }
            LlmEvent::ToolCallArguments { index, .. } => assert!(begun.contains(index), "{events:?}"),
            LlmEvent::ToolCallComplete { index, call } => {
                assert!(begun.contains(index) && !complete.contains(index) && !call.id.is_empty(), "{events:?}");
                complete.push(*index);
            }
            _ => {}
        }
    }
}

fn assert_holds<P: Provider>(body: &[u8], changes: &[(usize, u8)], end: usize, lengths: &[usize]) {
    let whole = read::<P>(body, &[body.len()]);
    assert!(whole.1, "{whole:?}");
    assert_eq!(read::<P>(body, lengths), whole);
    let mut garbled = body[..end.min(body.len())].to_vec();
    for (place, byte) in changes {
        let length = garbled.len();
        if let Some(changed) = garbled.get_mut(place % length.max(1)) {
            *changed = *byte;
        }
    }
    let (events, whole) = read::<P>(&garbled, lengths);
    assert_in_order(&events, whole);
}

proptest! {
    #[test]
    fn a_reply_is_the_same_in_any_pieces_and_in_order_however_garbled(
        changes in prop::collection::vec((0..2000_usize, any::<u8>()), 0..6),
        end in 0..2000_usize,
        lengths in prop::collection::vec(1..200_usize, 1..8),
    ) {
        assert_holds::<OpenAi>(openai_body().as_bytes(), &changes, end, &lengths);
        assert_holds::<Cohere>(cohere_body().as_bytes(), &changes, end, &lengths);
    }
}

#[test]
fn a_reply_that_was_cut_anywhere_before_its_end_is_never_whole() {
    let openai = openai_body();
    let last = openai.find("{\"choices\":[{\"delta\":{},").unwrap_or_default();
    for end in 0..last {
        let (events, whole) = read::<OpenAi>(&openai.as_bytes()[..end], &[64]);
        assert!(!whole && !events.iter().any(|event| matches!(event, LlmEvent::ToolCallComplete { .. })), "{end}");
    }
    let cohere = cohere_body();
    let last = cohere.find("TOOL_CALL").unwrap_or_default();
    for end in 0..last {
        assert!(!read::<Cohere>(&cohere.as_bytes()[..end], &[64]).1, "{end}");
    }
    assert!(openai.len() > 300 && cohere.len() > 300 && last > 300);
}
