//! Secrets that are told by what they look like, whatever stands before them.

use std::borrow::Cow;

use regex::{Captures, Match, Regex};

use super::REDACTED;
use super::edits::Edits;

/// One alternative for each kind; the group in it is what is taken out. A word may come right after what escapes a line
/// break, such as `\n`. Words are of ASCII: with others the library falls back on a way that is a hundred times slower.
const SHAPES: &str = r#"(?x)
    # Three parts of base64url, of which the first is JSON that begins with {" (RFC 7515, 7.1); five if it is encrypted.
    (?<jwt> eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,4} )
    # Our own tokens and codes, and the keys of OpenAI and of Google's clients. What they begin with may be told.
    | dbl[a-z]?_(?<ours> [A-Za-z0-9_-]{6,} )
    | (?:(?-u:\b)|\\[nrt0]) sk-(?<sk> [A-Za-z0-9_-]{6,} )
    | GOCSPX-(?<google> [A-Za-z0-9_-]{6,} )
    # A hash of a password, in the PHC string format.
    | \$argon2[a-z]*\$(?<hash> [^\s"'\\]+ )
    # RFC 6750, 2.1 and RFC 7617, 2. In a URL a space has another form.
    | (?:(?-u:\b)|\\[nrt0]) (?i:bearer)(?:\s|%20|\+)+(?<bearer> [^\s"'`,;\\<>]+ )
    | (?:(?-u:\b)|\\[nrt0]) (?i:basic)(?:\s|%20|\+)+(?<basic> [^\s"'`,;\\<>]+ )
"#;

/// What follows the colon in a URL's user information (RFC 3986, 3.2.1), with characters that ought to be escaped. A colon
/// with a number and a path behind it is a port's. Searched for alone: where a URL may have begun, it takes the rest of the
/// text to tell that it has not, and that must not be found out again for every other secret there.
const URLS: &str = r#"(?x)
    [A-Za-z][A-Za-z0-9+.-]*://[^\s/?\#"'`\\@:<>\[]*:(?<password>
        (?: [0-9]{1,5}(?:[^0-9\s/?\#"'`<>@][^\s"'`<>]*)? | [0-9]{6}[^\s"'`<>]* | [^0-9\s"'`<>@][^\s"'`<>]* ) )@
"#;

const KINDS: [&str; 8] = ["jwt", "ours", "sk", "google", "hash", "password", "bearer", "basic"];

/// What follows "bearer" where no token is meant: in our own words, and in `WWW-Authenticate` (RFC 6750, 3).
const NO_BEARER_TOKENS: [&str; 3] = ["token", "tokens", "authentication"];
const NO_BEARER_PARAMETERS: [&str; 3] = ["realm=", "error=", "scope="];

/// Finds them.
pub(super) struct Shapes {
    shapes: Regex,
    urls: Regex,
}

impl Shapes {
    pub(super) fn new() -> Result<Self, regex::Error> {
        Ok(Self { shapes: Regex::new(SHAPES)?, urls: Regex::new(URLS)? })
    }

    pub(super) fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match redact(&self.urls, text) {
            Cow::Borrowed(text) => redact(&self.shapes, text),
            Cow::Owned(text) => Cow::Owned(redact(&self.shapes, &text).into_owned()),
        }
    }
}

fn redact<'a>(shapes: &Regex, text: &'a str) -> Cow<'a, str> {
    let mut edits = Edits::new(text);
    for found in shapes.captures_iter(text) {
        if let Some((kind, secret)) = kind(&found)
            && is_secret(kind, secret.as_str())
        {
            edits.replace(secret.range(), REDACTED);
        }
    }
    edits.finish()
}

fn kind<'a>(found: &Captures<'a>) -> Option<(&'static str, Match<'a>)> {
    KINDS.into_iter().find_map(|kind| Some((kind, found.name(kind)?)))
}

fn is_secret(kind: &str, text: &str) -> bool {
    let word = text.trim_end_matches([':', '.', ')']);
    match kind {
        "bearer" => {
            !NO_BEARER_TOKENS.iter().any(|known| word.eq_ignore_ascii_case(known))
                && !NO_BEARER_PARAMETERS.iter().any(|known| text.starts_with(known))
        }
        // "Basic authentication" is a word, and what is encoded hardly ever looks like one.
        "basic" => !word.chars().skip(1).all(|c| c.is_ascii_lowercase()),
        _ => true,
    }
}
