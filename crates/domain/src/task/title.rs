//! Titles of tasks.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::text::{NormalizedText, is_blank};

/// The title of a task: trimmed, 1 to 500 characters (Unicode scalar values), no control characters, at least one visible
/// character. A tab, which texts from spreadsheets contain, becomes a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Title(String);

impl Title {
    /// Maximum length in characters.
    pub const MAX: usize = 500;

    /// Returns the title.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the form for comparison.
    pub fn normalized(&self) -> NormalizedText {
        NormalizedText::new(&self.0)
    }
}

/// Reasons why a text is not a [`Title`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TitleError {
    /// The text is empty or invisible.
    #[error("Task title cannot be empty")]
    Empty,
    /// The text is too long.
    #[error("Task title cannot be longer than {} characters (this one has {length})", Title::MAX)]
    TooLong {
        /// The length in characters.
        length: usize,
    },
    /// The text contains a control character, such as a line break.
    #[error("Task title cannot contain control characters")]
    ControlCharacter,
}

impl FromStr for Title {
    type Err = TitleError;
    fn from_str(raw: &str) -> Result<Self, TitleError> {
        let title = raw.trim();
        match title.chars().count() {
            0 => Err(TitleError::Empty),
            length if length > Self::MAX => Err(TitleError::TooLong { length }),
            _ if title.chars().any(|c| c.is_control() && c != '\t') => Err(TitleError::ControlCharacter),
            _ if is_blank(title) => Err(TitleError::Empty),
            _ => Ok(Self(title.replace('\t', " "))),
        }
    }
}

impl TryFrom<String> for Title {
    type Error = TitleError;
    fn try_from(raw: String) -> Result<Self, TitleError> {
        raw.parse()
    }
}

impl From<Title> for String {
    fn from(title: Title) -> Self {
        title.0
    }
}

impl fmt::Display for Title {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_trimmed_and_otherwise_kept_byte_for_byte() {
        for text in
            ["buy milk", "🧑\u{200D}🚀 prep", "‏שלום‏ milk", "cafe\u{301}", "<script>alert(1)</script>", "100% _done_ \\"]
        {
            assert_eq!(format!("  {text}\t").parse::<Title>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn an_invisible_title_is_empty() {
        for text in ["", "   ", "\u{200B}", "\u{200D}\u{FEFF}", "\u{3164}", "\n"] {
            assert_eq!(text.parse::<Title>(), Err(TitleError::Empty), "{text:?}");
        }
    }

    #[test]
    fn length_counts_characters_not_bytes() {
        assert!("é".repeat(500).parse::<Title>().is_ok());
        assert_eq!("é".repeat(501).parse::<Title>(), Err(TitleError::TooLong { length: 501 }));
    }

    #[test]
    fn control_characters_are_refused() {
        for text in ["a\0b", "a\nb", "a\u{1b}[31mb", "a\u{85}b"] {
            assert_eq!(text.parse::<Title>(), Err(TitleError::ControlCharacter), "{text:?}");
        }
    }

    #[test]
    fn a_tab_becomes_a_space() {
        assert_eq!("\tbuy\tmilk\t\t2\t".parse::<Title>().unwrap().as_str(), "buy milk  2");
        assert_eq!(serde_json::from_str::<Title>(r#""a\tb""#).unwrap().as_str(), "a b");
        assert_eq!("\t \t".parse::<Title>(), Err(TitleError::Empty));
        assert_eq!("a\tb\u{b}c".parse::<Title>(), Err(TitleError::ControlCharacter));
    }

    #[test]
    fn deserialization_validates() {
        assert!(serde_json::from_str::<Title>("\" \"").is_err());
        assert_eq!(serde_json::from_str::<Title>("\" a \"").unwrap().as_str(), "a");
    }
}
