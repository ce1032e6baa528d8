//! What is alike in the wire formats of providers: content in parts, arguments in fragments, token counts, errors of
//! our own making.

use std::borrow::Cow;

use domain::llm::LlmError;
use domain::turn::Usage;
use serde_json::Value;

/// The text in a `content`: a string, nothing, or one or many parts. What a model thinks or cites is no text of it.
///
/// Parts of a kind that is unknown here are passed over.
///
/// # Errors
/// [`LlmError::BadReply`] if it is something else, or a part that should have a text has none.
pub(crate) fn text_of(content: &Value) -> Result<Cow<'_, str>, LlmError> {
    match content {
        Value::Null => Ok(Cow::Borrowed("")),
        Value::String(text) => Ok(Cow::Borrowed(text)),
        Value::Object(_) => part(content),
        Value::Array(parts) => {
            let texts = parts.iter().map(|part| match part {
                Value::String(text) => Ok(Cow::Borrowed(text.as_str())),
                other => self::part(other),
            });
            Ok(Cow::Owned(texts.collect::<Result<String, _>>()?))
        }
        Value::Bool(_) | Value::Number(_) => Err(bad("the content is neither text nor parts")),
    }
}

fn part(part: &Value) -> Result<Cow<'_, str>, LlmError> {
    let text = |field: &str| part[field].as_str().map(Cow::Borrowed);
    match part["type"].as_str() {
        None => Ok(text("text").unwrap_or_default()),
        Some("text" | "output_text") => text("text").ok_or_else(|| bad("a part of the content has no text")),
        Some("refusal") => text("refusal").ok_or_else(|| bad("a part of the content has no text")),
        Some(_) => Ok(Cow::Borrowed("")),
    }
}

/// Whether there is a thought in a `content`.
pub(crate) fn thinks(content: &Value) -> bool {
    let is_thought =
        |part: &Value| matches!(part["type"].as_str(), Some("thinking" | "reasoning")) || is_filled(&part["thinking"]);
    each(content).iter().any(is_thought)
}

/// The fragment of arguments in an `arguments`: text as it is, an object as JSON, nothing for `null`.
pub(crate) fn fragment_of(arguments: &Value) -> Cow<'_, str> {
    match arguments {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// One or many: some servers leave the array out where it has one element.
pub(crate) fn each(value: &Value) -> &[Value] {
    match value {
        Value::Null => &[],
        Value::Array(values) => values,
        one => std::slice::from_ref(one),
    }
}

/// What a reply took, unless neither number of tokens is given.
pub(crate) fn counted(read: &Value, written: &Value) -> Option<Usage> {
    let (read, written) = (tokens(read), tokens(written));
    (read.is_some() || written.is_some())
        .then(|| Usage { tokens_in: read.unwrap_or_default(), tokens_out: written.unwrap_or_default() })
}

/// A number of tokens, which may come as a float. A negative one is none.
fn tokens(value: &Value) -> Option<u64> {
    let float = || value.as_f64().filter(|number| *number >= 0.0);
    value.as_u64().or_else(|| format!("{:.0}", float()?).parse().ok())
}

/// A temperature as people write it: 0.3 and not 0.30000001192092896. `None` if it is no number.
pub(crate) fn temperature(degrees: f32) -> Option<Value> {
    serde_json::from_str(&degrees.to_string()).ok()
}

/// A text that is there and not empty.
pub(crate) fn filled(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

/// Whether there is anything in it.
pub(crate) fn is_filled(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => !values.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// What came makes no sense.
pub(crate) fn bad(reason: &'static str) -> LlmError {
    LlmError::BadReply(reason.into())
}

/// Reads an event's data or a body.
///
/// # Errors
/// [`LlmError::BadReply`] if it is no JSON.
pub(crate) fn json(text: &str) -> Result<Value, LlmError> {
    serde_json::from_str(text).map_err(|error| LlmError::BadReply(Box::new(error)))
}
