//! The words of the grammar, and the message whose words are matched, with the steps that were taken over it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use crate::numbers;
use crate::sentence::{Sentence, Token};

/// A word of the grammar, by number.
pub(super) type WordId = u16;

/// A word family, by number.
pub(super) type FamilyId = usize;

/// One end of a word family that begins at a given word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FamilyEnd {
    pub end: usize,
    pub misspelt: usize,
    pub rest_words: usize,
    pub wild_words: usize,
    pub names_list: bool,
}

impl FamilyEnd {
    /// How much it leaves unexplained.
    pub fn cost(self) -> (usize, usize, usize) {
        (self.rest_words, self.misspelt, self.wild_words)
    }
}

/// Maximum number of steps that all programs together take over one message.
pub(crate) const MAX_STEPS: usize = 200_000;

/// Maximum number of words that a misspelt word may stand for.
const MAX_CANDIDATES: usize = 3;

/// Minimum length, in characters, of a word that is matched although it is misspelt.
const MIN_MISSPELT: usize = 4;

/// The words of the grammar.
#[derive(Debug, Default)]
pub(crate) struct Vocabulary {
    ids: HashMap<String, WordId>,
    /// The words of at least [`MIN_MISSPELT`] letters by first letter and length.
    long: HashMap<(char, usize), Vec<(String, WordId)>>,
}

impl Vocabulary {
    /// Returns the number of `word`, a new one if it is not known yet.
    pub fn id(&mut self, word: &str) -> WordId {
        if let Some(id) = self.ids.get(word) {
            return *id;
        }
        let id = WordId::try_from(self.ids.len()).unwrap_or(WordId::MAX);
        self.ids.insert(word.to_owned(), id);
        let length = word.chars().count();
        if let Some(first) = word.chars().next().filter(|_| length >= MIN_MISSPELT) {
            self.long.entry((first, length)).or_default().push((word.to_owned(), id));
        }
        id
    }

    /// Looks up every word of a sentence, misspelt ones included.
    pub fn message<'t>(&self, sentence: Sentence<'t>, budget: &Budget) -> Message<'t> {
        let words = sentence.tokens().iter().map(|token| self.word(token)).collect();
        Message { sentence, words, budget: budget.clone(), families: RefCell::default() }
    }

    fn word(&self, token: &Token) -> Word {
        let exact = self.ids.get(&token.word).copied();
        let misspelt = if exact.is_none() { self.misspelt(&token.word) } else { [None; MAX_CANDIDATES] };
        Word { exact, misspelt, number: numbers::value(&token.word) }
    }

    /// The known words of which `typed` may be a misspelling: two letters swapped, one too many or one missing; in a
    /// word of six letters or more also one that is wrong. Other wrong letters make another English word too easily
    /// ("clean" is not "clear").
    fn misspelt(&self, typed: &str) -> [Option<WordId>; MAX_CANDIDATES] {
        let mut candidates = [None; MAX_CANDIDATES];
        let length = typed.chars().count();
        let Some(first) = typed.chars().next().filter(|_| length >= MIN_MISSPELT) else { return candidates };
        if !typed.chars().all(char::is_alphabetic) {
            return candidates;
        }
        let is_close = |word: &str, other: usize| {
            // "Drone" is not "done".
            (length == other || length.min(other) > MIN_MISSPELT)
                && (length != other || length >= 6 || strsim::levenshtein(word, typed) == 2)
                && strsim::osa_distance(word, typed) == 1
        };
        let mut found: Vec<WordId> = Vec::new();
        for other in length - 1..=length + 1 {
            let words = self.long.get(&(first, other)).map_or(&[][..], Vec::as_slice);
            found.extend(words.iter().filter(|(word, _)| is_close(word, other)).map(|(_, id)| *id));
        }
        found.sort_unstable();
        for (place, id) in candidates.iter_mut().zip(found) {
            *place = Some(id);
        }
        candidates
    }
}

/// A word of a message as the grammar sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    /// The word itself.
    exact: Option<WordId>,
    /// The words of which it may be a misspelling.
    misspelt: [Option<WordId>; MAX_CANDIDATES],
    /// Its value as a number.
    pub number: Option<u32>,
}

impl Word {
    /// Whether the grammar knows it.
    pub fn is_known(self) -> bool {
        self.exact.is_some() || self.misspelt[0].is_some() || self.number.is_some()
    }

    /// Returns the number of misspellings, 0 or 1, if it matches `id`.
    pub(super) fn matches(&self, id: WordId) -> Option<usize> {
        if self.exact == Some(id) { Some(0) } else { self.misspelt.contains(&Some(id)).then_some(1) }
    }

    pub(super) fn candidates(&self) -> impl Iterator<Item = WordId> {
        self.exact.into_iter().chain(self.misspelt.into_iter().flatten())
    }
}

/// The ends of word families by family and position of the first word.
pub(super) type FamilyEnds = HashMap<(FamilyId, usize), Rc<[FamilyEnd]>>;

/// The steps that were taken over a message. What is read of it line by line shares them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Budget(Rc<Cell<usize>>);

impl Budget {
    /// Whether it is spent, so that the message is not understood.
    pub fn is_spent(&self) -> bool {
        self.0.get() > MAX_STEPS
    }

    /// The number of steps that were taken.
    pub fn steps(&self) -> usize {
        self.0.get()
    }
}

/// A message as the grammar knows it. All programs that are run over it share one budget of steps: once it is spent, no
/// program matches any more.
#[derive(Debug)]
pub(crate) struct Message<'t> {
    /// The text and its words.
    pub sentence: Sentence<'t>,
    words: Vec<Word>,
    budget: Budget,
    /// Where each word family that was tried ends, by the position of its first word.
    pub(super) families: RefCell<FamilyEnds>,
}

impl Message<'_> {
    /// The words of the text.
    pub fn tokens(&self) -> &[Token] {
        self.sentence.tokens()
    }

    /// The word at `at`.
    pub fn word(&self, at: usize) -> Option<&Word> {
        self.words.get(at)
    }

    /// Whether the budget is spent, so that the message is not understood.
    pub fn is_out_of_steps(&self) -> bool {
        self.budget.is_spent()
    }

    /// Takes `steps` and returns whether the budget was not spent.
    pub(super) fn take(&self, steps: usize) -> bool {
        #[cfg(test)]
        STEPS.set(STEPS.get() + steps);
        self.budget.0.set(self.budget.0.get().saturating_add(steps));
        !self.is_out_of_steps()
    }
}

#[cfg(test)]
thread_local! {
    static STEPS: Cell<usize> = const { Cell::new(0) };
}

/// Returns the number of steps that `work` takes, over whatever messages.
#[cfg(test)]
pub(crate) fn steps_of(work: impl FnOnce()) -> usize {
    let before = STEPS.get();
    work();
    STEPS.get() - before
}
