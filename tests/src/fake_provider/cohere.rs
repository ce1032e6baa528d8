//! Answers as Cohere's chat API v2 gives them (<https://docs.cohere.com/v2/reference/chat>,
//! <https://docs.cohere.com/v2/docs/streaming>): a stream of typed events, one JSON object, or an error.

use serde_json::{Value, json};

use super::Reply;
use super::delivery::{Frame, Kind};
use super::metadata::Metadata;

/// The events of a stream.
pub(super) fn stream(reply: &Reply, metadata: &Metadata) -> Vec<Frame> {
    let opening = json!({"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []});
    let mut frames =
        vec![event(Kind::Framing, "message-start", &json!({"id": metadata.id, "delta": {"message": opening}}))];
    frames.extend(
        reply
            .plan
            .iter()
            .map(|piece| event(Kind::Piece, "tool-plan-delta", &json!({"delta": {"message": {"tool_plan": piece}}}))),
    );
    if !reply.thoughts.is_empty() {
        let thinking = |kind, content: Value| {
            event(Kind::Framing, kind, &json!({"index": 1, "delta": {"message": {"content": content}}}))
        };
        frames.push(thinking("content-start", json!({"type": "thinking", "thinking": ""})));
        frames.extend(reply.thoughts.iter().map(|piece| thinking("content-delta", json!({"thinking": piece}))));
        frames.push(event(Kind::Framing, "content-end", &json!({"index": 1})));
    }
    if !reply.text.is_empty() {
        let empty = json!({"index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}});
        frames.push(event(Kind::Framing, "content-start", &empty));
        frames.extend(reply.text.iter().map(|piece| text_delta(piece)));
        frames.push(event(Kind::Framing, "content-end", &json!({"index": 0})));
    }
    for (index, (call, id)) in reply.calls.iter().zip(&metadata.call_ids).enumerate() {
        let start = json!({"id": id, "type": "function", "function": {"name": call.name, "arguments": ""}});
        let start = json!({"index": index, "delta": {"message": {"tool_calls": start}}});
        frames.push(event(Kind::Piece, "tool-call-start", &start));
        frames.extend(call.arguments.iter().map(|fragment| {
            let delta = json!({"tool_calls": {"function": {"arguments": fragment}}});
            event(Kind::Arguments, "tool-call-delta", &json!({"index": index, "delta": {"message": delta}}))
        }));
        frames.push(event(Kind::Framing, "tool-call-end", &json!({"index": index})));
    }
    let mut end = json!({"finish_reason": finish_reason(reply)});
    if let Some(usage) = usage(metadata) {
        end["usage"] = usage;
    }
    frames.push(event(Kind::Closing, "message-end", &json!({"id": metadata.id, "delta": end})));
    frames.push(Frame { text: "data: [DONE]\n\n".to_owned(), kind: Kind::Done });
    frames
}

/// The event that carries a piece of text.
pub(super) fn text_delta(piece: &str) -> Frame {
    event(Kind::Piece, "content-delta", &json!({"index": 0, "delta": {"message": {"content": {"text": piece}}}}))
}

/// An error within a stream.
pub(super) fn error_event() -> Frame {
    let delta = json!({"finish_reason": "ERROR", "error": "the generation failed"});
    event(Kind::Closing, "message-end", &json!({"delta": delta}))
}

/// The whole answer as one object.
pub(super) fn whole(reply: &Reply, metadata: &Metadata) -> Value {
    let mut message = json!({"role": "assistant"});
    if !reply.plan.is_empty() {
        message["tool_plan"] = reply.plan.concat().into();
    }
    let text = (!reply.text.is_empty()).then(|| json!({"type": "text", "text": reply.text.concat()}));
    let thoughts =
        (!reply.thoughts.is_empty()).then(|| json!({"type": "thinking", "thinking": reply.thoughts.concat()}));
    if text.is_some() || thoughts.is_some() {
        message["content"] = thoughts.into_iter().chain(text).collect();
    }
    if !reply.calls.is_empty() {
        let calls = reply.calls.iter().zip(&metadata.call_ids).map(|(call, id)| {
            json!({"id": id, "type": "function", "function": {"name": call.name, "arguments": call.arguments.concat()}})
        });
        message["tool_calls"] = calls.collect();
    }
    let mut answer = json!({"id": metadata.id, "finish_reason": finish_reason(reply), "message": message});
    if let Some(usage) = usage(metadata) {
        answer["usage"] = usage;
    }
    answer
}

/// The body of an error.
pub(super) fn error(id: &str, message: &str) -> Value {
    json!({"id": id, "message": message})
}

/// The body of the error of a trial key whose calls of a month are used up.
pub(super) fn trial_used_up(id: &str) -> Value {
    error(id, "You are using a Trial key, which is limited to 1000 API calls / month.")
}

fn event(kind: Kind, name: &str, fields: &Value) -> Frame {
    let mut data = fields.clone();
    data["type"] = name.into();
    Frame { text: format!("event: {name}\ndata: {data}\n\n"), kind }
}

fn finish_reason(reply: &Reply) -> &str {
    match &reply.finish_reason {
        Some(reason) => reason,
        None if reply.calls.is_empty() => "COMPLETE",
        None => "TOOL_CALL",
    }
}

/// The schema of the API has numbers here, not integers; some come as `27.0`.
fn usage(metadata: &Metadata) -> Option<Value> {
    let (input, output) = metadata.tokens?;
    let number = |tokens: u64| Value::from(f64::from(u32::try_from(tokens).unwrap_or(u32::MAX)));
    let tokens = json!({"input_tokens": number(input), "output_tokens": number(output)});
    Some(json!({"billed_units": tokens, "tokens": tokens}))
}
