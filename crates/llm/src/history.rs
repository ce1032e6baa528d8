//! The messages of a request in the form that providers accept: tool names of allowed characters, and ids of calls that
//! are unique and that the receiver does not refuse.
//!
//! `domain` selects the messages and pairs calls with their results (`chat/history.rs`).

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};

use domain::llm::{LlmMessage, LlmToolCall};
use serde_json::{Map, Value, json};

use crate::provider_data;

/// Maximum length of a tool's name, in characters.
const MAX_TOOL_NAME_CHARS: usize = 64;

/// A reply of the model in a request.
#[derive(Debug)]
pub(crate) struct AssistantMessage<'m> {
    pub text: &'m str,
    pub plan: Option<&'m str>,
    /// The calls in the format of both providers.
    pub calls: Vec<Value>,
    /// The fields that the receiver sent with the reply, except those of calls.
    pub fields: Map<String, Value>,
}

impl AssistantMessage<'_> {
    /// Takes the thoughts from the fields and returns the content with them: parts, or just the text.
    pub fn take_content(&mut self) -> Value {
        match self.fields.remove("content") {
            Some(Value::Array(mut parts)) => {
                if !self.text.is_empty() {
                    parts.push(json!({"type": "text", "text": self.text}));
                }
                parts.into()
            }
            _ => self.text.into(),
        }
    }
}

/// Returns the messages in wire format; `assistant` serializes replies of the model. Without `provider_data`, the
/// receiver's own fields are left out.
pub(crate) fn messages_json(
    messages: &[LlmMessage],
    assistant: fn(AssistantMessage<'_>) -> Map<String, Value>,
    provider_data: bool,
) -> Vec<Value> {
    let mut ids = CallIds::default();
    let mut unanswered = VecDeque::new();
    let message_json = |message: &LlmMessage| match message {
        LlmMessage::User { text } => json!({"role": "user", "content": text}),
        LlmMessage::Assistant { text, plan, calls, provider_data: data } => {
            let mut fields = provider_data::parse(data.as_deref().filter(|_| provider_data));
            let calls = calls_json(calls, &mut fields, &mut ids);
            unanswered = calls.iter().map(|call| call["id"].clone()).collect();
            let mut json = assistant(AssistantMessage { text, plan: plan.as_deref(), calls, fields });
            json.insert("role".to_owned(), "assistant".into());
            json.into()
        }
        LlmMessage::ToolResult { content, .. } => {
            let id = unanswered.pop_front().unwrap_or_default();
            json!({"role": "tool", "tool_call_id": id, "content": content.to_string()})
        }
    };
    messages.iter().map(message_json).collect()
}

/// Serializes calls, with the fields that the receiver sent with them.
fn calls_json(calls: &[LlmToolCall], fields: &mut Map<String, Value>, ids: &mut CallIds) -> Vec<Value> {
    let of_calls = fields.remove("tool_calls").unwrap_or_default();
    let call_json = |(index, call): (usize, &LlmToolCall)| {
        let mut json = of_calls[index].as_object().cloned().unwrap_or_default();
        let own_id = json.get("id").and_then(Value::as_str);
        let id = ids.assign(own_id);
        if let (Some(own_id), Some(Value::Array(details))) = (own_id, fields.get_mut("reasoning_details")) {
            // Encrypted reasoning names its call.
            details
                .iter_mut()
                .filter(|detail| detail["id"] == own_id)
                .for_each(|detail| detail["id"] = id.clone().into());
        }
        let function = json!({"name": sanitize_tool_name(&call.tool), "arguments": call.arguments});
        json.extend(
            [("id", id.into()), ("type", "function".into()), ("function", function)]
                .map(|(name, value): (&str, Value)| (name.to_owned(), value)),
        );
        json.into()
    };
    calls.iter().enumerate().map(call_json).collect()
}

/// The ids of calls in one request.
#[derive(Debug, Default)]
struct CallIds {
    taken: HashSet<String>,
    /// The number of ids that were made.
    made: usize,
}

impl CallIds {
    /// Returns the id that the receiver gave to its own call, unless another call has it: many servers number the calls
    /// of each reply anew. All other calls get an id of nine letters and digits, because Mistral accepts nothing else
    /// (<https://github.com/langchain-ai/langchain/pull/24668>) and `OpenAI` at most 40 characters.
    fn assign(&mut self, own: Option<&str>) -> String {
        if let Some(own) = own
            && self.taken.insert(own.to_owned())
        {
            return own.to_owned();
        }
        loop {
            self.made += 1;
            let id = format!("call{:05}", self.made);
            if self.taken.insert(id.clone()) {
                return id;
            }
        }
    }
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
    use super::*;

    #[test]
    fn invalid_characters_in_tool_names_are_replaced() {
        assert_eq!(sanitize_tool_name("add_task"), "add_task");
        assert_eq!(sanitize_tool_name("functions.add-task"), "functions_add_task");
        assert_eq!(sanitize_tool_name(""), "unnamed");
        assert_eq!(sanitize_tool_name(&"ä".repeat(70)), "_".repeat(64));
    }
}
