//! A history as providers accept it: call ids that occur once, tool names of allowed characters, no empty message.
//!
//! Deliberately not here: which messages are told and how calls find their results; `domain` pairs them.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};

use domain::llm::{LlmMessage, LlmToolCall};

/// The longest name of a tool that providers take.
const MAX_TOOL_NAME: usize = 64;

/// Makes the history fit to be sent. Providers count calls anew in each reply, so ids repeat in a conversation of many
/// rounds, and some providers refuse or confuse them; a model may call a tool by a name that no provider takes back.
pub(crate) fn presentable(messages: &[LlmMessage]) -> Vec<LlmMessage> {
    let mut taken = HashSet::new();
    let mut open: HashMap<&str, VecDeque<String>> = HashMap::new();
    let mut told = Vec::with_capacity(messages.len());
    for message in messages {
        match message {
            LlmMessage::Assistant { text, calls, .. } if text.trim().is_empty() && calls.is_empty() => {}
            LlmMessage::Assistant { text, plan, calls } => {
                open.clear();
                let calls = calls.iter().map(|call| {
                    let id = unique(&call.id, &mut taken);
                    open.entry(&call.id).or_default().push_back(id.clone());
                    LlmToolCall { id, tool: tool_name(&call.tool).into_owned(), arguments: call.arguments.clone() }
                });
                let calls = calls.collect();
                told.push(LlmMessage::Assistant { text: text.clone(), plan: plan.clone(), calls });
            }
            LlmMessage::ToolResult { call_id, tool, content } => {
                let sent = open.get_mut(call_id.as_str()).and_then(VecDeque::pop_front);
                told.push(LlmMessage::ToolResult {
                    call_id: sent.unwrap_or_else(|| call_id.clone()),
                    tool: tool_name(tool).into_owned(),
                    content: content.clone(),
                });
            }
            user @ LlmMessage::User { .. } => told.push(user.clone()),
        }
    }
    told
}

fn unique(id: &str, taken: &mut HashSet<String>) -> String {
    let stem = if id.is_empty() { "call" } else { id };
    let first = (!id.is_empty()).then(|| id.to_owned());
    let others = (2..=taken.len() + 2).map(|number| format!("{stem}_{number}"));
    let free = first.into_iter().chain(others).find(|id| !taken.contains(id)).unwrap_or_default();
    taken.insert(free.clone());
    free
}

/// A tool's name of letters, digits and `_`.
fn tool_name(tool: &str) -> Cow<'_, str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !tool.is_empty() && tool.len() <= MAX_TOOL_NAME && tool.chars().all(allowed) {
        return Cow::Borrowed(tool);
    }
    let name: String = tool.chars().take(MAX_TOOL_NAME).map(|c| if allowed(c) { c } else { '_' }).collect();
    Cow::Owned(if name.is_empty() { "unnamed".to_owned() } else { name })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn calls(ids: &[&str]) -> LlmMessage {
        let call = |id: &&str| LlmToolCall { id: (*id).into(), tool: "list_tasks".into(), arguments: "{}".into() };
        LlmMessage::Assistant { text: String::new(), plan: None, calls: ids.iter().map(call).collect() }
    }

    fn result(id: &str) -> LlmMessage {
        LlmMessage::ToolResult { call_id: id.into(), tool: "list_tasks".into(), content: json!({}) }
    }

    fn ids(messages: &[LlmMessage]) -> Vec<String> {
        let ids = presentable(messages).into_iter().flat_map(|message| match message {
            LlmMessage::Assistant { calls, .. } => calls.into_iter().map(|call| call.id).collect(),
            LlmMessage::ToolResult { call_id, .. } => vec![format!("={call_id}")],
            LlmMessage::User { .. } => Vec::new(),
        });
        ids.collect()
    }

    #[test]
    fn ids_that_occur_once_stay_as_they_are() {
        assert_eq!(ids(&[calls(&["a", "b"]), result("a"), result("b")]), ["a", "b", "=a", "=b"]);
    }

    #[test]
    fn ids_that_repeat_in_later_rounds_become_unique_with_their_results() {
        let rounds = [calls(&["call_0"]), result("call_0"), calls(&["call_0"]), result("call_0")];
        assert_eq!(ids(&rounds), ["call_0", "=call_0", "call_0_2", "=call_0_2"]);
        let clash = [calls(&["a", "a_2"]), result("a"), result("a_2"), calls(&["a"]), result("a")];
        assert_eq!(ids(&clash), ["a", "a_2", "=a", "=a_2", "a_3", "=a_3"]);
    }

    #[test]
    fn empty_and_double_ids_in_one_round_are_paired_in_order() {
        assert_eq!(ids(&[calls(&["", ""]), result(""), result("")]), ["call_2", "call_3", "=call_2", "=call_3"]);
        assert_eq!(ids(&[calls(&["a", "a"]), result("a"), result("a")]), ["a", "a_2", "=a", "=a_2"]);
    }

    #[test]
    fn a_result_belongs_to_the_newest_call_of_its_id() {
        assert_eq!(ids(&[calls(&["a"]), calls(&["a"]), result("a")]), ["a", "a_2", "=a_2"]);
    }

    #[test]
    fn a_message_that_says_nothing_is_not_told() {
        let silent = LlmMessage::Assistant { text: " ".into(), plan: Some("hm".into()), calls: Vec::new() };
        assert_eq!(presentable(&[silent]), []);
    }

    #[test]
    fn a_tool_name_that_no_provider_takes_is_written_in_allowed_characters() {
        assert_eq!(tool_name("add_task"), "add_task");
        assert_eq!(tool_name("functions.add-task"), "functions_add_task");
        assert_eq!(tool_name(""), "unnamed");
        assert_eq!(tool_name(&"ä".repeat(70)), "_".repeat(64));
    }
}
