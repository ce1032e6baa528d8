//! Secrets that can be told wherever they turn up: those that a test makes begin with [`SIGN`], and those that a server
//! gives out are remembered.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

/// What every secret that is made here begins with. It stays as it is in JSON, in a URL and in Rust's `Debug`.
pub const SIGN: &str = "mArKeD";

/// The secrets of a test.
pub struct Marks {
    made: usize,
    known: BTreeSet<String>,
    /// What the server's tokens, codes and cookies look like.
    issued: Regex,
}

impl Marks {
    pub fn new() -> anyhow::Result<Self> {
        let issued =
            Regex::new(r"dbl[a-z]?_[\w-]{20,}|eyJ[\w-]{10,}(?:\.[\w-]+)+|(?:[?&](?:code|state|nonce)=)([^&#\s]{16,})")?;
        Ok(Self { made: 0, known: BTreeSet::new(), issued })
    }

    /// A new secret, of which `what` says where it is put.
    pub fn make(&mut self, what: &str) -> String {
        self.made += 1;
        format!("{SIGN}-{what}-{}", self.made)
    }

    /// Remembers a secret without the sign.
    pub fn add(&mut self, secret: &str) {
        self.known.insert(secret.to_owned());
    }

    /// Remembers what a server gives out in `text`.
    pub fn issued_in(&mut self, text: &str) {
        for found in self.issued.captures_iter(text) {
            let secret = found.get(1).or(found.get(0)).map_or("", |secret| secret.as_str());
            self.known.insert(secret.to_owned());
        }
    }

    /// How many secrets a server gave out, or were added.
    pub fn known(&self) -> usize {
        self.known.len()
    }

    /// Whether a secret that was made here is in `text`.
    pub fn made_in(text: &str) -> bool {
        text.contains(SIGN)
    }

    /// The secrets that are in `text`.
    pub fn found_in<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a str> {
        let made = text.match_indices(SIGN).map(|(at, _)| &text[at..]);
        let made = made.map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap_or(rest));
        made.chain(self.known.iter().map(String::as_str).filter(|secret| text.contains(secret)))
    }
}

/// Whether a field's name or its schema says that its value is secret.
pub fn is_secret(name: &str, schema: &Value) -> bool {
    let name = name.to_lowercase();
    let named =
        ["password", "token", "secret", "code", "state", "nonce", "key", "link"].iter().any(|word| name.contains(word));
    named || schema["format"] == "password" || schema["writeOnly"] == true
}
