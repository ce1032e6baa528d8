//! Recognizable secrets: those of the test begin with [`PREFIX`], and those issued by the server are recorded.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

/// Prefix of every secret of the test. It is the same in JSON, in a URL and in Rust's `Debug`.
pub const PREFIX: &str = "mArKeD";

/// The secrets of a test.
pub struct Marks {
    created: usize,
    /// Secrets without the prefix.
    known: BTreeSet<String>,
    /// The form of the server's tokens, codes and cookies.
    issued: Regex,
}

impl Marks {
    pub fn new() -> anyhow::Result<Self> {
        let issued =
            Regex::new(r"dbl[a-z]?_[\w-]{20,}|eyJ[\w-]{10,}(?:\.[\w-]+)+|(?:[?&](?:code|state|nonce)=)([^&#\s]{16,})")?;
        Ok(Self { created: 0, known: BTreeSet::new(), issued })
    }

    /// Creates a secret. `what` names its place in a request.
    pub fn create(&mut self, what: &str) -> String {
        self.created += 1;
        format!("{PREFIX}-{what}-{}", self.created)
    }

    /// Records a secret without the prefix.
    pub fn add(&mut self, secret: &str) {
        self.known.insert(secret.to_owned());
    }

    /// Records the secrets that the server issues in `text`.
    pub fn record_issued(&mut self, text: &str) {
        for found in self.issued.captures_iter(text) {
            let secret = found.get(1).or(found.get(0)).map_or("", |secret| secret.as_str());
            self.known.insert(secret.to_owned());
        }
    }

    /// Number of recorded secrets.
    pub fn known(&self) -> usize {
        self.known.len()
    }

    /// Whether `text` contains a secret of the test.
    pub fn created_in(text: &str) -> bool {
        text.contains(PREFIX)
    }

    /// The secrets in `text`.
    pub fn found_in<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a str> {
        let created = text.match_indices(PREFIX).map(|(at, _)| &text[at..]);
        let created =
            created.map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap_or(rest));
        created.chain(self.known.iter().map(String::as_str).filter(|secret| text.contains(secret)))
    }
}

/// Whether the name or the schema of a field marks its value as secret.
pub fn is_secret(name: &str, schema: &Value) -> bool {
    let name = name.to_lowercase();
    let named =
        ["password", "token", "secret", "code", "state", "nonce", "key", "link"].iter().any(|word| name.contains(word));
    named || schema["format"] == "password" || schema["writeOnly"] == true
}
