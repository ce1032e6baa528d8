//! Numbers in words and figures, as people name a place in a list.
//!
//! "Last" is no number: the tools understand it as it is.

/// Figures, ordinals and cardinals, each with its value.
const WORDS: &[(u32, [&str; 2])] = &[
    (1, ["first", "one"]),
    (2, ["second", "two"]),
    (3, ["third", "three"]),
    (4, ["fourth", "four"]),
    (5, ["fifth", "five"]),
    (6, ["sixth", "six"]),
    (7, ["seventh", "seven"]),
    (8, ["eighth", "eight"]),
    (9, ["ninth", "nine"]),
    (10, ["tenth", "ten"]),
    (11, ["eleventh", "eleven"]),
    (12, ["twelfth", "twelve"]),
];

/// The value of `word`, from 1: figures ("2"), figures with an ending ("2nd"), or words up to twelve.
pub(super) fn value(word: &str) -> Option<u32> {
    if let Some((value, _)) = WORDS.iter().find(|(_, names)| names.contains(&word)) {
        return Some(*value);
    }
    let figures = ["st", "nd", "rd", "th"].iter().find_map(|ending| word.strip_suffix(ending)).unwrap_or(word);
    let plain = (1..=4).contains(&figures.len()) && figures.bytes().all(|b| b.is_ascii_digit());
    figures.parse().ok().filter(|&value| plain && value > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_and_words_have_a_value() {
        for (word, expected) in
            [("2", 2), ("2nd", 2), ("second", 2), ("two", 2), ("11th", 11), ("twelfth", 12), ("120", 120)]
        {
            assert_eq!(value(word), Some(expected), "{word}");
        }
    }

    #[test]
    fn other_words_have_none() {
        for word in ["", "0", "th", "-1", "2x", "thirteenth", "99999", "last", "once"] {
            assert_eq!(value(word), None, "{word}");
        }
    }
}
