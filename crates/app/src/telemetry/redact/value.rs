//! Where a value is that stands behind its name: in quotes, in brackets, or bare.
//!
//! A text can be quoted in a text that is quoted again, by JSON and by Rust's `Debug`, and both double every backslash and
//! put one before a quotation mark. So at depth n a quotation mark has 2ⁿ - 1 backslashes before it, and those that are
//! deeper have an odd number of times 2ⁿ more.

use std::ops::Range;

/// The longest name before a bracket, in bytes.
const LONGEST_NAME: usize = 100;

/// A value in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// What is between quotation marks, or from one to the end.
    Quoted(Range<usize>),
    /// Something with brackets, such as `Password("x")` or `["x", "y"]`.
    Nested {
        /// Where the first bracket is.
        open: usize,
    },
    /// What goes on to the next space or quotation mark.
    Bare(Range<usize>),
}

/// The value that begins at `start`, if one does. `encoded`: in a form that is encoded itself, where `%26` ends it.
pub(super) fn at(text: &str, start: usize, encoded: bool) -> Option<Value> {
    if let Some(content) = quoted(text, start) {
        return Some(Value::Quoted(content));
    }
    match opening(&text[start..]) {
        Some(length) => Some(Value::Nested { open: start + length }),
        None => Some(start..bare_end(text, start, encoded)).filter(|range| !range.is_empty()).map(Value::Bare),
    }
}

/// What is in the quotation marks of which the first is at `start`.
pub(super) fn quoted(text: &str, start: usize) -> Option<Range<usize>> {
    let rest = &text[start..];
    // Bytes that Rust shows as text.
    let bytes = rest.strip_prefix('b').filter(|rest| rest.trim_start_matches('\\').starts_with('"'));
    let rest = bytes.unwrap_or(rest);
    let inside = rest.trim_start_matches('\\');
    let backslashes = rest.len() - inside.len();
    let mark = inside.chars().next()?;
    let from = text.len() - inside.len() + mark.len_utf8();
    match mark {
        '"' => Some(from..closing(text, from, depth(backslashes))),
        '\'' | '`' => Some(from..text[from..].find(mark).map_or(text.len(), |length| from + length)),
        _ => None,
    }
}

/// Where the value ends whose first bracket is at `open`.
pub(super) fn end_of_nested(text: &str, open: usize) -> usize {
    bare_end(text, balanced(text, open), false)
}

/// Where a header's value ends that has spaces and quotation marks in it: with its line. A line break may be escaped.
pub(super) fn end_of_header(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let ends = |index: &usize| match bytes[*index] {
        b'\r' | b'\n' => true,
        b'\\' => matches!(bytes.get(index + 1), Some(b'r' | b'n')),
        _ => false,
    };
    (start..text.len()).find(ends).unwrap_or(text.len())
}

/// How deep a quotation mark is that has so many backslashes before it.
fn depth(backslashes: usize) -> u32 {
    (backslashes + 1).trailing_zeros()
}

/// Where the content ends that begins at `from`, at this depth. A quotation mark that is less deep ends it too.
fn closing(text: &str, from: usize, within: u32) -> usize {
    let mut backslashes = 0;
    for (index, byte) in text.bytes().enumerate().skip(from) {
        match byte {
            b'\\' => backslashes += 1,
            b'"' if depth(backslashes) <= within => return index - ((1 << depth(backslashes)) - 1),
            _ => backslashes = 0,
        }
    }
    text.len()
}

/// How long the name is before an opening bracket; `None` if there is no bracket.
fn opening(rest: &str) -> Option<usize> {
    let name = |c: char| c.is_ascii_alphanumeric() || "_:<>".contains(c);
    let after = rest.trim_start_matches(name);
    let before_brace = after.strip_prefix(' ').filter(|rest| rest.starts_with('{'));
    let after = before_brace.unwrap_or(after);
    let length = rest.len() - after.len();
    (after.starts_with(['(', '[', '{']) && length <= LONGEST_NAME).then_some(length)
}

/// Where the bracket at `open` is closed; the end of the text if it is not.
pub(super) fn balanced(text: &str, open: usize) -> usize {
    let (mut deep, mut backslashes, mut index) = (0_usize, 0, open);
    let bytes = text.as_bytes();
    while let Some(byte) = bytes.get(index) {
        let before = std::mem::take(&mut backslashes);
        match byte {
            b'\\' => backslashes = before + 1,
            b'"' => {
                let end = closing(text, index + 1, depth(before));
                index = end + text[end..].bytes().take_while(|byte| *byte == b'\\').count();
            }
            b'(' | b'[' | b'{' => deep += 1,
            b')' | b']' | b'}' => deep -= 1,
            _ => {}
        }
        index += 1;
        if deep == 0 {
            return index;
        }
    }
    text.len()
}

/// Where what goes on from `start` ends, without the punctuation at its end.
fn bare_end(text: &str, start: usize, encoded: bool) -> usize {
    let rest = &text[start..];
    let run =
        rest.split(|c: char| c.is_whitespace() || c.is_control() || "\"'`&".contains(c)).next().unwrap_or_default();
    let run = if encoded { run.split("%26").next().unwrap_or_default() } else { run };
    start + run.trim_end_matches([',', ';', ')', ']', '}', '>', '\\']).len()
}
