//! Answers as OpenAI's chat completions give them (<https://platform.openai.com/docs/api-reference/chat-streaming>): a
//! stream of chunks, one JSON object, or an error.

use serde_json::{Value, json};

use super::Reply;
use super::delivery::{Frame, Kind};
use super::metadata::Metadata;
use super::reply::Call;

/// The chunks of a stream. With `include_usage` the last one carries the usage and no choices.
pub(super) fn stream(reply: &Reply, metadata: &Metadata, include_usage: bool) -> Vec<Frame> {
    let mut frames = vec![delta(Kind::Framing, metadata, &json!({"role": "assistant", "content": null}))];
    frames.extend(
        reply.thoughts.iter().map(|piece| delta(Kind::Framing, metadata, &json!({"reasoning_content": piece}))),
    );
    frames.extend(reply.text.iter().map(|piece| text_delta(piece, metadata)));
    for (index, (call, id)) in reply.calls.iter().zip(&metadata.call_ids).enumerate() {
        let function = json!({"name": call.name, "arguments": ""});
        let start = json!({"index": index, "id": id, "type": "function", "function": function});
        frames.push(delta(Kind::Piece, metadata, &json!({"tool_calls": [start]})));
        frames.extend(call.arguments.iter().map(|fragment| {
            let more = json!({"index": index, "function": {"arguments": fragment}});
            delta(Kind::Arguments, metadata, &json!({"tool_calls": [more]}))
        }));
    }
    for (index, call) in reply.calls.iter().enumerate() {
        frames.extend(extra_content(call).map(|extra| {
            let more = json!({"index": index, "extra_content": extra});
            delta(Kind::Framing, metadata, &json!({"tool_calls": [more]}))
        }));
    }
    let end = json!([{"index": 0, "delta": {}, "logprobs": null, "finish_reason": finish_reason(reply)}]);
    frames.push(chunk(Kind::Closing, metadata, &end, None));
    if include_usage && let Some(usage) = usage(metadata) {
        frames.push(chunk(Kind::Closing, metadata, &json!([]), Some(usage)));
    }
    frames.push(Frame { text: "data: [DONE]\n\n".to_owned(), kind: Kind::Done });
    frames
}

/// The chunk that carries a piece of text.
pub(super) fn text_delta(piece: &str, metadata: &Metadata) -> Frame {
    delta(Kind::Piece, metadata, &json!({"content": piece}))
}

/// An error within a stream.
pub(super) fn error_event() -> Frame {
    let data = error(500, "the generation failed");
    Frame { text: format!("data: {data}\n\n"), kind: Kind::Closing }
}

/// The whole answer as one object.
pub(super) fn whole(reply: &Reply, metadata: &Metadata) -> Value {
    let text = (!reply.text.is_empty()).then(|| reply.text.concat());
    let mut message = json!({"role": "assistant", "content": text, "refusal": null});
    if !reply.thoughts.is_empty() {
        message["reasoning_content"] = reply.thoughts.concat().into();
    }
    if !reply.calls.is_empty() {
        let calls = reply.calls.iter().zip(&metadata.call_ids).map(|(call, id)| {
            let function = json!({"name": call.name, "arguments": call.arguments.concat()});
            let mut call_json = json!({"id": id, "type": "function", "function": function});
            if let Some(extra) = extra_content(call) {
                call_json["extra_content"] = extra;
            }
            call_json
        });
        message["tool_calls"] = calls.collect();
    }
    let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason(reply)});
    let mut answer = json!({
        "id": metadata.id, "object": "chat.completion", "created": 0, "model": metadata.model, "choices": [choice],
    });
    if let Some(usage) = usage(metadata) {
        answer["usage"] = usage;
    }
    answer
}

/// The signature of a call where Gemini has it.
fn extra_content(call: &Call) -> Option<Value> {
    call.signature.as_ref().map(|signature| json!({"google": {"thought_signature": signature}}))
}

/// The body of an error.
pub(super) fn error(status: u16, message: &str) -> Value {
    let kind = match status {
        401 | 403 => "authentication_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        400..500 => "invalid_request_error",
        _ => "server_error",
    };
    json!({"error": {"message": message, "type": kind, "param": null, "code": null}})
}

/// The body of the error of an account whose quota is used up.
pub(super) fn quota_exhausted() -> Value {
    let message = "You exceeded your current quota, please check your plan and billing details.";
    json!({"error": {"message": message, "type": "insufficient_quota", "param": null, "code": "insufficient_quota"}})
}

/// The body of Groq's error after its model generated an invalid call (<https://console.groq.com/docs/tool-use>).
pub(super) fn failed_call() -> Value {
    let message = "Failed to call a function. Please adjust your prompt. See 'failed_generation' for more details.";
    let generation = "<function=add_task{\"title\": \"milk\"}</function>";
    json!({"error": {
        "message": message, "type": "invalid_request_error", "code": "tool_use_failed", "failed_generation": generation,
    }})
}

fn delta(kind: Kind, metadata: &Metadata, delta: &Value) -> Frame {
    let choices = json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": null}]);
    chunk(kind, metadata, &choices, None)
}

fn chunk(kind: Kind, metadata: &Metadata, choices: &Value, usage: Option<Value>) -> Frame {
    let mut data = json!({
        "id": metadata.id, "object": "chat.completion.chunk", "created": 0, "model": metadata.model, "choices": choices,
    });
    if let Some(usage) = usage {
        data["usage"] = usage;
    }
    Frame { text: format!("data: {data}\n\n"), kind }
}

fn finish_reason(reply: &Reply) -> &str {
    match &reply.finish_reason {
        Some(reason) => reason,
        None if reply.calls.is_empty() => "stop",
        None => "tool_calls",
    }
}

fn usage(metadata: &Metadata) -> Option<Value> {
    let (input, output) = metadata.tokens?;
    Some(json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output}))
}
