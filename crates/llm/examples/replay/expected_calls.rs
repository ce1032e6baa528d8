//! The calls of a recorded body, extracted independently of the decoders: the names in order, and the characters of all
//! arguments. The assignment of fragments to calls is not checked, because it differs between servers.

use anyhow::ensure;
use domain::llm::LlmToolCall;
use serde_json::Value;

/// Compares `calls` with the names and arguments in the body.
///
/// # Errors
/// Returns an error if they differ.
pub(crate) fn check(body: &[u8], calls: &[LlmToolCall]) -> anyhow::Result<()> {
    let mut recorded = RecordedCalls::default();
    for document in documents(&String::from_utf8_lossy(body)) {
        let choices = document["choices"].as_array().cloned().unwrap_or_default();
        let messages = choices.iter().flat_map(|choice| [&choice["delta"], &choice["message"]]);
        for message in messages.chain([&document["delta"]["message"], &document["message"]]) {
            match &message["tool_calls"] {
                Value::Array(fragments) => fragments.iter().for_each(|call| recorded.add(&document["index"], call)),
                Value::Null => {}
                fragment => recorded.add(&document["index"], fragment),
            }
        }
    }
    let names: Vec<_> = calls.iter().map(|call| call.tool.clone()).collect();
    let names_match = [&recorded.names, &recorded.names_once, &recorded.names_by_id].contains(&&names);
    ensure!(names_match, "the recording contains calls of {:?}", recorded.names);
    let decoded_chars = characters(calls.iter().map(|call| call.arguments.as_str()));
    let recorded_chars = characters(recorded.arguments.iter().map(String::as_str));
    let arguments_match = decoded_chars == recorded_chars
        || without_repetitions(recorded_chars, &decoded_chars, &recorded.arguments, calls) == decoded_chars;
    ensure!(arguments_match, "the recording contains other arguments: {:?}", recorded.arguments);
    Ok(())
}

/// Removes the fragments that repeat the whole arguments of a call from the recorded characters.
fn without_repetitions(
    mut recorded: Vec<char>,
    decoded: &[char],
    fragments: &[String],
    calls: &[LlmToolCall],
) -> Vec<char> {
    let whole = fragments.iter().filter(|fragment| calls.iter().any(|call| call.arguments == **fragment));
    for fragment in whole {
        let without = subtract(&recorded, &characters([fragment.as_str()].into_iter()));
        // The decoded characters must remain.
        if let Some(without) = without.filter(|without| subtract(without, decoded).is_some()) {
            recorded = without;
        }
    }
    recorded
}

/// Returns `all` without `some`; `None` if some of them are missing. Both are sorted.
fn subtract(all: &[char], some: &[char]) -> Option<Vec<char>> {
    let (mut rest, mut left) = (Vec::new(), some);
    for c in all {
        match left.split_first() {
            Some((first, others)) if first == c => left = others,
            _ => rest.push(*c),
        }
    }
    left.is_empty().then_some(rest)
}

/// Whether a stream has no end marker and no finish reason.
pub(crate) fn is_truncated(body: &[u8]) -> bool {
    let body = String::from_utf8_lossy(body);
    let is_end = |document: &Value| {
        let choices = document["choices"].as_array();
        document["type"] == "message-end"
            || choices.is_some_and(|choices| choices.iter().any(|choice| choice["finish_reason"].is_string()))
    };
    body.contains("data:") && !body.contains("[DONE]") && !documents(&body).iter().any(is_end)
}

/// Returns the JSON documents in a body: the body itself, or the data of its events.
fn documents(body: &str) -> Vec<Value> {
    if let Ok(document) = serde_json::from_str(body) {
        return vec![document];
    }
    let data = body.lines().filter_map(|line| line.strip_prefix("data:"));
    data.filter_map(|data| serde_json::from_str(data.trim()).ok()).collect()
}

#[derive(Default)]
struct RecordedCalls {
    /// With repetitions of calls without an id, which may be separate calls.
    names: Vec<String>,
    /// Without these repetitions.
    names_once: Vec<String>,
    /// Without repetitions of an id with any index.
    names_by_id: Vec<String>,
    /// Index, id and name of each distinct call.
    keys: Vec<(Value, Value, String)>,
    arguments: Vec<String>,
}

impl RecordedCalls {
    fn add(&mut self, outer_index: &Value, call: &Value) {
        let function = &call["function"];
        if let Some(name) = function["name"].as_str().filter(|name| !name.is_empty()) {
            let index = if call["index"].is_null() { outer_index } else { &call["index"] };
            // Some servers repeat the name in each fragment.
            let key = (index.clone(), call["id"].clone(), name.to_owned());
            let is_new = !self.keys.contains(&key);
            let is_known = self.keys.iter().any(|(_, id, known)| *id == call["id"] && known == name);
            if call["id"].is_null() || !is_known {
                self.names_by_id.push(name.to_owned());
            }
            if is_new || call["id"].is_null() {
                self.names.push(name.to_owned());
            }
            if is_new {
                self.names_once.push(name.to_owned());
                self.keys.push(key);
            }
        }
        match &function["arguments"] {
            Value::Null => {}
            Value::String(text) => self.arguments.push(text.clone()),
            other => self.arguments.push(other.to_string()),
        }
    }
}

/// Returns all characters sorted, without whitespace and without braces, because an empty object may be split or
/// missing.
fn characters<'a>(arguments: impl Iterator<Item = &'a str>) -> Vec<char> {
    let arguments = arguments.filter(|arguments| arguments.trim() != "null");
    let mut all: Vec<char> = arguments.flat_map(str::chars).filter(|c| !matches!(c, '{' | '}')).collect();
    all.retain(|c| !c.is_whitespace());
    all.sort_unstable();
    all
}
