//! Idempotency keys.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A client's key of a request: 1 to 255 visible ASCII characters or spaces
/// (draft-ietf-httpapi-idempotency-key-header, a string of RFC 8941).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

/// A client's key of a conversation: 1 to 255 visible ASCII characters or spaces.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientKey(String);

/// The text is not a valid key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 255 visible ASCII characters")]
pub struct KeyError;

fn parse(raw: &str) -> Result<String, KeyError> {
    let is_valid = (1..=255).contains(&raw.len()) && raw.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    if is_valid && !raw.trim().is_empty() { Ok(raw.to_owned()) } else { Err(KeyError) }
}

macro_rules! keys {
    ($($name:ident),+) => {$(
        impl $name {
            /// Returns the key.
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

/// A digest of a request's content, which distinguishes a retry from another request with the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// The idempotency of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// Unique among the requests of a user.
    pub key: IdempotencyKey,
    /// The digest of the content.
    pub fingerprint: Fingerprint,
    /// The behaviour if the key was used for another request.
    pub reuse: KeyReuse,
}

/// The behaviour if a key was used for another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyReuse {
    /// Refuses the request. For keys that the client sent as idempotency keys.
    Refuse,
    /// Starts a new turn. For keys that were derived from other data.
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
