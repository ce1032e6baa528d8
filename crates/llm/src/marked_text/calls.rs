//! Parses a text that consists of tool calls.

use serde_json::{Deserializer, Map, Value};

use super::markers::{FUNCTION, strip, strip_call_marker};

/// Maximum number of calls in a text. More are not run anyway.
const MAX_CALLS: usize = 64;

/// A call as it stands in a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TextCall {
    pub tool: String,
    /// JSON, unless the model wrote a string that is none.
    pub arguments: String,
}

/// Returns the calls of which `text` consists, with their markers; `None` if there is anything else, or none.
pub(super) fn parse_calls(text: &str) -> Option<Vec<TextCall>> {
    let mut calls = Vec::new();
    let (mut rest, mut is_marked) = (text, false);
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ';' | ','));
        if calls.len() > MAX_CALLS {
            return None;
        }
        if let Some(after) = strip_call_marker(rest) {
            (rest, is_marked) = (after, true);
        } else if let Some(after) = strip(rest, FUNCTION) {
            rest = parse_function(after, &mut calls)?;
        } else if rest.starts_with(['{', '[']) {
            let (value, after) = parse_value(rest)?;
            push_all(value, is_marked, &mut calls)?;
            rest = after;
        } else if is_marked && !rest.is_empty() {
            rest = parse_named(rest, &mut calls)?;
        } else {
            return (rest.is_empty() && !calls.is_empty()).then_some(calls);
        }
    }
}

/// Parses the JSON value at the beginning of `text`.
fn parse_value(text: &str) -> Option<(Value, &str)> {
    let mut values = Deserializer::from_str(text).into_iter();
    let value = values.next()?.ok()?;
    Some((value, &text[values.byte_offset()..]))
}

/// Parses the rest of `<function=name>…</function>`, whose content is an object or the parameters as elements.
fn parse_function<'t>(text: &'t str, calls: &mut Vec<TextCall>) -> Option<&'t str> {
    let (tool, rest) = text.split_once('>')?;
    let mut rest = rest.trim_start();
    let mut arguments = Value::Object(Map::new());
    if rest.starts_with('{') {
        (arguments, rest) = parse_value(rest)?;
    }
    while let Some(parameter) = rest.strip_prefix("<parameter=") {
        let (key, after) = parameter.split_once('>')?;
        let (value, after) = after.split_once("</parameter>")?;
        let value = value.strip_prefix('\n').unwrap_or(value);
        arguments[key.trim()] = value.strip_suffix('\n').unwrap_or(value).into();
        rest = after.trim_start();
    }
    calls.push(TextCall { tool: tool.trim().to_owned(), arguments: arguments.to_string() });
    rest.trim_start().strip_prefix("</function>")
}

/// Parses `name{…}` and `name[ARGS]{…}` (Mistral).
fn parse_named<'t>(text: &'t str, calls: &mut Vec<TextCall>) -> Option<&'t str> {
    let (tool, rest) = text.split_at(text.find(['{', '['])?);
    let rest = strip(rest, "[ARGS]").unwrap_or(rest).trim_start();
    let (arguments, rest) = parse_value(rest).filter(|(arguments, _)| arguments.is_object())?;
    calls.push(TextCall { tool: tool.trim().to_owned(), arguments: arguments.to_string() });
    Some(rest)
}

/// Adds the call, or the calls, that a JSON value describes.
fn push_all(value: Value, is_marked: bool, calls: &mut Vec<TextCall>) -> Option<()> {
    match value {
        Value::Array(values) => values.into_iter().try_for_each(|value| push_all(value, is_marked, calls)),
        Value::Object(mut fields) if fields.len() == 1 && fields.contains_key("tool_calls") => {
            push_all(fields.remove("tool_calls")?, is_marked, calls)
        }
        Value::Object(fields) => {
            calls.push(call_of(fields, is_marked)?);
            Some(())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// Returns the call that an object describes; `None` if it has other fields. Only markers make a call of an object
/// without arguments.
fn call_of(mut fields: Map<String, Value>, is_marked: bool) -> Option<TextCall> {
    for field in ["type", "id", "index"] {
        fields.remove(field);
    }
    if fields.len() == 1
        && let Some(Value::Object(function)) = fields.get_mut("function")
    {
        fields = std::mem::take(function);
    }
    let mut take = |names: &[&str]| names.iter().find_map(|name| fields.remove(*name));
    let Some(Value::String(tool)) = take(&["name", "tool_name", "function"]) else { return None };
    let arguments = match take(&["arguments", "parameters"]) {
        Some(Value::String(text)) => text,
        Some(Value::Null) => "{}".to_owned(),
        Some(value) => value.to_string(),
        None if is_marked => "{}".to_owned(),
        None => return None,
    };
    fields.is_empty().then_some(TextCall { tool, arguments })
}
