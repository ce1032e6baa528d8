//! Normalizes a history to what providers accept: unique call ids, tool names of allowed characters, no empty messages.
//!
//! `domain` selects the messages and pairs calls with their results (`chat/history.rs`).

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};

use domain::llm::{LlmMessage, LlmToolCall};

/// Maximum length of a tool's name, in characters.
const MAX_TOOL_NAME_CHARS: usize = 64;

/// Returns the history in a form that can be sent. Providers number calls anew in each reply, and some reject or
/// confuse ids that repeat in a request; models call tools by names that no provider accepts back.
pub(crate) fn normalize_history(messages: &[LlmMessage]) -> Vec<LlmMessage> {
    let mut taken_ids = HashSet::new();
    let mut pending: HashMap<&str, VecDeque<String>> = HashMap::new();
    let mut normalized = Vec::with_capacity(messages.len());
    for message in messages {
        match message {
            LlmMessage::Assistant { text, calls, .. } if text.trim().is_empty() && calls.is_empty() => {}
            LlmMessage::Assistant { text, plan, calls } => {
                pending.clear();
                let calls = calls.iter().map(|call| {
                    let id = unique_id(&call.id, &mut taken_ids);
                    pending.entry(&call.id).or_default().push_back(id.clone());
                    LlmToolCall {
                        id,
                        tool: sanitize_tool_name(&call.tool).into_owned(),
                        arguments: call.arguments.clone(),
                    }
                });
                let calls = calls.collect();
                normalized.push(LlmMessage::Assistant { text: text.clone(), plan: plan.clone(), calls });
            }
            LlmMessage::ToolResult { call_id, tool, content } => {
                let new_id = pending.get_mut(call_id.as_str()).and_then(VecDeque::pop_front);
                normalized.push(LlmMessage::ToolResult {
                    call_id: new_id.unwrap_or_else(|| call_id.clone()),
                    tool: sanitize_tool_name(tool).into_owned(),
                    content: content.clone(),
                });
            }
            user @ LlmMessage::User { .. } => normalized.push(user.clone()),
        }
    }
    normalized
}

fn unique_id(id: &str, taken: &mut HashSet<String>) -> String {
    let stem = if id.is_empty() { "call" } else { id };
    let first = (!id.is_empty()).then(|| id.to_owned());
    let others = (2..=taken.len() + 2).map(|number| format!("{stem}_{number}"));
    let free = first.into_iter().chain(others).find(|id| !taken.contains(id)).unwrap_or_default();
    taken.insert(free.clone());
    free
}

/// Replaces all characters but ASCII letters, digits and `_`, and truncates.
fn sanitize_tool_name(tool: &str) -> Cow<'_, str> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !tool.is_empty() && tool.len() <= MAX_TOOL_NAME_CHARS && tool.chars().all(is_allowed) {
        return Cow::Borrowed(tool);
    }
    let name: String = tool.chars().take(MAX_TOOL_NAME_CHARS).map(|c| if is_allowed(c) { c } else { '_' }).collect();
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
        let ids = normalize_history(messages).into_iter().flat_map(|message| match message {
            LlmMessage::Assistant { calls, .. } => calls.into_iter().map(|call| call.id).collect(),
            LlmMessage::ToolResult { call_id, .. } => vec![format!("={call_id}")],
            LlmMessage::User { .. } => Vec::new(),
        });
        ids.collect()
    }

    #[test]
    fn unique_ids_are_kept() {
        assert_eq!(ids(&[calls(&["a", "b"]), result("a"), result("b")]), ["a", "b", "=a", "=b"]);
    }

    #[test]
    fn ids_repeated_in_later_rounds_become_unique_with_their_results() {
        let rounds = [calls(&["call_0"]), result("call_0"), calls(&["call_0"]), result("call_0")];
        assert_eq!(ids(&rounds), ["call_0", "=call_0", "call_0_2", "=call_0_2"]);
        let conflict = [calls(&["a", "a_2"]), result("a"), result("a_2"), calls(&["a"]), result("a")];
        assert_eq!(ids(&conflict), ["a", "a_2", "=a", "=a_2", "a_3", "=a_3"]);
    }

    #[test]
    fn empty_and_duplicate_ids_in_one_round_are_paired_in_order() {
        assert_eq!(ids(&[calls(&["", ""]), result(""), result("")]), ["call_2", "call_3", "=call_2", "=call_3"]);
        assert_eq!(ids(&[calls(&["a", "a"]), result("a"), result("a")]), ["a", "a_2", "=a", "=a_2"]);
    }

    #[test]
    fn a_result_belongs_to_the_latest_call_with_its_id() {
        assert_eq!(ids(&[calls(&["a"]), calls(&["a"]), result("a")]), ["a", "a_2", "=a_2"]);
    }

    #[test]
    fn an_assistant_message_without_text_and_calls_is_omitted() {
        let empty = LlmMessage::Assistant { text: " ".into(), plan: Some("hm".into()), calls: Vec::new() };
        assert_eq!(normalize_history(&[empty]), []);
    }

    #[test]
    fn invalid_characters_in_tool_names_are_replaced() {
        assert_eq!(sanitize_tool_name("add_task"), "add_task");
        assert_eq!(sanitize_tool_name("functions.add-task"), "functions_add_task");
        assert_eq!(sanitize_tool_name(""), "unnamed");
        assert_eq!(sanitize_tool_name(&"ä".repeat(70)), "_".repeat(64));
    }
}
