//! Arguments of tool calls as models write them, which may be invalid JSON. `tool/parameters.rs` reads the fields.

use serde_json::{Value, json};

/// Parses arguments. Invalid JSON becomes a string, and empty arguments an empty object. Some models write the object as
/// a JSON string, and no arguments as an empty string, `null` or an empty array.
pub(super) fn parameters(arguments: &str) -> Value {
    let mut parameters = parse(arguments);
    if let Value::String(text) = &parameters {
        let inner = parse(text);
        if inner.is_object() {
            parameters = inner;
        }
    }
    remove_nul(&mut parameters);
    parameters
}

fn parse(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(Value::Null) => json!({}),
        Ok(Value::Array(values)) if values.is_empty() => json!({}),
        Ok(parameters) => parameters,
        Err(_) if text.trim().is_empty() => json!({}),
        Err(_) => Value::String(text.to_owned()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_parsed_also_within_a_string() {
        let object = json!({"title": "milk"});
        for arguments in
            [object.to_string(), json!(object.to_string()).to_string(), " {\"title\":\n\"mi\\u0000lk\"} ".into()]
        {
            assert_eq!(parameters(&arguments), object, "{arguments}");
        }
        for arguments in ["", " ", "null", "[]", "{}", "\"\"", "\"{}\"", "\"null\""] {
            assert_eq!(parameters(arguments), json!({}), "{arguments}");
        }
    }

    #[test]
    fn everything_else_stays_what_it_is() {
        let twice = json!(json!("{}").to_string()).to_string();
        for (arguments, expected) in [
            ("{\"title\": ", json!("{\"title\": ")),
            ("milk", json!("milk")),
            ("\"milk\"", json!("milk")),
            ("[1]", json!([1])),
            ("2", json!(2)),
            (twice.as_str(), json!("\"{}\"")),
        ] {
            assert_eq!(parameters(arguments), expected, "{arguments}");
        }
    }

    #[test]
    fn the_longest_arguments_are_parsed() {
        let nested = "[".repeat(256 * 1024);
        assert_eq!(parameters(&nested), json!(nested));
        let quoted = json!(json!({"title": "\\".repeat(64 * 1024)}).to_string()).to_string();
        assert!(parameters(&quoted).is_object());
    }
}
