//! Ids of requests.

use std::fmt;
use std::str::FromStr;

/// The id of a request: 1 to 128 letters, digits or `-_.:/+=@`, which are safe in log lines and headers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(String);

impl RequestId {
    /// Maximum length in characters.
    pub const MAX: usize = 128;

    /// Returns the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not a [`RequestId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 128 letters, digits or '-_.:/+=@'")]
pub struct RequestIdError;

impl FromStr for RequestId {
    type Err = RequestIdError;
    fn from_str(raw: &str) -> Result<Self, RequestIdError> {
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&b);
        if (1..=Self::MAX).contains(&raw.len()) && raw.bytes().all(is_allowed) {
            Ok(Self(raw.to_owned()))
        } else {
            Err(RequestIdError)
        }
    }
}

impl From<uuid::Uuid> for RequestId {
    fn from(id: uuid::Uuid) -> Self {
        Self(id.hyphenated().to_string())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_cannot_forge_a_log_line_or_a_header() {
        for valid in ["a", "01HF-x_y.z:1/2+3=@"] {
            assert_eq!(valid.parse::<RequestId>().unwrap().as_str(), valid);
        }
        for invalid in ["", "a b", "a\nb", "a\r\nX-Evil: 1", "\u{1b}[31m", "é", &"x".repeat(129)] {
            assert_eq!(invalid.parse::<RequestId>(), Err(RequestIdError), "{invalid:?}");
        }
    }
}
