//! What a recorded body itself shows of its calls, read without the translators: the names in order, and every
//! character of their arguments. Which fragment belongs to which call is not looked at, so that this holds for all.

use anyhow::ensure;
use domain::llm::LlmToolCall;
use serde_json::Value;

/// Fails unless `calls` have the names and the arguments that the body shows.
pub(crate) fn check(body: &[u8], calls: &[LlmToolCall]) -> anyhow::Result<()> {
    let mut shown = Shown::default();
    for document in documents(&String::from_utf8_lossy(body)) {
        let choices = document["choices"].as_array().cloned().unwrap_or_default();
        let places = choices.iter().flat_map(|choice| [&choice["delta"], &choice["message"]]);
        for place in places.chain([&document["delta"]["message"], &document["message"]]) {
            match &place["tool_calls"] {
                Value::Array(fragments) => fragments.iter().for_each(|call| shown.add(&document["index"], call)),
                Value::Null => {}
                fragment => shown.add(&document["index"], fragment),
            }
        }
    }
    let names: Vec<_> = calls.iter().map(|call| call.tool.clone()).collect();
    let names_fit = [&shown.names, &shown.names_once, &shown.names_by_id].contains(&&names);
    ensure!(names_fit, "the recording shows calls of {:?}", shown.names);
    let told = characters(calls.iter().map(|call| call.arguments.as_str()));
    let recorded = characters(shown.arguments.iter().map(String::as_str));
    let fits = told == recorded || without_repetitions(recorded, &told, &shown.arguments, calls) == told;
    ensure!(fits, "the recording shows other arguments: {:?}", shown.arguments);
    Ok(())
}

/// What is left of the recorded characters without the fragments that say a call's whole arguments again.
fn without_repetitions(
    mut recorded: Vec<char>,
    told: &[char],
    fragments: &[String],
    calls: &[LlmToolCall],
) -> Vec<char> {
    let whole = fragments.iter().filter(|fragment| calls.iter().any(|call| call.arguments == **fragment));
    for fragment in whole {
        let without = take_away(&recorded, &characters([fragment.as_str()].into_iter()));
        // What is told has to stay.
        if let Some(without) = without.filter(|without| take_away(without, told).is_some()) {
            recorded = without;
        }
    }
    recorded
}

/// `all` without `some`, if all of those are in it. Both are sorted.
fn take_away(all: &[char], some: &[char]) -> Option<Vec<char>> {
    let (mut rest, mut left) = (Vec::new(), some);
    for c in all {
        match left.split_first() {
            Some((first, others)) if first == c => left = others,
            _ => rest.push(*c),
        }
    }
    left.is_empty().then_some(rest)
}

/// Whether a stream has none of the marks of an end.
pub(crate) fn was_cut(body: &[u8]) -> bool {
    let body = String::from_utf8_lossy(body);
    let ended = |document: &Value| {
        let choices = document["choices"].as_array();
        document["type"] == "message-end"
            || choices.is_some_and(|choices| choices.iter().any(|choice| choice["finish_reason"].is_string()))
    };
    body.contains("data:") && !body.contains("[DONE]") && !documents(&body).iter().any(ended)
}

/// The JSON documents in a body: the body itself, or the data of its events.
fn documents(body: &str) -> Vec<Value> {
    if let Ok(document) = serde_json::from_str(body) {
        return vec![document];
    }
    let data = body.lines().filter_map(|line| line.strip_prefix("data:"));
    data.filter_map(|data| serde_json::from_str(data.trim()).ok()).collect()
}

#[derive(Default)]
struct Shown {
    /// With the repetitions of calls that have no id to tell by whether they are the same.
    names: Vec<String>,
    /// Without them.
    names_once: Vec<String>,
    /// Without the repetitions of an id, whatever its index.
    names_by_id: Vec<String>,
    marks: Vec<(Value, Value, String)>,
    arguments: Vec<String>,
}

impl Shown {
    fn add(&mut self, outer_index: &Value, call: &Value) {
        let function = &call["function"];
        if let Some(name) = function["name"].as_str().filter(|name| !name.is_empty()) {
            let index = if call["index"].is_null() { outer_index } else { &call["index"] };
            // A server may say the name again in each fragment.
            let marks = (index.clone(), call["id"].clone(), name.to_owned());
            let is_new = !self.marks.contains(&marks);
            let known = self.marks.iter().any(|(_, id, known)| *id == call["id"] && known == name);
            if call["id"].is_null() || !known {
                self.names_by_id.push(name.to_owned());
            }
            if is_new || call["id"].is_null() {
                self.names.push(name.to_owned());
            }
            if is_new {
                self.names_once.push(name.to_owned());
                self.marks.push(marks);
            }
        }
        match &function["arguments"] {
            Value::Null => {}
            Value::String(text) => self.arguments.push(text.clone()),
            other => self.arguments.push(other.to_string()),
        }
    }
}

/// All characters, sorted, but for those that write an empty object, which come in one piece, in two or not at all.
fn characters<'a>(arguments: impl Iterator<Item = &'a str>) -> Vec<char> {
    let arguments = arguments.filter(|arguments| arguments.trim() != "null");
    let mut all: Vec<char> = arguments.flat_map(str::chars).filter(|c| !matches!(c, '{' | '}')).collect();
    all.retain(|c| !c.is_whitespace());
    all.sort_unstable();
    all
}
