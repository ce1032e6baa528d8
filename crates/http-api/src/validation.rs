//! What is said about a body or a query that does not fit, made from what serde says: which field, and what about it,
//! in words for people and without the value, which may be a secret.

use std::collections::BTreeSet;

use serde_path_to_error::Path;

use crate::error::RequestError;

/// At most this many unknown names are named, and at most this many characters of each.
const NAMED: usize = 10;
const NAME_LENGTH: usize = 64;

/// What `said` (serde's words) about the value at `path` means. `given` are the names that were given, `kind` is what
/// they name: a field or a query parameter.
pub(crate) fn misfit<'a>(
    path: &Path,
    said: &str,
    given: impl IntoIterator<Item = &'a str>,
    kind: &str,
) -> RequestError {
    let said = without_place(said);
    // What stands before the last "expected" is what was given, whatever it says itself.
    let (what, expected) = said.rsplit_once(", expected ").unwrap_or((said, ""));
    if what.starts_with("unknown field") {
        return unknown(expected, given, kind);
    }
    for (beginning, about) in [("missing field `", "is required"), ("duplicate field `", "is given more than once")] {
        if let Some(name) = said.strip_prefix(beginning).and_then(|rest| rest.split('`').next()) {
            return RequestError::invalid(name, format!("{name} {about}"));
        }
    }
    let field = path.to_string();
    let is_about_the_value = what.starts_with("invalid ") || what.starts_with("unknown variant");
    let message = match expected {
        "" if is_about_the_value => format!("{field} is not valid"),
        "" if said.starts_with("must ") => format!("{field} {said}"),
        "" => said.to_owned(),
        names if what.starts_with("unknown variant") => {
            format!("{field} must be one of {}", quoted(names).collect::<Vec<_>>().join(", "))
        }
        expected => format!("{field} must be {expected}"),
    };
    RequestError::invalid(&field, message)
}

/// Without the place in the text, with which `serde_json` ends: it helps nobody who sent a field by name.
fn without_place(said: &str) -> &str {
    let is_place = |place: &str| {
        let numbers = place.split_once(" column ").into_iter().flat_map(|(line, column)| [line, column]);
        numbers.filter(|number| number.parse::<usize>().is_ok()).count() == 2
    };
    said.rsplit_once(" at line ").filter(|(_, place)| is_place(place)).map_or(said, |(said, _)| said)
}

fn unknown<'a>(known: &str, given: impl IntoIterator<Item = &'a str>, kind: &str) -> RequestError {
    let known: BTreeSet<&str> = quoted(known).collect();
    let names: Vec<String> = given
        .into_iter()
        .filter(|name| !known.contains(name))
        .take(NAMED)
        .map(|name| name.chars().take(NAME_LENGTH).collect())
        .collect();
    let plural = if names.len() == 1 { "" } else { "s" };
    let list = names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    RequestError::Invalid { field: names.first().cloned(), message: format!("Unknown {kind}{plural}: {list}") }
}

/// The names that serde puts between backticks.
fn quoted(said: &str) -> impl Iterator<Item = &str> {
    said.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::{body, query};

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "they are read, and that fails")]
    struct Wanted {
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

    /// Values that look like parts of what serde says.
    const VALUES: [&str; 7] = [
        "hunter2",
        "hunter2 at line 1",
        "hunter2 at line 1 column 2",
        "hunter2, expected `hunter2`",
        "`hunter2`hunter2`hunter2",
        "must hunter2",
        "missing field `hunter2`",
    ];

    fn said(error: &RequestError) -> String {
        format!("{error} {error:?}")
    }

    #[test]
    fn a_value_is_never_told_whatever_it_looks_like() {
        for value in VALUES {
            for field in ["order", "flag", "count"] {
                let text = serde_json::json!({ field: value }).to_string();
                let fields = body::object(text.as_bytes()).unwrap();
                let error = body::fit::<Wanted>(text.as_bytes(), &fields).unwrap_err();
                assert!(!said(&error).contains("hunter2") && said(&error).contains(field), "{error:?}");

                let query = url::form_urlencoded::Serializer::new(String::new()).append_pair(field, value).finish();
                let error = query::parse::<Wanted>(&query).unwrap_err();
                assert!(!said(&error).contains("hunter2") && said(&error).contains(field), "{error:?}");
            }
        }
    }

    #[test]
    fn what_is_wanted_is_told() {
        let told = |query: &str| query::parse::<Wanted>(query).unwrap_err().to_string();
        assert_eq!(told("order=x"), "order must be one of asc, desc");
        assert_eq!(told("order=x%2C+expected+%60y%60"), "order must be one of asc, desc");
        assert_eq!(told("other=1&and=2"), "Unknown query parameters: 'other', 'and'");
    }
}
