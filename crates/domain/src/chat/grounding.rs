//! Whether an assistant's words claim that something was changed. If they do and nothing was, the answer is corrected.
//!
//! It is judged sentence by sentence, and in a sentence clause by clause: a clause claims a change if it says so
//! (`language.rs`) and nothing in it or before it denies it, asks, offers, plans, sets a condition or speaks of the
//! past. Titles and quotations are data and are blanked first (`blanks.rs`). The words are in tables, one for each
//! language: English, German, Dutch, French, Spanish, Portuguese, Italian, Russian, Polish, Turkish, Hindi and Urdu (in
//! their own scripts and in Latin letters), Arabic, Chinese, Japanese and Korean. English is covered best; Polish,
//! Turkish, Arabic, Urdu in its own script and Korean have the plain forms alone.
//!
//! Errors on either side are bounded. What is taken for a claim wrongly gets a true sentence added ("Nothing was
//! changed."), for this is only asked when nothing was; a claim that is missed stays as it is. So "I added it" counts
//! even in doubt. Deliberately not here: whether anything was changed.

mod blanks;
mod eastern;
mod english;
mod germanic;
mod language;
mod romance;
mod sentence;

use std::sync::LazyLock;

pub(super) use blanks::quotation;

use language::Reader;
use sentence::sentences;

/// Whether `text`, the final words of an assistant, claims that a task was just added, completed, deleted, renamed or
/// changed in another way. `titles` are the titles that the assistant has seen: data, whatever they say.
pub(super) fn claims_change(text: &str, titles: &[&str]) -> bool {
    static READERS: LazyLock<Vec<Reader>> = LazyLock::new(|| {
        let tables = [&[english::ENGLISH][..], germanic::LANGUAGES, romance::LANGUAGES, eastern::LANGUAGES];
        tables.into_iter().flatten().map(Reader::new).collect()
    });
    let sentences = sentences(&blanks::blank(text, titles));
    READERS.iter().any(|reader| sentences.iter().any(|sentence| reader.claims(sentence)))
}

/// `text` folded, with a [blank](super::words::BLANK) for each quotation in it.
pub(super) fn without_quotations(text: &str) -> String {
    blanks::blank(text, &[])
}

#[cfg(test)]
mod tests;
