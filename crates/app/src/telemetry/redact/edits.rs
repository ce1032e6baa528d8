//! A text with some of its parts replaced.

use std::borrow::Cow;
use std::ops::Range;

/// Collects replacements from the beginning of a text to its end.
pub(super) struct Edits<'a> {
    text: &'a str,
    edited: String,
    /// Up to here the text is in `edited`.
    done: usize,
}

impl<'a> Edits<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, edited: String::new(), done: 0 }
    }

    /// Puts `other` in the place of `range`, which lies behind those that were replaced before.
    pub(super) fn replace(&mut self, range: Range<usize>, other: &str) {
        self.edited.push_str(&self.text[self.done..range.start]);
        self.edited.push_str(other);
        self.done = range.end;
    }

    /// The text as it is now; the original if nothing was replaced.
    pub(super) fn finish(mut self) -> Cow<'a, str> {
        if self.done == 0 && self.edited.is_empty() {
            return self.text.into();
        }
        self.edited.push_str(&self.text[self.done..]);
        self.edited.into()
    }
}
