//! The id of one request.

use std::fmt;
use std::str::FromStr;

/// A request's id: 1 to 128 characters out of letters, digits and `-_.:/+=@`.
///
/// Nothing in it can break a log line or a header.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(String);

impl RequestId {
    /// Maximum length in characters.
    pub const MAX: usize = 128;

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is no [`RequestId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 128 letters, digits or '-_.:/+=@'")]
pub struct RequestIdError;

impl FromStr for RequestId {
    type Err = RequestIdError;
    fn from_str(raw: &str) -> Result<Self, RequestIdError> {
        let sane = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&b);
        if (1..=Self::MAX).contains(&raw.len()) && raw.bytes().all(sane) {
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
        for sane in ["a", "01HF-x_y.z:1/2+3=@"] {
            assert_eq!(sane.parse::<RequestId>().unwrap().as_str(), sane);
        }
        for bad in ["", "a b", "a\nb", "a\r\nX-Evil: 1", "\u{1b}[31m", "é", &"x".repeat(129)] {
            assert_eq!(bad.parse::<RequestId>(), Err(RequestIdError), "{bad:?}");
        }
    }
}
