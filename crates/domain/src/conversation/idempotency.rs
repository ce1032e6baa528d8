//! What makes the same request twice one turn.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A client's name for one request: 1 to 255 visible ASCII characters or spaces
/// (draft-ietf-httpapi-idempotency-key-header, where it is a string of RFC 8941).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

/// A client's name for a conversation: 1 to 255 visible ASCII characters or spaces.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientKey(String);

/// The text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 255 visible ASCII characters")]
pub struct KeyError;

fn parse(raw: &str) -> Result<String, KeyError> {
    let sane = (1..=255).contains(&raw.len()) && raw.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    if sane && !raw.trim().is_empty() { Ok(raw.to_owned()) } else { Err(KeyError) }
}

macro_rules! keys {
    ($($name:ident),+) => {$(
        impl $name {
            /// The key as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = KeyError;
            fn from_str(raw: &str) -> Result<Self, KeyError> {
                parse(raw).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = KeyError;
            fn try_from(raw: String) -> Result<Self, KeyError> {
                raw.parse()
            }
        }

        impl From<$name> for String {
            fn from(key: $name) -> Self {
                key.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

keys!(IdempotencyKey, ClientKey);

/// A digest of what a request asks for: two requests with one key are the same if it is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// How a request says that it may have been sent before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// Its name, unique among the requests of one user.
    pub key: IdempotencyKey,
    /// What it asks for.
    pub fingerprint: Fingerprint,
    /// What happens if the key was used for something else.
    pub reuse: KeyReuse,
}

/// What happens if a key was used for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyReuse {
    /// The request is refused: the client chose the key for this purpose.
    Refuse,
    /// The request is taken for another one: the key was only inferred.
    StartNew,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_1_to_255_visible_characters() {
        for key in ["a", "8e03978e-40d5-43e8-bc93-6894a57f9324", "a b", &"x".repeat(255)] {
            assert_eq!(key.parse::<IdempotencyKey>().map(String::from).as_deref(), Ok(key));
        }
        for key in ["", " ", "é", "a\nb", "a\0", &"x".repeat(256)] {
            assert_eq!(key.parse::<ClientKey>(), Err(KeyError), "{key:?}");
        }
    }
}
