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
    // serde_json ends with the place in the text, which helps nobody who sent a field by name.
    let said = said.rsplit_once(" at line ").map_or(said, |(said, _)| said);
    if said.starts_with("unknown field") {
        return unknown(said, given, kind);
    }
    for (beginning, about) in [("missing field `", "is required"), ("duplicate field `", "is given more than once")] {
        if let Some(name) = said.strip_prefix(beginning).and_then(|rest| rest.split('`').next()) {
            return RequestError::invalid(name, format!("{name} {about}"));
        }
    }
    let field = path.to_string();
    let message = match said.rsplit_once(", expected ") {
        Some((what, _)) if what.starts_with("unknown variant") => {
            format!("{field} must be one of {}", quoted(said).skip(1).collect::<Vec<_>>().join(", "))
        }
        Some((what, expected)) if what.starts_with("invalid ") => format!("{field} must be {expected}"),
        _ if said.starts_with("must ") => format!("{field} {said}"),
        _ => said.to_owned(),
    };
    RequestError::invalid(&field, message)
}

fn unknown<'a>(said: &str, given: impl IntoIterator<Item = &'a str>, kind: &str) -> RequestError {
    let known: BTreeSet<&str> =
        said.rsplit_once(", expected ").map(|(_, known)| quoted(known).collect()).unwrap_or_default();
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
