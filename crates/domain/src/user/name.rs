//! Display names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::text::{self, is_blank};
use crate::user::Email;

/// The name of a person: trimmed, 1 to 100 characters, no control characters, at least one visible character.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DisplayName(String);

impl DisplayName {
    /// Maximum length in characters.
    pub const MAX: usize = 100;

    /// Returns the default name: the local part of the email address.
    pub fn from_email(email: &Email) -> Self {
        let local: String = email.local_part().chars().take(Self::MAX).collect();
        if is_blank(&local) { Self(email.normalized().as_str().chars().take(Self::MAX).collect()) } else { Self(local) }
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not a [`DisplayName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 100 characters, none of them a control character")]
pub struct DisplayNameError;

impl FromStr for DisplayName {
    type Err = DisplayNameError;
    fn from_str(raw: &str) -> Result<Self, DisplayNameError> {
        text::name(raw, Self::MAX).map(|name| Self(name.to_owned())).ok_or(DisplayNameError)
    }
}

impl TryFrom<String> for DisplayName {
    type Error = DisplayNameError;
    fn try_from(raw: String) -> Result<Self, DisplayNameError> {
        raw.parse()
    }
}

impl From<DisplayName> for String {
    fn from(name: DisplayName) -> Self {
        name.0
    }
}

impl fmt::Display for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_1_to_100_visible_characters() {
        assert_eq!(" Ada ".parse::<DisplayName>().unwrap().as_str(), "Ada");
        for text in ["", " ", "\u{200B}", "a\nb", &"x".repeat(101)] {
            assert_eq!(text.parse::<DisplayName>(), Err(DisplayNameError), "{text:?}");
        }
    }

    #[test]
    fn the_default_name_is_the_local_part() {
        assert_eq!(DisplayName::from_email(&"ada@example.com".parse().unwrap()).as_str(), "ada");
    }
}
