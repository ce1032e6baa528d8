//! Whether a user's own words consent to deletions: a plain "yes" to a question that was asked, or explicit words in
//! the message itself. And whether an assistant's words are such a question.
//!
//! What is meant by the words is read strictly: every word must be understood, and what is not sure is no consent, for
//! then the server asks. Only the user's message counts; titles are data, whatever they say. Yes and the words of
//! deletion are understood in the languages of `grounding`. Deliberately not here: what is on offer, and the deletion.

mod permission;
mod question;
mod vocabulary;
mod wish;
mod yes;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use crate::text::Folded;

pub(crate) use permission::permits_deletion;
pub(crate) use question::asks_to_delete;
pub(super) use yes::is_affirmative;

/// A task that a turn would delete.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NamedTask<'t> {
    /// Its place in the list that was last shown, from 1.
    pub position: Option<usize>,
    /// Whether it was the last one in it.
    pub is_last: bool,
    /// Its title.
    pub title: &'t str,
    /// Whether it is done.
    pub completed: bool,
}

/// Folds a text and takes the accents off its Latin letters, which people leave out as they type.
fn plain(text: &str) -> String {
    let folded = Folded::new(text);
    let mut kept = String::new();
    let mut after_latin = false;
    for c in folded.as_str().nfd() {
        if is_combining_mark(c) && after_latin {
            continue;
        }
        after_latin = c.is_ascii_alphabetic();
        kept.push(c);
    }
    kept.nfc().collect::<String>().replace('ı', "i")
}

#[cfg(test)]
mod tests;
