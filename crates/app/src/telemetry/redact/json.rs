//! Lines of JSON: what is taken out, is taken out of the strings in them, so they stay JSON.

use std::borrow::Cow;

use super::REDACTED;
use super::edits::Edits;
use super::names::Kind;
use super::rules::Rules;
use super::value;

/// A line without secrets. What is no JSON is taken as text.
pub(super) fn line<'a>(rules: &Rules, line: &'a str) -> Cow<'a, str> {
    if !line.starts_with('{') {
        return rules.text(line);
    }
    let mut edits = Edits::new(line);
    let mut kind = None;
    let mut at = 0;
    while let Some(start) = line[at..].find('"').map(|offset| at + offset) {
        let Some(end) = end_of_string(line, start) else {
            // It was cut short, and where it is cut is no JSON whatever is done.
            edits.replace(start..line.len(), &rules.text(&line[start..]));
            break;
        };
        at = end;
        let raw = &line[start..end];
        if line[end..].starts_with(':') {
            kind = rules.names.kind(&raw[1..raw.len() - 1]);
            if let Some(end_of_value) =
                other_value(line, end + 1).filter(|_| kind.is_some_and(|kind| kind != Kind::Word))
            {
                edits.replace(end + 1..end_of_value, &quoted(REDACTED));
                at = end_of_value;
            }
        } else if let Some(string) = string(rules, kind.take(), raw) {
            edits.replace(start..end, &string);
        }
    }
    edits.finish()
}

/// Where the string ends whose quotation mark is at `start`; behind the closing one.
fn end_of_string(line: &str, start: usize) -> Option<usize> {
    let mut escaped = false;
    for (index, byte) in line.bytes().enumerate().skip(start + 1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(index + 1),
            _ => {}
        }
    }
    None
}

/// Where the value at `start` ends if it is a number, a list or an object.
fn other_value(line: &str, start: usize) -> Option<usize> {
    match line[start..].chars().next()? {
        '-' | '0'..='9' => Some(line[start..].find([',', '}', ']']).map_or(line.len(), |length| start + length)),
        '[' | '{' => Some(value::balanced(line, start)),
        _ => None,
    }
}

/// A string, quotation marks and all, without secrets; `None` if it has none. `kind` is the kind of its field's name.
fn string(rules: &Rules, kind: Option<Kind>, raw: &str) -> Option<String> {
    let inside = &raw[1..raw.len() - 1];
    let text: Cow<'_, str> = if inside.contains('\\') {
        match serde_json::from_str::<String>(raw) {
            Ok(text) => text.into(),
            // What cannot be read cannot be looked through.
            Err(_) => return Some(quoted(REDACTED)),
        }
    } else {
        inside.into()
    };
    if kind.is_some_and(|kind| kind.hides(&text)) {
        return Some(quoted(REDACTED));
    }
    match rules.text(&text) {
        Cow::Borrowed(_) => None,
        Cow::Owned(safe) => Some(quoted(&safe)),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
