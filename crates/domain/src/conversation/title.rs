//! Titles of conversations.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::text::is_blank;

/// The title of a conversation: trimmed, 1 to 200 characters, no control characters, at least one visible character. A tab
/// becomes a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConversationTitle(String);

impl ConversationTitle {
    /// Maximum length in characters.
    pub const MAX: usize = 200;
    /// Maximum length in characters of a title that is derived from a message.
    pub const MAX_DERIVED: usize = 60;

    /// Derives the title from the first message: its words in one line, truncated with an ellipsis.
    pub fn from_message(message: &str) -> Self {
        let line = message
            .split(|c: char| c.is_whitespace() || c.is_control())
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ");
        if is_blank(&line) {
            Self("Conversation".to_owned())
        } else if line.chars().count() <= Self::MAX_DERIVED {
            Self(line)
        } else {
            let kept: String = line.chars().take(Self::MAX_DERIVED - 1).collect();
            Self(format!("{}…", kept.trim_end()))
        }
    }

    /// Returns the title.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not a [`ConversationTitle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 200 characters, none of them a control character")]
pub struct ConversationTitleError;

impl FromStr for ConversationTitle {
    type Err = ConversationTitleError;
    fn from_str(raw: &str) -> Result<Self, ConversationTitleError> {
        let title = raw.trim().replace('\t', " ");
        let has_valid_length = (1..=Self::MAX).contains(&title.chars().count());
        if has_valid_length && !is_blank(&title) && !title.chars().any(char::is_control) {
            Ok(Self(title))
        } else {
            Err(ConversationTitleError)
        }
    }
}

impl TryFrom<String> for ConversationTitle {
    type Error = ConversationTitleError;
    fn try_from(raw: String) -> Result<Self, ConversationTitleError> {
        raw.parse()
    }
}

impl From<ConversationTitle> for String {
    fn from(title: ConversationTitle) -> Self {
        title.0
    }
}

impl fmt::Display for ConversationTitle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_derived_from_the_first_message_in_one_line_of_60_characters() {
        assert_eq!(ConversationTitle::from_message("  Add\n\tmilk ").as_str(), "Add milk");
        let derived = ConversationTitle::from_message(&"é".repeat(100));
        assert_eq!(derived.as_str().chars().count(), 60);
        assert!(derived.as_str().ends_with('…'));
        assert_eq!(ConversationTitle::from_message("\u{200B}").as_str(), "Conversation");
    }

    #[test]
    fn a_title_has_1_to_200_visible_characters() {
        assert_eq!(" Shopping ".parse::<ConversationTitle>().unwrap().as_str(), "Shopping");
        for text in ["", " ", "\u{200B}", "a\nb", &"x".repeat(201)] {
            assert_eq!(text.parse::<ConversationTitle>(), Err(ConversationTitleError), "{text:?}");
        }
    }
}
