//! What the replies of providers have in common: content parts, arguments, token counts.

use std::borrow::Cow;

use domain::conversation::turn::Usage;
use domain::llm::LlmError;
use serde_json::Value;

/// Returns the text of a `content` field: a string, `null`, or one or several parts. Parts with thoughts or citations
/// and parts of unknown types contribute nothing.
///
/// # Errors
/// [`LlmError::BadReply`] if the field has another type, or a text part has no text.
pub(crate) fn text_of(content: &Value) -> Result<Cow<'_, str>, LlmError> {
    match content {
        Value::Null => Ok(Cow::Borrowed("")),
        Value::String(text) => Ok(Cow::Borrowed(text)),
        Value::Object(_) => text_of_part(content),
        Value::Array(parts) => {
            let texts = parts.iter().map(|part| match part {
                Value::String(text) => Ok(Cow::Borrowed(text.as_str())),
                other => text_of_part(other),
            });
            Ok(Cow::Owned(texts.collect::<Result<String, _>>()?))
        }
        Value::Bool(_) | Value::Number(_) => Err(bad_reply("the content is neither text nor parts")),
    }
}

fn text_of_part(part: &Value) -> Result<Cow<'_, str>, LlmError> {
    let text = |field: &str| part[field].as_str().map(Cow::Borrowed);
    match part["type"].as_str() {
        None => Ok(text("text").unwrap_or_default()),
        Some("text" | "output_text") => text("text").ok_or_else(|| bad_reply("a part of the content has no text")),
        Some("refusal") => text("refusal").ok_or_else(|| bad_reply("a part of the content has no text")),
        Some(_) => Ok(Cow::Borrowed("")),
    }
}

/// Whether a part of a `content` field contains thoughts.
pub(crate) fn is_thinking(part: &Value) -> bool {
    matches!(part["type"].as_str(), Some("thinking" | "reasoning")) || is_non_empty(&part["thinking"])
}

/// Returns an `arguments` field as text: a string as it is, an object as JSON, `null` as an empty string.
pub(crate) fn arguments_of(arguments: &Value) -> Cow<'_, str> {
    match arguments {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// Returns the elements of an array, or the value itself: some servers omit the array around a single element.
pub(crate) fn one_or_many(value: &Value) -> &[Value] {
    match value {
        Value::Null => &[],
        Value::Array(values) => values,
        one => std::slice::from_ref(one),
    }
}

/// Returns the token counts; `None` if both are missing.
pub(crate) fn token_usage(input: &Value, output: &Value) -> Option<Usage> {
    let (input, output) = (token_count(input), token_count(output));
    (input.is_some() || output.is_some())
        .then(|| Usage { tokens_in: input.unwrap_or_default(), tokens_out: output.unwrap_or_default() })
}

/// Returns a token count, which may be sent as a float. `None` if it is negative or not a number.
fn token_count(value: &Value) -> Option<u64> {
    let float = || value.as_f64().filter(|number| *number >= 0.0);
    value.as_u64().or_else(|| format!("{:.0}", float()?).parse().ok())
}

/// Returns the string if the value is one and not empty.
pub(crate) fn non_empty_str(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

/// Whether the value is a non-empty string, array or object.
pub(crate) fn is_non_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => !values.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Creates an error for a reply that violates the wire format.
pub(crate) fn bad_reply(reason: &'static str) -> LlmError {
    LlmError::BadReply(reason.into())
}

/// Creates an error for a reply that ended early.
pub(crate) fn truncated_reply() -> LlmError {
    LlmError::Unavailable("the reply was truncated".into())
}

/// Parses the data of an event or a body.
///
/// # Errors
/// [`LlmError::BadReply`] if it is not JSON.
pub(crate) fn parse_json(text: &str) -> Result<Value, LlmError> {
    serde_json::from_str(text).map_err(|error| LlmError::BadReply(Box::new(error)))
}
