//! The fields of a reply that only its sender understands: reasoning, signatures, its own ids of calls. They are joined
//! from the fragments of a stream, become [`LlmEvent::ProviderData`], and are sent back where they were, because
//! providers refuse the results of calls without them or answer worse:
//!
//! - Gemini: `extra_content.google.thought_signature` of a call (<https://ai.google.dev/gemini-api/docs/thought-signatures>).
//!   `LiteLLM` has it in `provider_specific_fields`, or in the call's id (<https://docs.litellm.ai/blog/gemini_3>).
//! - `DeepSeek`: `reasoning_content` (<https://api-docs.deepseek.com/guides/thinking_mode>); also Kimi and vLLM. Others name
//!   it `reasoning`, and accept that name only.
//! - `OpenRouter`: `reasoning_details`, in order and unchanged
//!   (<https://openrouter.ai/docs/guides/best-practices/reasoning-tokens>).
//! - Mistral and Cohere: parts of the content with thoughts (<https://docs.mistral.ai/inference/conversations/reasoning>,
//!   <https://docs.cohere.com/v2/docs/reasoning>).
//! - Kimi K2 calls tools by ids of its own form, and stops doing so if it reads other ones
//!   (<https://github.com/MoonshotAI/Kimi-K2/blob/main/docs/tool_call_guidance.md>).
//!
//! The data is the part of the message that we do not understand, as JSON in the sender's format: for example
//! `{"reasoning_content": "…", "tool_calls": [{"id": "…", "extra_content": {…}}]}`. The calls are in the order in which
//! they were completed, like those of the reply. If they are too long, all of them but the ids
//! are left out, because a part of them would be invalid.

use domain::llm::{LlmEvent, MAX_PROVIDER_DATA_BYTES};
use serde_json::{Map, Value};

use crate::tool_calls::ToolCalls;
use crate::wire::{is_non_empty, is_thinking, one_or_many};

/// Fields of a message in OpenAI's format, besides its content.
pub(crate) const MESSAGE_FIELDS: [&str; 5] =
    ["reasoning_content", "reasoning", "reasoning_details", "thinking_blocks", "extra_content"];
/// Fields of a call in OpenAI's format.
const CALL_FIELDS: [&str; 2] = ["extra_content", "provider_specific_fields"];
/// Fields whose fragments are pieces of one text. Other fields are sent as a whole.
const TEXT_FIELDS: [&str; 5] = ["reasoning_content", "reasoning", "text", "thinking", "summary"];

type Fields = Map<String, Value>;

/// The fields of one reply.
#[derive(Debug, Default)]
pub(crate) struct ProviderData {
    message: Fields,
    /// The fields of each call, by its position in the reply.
    calls: Vec<Fields>,
    /// Size of the fragments since the fields were measured, in bytes.
    unmeasured: usize,
    is_too_long: bool,
}

impl ProviderData {
    /// Adds the fields of a fragment of the message.
    pub fn add_message(&mut self, fragment: &Value) {
        let mut fields = pick(fragment, &MESSAGE_FIELDS);
        let thoughts: Vec<_> = one_or_many(&fragment["content"]).iter().filter(|part| is_thinking(part)).collect();
        if !thoughts.is_empty() {
            fields.insert("content".to_owned(), thoughts.into_iter().cloned().collect());
        }
        if self.has_room_for(&fields) {
            merge(&mut self.message, fields);
        }
    }

    /// Adds the fields of a fragment of the call at `position`.
    pub fn add_call(&mut self, position: usize, fragment: &Value) {
        let fields = pick(fragment, &CALL_FIELDS);
        if !fields.is_empty() && self.has_room_for(&fields) {
            self.calls.resize_with(self.calls.len().max(position + 1), Fields::new);
            merge(&mut self.calls[position], fields);
        }
    }

    /// Whether more fields can be added. They are measured again only after as many bytes as they may have, so that the
    /// cost is linear in the number of fragments.
    fn has_room_for(&mut self, fields: &Fields) -> bool {
        self.unmeasured += length(fields);
        if self.unmeasured > MAX_PROVIDER_DATA_BYTES {
            self.unmeasured = 0;
            let calls = self.calls.iter().map(length);
            self.is_too_long |= length(&self.message) + calls.sum::<usize>() > MAX_PROVIDER_DATA_BYTES;
        }
        if self.is_too_long {
            self.message.clear();
            self.calls.clear();
        }
        !self.is_too_long
    }

    /// Returns the event for a complete reply with these calls; `None` if there is nothing to send back.
    pub fn take_event(&mut self, calls: &ToolCalls) -> Option<LlmEvent> {
        // The second time there are only ids left.
        let mut data = (0..2).filter_map(|_| self.take_json(calls));
        data.find(|data| data.len() <= MAX_PROVIDER_DATA_BYTES).map(LlmEvent::ProviderData)
    }

    /// Takes the fields and returns them with the ids of the calls.
    fn take_json(&mut self, calls: &ToolCalls) -> Option<String> {
        let mut message = std::mem::take(&mut self.message);
        // The details repeat its text.
        if message.contains_key("reasoning_details") {
            message.remove("reasoning");
        }
        // Blocks may begin empty and stay so.
        if let Some(Value::Array(parts)) = message.get_mut("content") {
            parts.retain(has_thoughts);
        }
        let call_fields = |(position, id): (usize, Option<&str>)| {
            let mut fields = self.calls.get_mut(position).map(std::mem::take).unwrap_or_default();
            fields.extend(id.map(|id| ("id".to_owned(), id.into())));
            Value::Object(fields)
        };
        let calls: Vec<_> = calls.completed().map(call_fields).collect();
        if calls.iter().any(is_non_empty) {
            message.insert("tool_calls".to_owned(), calls.into());
        }
        message.retain(|_, value| is_non_empty(value));
        (!message.is_empty()).then(|| Value::Object(message).to_string())
    }
}

/// Returns the fields of the provider data of a message; none if it has another form.
pub(crate) fn parse(data: Option<&str>) -> Fields {
    data.and_then(|data| serde_json::from_str(data).ok()).unwrap_or_default()
}

/// Whether a part of the content has more than its type.
fn has_thoughts(part: &Value) -> bool {
    part.as_object().is_some_and(|part| part.iter().any(|(name, value)| name != "type" && is_non_empty(value)))
}

fn length(fields: &Fields) -> usize {
    fields.iter().map(|(name, value)| name.len() + value.to_string().len()).sum()
}

/// Returns the named fields of an object that are not empty.
fn pick(object: &Value, names: &[&str]) -> Fields {
    let fields = names.iter().map(|name| (*name, &object[*name])).filter(|(_, value)| is_non_empty(value));
    fields.map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

/// Merges a fragment into fields: pieces of a text and entries of a list are appended, other values replaced.
fn merge(fields: &mut Fields, fragment: Fields) {
    for (name, value) in fragment {
        match (fields.get_mut(&name), value) {
            (Some(Value::String(text)), Value::String(more)) if TEXT_FIELDS.contains(&name.as_str()) => {
                text.push_str(&more);
            }
            (Some(Value::Object(fields)), Value::Object(more)) => merge(fields, more),
            (Some(Value::Array(entries)), Value::Array(more)) => append(entries, more),
            (Some(Value::Array(entries)), more @ Value::Object(_)) => append(entries, vec![more]),
            // Later fragments may leave out or clear what an earlier one has set.
            (Some(_), value) if !is_non_empty(&value) => {}
            (_, value) => {
                fields.insert(name, value);
            }
        }
    }
}

/// Appends the entries of a fragment. The first of them may continue the last one of the fragment before.
fn append(entries: &mut Vec<Value>, more: Vec<Value>) {
    let mut more = more.into_iter().peekable();
    if let (Some(Value::Object(last)), Some(Value::Object(first))) = (entries.last_mut(), more.peek())
        && continues(last, first)
        && let Some(Value::Object(first)) = more.next()
    {
        merge(last, first);
    }
    entries.extend(more);
}

/// Whether an entry is more of the last one. The index alone does not tell, because `OpenRouter` sends 0 in all fragments
/// of some models (<https://github.com/OpenRouterTeam/ai-sdk-provider/issues/519>). Encrypted data is sent as a whole, and
/// a signature ends what it signs.
fn continues(last: &Fields, next: &Fields) -> bool {
    let value = |fields: &Fields, name: &str| fields.get(name).cloned().unwrap_or_default();
    let agrees = |name: &str| {
        let (last, next) = (value(last, name), value(next, name));
        last.is_null() || next.is_null() || last == next
    };
    let brings_text = TEXT_FIELDS.iter().any(|name| is_non_empty(&value(next, name)));
    ["type", "index", "id"].into_iter().all(agrees)
        && !next.contains_key("data")
        && !(brings_text && is_non_empty(&value(last, "signature")))
}
