//! Conversion of stored messages to the messages of a model request.

use serde_json::{Value, json};

use crate::conversation::message::{Message, Part, Role, ToolCall, content};
use crate::llm::{LlmMessage, LlmToolCall};

/// Maximum number of messages that are read, newest first. More than any reasonable token budget holds.
pub(super) const MAX_MESSAGES: std::num::NonZeroU16 = std::num::NonZeroU16::new(100).unwrap();

/// Estimated number of bytes per token. English text has about four, JSON three, and a Chinese character has three bytes
/// and one or two tokens. The estimate of tokens is rather too high than too low.
const BYTES_PER_TOKEN: usize = 3;

/// Converts `messages`, oldest first: the newest turns that fit into an estimated `budget` of tokens, and always the last
/// turn. Turns are not split. Messages before the first one of the user are left out, because they answer a message that
/// is not included. What remains of the budget is for provider data of `source`, newest first: earlier turns without their
/// reasoning are better than none.
pub(super) fn replay(messages: &[Message], budget: usize, source: &str) -> Vec<LlmMessage> {
    let mut turns: Vec<Vec<LlmMessage>> = Vec::new();
    let (mut rest, mut left) = (messages, budget);
    while let Some(first) = rest.iter().rposition(|message| message.role == Role::User) {
        let (before, turn) = rest.split_at(first);
        let turn = replay_turn(turn, source);
        let tokens = estimated_tokens(&turn);
        if tokens > left && !turns.is_empty() {
            break;
        }
        left = left.saturating_sub(tokens);
        turns.push(turn);
        rest = before;
    }
    for data in turns.iter_mut().map(|turn| provider_data_of(turn)) {
        let tokens = data.iter().filter_map(|data| data.as_deref()).map(tokens_of).sum();
        if let Some(rest) = left.checked_sub(tokens) {
            left = rest;
        } else {
            left = 0;
            for data in data {
                *data = None;
            }
        }
    }
    turns.into_iter().rev().flatten().collect()
}

fn replay_turn(messages: &[Message], source: &str) -> Vec<LlmMessage> {
    let replay_message = |message: &Message| match message.role {
        Role::User => vec![LlmMessage::User { text: content(&message.parts) }],
        Role::Assistant => {
            let mut replayed = replay_parts(&message.parts, source);
            replayed.extend(final_notices(&message.parts));
            if !matches!(replayed.last(), Some(LlmMessage::Assistant { calls, .. }) if calls.is_empty()) {
                // The next message is the user's, so this one must end with text.
                replayed.push(assistant_text("(This answer was interrupted.)".to_owned()));
            }
            replayed
        }
    };
    merge_texts(messages.iter().flat_map(replay_message))
}

/// Merges consecutive texts of the assistant, because many models expect alternating roles.
fn merge_texts(messages: impl Iterator<Item = LlmMessage>) -> Vec<LlmMessage> {
    let mut merged: Vec<LlmMessage> = Vec::new();
    for message in messages {
        match (merged.last_mut(), message) {
            (
                Some(LlmMessage::Assistant { text, calls, .. }),
                LlmMessage::Assistant { text: more, plan: None, calls: none, provider_data: None },
            ) if calls.is_empty() && none.is_empty() => {
                if !text.is_empty() && !more.is_empty() {
                    text.push_str("\n\n");
                }
                text.push_str(&more);
            }
            (_, message) => merged.push(message),
        }
    }
    merged
}

/// The estimated number of tokens of `messages`, provider data aside.
fn estimated_tokens(messages: &[LlmMessage]) -> usize {
    let bytes = |message: &LlmMessage| match message {
        LlmMessage::User { text } => text.len(),
        LlmMessage::Assistant { text, plan, calls, .. } => {
            let calls = calls.iter().map(|call| call.tool.len() + call.arguments.len());
            text.len() + plan.as_ref().map_or(0, String::len) + calls.sum::<usize>()
        }
        LlmMessage::ToolResult { content, .. } => content.to_string().len(),
    };
    messages.iter().map(|message| bytes(message).div_ceil(BYTES_PER_TOKEN)).sum()
}

fn tokens_of(text: &str) -> usize {
    text.len().div_ceil(BYTES_PER_TOKEN)
}

/// The provider data of each reply.
fn provider_data_of(messages: &mut [LlmMessage]) -> Vec<&mut Option<String>> {
    let data = messages.iter_mut().filter_map(|message| match message {
        LlmMessage::Assistant { provider_data, .. } => Some(provider_data),
        LlmMessage::User { .. } | LlmMessage::ToolResult { .. } => None,
    });
    data.collect()
}

/// Converts the parts of an assistant's message: for each round its text and calls, then the results. Notices are left out,
/// because between calls and results they would break the order that models expect; [`final_notices`] has the last ones.
pub(super) fn replay_parts(parts: &[Part], source: &str) -> Vec<LlmMessage> {
    let mut replayed = Vec::new();
    let mut rest = parts;
    while let Some(round) = rest.iter().find_map(Part::round) {
        let end = rest.iter().position(|part| part.round().is_some_and(|other| other != round)).unwrap_or(rest.len());
        let (this_round, later) = rest.split_at(end);
        replayed.extend(replay_round(this_round, source));
        rest = later;
    }
    replayed
}

/// The notices at the end of a message.
fn final_notices(parts: &[Part]) -> Vec<LlmMessage> {
    let first = parts.iter().rposition(|part| !matches!(part, Part::Notice { .. })).map_or(0, |last| last + 1);
    parts[first..]
        .iter()
        .filter_map(|part| if let Part::Notice { text } = part { Some(assistant_text(text.clone())) } else { None })
        .collect()
}

fn replay_round(parts: &[Part], source: &str) -> Vec<LlmMessage> {
    let (mut texts, mut plan, mut calls, mut provider_data) = (Vec::new(), None, Vec::new(), None);
    for part in parts {
        match part {
            Part::Text { text, .. } => texts.push(text.as_str()),
            Part::Plan { text, .. } => plan = Some(text.clone()),
            Part::ToolCall(call) => calls.push(call),
            Part::ProviderData { source: origin, data, .. } if origin == source => provider_data = Some(data.clone()),
            Part::ProviderData { .. } | Part::Notice { .. } => {}
        }
    }
    // A plan or provider data alone is no reply.
    if texts.is_empty() && calls.is_empty() {
        return Vec::new();
    }
    let mut replayed = vec![LlmMessage::Assistant {
        text: texts.join("\n\n"),
        plan,
        calls: calls.iter().map(|call| llm_call(call)).collect(),
        provider_data,
    }];
    replayed.extend(calls.iter().map(|call| LlmMessage::ToolResult {
        call_id: call.id.clone(),
        tool: call.tool.clone(),
        content: result_of(call),
    }));
    replayed
}

fn llm_call(call: &ToolCall) -> LlmToolCall {
    let arguments = match &call.parameters {
        Value::Object(_) => call.parameters.to_string(),
        // Providers refuse a request with arguments that are not a JSON object.
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => "{}".to_owned(),
    };
    LlmToolCall { id: call.id.clone(), tool: call.tool.clone(), arguments }
}

fn result_of(call: &ToolCall) -> Value {
    match &call.result {
        Some(result) => json!({"success": result.success, "message": result.message, "data": result.data}),
        // Providers refuse a request with a call that has no result.
        None => {
            json!({"success": false, "message": "It is not known whether this was done. Check before you repeat it.", "data": {}})
        }
    }
}

fn assistant_text(text: String) -> LlmMessage {
    LlmMessage::Assistant { text, plan: None, calls: Vec::new(), provider_data: None }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::conversation::message::ToolResult;
    use crate::conversation::turn::TurnState;

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

    const SOURCE: &str = "openai https://one.example m";
    /// More tokens than any test needs.
    const UNLIMITED: usize = 1_000_000;

    #[test]
    fn the_newest_whole_turns_within_the_budget_are_included_and_always_the_last() {
        let long = "x".repeat(300);
        let turn = |n: u32| [user(&format!("{n}{long}")), message(Role::Assistant, vec![text(0, &long)])];
        let mut messages: Vec<Message> = (0..3).flat_map(turn).collect();
        messages.push(user("now"));
        let count = |budget| replay(&messages, budget, SOURCE).len();
        assert_eq!((count(UNLIMITED), count(450), count(400), count(210), count(0)), (7, 5, 3, 3, 1));
        assert!(matches!(&replay(&messages, 450, SOURCE)[0], LlmMessage::User { text } if text.starts_with('1')));
        assert_eq!(replay(&messages, 0, SOURCE), [LlmMessage::User { text: "now".into() }]);
    }

    fn user(words: &str) -> Message {
        message(Role::User, vec![text(0, words)])
    }

    #[test]
    fn rounds_are_replayed_with_their_plans_calls_and_results() {
        let result = ToolResult { success: true, message: "ok".into(), data: json!({"n": 1}) };
        let plan = Part::Plan { round: 0, text: "add it".into() };
        let assistant = message(Role::Assistant, vec![plan, call(0, Some(result)), text(1, "Added.")]);
        let replayed = replay(&[user("add a"), assistant], UNLIMITED, SOURCE);
        let call = LlmToolCall { id: "c0".into(), tool: "add_task".into(), arguments: r#"{"title":"a"}"#.into() };
        assert_eq!(
            replayed,
            [
                LlmMessage::User { text: "add a".into() },
                LlmMessage::Assistant {
                    text: String::new(),
                    plan: Some("add it".into()),
                    calls: vec![call],
                    provider_data: None
                },
                LlmMessage::ToolResult {
                    call_id: "c0".into(),
                    tool: "add_task".into(),
                    content: json!({"success": true, "message": "ok", "data": {"n": 1}})
                },
                assistant_text("Added.".into()),
            ]
        );
    }

    #[test]
    fn a_call_without_a_result_and_a_turn_without_an_answer_are_repaired() {
        let replayed =
            replay(&[user("add a"), message(Role::Assistant, vec![call(0, None)]), user("hello?")], UNLIMITED, SOURCE);
        assert!(
            matches!(&replayed[2], LlmMessage::ToolResult { content, .. } if content["success"] == false),
            "{replayed:?}"
        );
        assert_eq!(replayed[3], assistant_text("(This answer was interrupted.)".into()));
        let replayed = replay(&[user("add a"), message(Role::Assistant, vec![])], UNLIMITED, SOURCE);
        assert_eq!(replayed[1], assistant_text("(This answer was interrupted.)".into()));
    }

    #[test]
    fn an_answer_without_its_question_is_left_out() {
        let replayed = replay(&[message(Role::Assistant, vec![text(0, "Added.")]), user("thanks")], UNLIMITED, SOURCE);
        assert_eq!(replayed, [LlmMessage::User { text: "thanks".into() }]);
    }

    #[test]
    fn a_final_notice_is_replayed_as_text_of_the_assistant() {
        let notice = Part::Notice { text: "I had to stop.".into() };
        let replayed = replay(&[user("x"), message(Role::Assistant, vec![text(0, "Well"), notice])], UNLIMITED, SOURCE);
        assert_eq!(replayed[1..], [assistant_text("Well\n\nI had to stop.".into())]);
    }

    #[test]
    fn other_notices_are_left_out() {
        let fallback = Part::Notice { text: "another one answers".into() };
        let result = ToolResult { success: true, message: "ok".into(), data: json!({}) };
        let parts = [fallback, call(0, Some(result)), Part::Notice { text: "wait".into() }, text(1, "Done.")];
        let replayed = replay_parts(&parts, SOURCE);
        assert_eq!(replayed.len(), 3, "{replayed:?}");
        assert!(
            matches!(&replayed[1], LlmMessage::ToolResult { .. }) && replayed[2] == assistant_text("Done.".into()),
            "{replayed:?}"
        );
        assert!(matches!(replay_parts(&parts[..2], SOURCE).last(), Some(LlmMessage::ToolResult { .. })));
    }

    #[test]
    fn arguments_that_are_not_a_json_object_are_replayed_as_an_empty_one() {
        for parameters in [Value::String("{\"title\": ".into()), json!([1]), json!(3), Value::Null] {
            let broken = ToolCall {
                id: "c".into(),
                round: 0,
                tool: "add_task".into(),
                parameters,
                result: None,
                changes: Vec::new(),
            };
            let replayed = replay_parts(&[Part::ToolCall(broken)], SOURCE);
            assert!(
                matches!(&replayed[0], LlmMessage::Assistant { calls, .. } if calls[0].arguments == "{}"),
                "{replayed:?}"
            );
        }
    }

    fn data(round: u8, source: &str, data: &str) -> Part {
        Part::ProviderData { round, source: source.into(), data: data.into() }
    }

    #[test]
    fn provider_data_returns_with_its_round_to_its_source_only() {
        let first = vec![data(0, SOURCE, "a"), call(0, None), text(1, "Done."), data(1, SOURCE, "b")];
        let notice = Part::Notice { text: "It was cut off.".into() };
        let second = vec![data(0, "cohere https://two.example c", "c"), call(0, None), text(1, "Well."), notice];
        let messages = [user("x"), message(Role::Assistant, first), user("y"), message(Role::Assistant, second)];
        let of = |source| {
            let mut replayed = replay(&messages, UNLIMITED, source);
            provider_data_of(&mut replayed).into_iter().map(Option::take).collect::<Vec<_>>()
        };
        let expected = |data: [Option<&str>; 4]| data.map(|data| data.map(str::to_owned));
        assert_eq!(of(SOURCE), expected([Some("a"), Some("b"), None, None]));
        assert_eq!(of("cohere https://two.example c"), expected([None, None, Some("c"), None]));
        assert_eq!(of("openai https://one.example other-model"), expected([None; 4]));
    }

    #[test]
    fn a_final_notice_does_not_separate_a_text_from_its_provider_data() {
        let parts = vec![text(0, "Well"), data(0, SOURCE, "a"), Part::Notice { text: "It was cut off.".into() }];
        let replayed = replay(&[user("x"), message(Role::Assistant, parts)], UNLIMITED, SOURCE);
        let merged = LlmMessage::Assistant {
            text: "Well\n\nIt was cut off.".into(),
            plan: None,
            calls: Vec::new(),
            provider_data: Some("a".into()),
        };
        assert_eq!(replayed[1..], [merged]);
    }

    #[test]
    fn provider_data_gets_what_the_texts_leave_of_the_budget_newest_first() {
        let turn =
            |bytes| [user("x"), message(Role::Assistant, vec![text(0, "ok"), data(0, SOURCE, &"d".repeat(bytes))])];
        let messages = [turn(30), turn(600), turn(300)].concat();
        let kept = |budget, source: &str| {
            let mut replayed = replay(&messages, budget, source);
            let data = provider_data_of(&mut replayed);
            data.into_iter().map(|data| data.as_ref().map_or(0, String::len)).collect::<Vec<_>>()
        };
        // Each turn takes 2 tokens, and its data a third of its bytes.
        assert_eq!(kept(6 + 310, SOURCE), [30, 600, 300]);
        assert_eq!(kept(6 + 309, SOURCE), [0, 600, 300]);
        assert_eq!(kept(6 + 299, SOURCE), [0, 0, 300], "nothing older than what does not fit");
        assert_eq!(kept(6 + 99, SOURCE), [0, 0, 0]);
        assert_eq!(kept(5, SOURCE), [0, 0], "the texts come first");
        assert_eq!(kept(6 + 310, "another"), [0, 0, 0]);
    }

    #[test]
    fn a_plan_or_provider_data_alone_is_no_reply() {
        let parts = vec![Part::Plan { round: 0, text: "hm".into() }, data(0, SOURCE, "a")];
        let replayed = replay(&[user("x"), message(Role::Assistant, parts)], UNLIMITED, SOURCE);
        assert_eq!(replayed[1..], [assistant_text("(This answer was interrupted.)".into())]);
    }
}
