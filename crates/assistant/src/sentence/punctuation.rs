//! Marks between words: which of them separate words and sentences, and which stand around a title.

use super::quotes::Quotes;
use crate::lexicon;

pub(super) fn is_word_character(c: char) -> bool {
    c.is_alphanumeric() || !(c.is_ascii() || c.is_whitespace() || c.is_control() || is_punctuation(c))
}

/// The marks outside ASCII that people put between words.
pub(super) fn is_punctuation(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{206F}' | '«' | '»' | '·' | '¿' | '¡' | '、' | '。' | '\u{FEFF}')
}

/// Whether two words with `c` between them are two.
pub(super) fn separates(c: char) -> bool {
    c.is_whitespace() || matches!(c, ':' | ';' | ',' | '!' | '?' | '"' | '“' | '”' | '(' | ')' | '—' | '–' | '…')
}

/// Whether the gap behind the word `previous` ends a sentence. A full stop behind a letter or an abbreviation ends none, as in "Dr. Smith". A comma ends one where the next word leads to something new.
pub(super) fn ends_sentence(gap: &str, previous: &str, next: &str) -> bool {
    gap.contains('\n')
        || (gap.starts_with(',') && lexicon::CLAUSE_OPENERS.contains(next))
        || (gap.ends_with(char::is_whitespace)
            && (gap.contains(['!', '?', ';', '…']) || (gap.contains('.') && !is_abbreviation(previous))))
}

pub(super) fn is_abbreviation(word: &str) -> bool {
    word.chars().count() < 2 || lexicon::ABBREVIATIONS.contains(word)
}

pub(super) fn inside_quotes(passage: &str) -> &str {
    let mut inner = passage.chars();
    inner.next();
    inner.next_back();
    inner.as_str().trim()
}

pub(super) fn without_frame_punctuation(written: &str) -> &str {
    let start =
        written.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '.' | '!' | '?'));
    let start = start.strip_prefix(['&', '+']).filter(|rest| rest.starts_with(' ')).unwrap_or(start).trim_start();
    let start = start.strip_prefix(['-', '–', '—']).filter(|rest| rest.starts_with(' ')).unwrap_or(start).trim_start();
    let mut end = start;
    loop {
        let shorter =
            end.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '!' | '?' | '…'));
        let shorter = shorter.strip_suffix(" &").or_else(|| shorter.strip_suffix(" +")).unwrap_or(shorter);
        // The full stop of "5 p.m." and "etc." belongs to the word.
        let shorter = match shorter.strip_suffix('.') {
            Some(rest) if !rest.rsplit(char::is_whitespace).next().unwrap_or("").contains('.') => rest,
            Some(_) | None => shorter,
        };
        if shorter.len() == end.len() {
            return whole_if_quoted(end);
        }
        end = shorter;
    }
}

/// Phrases such as `“buy milk”!` where the passage is not the only token.
pub(super) fn whole_if_quoted(written: &str) -> &str {
    match Quotes::default().passage(written, 0) {
        Some(end) if end == written.len() => inside_quotes(written),
        Some(_) | None => written,
    }
}
