//! A call's arguments: what a model writes, which need not be JSON.

use serde_json::{Value, json};

/// A call's arguments as JSON; as the text that they are if they are none. No arguments are an empty object.
pub(super) fn parameters(arguments: &str) -> Value {
    if arguments.trim().is_empty() {
        return json!({});
    }
    let mut parameters = serde_json::from_str(arguments).unwrap_or_else(|_| Value::String(arguments.to_owned()));
    remove_nul(&mut parameters);
    parameters
}

/// Takes NUL characters out: an escape in JSON brings them back after the text was cleaned of them.
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
