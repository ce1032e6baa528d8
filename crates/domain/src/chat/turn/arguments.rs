//! Arguments of tool calls as models write them, which may be invalid JSON.

use serde_json::{Value, json};

/// Parses arguments. Invalid JSON becomes a string, and empty arguments an empty object.
pub(super) fn parameters(arguments: &str) -> Value {
    if arguments.trim().is_empty() {
        return json!({});
    }
    let mut parameters = serde_json::from_str(arguments).unwrap_or_else(|_| Value::String(arguments.to_owned()));
    remove_nul(&mut parameters);
    parameters
}

/// Removes NUL characters, which JSON escapes introduce even if the text has none.
fn remove_nul(value: &mut Value) {
    match value {
        Value::String(text) => text.retain(|c| c != '\0'),
        Value::Array(values) => values.iter_mut().for_each(remove_nul),
        Value::Object(fields) => {
            if fields.keys().any(|key| key.contains('\0')) {
                *fields =
                    std::mem::take(fields).into_iter().map(|(key, value)| (key.replace('\0', ""), value)).collect();
            }
            fields.values_mut().for_each(remove_nul);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
