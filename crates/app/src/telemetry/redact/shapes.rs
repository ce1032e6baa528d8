//! Secrets that are recognized by their shape, and headers that are recognized by their name.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

const REDACTED: &str = "[redacted]";

/// One alternative per shape, with a group around the secret. A group matches neither a quotation mark nor a part of an
/// escape sequence, so a line of JSON remains valid. Word boundaries are of ASCII, because Unicode ones make the regex a
/// hundred times slower.
const SHAPES: &str = r#"(?x)
    # Headers whose whole value is secret: `"name":"value"` or `("name", "value")`, and `name: value` or `name=value`.
    (?i: authorization | cookie | x-api-key | idempotency-key ) (?:
        \\*["'] \s* [:,] \s* \\*["'] ( [^"'\\\r\n]+ ) | \s* [:=] \s* (?:\\*["'])? ( [^\s"'\\] [^"\\\r\n]* ) )
    # JWT (RFC 7515, 7.1): base64url parts, of which the first is JSON that begins with {".
    | ( eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,4} )
    # Tokens and codes of Doable, keys of OpenAI, OAuth clients of Google. Their prefixes are not secret.
    | (?: dbl[a-z]?_ | (?:(?-u:\b)|\\[nrt0])sk- | GOCSPX- ) ( [A-Za-z0-9_-]{6,} )
    # Password hashes in the PHC string format.
    | \$argon2[a-z]*\$ ( [^\s"'\\]+ )
    # RFC 6750, 2.1 and RFC 7617, 2. A word of lower-case letters after "bearer" or "basic" is prose.
    | (?:(?-u:\b)|\\[nrt0]) (?i:bearer|basic)(?:\s|%20|\+)+ ( [A-Za-z0-9._~+/-]*[A-Z0-9_~+/-][A-Za-z0-9._~+/-]*=* )
"#;

/// The password in the user information of a URL (RFC 3986, 3.2.1), with characters that should have been escaped. A number
/// between a colon and a path is a port. Searched for separately from [`SHAPES`], so that the time is linear.
const URL_PASSWORD: &str = r#"(?x)
    [A-Za-z][A-Za-z0-9+.-]*://[^\s/?\#"'`\\@:<>\[]*:(
        (?: [0-9]{1,5}(?:[^0-9\s/?\#"'`<>@][^\s"'`<>]*)? | [0-9]{6}[^\s"'`<>]* | [^0-9\s"'`<>@][^\s"'`<>]* ) )@
"#;

static PATTERNS: LazyLock<[Regex; 2]> = LazyLock::new(|| [URL_PASSWORD, SHAPES].map(compile));

#[expect(clippy::expect_used, reason = "the patterns are constants, and every test of this module compiles them")]
fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is valid")
}

/// Returns the text with its secrets replaced. The time is linear in the length of the text.
pub(super) fn redact(text: &str) -> Cow<'_, str> {
    PATTERNS.iter().fold(Cow::Borrowed(text), |text, pattern| match pattern.replace_all(&text, replacement) {
        Cow::Borrowed(_) => text,
        Cow::Owned(redacted) => redacted.into(),
    })
}

/// The match without its secret.
fn replacement(found: &Captures<'_>) -> String {
    let (all, secret) = (found.get_match(), found.iter().skip(1).flatten().next());
    let Some(secret) = secret else { return all.as_str().to_owned() };
    let (before, after) = (secret.start() - all.start(), secret.end() - all.start());
    format!("{}{REDACTED}{}", &all.as_str()[..before], &all.as_str()[after..])
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::{Value, json};

    use super::*;

    /// Texts in which `MARK` is a secret, and the redacted texts.
    const SECRETS: [(&str, &str); 29] = [
        ("Authorization: Bearer MARK", "Authorization: [redacted]"),
        ("authorization: Basic MARK==\r\nhost: x", "authorization: [redacted]\r\nhost: x"),
        (r#"{"authorization": "Bearer MARK", "host": "x"}"#, r#"{"authorization": "[redacted]", "host": "x"}"#),
        (r#"("authorization", "Bearer MARK")"#, r#"("authorization", "[redacted]")"#),
        (r#"[("x-api-key", "MARK"), ("host", "x")]"#, r#"[("x-api-key", "[redacted]"), ("host", "x")]"#),
        (r#"{\"cookie\":\"MARK\",\"x\":1}"#, r#"{\"cookie\":\"[redacted]\",\"x\":1}"#),
        ("x-api-key: MARK", "x-api-key: [redacted]"),
        ("Cookie: a=MARK; b=MARK\\r\\nHost: x", "Cookie: [redacted]\\r\\nHost: x"),
        (r#""set-cookie": "doable_sign_in=MARK; HttpOnly""#, r#""set-cookie": "[redacted]""#),
        ("Idempotency-Key: MARK", "Idempotency-Key: [redacted]"),
        ("sent Bearer MARK to it", "sent Bearer [redacted] to it"),
        ("sent\\nbearer MARK", "sent\\nbearer [redacted]"),
        ("Bearer%20MARK", "Bearer%20[redacted]"),
        ("sent Basic YWRhOk1BUks=", "sent Basic [redacted]"),
        ("the key sk-MARK is refused", "the key sk-[redacted] is refused"),
        ("the key\\nsk-MARK", "the key\\nsk-[redacted]"),
        ("GOCSPX-MARK", "GOCSPX-[redacted]"),
        ("it was dbl_MARK.", "it was dbl_[redacted]."),
        ("/auth/tokens/dblr_MARK", "/auth/tokens/dblr_[redacted]"),
        ("dblc_MARK, dbls_MARK", "dblc_[redacted], dbls_[redacted]"),
        ("it was eyJhbGciOiJI.eyJzdWIiOiJ.MARK!", "it was [redacted]!"),
        ("it was eyJhbGciOiJI.MARK cut", "it was [redacted] cut"),
        ("x$argon2id$v=19$m=1,t=1,p=1$MARK$MARK y", "x$argon2id$[redacted] y"),
        ("postgres://ada:MARK@db:5432/todo", "postgres://ada:[redacted]@db:5432/todo"),
        ("at postgres://ada:MA/R@K@db/todo now", "at postgres://ada:[redacted]@db/todo now"),
        ("redis://:MARK@h", "redis://:[redacted]@h"),
        ("http://u:1@h", "http://u:[redacted]@h"),
        ("postgres://ada:123456@h", "postgres://ada:[redacted]@h"),
        ("https://ada:MARK@h/?x=dbl_MARK", "https://ada:[redacted]@h/?x=dbl_[redacted]"),
    ];

    fn with_mark(text: &str) -> String {
        text.replace("MARK", "Hunter-2_marked")
    }

    #[test]
    fn secrets_are_redacted() {
        for (text, expected) in SECRETS {
            assert_eq!(redact(&with_mark(text)), expected, "{text}");
            assert_eq!(redact(expected), expected, "a second time");
        }
    }

    #[test]
    fn a_line_of_json_stays_valid() {
        for (text, expected) in SECRETS {
            let line = json!({ "fields": { "message": with_mark(text), "n": 1 }, "target": "app" }).to_string();
            let redacted: Value = serde_json::from_str(&redact(&line)).unwrap();
            assert_eq!(redacted, json!({ "fields": { "message": expected, "n": 1 }, "target": "app" }), "{line}");
        }
    }

    #[test]
    fn ordinary_lines_are_not_changed() {
        for text in [
            "2026-01-01T00:00:00.000001Z  WARN identity::token: the clock went back",
            "the bearer token cannot be read",
            "no bearer token: a header is missing",
            r#"WWW-Authenticate: Bearer realm="doable", error="invalid_token""#,
            "Basic authentication is not supported",
            "password authentication failed for user \"ada\"",
            "at http://localhost:11434/v1/@latest?x=a@b, http://[::1]:8000/a@b",
            "postgres://me@db/todo",
            "task-management, a risk-free disk-image; sk-SK",
            r#"{"cookie":null,"authorization":"","n":"x"}"#,
        ] {
            assert!(matches!(redact(text), Cow::Borrowed(same) if same == text), "{text}: {}", redact(text));
        }
    }

    #[test]
    fn a_long_line_that_is_built_to_be_slow_takes_linear_time() {
        for piece in ["a://b:", "eyJ", "bearer ", "cookie: \\", "x$argon2id$", "dbl_", "authorization=\""] {
            let text = piece.repeat(512 * 1024 / piece.len());
            let started = Instant::now();
            drop(redact(&text));
            assert!(started.elapsed() < Duration::from_secs(20), "{piece}: {:?}", started.elapsed());
        }
    }
}
