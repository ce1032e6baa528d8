//! Comparison and visibility of texts, for value types such as `Title` and `Email`.

use std::fmt;

use caseless::Caseless as _;
use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::UnicodeNormalization as _;

/// A text normalized for comparison.
///
/// The form is Unicode's NFKC of the default case folding (Unicode 3.13, D145 to D147, "compatibility caseless
/// match"). It is stored in addition to the original text, because databases normalize differently.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NormalizedText(String);

impl NormalizedText {
    /// Normalizes `text`.
    pub fn new(text: &str) -> Self {
        Self(text.nfd().default_case_fold().nfkd().default_case_fold().nfkc().collect())
    }

    /// Returns the normalized text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NormalizedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text folded for search by people: without case, accents and the endings of English plurals, so that "cafe" finds
/// "Café visit" and "egg" finds "eggs".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchText(String);

impl SearchText {
    /// Folds `text`.
    pub fn new(text: &str) -> Self {
        let normalized = NormalizedText::new(text);
        let is_mark = |c: &char| get_general_category(*c) == GeneralCategory::NonspacingMark;
        let plain: String = normalized.as_str().nfd().filter(|c| !is_mark(c)).collect();
        let words = plain.split(|c: char| !(c.is_alphanumeric() || c == '\'')).filter(|word| !word.is_empty());
        Self(words.map(singular).collect::<Vec<_>>().join(" "))
    }

    /// Whether the text has the words of `part`, at least one, one behind the other.
    pub fn contains(&self, part: &Self) -> bool {
        !part.0.is_empty() && format!(" {} ", self.0).contains(&format!(" {} ", part.0))
    }
}

/// Removes the ending of a regular English plural.
fn singular(word: &str) -> String {
    let stem = |ending: &str| word.strip_suffix(ending).filter(|stem| stem.len() > 1);
    if let Some(stem) = stem("ies").filter(|stem| stem.len() > 2) {
        return format!("{stem}y");
    }
    let sibilant = ["sses", "ches", "shes", "xes"].iter().any(|ending| word.ends_with(ending));
    match stem("es").filter(|_| sibilant).or_else(|| stem("s")) {
        Some(stem) if !["s", "u", "i"].iter().any(|end| stem.ends_with(end)) || sibilant => stem.to_owned(),
        Some(_) | None => word.to_owned(),
    }
}

/// Returns whether `c` is invisible: white space, controls, format characters (joiners, directional marks), variation
/// selectors and letters that Unicode defines as blank.
pub fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            get_general_category(c),
            GeneralCategory::Control
                | GeneralCategory::Format
                | GeneralCategory::SpaceSeparator
                | GeneralCategory::LineSeparator
                | GeneralCategory::ParagraphSeparator
                | GeneralCategory::Unassigned
        )
        || matches!(c,
            '\u{034F}'                 // combining grapheme joiner
            | '\u{115F}' | '\u{1160}'  // Hangul fillers
            | '\u{17B4}' | '\u{17B5}'  // Khmer inherent vowels
            | '\u{180B}'..='\u{180F}'  // Mongolian variation selectors
            | '\u{2800}'               // braille blank
            | '\u{3164}' | '\u{FFA0}'  // Hangul fillers
            | '\u{FE00}'..='\u{FE0F}'  // variation selectors
            | '\u{E0100}'..='\u{E01EF}'
        )
}

/// Returns whether `text` has no visible character.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(is_invisible)
}

/// Returns `raw` trimmed; `None` if that is empty, longer than `max` characters or invisible, or contains a control
/// character.
pub(crate) fn name(raw: &str, max: usize) -> Option<&str> {
    let name = raw.trim();
    let has_valid_length = (1..=max).contains(&name.chars().count());
    (has_valid_length && !is_blank(name) && !name.chars().any(char::is_control)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_ignores_case_accents_and_plurals() {
        for (title, words) in [
            ("Café visit", "cafe"),
            ("eggs", "egg"),
            ("buy berries", "berry"),
            ("wash the dishes", "dish"),
            ("Übung", "ubung"),
            ("pay bill", "bills"),
            ("to-do: e-mail", "to do e mail"),
        ] {
            assert!(SearchText::new(title).contains(&SearchText::new(words)), "{title}: {words}");
        }
        for (title, words) in
            [("milk", "%lk"), ("milk", "m_lk"), ("glass", "glasses of milk"), ("milk", ""), ("milk", "🙂")]
        {
            assert!(!SearchText::new(title).contains(&SearchText::new(words)), "{title}: {words}");
        }
    }

    #[test]
    fn normalization_ignores_case_width_and_composition() {
        assert_eq!(NormalizedText::new("STRASSE"), NormalizedText::new("straße"));
        assert_eq!(NormalizedText::new("Ｂuy milk"), NormalizedText::new("buy MILK"));
        assert_eq!(NormalizedText::new("cafe\u{301}"), NormalizedText::new("CAFÉ"));
        assert_ne!(NormalizedText::new("milk"), NormalizedText::new("mild"));
    }

    #[test]
    fn normalization_is_idempotent() {
        for text in ["ΑΣ", "İstanbul", "ﬁnish", "ŉ", "Ⅷ"] {
            let once = NormalizedText::new(text);
            assert_eq!(NormalizedText::new(once.as_str()), once, "{text}");
        }
    }

    #[test]
    fn texts_without_visible_characters_are_blank() {
        for text in ["", " ", "\u{200B}\u{200D}", "\u{FEFF}", "\u{3164}", "\u{2800}", "\u{FE0F}", "\u{202E}"] {
            assert!(is_blank(text), "{text:?}");
        }
        for text in ["a", "🧑\u{200D}🚀", "é", "שלום"] {
            assert!(!is_blank(text), "{text:?}");
        }
    }
}
