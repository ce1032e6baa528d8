//! Whether a text is English at all.

use whatlang::{Lang, detect};

/// Minimum number of characters by which a language is told in the Latin script.
const MIN_CHARACTERS: usize = 12;

/// Whether `text` may be English. Short texts may.
pub(super) fn is_english(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic());
    let (latin, other): (Vec<char>, Vec<char>) =
        letters.partition(|c| c.is_ascii() || ('\u{C0}'..='\u{24F}').contains(c));
    if other.len() > latin.len() {
        return false;
    }
    if latin.len() < MIN_CHARACTERS {
        return true;
    }
    detect(text).is_none_or(|info| info.lang() == Lang::Eng || info.confidence() < 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_languages_are_told_from_english() {
        for text in [
            "füge Milch zu meiner Einkaufsliste hinzu",
            "ajoute du lait à ma liste de courses s'il te plaît",
            "añade leche a mi lista de la compra por favor",
            "добавь молоко в список",
            "牛乳を追加して",
            "أضف الحليب إلى القائمة",
        ] {
            assert!(!is_english(text), "{text}");
        }
        for text in ["add milk", "what's the weather like in Paris?", "ok", "🙂", "42", "qwertz", ""] {
            assert!(is_english(text), "{text}");
        }
    }
}
