//! The frames of a turn, checked with a model of the AI SDK's reader (`processUIMessageStream` of npm's `ai` 7).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody as _};
use actix_web::web::Bytes;
use chrono::{DateTime, Utc};
use domain::change::Receipts;
use domain::chat::{TurnAnswer, TurnEvent, TurnFailure, TurnFinished};
use domain::conversation::message::{ToolCall, ToolResult};
use domain::conversation::turn::{FailureCode, Turn, TurnState, Usage};
use domain::runtime::{ManualClock, Timer as _};
use futures_util::FutureExt as _;
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stream::encoder::Encoder;
use crate::stream::frame::Frame;
use crate::stream::sse::KEEP_ALIVE;
use crate::stream::ui_message::{events, headers_only};

fn now() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn started() -> TurnEvent {
    TurnEvent::Started(Turn {
        id: Uuid::from_u128(1).into(),
        conversation: Uuid::from_u128(2).into(),
        user_message: Uuid::from_u128(3).into(),
        position: 1,
        assistant_message: Uuid::from_u128(4).into(),
        attempt: 1,
    })
}

fn text(delta: &str) -> TurnEvent {
    TurnEvent::TextDelta(delta.into())
}

fn notice(text: &str) -> TurnEvent {
    TurnEvent::Notice(text.into())
}

fn tool_call(id: &str, result: Option<ToolResult>) -> ToolCall {
    let parameters = json!({"title": "milk"});
    ToolCall { id: id.into(), round: 0, tool: "add_task".into(), parameters, result, changes: Vec::new() }
}

fn called(id: &str) -> TurnEvent {
    TurnEvent::ToolCalled(tool_call(id, None))
}

fn completed(id: &str, success: bool, data: Value) -> TurnEvent {
    TurnEvent::ToolCompleted(tool_call(id, Some(ToolResult { success, message: "message".into(), data })))
}

fn finished(state: TurnState, failure: Option<TurnFailure>) -> TurnEvent {
    let answer = TurnAnswer {
        response: String::new(),
        conversation: Uuid::from_u128(2).into(),
        message: Uuid::from_u128(4).into(),
        tool_calls: Vec::new(),
        usage: Usage { tokens_in: 7, tokens_out: 5 },
        state,
        receipts: Receipts::default(),
        pending: None,
        created_at: now(),
    };
    TurnEvent::Finished(Box::new(TurnFinished { answer, failure }))
}

fn failed(code: FailureCode) -> TurnEvent {
    finished(TurnState::Failed, Some(TurnFailure::from(code)))
}

/// The frames of a turn with these events.
fn frames(events: impl IntoIterator<Item = TurnEvent>) -> Vec<Value> {
    let mut encoder = Encoder::default();
    events.into_iter().for_each(|event| encoder.encode(event));
    encoder.finish();
    encoder.take().into_iter().map(|frame| json!(frame)).collect()
}

fn kinds(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame["type"].as_str().unwrap()).collect()
}

#[test]
fn a_round_is_a_step_of_texts_and_calls() {
    let frames = frames([
        started(),
        TurnEvent::RoundStarted,
        text("One "),
        text(""),
        text("moment."),
        called("a"),
        completed("a", true, json!({"id": 7})),
        TurnEvent::RoundFinished,
        TurnEvent::RoundStarted,
        text("Done."),
        TurnEvent::RoundFinished,
        finished(TurnState::Complete, None),
    ]);
    let (conversation, message) = (Uuid::from_u128(2), Uuid::from_u128(4));
    let expected = [
        json!({
            "type": "start", "messageId": message,
            "messageMetadata": {"conversation_id": conversation, "message_id": message, "status": "running"},
        }),
        json!({"type": "start-step"}),
        json!({"type": "text-start", "id": "text-0"}),
        json!({"type": "text-delta", "id": "text-0", "delta": "One "}),
        json!({"type": "text-delta", "id": "text-0", "delta": "moment."}),
        json!({"type": "text-end", "id": "text-0"}),
        json!({
            "type": "tool-input-available", "toolCallId": "a", "toolName": "add_task", "input": {"title": "milk"},
            "providerExecuted": true,
        }),
        json!({
            "type": "tool-output-available", "toolCallId": "a", "providerExecuted": true,
            "output": {"success": true, "message": "message", "data": {"id": 7}},
        }),
        json!({"type": "finish-step"}),
        json!({"type": "start-step"}),
        json!({"type": "text-start", "id": "text-1"}),
        json!({"type": "text-delta", "id": "text-1", "delta": "Done."}),
        json!({"type": "text-end", "id": "text-1"}),
        json!({"type": "finish-step"}),
        json!({
            "type": "finish", "finishReason": "stop",
            "messageMetadata": {
                "created_at": "2026-03-01T12:00:00Z", "status": "complete", "changes": [], "undoable": false,
                "usage": {"tokens_in": 7, "tokens_out": 5},
            },
        }),
    ];
    assert_eq!(frames, expected);
}

#[test]
fn a_failed_call_is_an_output_if_it_has_data_and_an_error_otherwise() {
    for (success, data, kind) in [
        (true, json!({}), "tool-output-available"),
        (false, json!({"candidates": [1, 2]}), "tool-output-available"),
        (false, json!({}), "tool-output-error"),
        (false, Value::Null, "tool-output-error"),
    ] {
        let frames = frames([called("a"), completed("a", success, data.clone())]);
        assert_eq!(frames[1]["type"], kind, "{success} {data}");
        let text = if kind == "tool-output-error" { &frames[1]["errorText"] } else { &frames[1]["output"]["message"] };
        assert_eq!(text, "message");
    }
}

#[test]
fn a_stopped_turn_closes_all_parts_and_ends_with_abort() {
    let frames = frames([TurnEvent::RoundStarted, called("a"), text("And n"), finished(TurnState::Stopped, None)]);
    assert_eq!(
        kinds(&frames)[4..],
        ["text-end", "tool-output-error", "finish-step", "message-metadata", "abort"],
        "{frames:?}"
    );
    assert_eq!(frames[7]["messageMetadata"]["status"], "stopped");
}

#[test]
fn a_failed_turn_sends_its_code_before_the_error() {
    let frames = frames([
        TurnEvent::RoundStarted,
        text("Wel"),
        notice("Nothing was changed."),
        TurnEvent::RoundFinished,
        failed(FailureCode::Timeout),
    ]);
    let expected = [
        json!({"type": "text-start", "id": "text-1", "providerMetadata": {"doable": {"kind": "notice"}}}),
        json!({"type": "text-delta", "id": "text-1", "delta": "Nothing was changed."}),
        json!({"type": "text-end", "id": "text-1"}),
        json!({"type": "finish-step"}),
        json!({
            "type": "message-metadata",
            "messageMetadata": {
                "created_at": "2026-03-01T12:00:00Z", "status": "failed", "changes": [], "undoable": false,
                "usage": {"tokens_in": 7, "tokens_out": 5}, "code": "AI_TIMEOUT",
            },
        }),
        json!({"type": "error", "errorText": "The assistant did not answer in time"}),
    ];
    assert_eq!(frames[4..], expected);
}

#[test]
fn every_failure_has_the_code_of_the_equivalent_error_response() {
    for (code, name, retry_after) in [
        (FailureCode::RateLimited, "AI_UNAVAILABLE", json!(30)),
        (FailureCode::QuotaExhausted, "AI_UNAVAILABLE", json!(3600)),
        (FailureCode::Unauthorized, "AI_ERROR", Value::Null),
        (FailureCode::ModelRetired, "AI_ERROR", Value::Null),
        (FailureCode::Timeout, "AI_TIMEOUT", Value::Null),
        (FailureCode::Unavailable, "AI_ERROR", Value::Null),
        (FailureCode::BadReply, "AI_ERROR", Value::Null),
        (FailureCode::Storage, "DATABASE_UNAVAILABLE", json!(5)),
        (FailureCode::Internal, "INTERNAL_ERROR", Value::Null),
        (FailureCode::ShutDown, "OVERLOADED", json!(1)),
        (FailureCode::LeaseExpired, "NO_TURN", Value::Null),
        (FailureCode::InstanceRestarted, "NO_TURN", Value::Null),
        (FailureCode::LeaseLost, "NO_TURN", Value::Null),
    ] {
        let frames = frames([failed(code)]);
        let metadata = &frames[0]["messageMetadata"];
        assert_eq!((&metadata["code"], &metadata["retry_after"]), (&json!(name), &retry_after), "{code}");
    }
    let delayed = TurnFailure { retry_after: Some(Duration::from_millis(1500)), ..FailureCode::RateLimited.into() };
    let frames = frames([finished(TurnState::Failed, Some(delayed))]);
    assert_eq!(frames[0]["messageMetadata"]["retry_after"], 2);
}

#[test]
fn events_without_the_end_of_the_turn_end_with_an_internal_error() {
    let frames = frames([started(), TurnEvent::RoundStarted, text("Wel")]);
    assert_eq!(kinds(&frames)[4..], ["text-end", "finish-step", "message-metadata", "error"]);
    assert_eq!(frames[6]["messageMetadata"], json!({"code": "INTERNAL_ERROR"}));
}

#[test]
fn a_notice_between_rounds_has_a_step_of_its_own() {
    let frames = frames([notice("a"), TurnEvent::RoundStarted, text("b"), TurnEvent::RoundFinished, notice("c")]);
    let [step, end] = ["start-step", "finish-step"];
    let [open, more, close] = ["text-start", "text-delta", "text-end"];
    let steps = [step, open, more, close, end].repeat(3);
    assert_eq!(kinds(&frames)[..steps.len()], steps);
}

/// Fails where the reader would throw an error or show a part as unfinished.
fn read(frames: &[Value]) -> Result<(), String> {
    let (mut texts, mut calls, mut seen) = (HashSet::new(), HashSet::new(), HashSet::new());
    for frame in frames {
        let id = frame["id"].as_str().or(frame["toolCallId"].as_str()).unwrap_or_default().to_owned();
        let is_valid = match frame["type"].as_str().unwrap() {
            "text-start" => seen.insert(id.clone()) && texts.insert(id),
            "text-delta" => texts.contains(&id) && frame["delta"] != "",
            "text-end" => texts.remove(&id),
            "tool-input-available" => calls.insert(id),
            "tool-output-available" | "tool-output-error" => calls.remove(&id),
            "finish-step" | "finish" | "abort" | "error" => texts.is_empty() && calls.is_empty(),
            _ => true,
        };
        if !is_valid {
            return Err(format!("{frame} in {frames:?}"));
        }
    }
    let last = frames.last().map(|frame| frame["type"].clone());
    if last.is_some_and(|last| ["finish", "abort", "error"].iter().any(|end| last == *end)) {
        Ok(())
    } else {
        Err(format!("no end in {frames:?}"))
    }
}

#[test]
fn every_sequence_of_events_is_valid_for_the_reader() {
    // Every sequence of four of these steps, with every end.
    let steps: [fn(u32) -> Vec<TurnEvent>; 6] = [
        |_| vec![TurnEvent::RoundStarted],
        |_| vec![text("a\r\n\u{1b}[31m")],
        |_| vec![notice("b")],
        |at| vec![called(&format!("call-{at}"))],
        |at| vec![called(&format!("call-{at}")), completed(&format!("call-{at}"), true, json!({}))],
        |_| vec![TurnEvent::RoundFinished],
    ];
    let ends = [
        vec![finished(TurnState::Complete, None)],
        vec![finished(TurnState::Stopped, None)],
        vec![failed(FailureCode::Internal)],
        vec![],
    ];
    let count = steps.len();
    for number in 0..count.pow(4) {
        for end in &ends {
            let events = (0..4).flat_map(|at| steps[number / count.pow(at) % count](at));
            read(&frames(events.chain(end.clone()))).unwrap();
        }
    }
}

#[test]
fn a_text_cannot_end_an_event_or_start_another() {
    let forged = "a\r\n\r\ndata: [DONE]\n\n: x\rdata: {\"type\":\"finish\"}\u{1b}[31m\u{2028}";
    let event = Frame::TextDelta { id: "text-0".into(), delta: forged.into() }.event().unwrap();
    let line = event.strip_prefix(b"data: ").and_then(|rest| rest.strip_suffix(b"\n\n")).unwrap();
    assert!(!line.iter().any(|byte| *byte < b' '), "{event:?}");
    assert_eq!(serde_json::from_slice::<Value>(line).unwrap()["delta"], forged);
}

#[actix_web::test]
async fn an_idle_stream_sends_keep_alive_comments() {
    let clock = Arc::new(ManualClock::default());
    let chunks = events(stream::pending(), clock.clone()).take(3).map(Result::unwrap).collect::<Vec<Bytes>>();
    let chunks = clock.run(chunks).await;
    assert_eq!(chunks, [KEEP_ALIVE, KEEP_ALIVE, KEEP_ALIVE]);
    assert_eq!(clock.elapsed(), 3 * super::ui_message::KEEP_ALIVE_INTERVAL);
    assert!(events(stream::pending(), clock).next().now_or_never().is_none());
}

#[actix_web::test]
async fn a_stream_ends_with_a_done_event() {
    let frames =
        stream::iter([vec![Frame::StartStep], vec![], vec![Frame::FinishStep, Frame::Abort { reason: "stopped" }]]);
    let chunks: Vec<Bytes> = events(frames, Arc::new(ManualClock::default())).map(Result::unwrap).collect().await;
    let lines = [
        "data: {\"type\":\"start-step\"}\n\n",
        "data: {\"type\":\"finish-step\"}\n\ndata: {\"type\":\"abort\",\"reason\":\"stopped\"}\n\n",
        "data: [DONE]\n\n",
    ];
    assert_eq!(chunks, lines);
}

#[test]
fn the_response_to_head_has_no_length() {
    assert_eq!(headers_only().body().size(), BodySize::Stream);
}
