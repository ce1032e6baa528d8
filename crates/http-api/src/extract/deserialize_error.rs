//! Converts serde's errors to messages for people: which field is invalid and what is expected, without the value, which
//! may be a secret.

use std::collections::BTreeSet;

use serde_path_to_error::Path;

use crate::problem::RequestError;

/// Maximum number of unknown names in a message.
const MAX_NAMES: usize = 10;
/// Maximum length of an unknown name in a message, in characters.
const MAX_NAME_LENGTH: usize = 64;

/// Converts serde's `error` about the value at `path`. `given` are the names in the request, `kind` is what they are:
/// "field" or "query parameter".
pub(crate) fn deserialize_error<'a>(
    path: &Path,
    error: &str,
    given: impl IntoIterator<Item = &'a str>,
    kind: &str,
) -> RequestError {
    let error = without_position(error);
    // The value is before the last "expected", whatever it contains itself.
    let (found, expected) = error.rsplit_once(", expected ").unwrap_or((error, ""));
    if found.starts_with("unknown field") {
        return unknown(expected, given, kind);
    }
    for (prefix, problem) in [("missing field `", "is required"), ("duplicate field `", "is given more than once")] {
        if let Some(name) = error.strip_prefix(prefix).and_then(|rest| rest.split('`').next()) {
            return RequestError::invalid(name, format!("{name} {problem}"));
        }
    }
    let field = path.to_string();
    let contains_the_value = found.starts_with("invalid ") || found.starts_with("unknown variant");
    let message = match expected {
        "" if contains_the_value => format!("{field} is not valid"),
        "" if error.starts_with("must ") => format!("{field} {error}"),
        "" => error.to_owned(),
        names if found.starts_with("unknown variant") => {
            format!("{field} must be one of {}", quoted(names).collect::<Vec<_>>().join(", "))
        }
        expected => format!("{field} must be {expected}"),
    };
    RequestError::invalid(&field, message)
}

/// Removes the position in the text that `serde_json` appends; the message names the field instead.
fn without_position(error: &str) -> &str {
    let is_position = |position: &str| {
        let numbers = position.split_once(" column ").into_iter().flat_map(|(line, column)| [line, column]);
        numbers.filter(|number| number.parse::<usize>().is_ok()).count() == 2
    };
    error.rsplit_once(" at line ").filter(|(_, position)| is_position(position)).map_or(error, |(error, _)| error)
}

fn unknown<'a>(known: &str, given: impl IntoIterator<Item = &'a str>, kind: &str) -> RequestError {
    let known: BTreeSet<&str> = quoted(known).collect();
    let names: Vec<String> = given
        .into_iter()
        .filter(|name| !known.contains(name))
        .take(MAX_NAMES)
        .map(|name| name.chars().take(MAX_NAME_LENGTH).collect())
        .collect();
    let plural = if names.len() == 1 { "" } else { "s" };
    let list = names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    RequestError::Invalid { field: names.first().cloned(), message: format!("Unknown {kind}{plural}: {list}") }
}

/// The names that serde writes in backticks.
fn quoted(error: &str) -> impl Iterator<Item = &str> {
    error.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::extract::{json, query};

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "deserialized only to fail")]
    struct Parameters {
        #[serde(default)]
        order: Option<Order>,
        #[serde(default)]
        flag: bool,
        #[serde(default)]
        count: Option<u8>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Order {
        Asc,
        Desc,
    }

    /// Secret values that look like parts of serde's messages.
    const VALUES: [&str; 7] = [
        "hunter2",
        "hunter2 at line 1",
        "hunter2 at line 1 column 2",
        "hunter2, expected `hunter2`",
        "`hunter2`hunter2`hunter2",
        "must hunter2",
        "missing field `hunter2`",
    ];

    fn messages(error: &RequestError) -> String {
        format!("{error} {error:?}")
    }

    #[test]
    fn messages_never_contain_the_value() {
        for value in VALUES {
            for field in ["order", "flag", "count"] {
                let text = serde_json::json!({ field: value }).to_string();
                let error = json::deserialize::<Parameters>(text.as_bytes()).unwrap_err();
                assert!(!messages(&error).contains("hunter2") && messages(&error).contains(field), "{error:?}");

                let query = url::form_urlencoded::Serializer::new(String::new()).append_pair(field, value).finish();
                let error = query::parse::<Parameters>(&query).unwrap_err();
                assert!(!messages(&error).contains("hunter2") && messages(&error).contains(field), "{error:?}");
            }
        }
    }

    #[test]
    fn messages_name_the_expected_values() {
        let message = |query: &str| query::parse::<Parameters>(query).unwrap_err().to_string();
        assert_eq!(message("order=x"), "order must be one of asc, desc");
        assert_eq!(message("order=x%2C+expected+%60y%60"), "order must be one of asc, desc");
        assert_eq!(message("other=1&and=2"), "Unknown query parameters: 'other', 'and'");
    }
}
