//! The words that the grammar knows, and those of one message with the steps that are taken over them.

use std::cell::Cell;
use std::collections::HashMap;

use super::super::numbers;
use super::super::sentence::{Sentence, Token};

/// A word of the grammar, by number.
pub(super) type WordId = u16;

/// Maximum number of steps that all programs together take over one message. An ordinary sentence takes 7,000; the most
/// that one of the test table takes is 60,000.
pub(crate) const MAX_STEPS: usize = 400_000;

/// How many words a slip of the keyboard may stand for.
const MAX_MEANT: usize = 3;

/// The words that the grammar knows.
#[derive(Debug, Default)]
pub(crate) struct Vocabulary {
    ids: HashMap<String, WordId>,
}

impl Vocabulary {
    /// The number of `word`, which is new if it was not known.
    pub fn id(&mut self, word: &str) -> WordId {
        let next = WordId::try_from(self.ids.len()).unwrap_or(WordId::MAX);
        *self.ids.entry(word.to_owned()).or_insert(next)
    }

    /// Looks up every word of a sentence, the mistyped ones too.
    pub fn look_up(&self, sentence: &Sentence<'_>) -> Words {
        Words { words: sentence.tokens().iter().map(|token| self.word(token)).collect(), steps: Cell::new(0) }
    }

    fn word(&self, token: &Token) -> Word {
        let exact = self.ids.get(&token.word).copied();
        let meant = if exact.is_none() { self.meant_by(&token.word) } else { [None; MAX_MEANT] };
        Word { exact, meant, number: numbers::value(&token.word) }
    }

    /// The known words of which `typed` may be a slip, "bring" and "being" for "bing": two letters swapped, one too many or one missing; in a word of six
    /// letters or more also one that is wrong. Other wrong letters make another English word too easily ("clean" is
    /// not "clear").
    fn meant_by(&self, typed: &str) -> [Option<WordId>; MAX_MEANT] {
        let mut meant = [None; MAX_MEANT];
        let length = typed.chars().count();
        if length < 4 || !typed.chars().all(char::is_alphabetic) {
            return meant;
        }
        let slip = |word: &str| {
            let other = word.chars().count();
            other >= 4
                && length.abs_diff(other) <= 1
                && word.chars().next() == typed.chars().next()
                && (length != other || length >= 6 || strsim::levenshtein(word, typed) == 2)
                && strsim::osa_distance(word, typed) == 1
        };
        let mut words: Vec<_> = self.ids.iter().filter(|(word, _)| slip(word)).map(|(_, &id)| id).collect();
        words.sort_unstable();
        for (place, id) in meant.iter_mut().zip(words) {
            *place = Some(id);
        }
        meant
    }
}

/// A word of a sentence as the machine sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    /// The word itself.
    pub exact: Option<WordId>,
    /// The words of which it may be a slip.
    pub meant: [Option<WordId>; MAX_MEANT],
    /// Its value as a number.
    pub number: Option<u32>,
}

impl Word {
    /// Whether the grammar has a use for it.
    pub fn is_known(self) -> bool {
        self.exact.is_some() || self.meant[0].is_some() || self.number.is_some()
    }
}

/// The words of one message, and the steps that were taken over them. Whatever runs a program over them shares one budget:
/// once it is spent, no program covers anything any more.
#[derive(Debug)]
pub(crate) struct Words {
    words: Vec<Word>,
    steps: Cell<usize>,
}

impl Words {
    /// All of them.
    pub fn all(&self) -> &[Word] {
        &self.words
    }

    /// The word at `at`.
    pub fn get(&self, at: usize) -> Option<Word> {
        self.words.get(at).copied()
    }

    /// Whether the budget is spent, so that the message is not understood.
    pub fn are_given_up(&self) -> bool {
        self.steps.get() > MAX_STEPS
    }

    /// Takes `steps` and returns whether there were as many left.
    pub fn take(&self, steps: usize) -> bool {
        #[cfg(test)]
        STEPS.set(STEPS.get() + steps);
        self.steps.set(self.steps.get().saturating_add(steps));
        !self.are_given_up()
    }
}

#[cfg(test)]
thread_local! {
    static STEPS: Cell<usize> = const { Cell::new(0) };
}

/// The number of steps that the machine takes for `work`, over whatever messages.
#[cfg(test)]
pub(crate) fn steps_of(work: impl FnOnce()) -> usize {
    let before = STEPS.get();
    work();
    STEPS.get() - before
}
