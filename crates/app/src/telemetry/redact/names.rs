//! Secrets that are told by their names: headers, fields of bodies and of Rust's values, parameters, settings.

use std::borrow::Cow;
use std::ops::Range;

use domain::turn::FailureCode;
use regex::{Captures, Match, Regex};

use super::REDACTED;
use super::edits::Edits;
use super::value::{self, Value};

/// Names end like this. What is no name of a secret by itself has to be a whole one.
const NAMES: &str = r"(?xi)
    (?: (?<header> authorization | cookie )
      | (?<secret> pass(?:word|wd|phrase) | pwd | secret | token | bearer | jwt | (?:code|pkce)_?verifier
            | (?:api|secret|private|signing|encryption|access|idempotency)[_-]?key )
      | (?:(?-u:\b)|\\[nrt0]|%[0-9a-f]{2}) (?<word> (?:auth(?:orization)?[_-]?)?code | state | nonce ) )
";

/// What stands between a name and its value: `: `, `=`, `":"` with as many backslashes as the text is deep in other texts,
/// `%3D`; `("name", "value")`, and `Name("value")`.
const SEPARATOR: &str = r#"(?xi) (?<separator> \\*["'`]? \s* (?: => | [=:,(] | %3d ) \s* )"#;

/// How a sentence goes on that is about a secret and does not tell it.
const SENTENCE: [&str; 34] = [
    "a", "an", "the", "this", "that", "it", "its", "is", "are", "was", "has", "had", "must", "may", "can", "cannot",
    "could", "should", "will", "does", "no", "not", "none", "too", "at", "of", "for", "invalid", "expired", "missing",
    "required", "unknown", "empty", "wrong",
];

/// How surely a name is a secret's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A header whose whole line is secret.
    Header,
    /// A secret.
    Secret,
    /// A word that is a secret's name in OAuth (RFC 6749) and has other meanings.
    Word,
}

/// A name that was found, and what tells what its value is.
struct Name<'a> {
    text: &'a str,
    kind: Kind,
    /// Where it begins.
    start: usize,
    /// What stands between it and its value.
    separator: Range<usize>,
}

/// Finds names.
pub(super) struct Names {
    in_text: Regex,
    whole: Regex,
}

impl Names {
    pub(super) fn new() -> Result<Self, regex::Error> {
        let in_text = Regex::new(&format!("(?:{NAMES}){SEPARATOR}"))?;
        let whole = Regex::new(&format!("(?:{NAMES})$"))?;
        Ok(Self { in_text, whole })
    }

    /// What kind of name a field's name is, if it is a secret's.
    pub(super) fn kind(&self, field: &str) -> Option<Kind> {
        Some(kind(&self.whole.captures(field)?)?.0)
    }

    /// A text without the values of such names.
    pub(super) fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut edits = Edits::new(text);
        let mut at = 0;
        while let Some(found) = self.in_text.captures_at(text, at) {
            let (Some((kind, name)), Some(separator)) = (kind(&found), found.name("separator")) else { break };
            let name = Name { text, kind, start: name.start(), separator: separator.range() };
            at = name.separator.end;
            if let Some(secret) = name.secret() {
                edits.replace(secret.clone(), REDACTED);
                at = secret.end;
            }
        }
        edits.finish()
    }
}

fn kind<'a>(found: &Captures<'a>) -> Option<(Kind, Match<'a>)> {
    let kinds = [("header", Kind::Header), ("secret", Kind::Secret), ("word", Kind::Word)];
    kinds.into_iter().find_map(|(group, kind)| Some((kind, found.name(group)?)))
}

impl Kind {
    /// Whether a text that is the whole value of a field is secret.
    pub(super) fn hides(self, text: &str) -> bool {
        let nothing = is_nothing(text);
        !nothing && (self != Self::Word || !is_code(text))
    }
}

impl Name<'_> {
    /// Where its value is, if that is to be taken out. Whatever is not, is short, or is not looked through, so that a text
    /// of nothing but names takes no more time than another.
    fn secret(&self) -> Option<Range<usize>> {
        if self.is_part() {
            return None;
        }
        let sign = self.separator().trim_matches(|c: char| c.is_whitespace() || is_quote(c));
        if matches!(sign, "(" | ",") {
            return self.quoted(sign, value::quoted(self.text, self.separator.end)?);
        }
        match value::at(self.text, self.separator.end, sign.starts_with('%'))? {
            Value::Quoted(content) => self.quoted(sign, content),
            Value::Nested { open } if self.kind == Kind::Word && !(self.is_field() && open == self.separator.end) => {
                self.in_some(open + 1)
            }
            // The value of a header may go on behind what is redacted already.
            Value::Nested { open } if self.is_line() && self.text[open..].starts_with(REDACTED) => {
                self.bare(sign, open..open + REDACTED.len())
            }
            Value::Nested { open } => Some(self.separator.end..value::end_of_nested(self.text, open)),
            Value::Bare(range) => self.bare(sign, range),
        }
    }

    fn separator(&self) -> &str {
        &self.text[self.separator.clone()]
    }

    /// Whether it is a part of another name: of a path of Rust, which stands right before the message in a line for people
    /// (`one::two::name: `), or of a word with hyphens, if it has to be a word of its own.
    fn is_part(&self) -> bool {
        let before = &self.text[..self.start];
        let path = before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').ends_with("::");
        let in_path = path || self.text[self.separator.end..].starts_with(':');
        (self.separator().starts_with(':') && in_path) || (self.kind == Kind::Word && before.ends_with('-'))
    }

    /// Whether it is a header that stands for itself, not as a field of something.
    fn is_line(&self) -> bool {
        self.kind == Kind::Header && !self.is_field()
    }

    /// Whether it is in quotation marks, as in JSON.
    fn is_field(&self) -> bool {
        self.separator().starts_with(is_quote)
    }

    fn quoted(&self, sign: &str, content: Range<usize>) -> Option<Range<usize>> {
        let told = &self.text[content.clone()];
        let after = self.text[content.end..].trim_start_matches(is_quote);
        let fits = match sign {
            "(" => self.kind != Kind::Word,
            "," => self.kind != Kind::Word && self.begins_pair() && after.starts_with(')'),
            // SQL compares columns: "name" = "table"."name".
            "=" => !(self.is_field() && after.starts_with('.')),
            _ => true,
        };
        (fits && self.kind.hides(told)).then_some(content)
    }

    /// Whether it is quoted and stands behind a bracket, as in `("name", "value")`.
    fn begins_pair(&self) -> bool {
        let before = &self.text[..self.start];
        let before = before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || "_-".contains(c));
        before.ends_with(is_quote) && before.trim_end_matches(is_quote).ends_with('(')
    }

    fn bare(&self, sign: &str, range: Range<usize>) -> Option<Range<usize>> {
        let told = &self.text[range.clone()];
        let prose = sign == ":" && self.separator().ends_with(char::is_whitespace);
        let hidden = match self.kind {
            _ if is_nothing(told) => false,
            Kind::Word => self.is_parameter(range.end) || !is_word(told, sign),
            Kind::Header | Kind::Secret => !(prose && goes_on(told)),
        };
        let end = |from: usize| if self.is_line() { value::end_of_header(self.text, from) } else { range.end };
        hidden.then(|| range.start..end(range.start))
    }

    /// What is in `Some(…)`.
    fn in_some(&self, inside: usize) -> Option<Range<usize>> {
        if !self.text[..inside].ends_with("Some(") {
            return None;
        }
        match value::at(self.text, inside, false)? {
            Value::Quoted(content) if self.kind.hides(&self.text[content.clone()]) => Some(content),
            Value::Bare(range) if !is_word(&self.text[range.clone()], ":") => Some(range),
            _ => None,
        }
    }

    /// Whether it is a parameter of a query or a form, and its value ends at `end`.
    fn is_parameter(&self, end: usize) -> bool {
        let encoded = self.separator().ends_with(['D', 'd']);
        encoded || self.text[..self.start].ends_with(['?', '&']) || self.text[end..].starts_with('&')
    }
}

fn is_quote(c: char) -> bool {
    matches!(c, '\\' | '"' | '\'' | '`')
}

/// Whether a value is none: of Rust, of JSON, or a place in a statement of SQL.
fn is_nothing(text: &str) -> bool {
    let place = text.strip_prefix('$').is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    place || matches!(text, "" | "None" | "null" | "true" | "false" | "?")
}

/// Whether a code is one of a failure: of our API, of a turn, of SQL (SQLSTATE), or a number.
fn is_code(text: &str) -> bool {
    let all = |of: fn(&u8) -> bool| text.bytes().all(|byte| of(&byte));
    let upper = (2..=40).contains(&text.len()) && all(|byte| byte.is_ascii_uppercase() || *byte == b'_');
    let sqlstate = text.len() == 5 && all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let number = text.len() <= 5 && all(u8::is_ascii_digit);
    upper || sqlstate || number || FailureCode::from_name(text).is_some()
}

/// Whether a value without quotes is no secret but a code, or a word: of prose or the name of a variant.
fn is_word(text: &str, sign: &str) -> bool {
    is_code(text) || (sign == ":" && text.len() <= 24 && text.chars().all(char::is_alphabetic))
}

fn goes_on(text: &str) -> bool {
    SENTENCE.iter().any(|word| text.trim_end_matches(['.', ':']).eq_ignore_ascii_case(word))
}
