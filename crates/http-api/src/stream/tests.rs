//! The frames of a turn, held to what the AI SDK's reader (`processUIMessageStream` of npm's `ai` 7) does with them.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody as _};
use actix_web::web::Bytes;
use chrono::{DateTime, Utc};
use domain::change::Receipts;
use domain::chat::{TurnAnswer, TurnEvent, TurnFailure, TurnFinished};
use domain::message::{ToolCall, ToolResult};
use domain::runtime::{ManualClock, Timer as _};
use domain::turn::{FailureCode, Turn, TurnState, Usage};
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

fn begun() -> TurnEvent {
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

fn notice(words: &str) -> TurnEvent {
    TurnEvent::Notice(words.into())
}

fn a_call(id: &str, result: Option<ToolResult>) -> ToolCall {
    let parameters = json!({"title": "milk"});
    ToolCall { id: id.into(), round: 0, tool: "add_task".into(), parameters, result, changes: Vec::new() }
}

fn called(id: &str) -> TurnEvent {
    TurnEvent::ToolCalled(a_call(id, None))
}

fn answered(id: &str, success: bool, data: Value) -> TurnEvent {
    TurnEvent::ToolCompleted(a_call(id, Some(ToolResult { success, message: "words".into(), data })))
}

fn ended(state: TurnState, failure: Option<TurnFailure>) -> TurnEvent {
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
    ended(TurnState::Failed, Some(TurnFailure::from(code)))
}

/// The frames of a turn in which this happens, and nothing after it.
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
fn a_turn_of_several_rounds_is_steps_of_texts_and_calls() {
    let frames = frames([
        begun(),
        TurnEvent::RoundStarted,
        text("One "),
        text(""),
        text("moment."),
        called("a"),
        answered("a", true, json!({"id": 7})),
        TurnEvent::RoundFinished,
        TurnEvent::RoundStarted,
        text("Done."),
        TurnEvent::RoundFinished,
        ended(TurnState::Complete, None),
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
            "output": {"success": true, "message": "words", "data": {"id": 7}},
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
fn a_refusal_with_something_to_show_is_an_output_and_one_with_words_alone_an_error() {
    for (success, data, kind) in [
        (true, json!({}), "tool-output-available"),
        (false, json!({"candidates": [1, 2]}), "tool-output-available"),
        (false, json!({}), "tool-output-error"),
        (false, Value::Null, "tool-output-error"),
    ] {
        let frames = frames([called("a"), answered("a", success, data.clone())]);
        assert_eq!(frames[1]["type"], kind, "{success} {data}");
        let words =
            if success || data != json!({}) { &frames[1]["output"]["message"] } else { &frames[1]["errorText"] };
        assert_eq!(words.as_str().or(frames[1]["errorText"].as_str()), Some("words"));
    }
}

#[test]
fn a_stopped_turn_leaves_nothing_open_and_ends_with_abort() {
    let frames = frames([TurnEvent::RoundStarted, called("a"), text("And n"), ended(TurnState::Stopped, None)]);
    assert_eq!(
        kinds(&frames)[4..],
        ["text-end", "tool-output-error", "finish-step", "message-metadata", "abort"],
        "{frames:?}"
    );
    assert_eq!(frames[7]["messageMetadata"]["status"], "stopped");
}

#[test]
fn a_failed_turn_says_its_code_before_the_error_after_which_nobody_reads() {
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
fn every_failure_has_the_code_that_an_ordinary_answer_would_have() {
    for (code, name, retry_after) in [
        (FailureCode::RateLimited, "AI_UNAVAILABLE", json!(30)),
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
    let asked_to_wait =
        TurnFailure { retry_after: Some(Duration::from_millis(1500)), ..FailureCode::RateLimited.into() };
    let frames = frames([ended(TurnState::Failed, Some(asked_to_wait))]);
    assert_eq!(frames[0]["messageMetadata"]["retry_after"], 2);
}

#[test]
fn an_account_that_breaks_off_ends_with_an_error_that_does_not_say_how_the_turn_ended() {
    let frames = frames([begun(), TurnEvent::RoundStarted, text("Wel")]);
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

/// Does what the reader does: fails where it throws, and where it would leave something unfinished.
fn read(frames: &[Value]) -> Result<(), String> {
    let (mut texts, mut calls, mut seen) = (HashSet::new(), HashSet::new(), HashSet::new());
    for frame in frames {
        let id = frame["id"].as_str().or(frame["toolCallId"].as_str()).unwrap_or_default().to_owned();
        let fine = match frame["type"].as_str().unwrap() {
            "text-start" => seen.insert(id.clone()) && texts.insert(id),
            "text-delta" => texts.contains(&id) && frame["delta"] != "",
            "text-end" => texts.remove(&id),
            "tool-input-available" => calls.insert(id),
            "tool-output-available" | "tool-output-error" => calls.remove(&id),
            "finish-step" | "finish" | "abort" | "error" => texts.is_empty() && calls.is_empty(),
            _ => true,
        };
        if !fine {
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
fn whatever_happens_the_reader_can_follow() {
    // Every sequence of four out of these, with every end.
    let steps: [fn(u32) -> Vec<TurnEvent>; 6] = [
        |_| vec![TurnEvent::RoundStarted],
        |_| vec![text("a\r\n\u{1b}[31m")],
        |_| vec![notice("b")],
        |at| vec![called(&format!("call-{at}"))],
        |at| vec![called(&format!("call-{at}")), answered(&format!("call-{at}"), true, json!({}))],
        |_| vec![TurnEvent::RoundFinished],
    ];
    let ends = [
        vec![ended(TurnState::Complete, None)],
        vec![ended(TurnState::Stopped, None)],
        vec![failed(FailureCode::Internal)],
        vec![],
    ];
    let count = steps.len();
    for number in 0..count.pow(4) {
        for end in &ends {
            let happened = (0..4).flat_map(|at| steps[number / count.pow(at) % count](at));
            read(&frames(happened.chain(end.clone()))).unwrap();
        }
    }
}

#[test]
fn no_text_can_end_an_event_or_begin_another() {
    let evil = "a\r\n\r\ndata: [DONE]\n\n: x\rdata: {\"type\":\"finish\"}\u{1b}[31m\u{2028}";
    let event = Frame::TextDelta { id: "text-0".into(), delta: evil.into() }.event().unwrap();
    let line = event.strip_prefix(b"data: ").and_then(|rest| rest.strip_suffix(b"\n\n")).unwrap();
    assert!(!line.iter().any(|byte| *byte < b' '), "{event:?}");
    assert_eq!(serde_json::from_slice::<Value>(line).unwrap()["delta"], evil);
}

#[actix_web::test]
async fn while_nothing_happens_a_comment_keeps_the_connection_alive() {
    let clock = Arc::new(ManualClock::default());
    let said = events(stream::pending(), clock.clone()).take(3).map(Result::unwrap).collect::<Vec<Bytes>>();
    let said = clock.run(said).await;
    assert_eq!(said, [KEEP_ALIVE, KEEP_ALIVE, KEEP_ALIVE]);
    assert_eq!(clock.elapsed(), 3 * super::ui_message::KEEP_ALIVE_INTERVAL);
    assert!(events(stream::pending(), clock).next().now_or_never().is_none());
}

#[actix_web::test]
async fn a_stream_ends_with_its_mark() {
    let frames =
        stream::iter([vec![Frame::StartStep], vec![], vec![Frame::FinishStep, Frame::Abort { reason: "stopped" }]]);
    let said: Vec<Bytes> = events(frames, Arc::new(ManualClock::default())).map(Result::unwrap).collect().await;
    let lines = [
        "data: {\"type\":\"start-step\"}\n\n",
        "data: {\"type\":\"finish-step\"}\n\ndata: {\"type\":\"abort\",\"reason\":\"stopped\"}\n\n",
        "data: [DONE]\n\n",
    ];
    assert_eq!(said, lines);
}

#[test]
fn the_headers_alone_announce_no_length_either() {
    assert_eq!(headers_only().body().size(), BodySize::Stream);
}
