//! A conversation as a model sees it: messages replayed from their parts, calls paired with their results.

use serde_json::{Value, json};

use crate::llm::{LlmMessage, LlmToolCall};
use crate::message::{Message, Part, Role, ToolCall, content};

/// So many messages of a conversation are read at most, the newest: more than fit any sensible budget.
pub(super) const MAX_MESSAGES: std::num::NonZeroU16 = std::num::NonZeroU16::new(100).unwrap();

/// Bytes of text for a token, about. English has four to a token, JSON three, and a Chinese character is three bytes and
/// a token or two; this errs on the side of too many tokens.
const BYTES_PER_TOKEN: usize = 3;

/// Replays `messages`, oldest first: the newest turns that fit into `budget` tokens (estimated), and the last one in any
/// case. Turns are told whole. What stands before the first message of the user is left out, because it answers
/// something that is not told any more.
pub(super) fn replay(messages: &[Message], budget: usize) -> Vec<LlmMessage> {
    let mut told: Vec<Vec<LlmMessage>> = Vec::new();
    let (mut rest, mut left) = (messages, budget);
    while let Some(first) = rest.iter().rposition(|message| message.role == Role::User) {
        let (before, turn) = rest.split_at(first);
        let turn = replay_turn(turn);
        let tokens = estimated_tokens(&turn);
        if tokens > left && !told.is_empty() {
            break;
        }
        left = left.saturating_sub(tokens);
        told.push(turn);
        rest = before;
    }
    told.into_iter().rev().flatten().collect()
}

fn replay_turn(messages: &[Message]) -> Vec<LlmMessage> {
    let replay_message = |message: &Message| match message.role {
        Role::User => vec![LlmMessage::User { text: content(&message.parts) }],
        Role::Assistant => {
            let mut told = replay_parts(&message.parts);
            told.extend(last_notices(&message.parts));
            if !matches!(told.last(), Some(LlmMessage::Assistant { calls, .. }) if calls.is_empty()) {
                // Whoever speaks next is the user, so this message has to end in words.
                told.push(said("(This answer was interrupted.)".to_owned()));
            }
            told
        }
    };
    joined(messages.iter().flat_map(replay_message))
}

/// Joins what the assistant said several times in a row: many models know nothing but question and answer.
fn joined(messages: impl Iterator<Item = LlmMessage>) -> Vec<LlmMessage> {
    let mut told: Vec<LlmMessage> = Vec::new();
    for message in messages {
        match (told.last_mut(), message) {
            (
                Some(LlmMessage::Assistant { text, calls, .. }),
                LlmMessage::Assistant { text: more, plan: None, calls: none },
            ) if calls.is_empty() && none.is_empty() => {
                if !text.is_empty() && !more.is_empty() {
                    text.push_str("\n\n");
                }
                text.push_str(&more);
            }
            (_, message) => told.push(message),
        }
    }
    told
}

/// How many tokens `messages` are, about.
fn estimated_tokens(messages: &[LlmMessage]) -> usize {
    let bytes = |message: &LlmMessage| match message {
        LlmMessage::User { text } => text.len(),
        LlmMessage::Assistant { text, plan, calls } => {
            let calls = calls.iter().map(|call| call.tool.len() + call.arguments.len());
            text.len() + plan.as_ref().map_or(0, String::len) + calls.sum::<usize>()
        }
        LlmMessage::ToolResult { content, .. } => content.to_string().len(),
    };
    messages.iter().map(|message| bytes(message).div_ceil(BYTES_PER_TOKEN)).sum()
}

/// Replays what an assistant's message is made of: for each round what was said and called, then the results. What the
/// server added is told where it ends the message; in its midst it would stand where a model looks for its results.
pub(super) fn replay_parts(parts: &[Part]) -> Vec<LlmMessage> {
    let mut told = Vec::new();
    let mut rest = parts;
    while let Some(round) = rest.iter().find_map(round_of) {
        let end = rest.iter().position(|part| round_of(part).is_some_and(|other| other != round)).unwrap_or(rest.len());
        let (this_round, later) = rest.split_at(end);
        told.extend(replay_round(this_round));
        rest = later;
    }
    told
}

/// What the server added at the end of a message.
fn last_notices(parts: &[Part]) -> Vec<LlmMessage> {
    let first = parts.iter().rposition(|part| !matches!(part, Part::Notice { .. })).map_or(0, |last| last + 1);
    parts[first..]
        .iter()
        .filter_map(|part| if let Part::Notice { text } = part { Some(said(text.clone())) } else { None })
        .collect()
}

fn round_of(part: &Part) -> Option<u8> {
    match part {
        Part::Text { round, .. } | Part::Plan { round, .. } => Some(*round),
        Part::ToolCall(call) => Some(call.round),
        Part::Notice { .. } => None,
    }
}

fn replay_round(parts: &[Part]) -> Vec<LlmMessage> {
    let (mut texts, mut plan, mut calls) = (Vec::new(), None, Vec::new());
    for part in parts {
        match part {
            Part::Text { text, .. } => texts.push(text.as_str()),
            Part::Plan { text, .. } => plan = Some(text.clone()),
            Part::ToolCall(call) => calls.push(call),
            Part::Notice { .. } => {}
        }
    }
    let mut told = vec![LlmMessage::Assistant {
        text: texts.join("\n\n"),
        plan,
        calls: calls.iter().map(|call| call_as_made(call)).collect(),
    }];
    told.extend(calls.iter().map(|call| LlmMessage::ToolResult {
        call_id: call.id.clone(),
        tool: call.tool.clone(),
        content: result_as_told(call),
    }));
    told
}

fn call_as_made(call: &ToolCall) -> LlmToolCall {
    let arguments = match &call.parameters {
        Value::Object(_) => call.parameters.to_string(),
        // Providers refuse arguments that are no JSON object when they are told them again.
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => "{}".to_owned(),
    };
    LlmToolCall { id: call.id.clone(), tool: call.tool.clone(), arguments }
}

fn result_as_told(call: &ToolCall) -> Value {
    match &call.result {
        Some(result) => json!({"success": result.success, "message": result.message, "data": result.data}),
        // A call without a result is an orphan that providers refuse.
        None => {
            json!({"success": false, "message": "It is not known whether this was done. Look before you repeat it.", "data": {}})
        }
    }
}

fn said(text: String) -> LlmMessage {
    LlmMessage::Assistant { text, plan: None, calls: Vec::new() }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::message::ToolResult;
    use crate::turn::TurnState;

    fn message(role: Role, parts: Vec<Part>) -> Message {
        Message {
            id: Uuid::from_u128(1).into(),
            conversation: Uuid::from_u128(2).into(),
            position: 1,
            role,
            parts,
            status: TurnState::Complete,
            created_at: "2026-03-01T12:00:00Z".parse().unwrap(),
        }
    }

    fn text(round: u8, text: &str) -> Part {
        Part::Text { round, text: text.into() }
    }

    fn call(round: u8, result: Option<ToolResult>) -> Part {
        let parameters = json!({"title": "a"});
        Part::ToolCall(ToolCall {
            id: format!("c{round}"),
            round,
            tool: "add_task".into(),
            parameters,
            result,
            changes: Vec::new(),
        })
    }

    /// More tokens than any test has.
    const ENOUGH: usize = 1_000_000;

    #[test]
    fn as_many_whole_turns_are_told_as_fit_and_the_newest_in_any_case() {
        let long = "x".repeat(300);
        let turn = |n: u32| [user(&format!("{n}{long}")), message(Role::Assistant, vec![text(0, &long)])];
        let mut messages: Vec<Message> = (0..3).flat_map(turn).collect();
        messages.push(user("now"));
        let told = |budget| replay(&messages, budget).len();
        assert_eq!((told(ENOUGH), told(450), told(400), told(210), told(0)), (7, 5, 3, 3, 1));
        assert!(matches!(&replay(&messages, 450)[0], LlmMessage::User { text } if text.starts_with('1')));
        assert_eq!(replay(&messages, 0), [LlmMessage::User { text: "now".into() }]);
    }

    fn user(words: &str) -> Message {
        message(Role::User, vec![text(0, words)])
    }

    #[test]
    fn rounds_are_replayed_with_their_plans_calls_and_results() {
        let result = ToolResult { success: true, message: "ok".into(), data: json!({"n": 1}) };
        let plan = Part::Plan { round: 0, text: "add it".into() };
        let assistant = message(Role::Assistant, vec![plan, call(0, Some(result)), text(1, "Added.")]);
        let told = replay(&[user("add a"), assistant], ENOUGH);
        let made = LlmToolCall { id: "c0".into(), tool: "add_task".into(), arguments: r#"{"title":"a"}"#.into() };
        assert_eq!(
            told,
            [
                LlmMessage::User { text: "add a".into() },
                LlmMessage::Assistant { text: String::new(), plan: Some("add it".into()), calls: vec![made] },
                LlmMessage::ToolResult {
                    call_id: "c0".into(),
                    tool: "add_task".into(),
                    content: json!({"success": true, "message": "ok", "data": {"n": 1}})
                },
                said("Added.".into()),
            ]
        );
    }

    #[test]
    fn a_call_without_a_result_and_a_turn_without_an_answer_are_repaired() {
        let told = replay(&[user("add a"), message(Role::Assistant, vec![call(0, None)]), user("hello?")], ENOUGH);
        assert!(matches!(&told[2], LlmMessage::ToolResult { content, .. } if content["success"] == false), "{told:?}");
        assert_eq!(told[3], said("(This answer was interrupted.)".into()));
        let told = replay(&[user("add a"), message(Role::Assistant, vec![])], ENOUGH);
        assert_eq!(told[1], said("(This answer was interrupted.)".into()));
    }

    #[test]
    fn an_answer_whose_question_is_not_told_is_not_told_either() {
        let told = replay(&[message(Role::Assistant, vec![text(0, "Added.")]), user("thanks")], ENOUGH);
        assert_eq!(told, [LlmMessage::User { text: "thanks".into() }]);
    }

    #[test]
    fn what_the_server_added_is_replayed_as_said() {
        let notice = Part::Notice { text: "I had to stop.".into() };
        let told = replay(&[user("x"), message(Role::Assistant, vec![text(0, "Well"), notice])], ENOUGH);
        assert_eq!(told[1..], [said("Well\n\nI had to stop.".into())]);
    }

    #[test]
    fn what_the_server_added_in_the_midst_does_not_come_between_a_call_and_its_result() {
        let stood_in = Part::Notice { text: "another one answers".into() };
        let result = ToolResult { success: true, message: "ok".into(), data: json!({}) };
        let parts = [stood_in, call(0, Some(result)), Part::Notice { text: "wait".into() }, text(1, "Done.")];
        let told = replay_parts(&parts);
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(matches!(&told[1], LlmMessage::ToolResult { .. }) && told[2] == said("Done.".into()), "{told:?}");
        assert!(matches!(replay_parts(&parts[..2]).last(), Some(LlmMessage::ToolResult { .. })));
    }

    #[test]
    fn arguments_that_were_no_json_object_are_replayed_as_an_empty_one() {
        for parameters in [Value::String("{\"title\": ".into()), json!([1]), json!(3), Value::Null] {
            let broken = ToolCall {
                id: "c".into(),
                round: 0,
                tool: "add_task".into(),
                parameters,
                result: None,
                changes: Vec::new(),
            };
            let told = replay_parts(&[Part::ToolCall(broken)]);
            assert!(matches!(&told[0], LlmMessage::Assistant { calls, .. } if calls[0].arguments == "{}"), "{told:?}");
        }
    }
}
