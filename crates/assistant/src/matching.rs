//! The matcher: finds every way in which a pattern covers a span of words.
//!
//! It is a backtracking matcher in the manner of Thompson and Pike (<https://swtch.com/~rsc/regexp/regexp2.html>) over
//! words instead of characters, which remembers the positions from which a step leads nowhere and the ends of each word
//! family. A regular-expression crate finds one way only, and the competing ways are what readings are made of.

mod program;
mod words;

use std::ops::Range;
use std::rc::Rc;

use self::program::Step;
use super::lexicon;
use super::notation::Slot;
use super::sentence::Token;

pub(super) use self::program::{Families, Program};
pub(super) use self::words::{Budget, Message, Vocabulary};
use self::words::{FamilyEnd, FamilyId};
#[cfg(test)]
pub(super) use self::words::{MAX_STEPS, steps_of};

/// Maximum number of words that `{*}` covers.
const WILD_WORDS: usize = 3;

/// One way in which a pattern covers words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cover {
    /// Where it ends.
    pub end: usize,
    /// The words of `{title}`.
    pub title: Option<Range<usize>>,
    /// The words of `{item}`.
    pub item: Option<Range<usize>>,
    /// The words of `{new}`.
    pub new: Option<Range<usize>>,
    /// The value of `{number}`.
    pub number: Option<u32>,
    /// The number of words in slots, which the grammar does not explain.
    pub open_words: usize,
    /// How many of them stand in `{rest}`.
    pub rest_words: usize,
    /// The number of words that `{*}` covers.
    pub wild_words: usize,
    /// Whether a name of the list is covered.
    pub names_list: bool,
    /// The number of misspelt words.
    pub misspelt: usize,
}

/// One run of a program.
struct Run<'a> {
    program: &'a Program,
    families: &'a Families,
    message: &'a Message<'a>,
    span: Range<usize>,
    ends_at: &'a dyn Fn(usize) -> bool,
    /// By step and position: whether nothing is found from there.
    dead: Vec<bool>,
    found: Vec<Cover>,
}

impl Program {
    /// Returns every way to cover words of `span`, from its start to an end for which `ends_at` holds.
    pub fn covers(
        &self,
        families: &Families,
        message: &Message<'_>,
        span: Range<usize>,
        ends_at: &dyn Fn(usize) -> bool,
    ) -> Vec<Cover> {
        let first = message.word(span.start).filter(|_| !span.is_empty());
        if message.is_out_of_steps() || !self.may_begin_with(first) {
            return Vec::new();
        }
        let dead = vec![false; self.steps.len() * (span.len() + 1)];
        let start = Cover { end: span.start, ..Cover::default() };
        let mut run = Run { program: self, families, message, span, ends_at, dead, found: Vec::new() };
        run.from(0, start);
        run.found
    }
}

impl Run<'_> {
    /// Runs the program from a step on and returns whether that led to its end.
    fn from(&mut self, step: usize, cover: Cover) -> bool {
        let state = step * (self.span.len() + 1) + (cover.end - self.span.start);
        if self.dead[state] || !self.message.take(1) {
            return false;
        }
        let skipped = self.is_skippable(step, cover.end).then(|| Cover { end: cover.end + 1, ..cover.clone() });
        let is_found = self.step(step, cover) | skipped.is_some_and(|cover| self.from(step, cover));
        self.dead[state] = !is_found;
        is_found
    }

    /// Whether the word at `at` may stand anywhere: "delete please the flowers".
    fn is_skippable(&self, step: usize, at: usize) -> bool {
        let takes_words = matches!(self.program.steps[step], Step::Word(_) | Step::Family(_) | Step::Slot(_));
        takes_words
            && (self.span.start + 1..self.span.end).contains(&at)
            && lexicon::SKIPPABLE.contains(&self.message.tokens()[at].word)
    }

    fn step(&mut self, step: usize, cover: Cover) -> bool {
        let at = cover.end;
        let next = step + 1;
        match self.program.steps[step] {
            Step::Done => {
                if !(self.ends_at)(at) {
                    return false;
                }
                self.message.take(self.found.len());
                if !self.found.contains(&cover) {
                    self.found.push(cover);
                }
                true
            }
            Step::Jump(target) => self.from(target, cover),
            Step::Either(first, second) => {
                let is_found = self.from(first, cover.clone());
                self.from(second, cover) | is_found
            }
            Step::Word(id) => {
                let word = self.message.word(at).filter(|_| at < self.span.end);
                let Some(misspelt) = word.and_then(|word| word.matches(id)) else { return false };
                self.from(next, Cover { end: at + 1, misspelt: cover.misspelt + misspelt, ..cover })
            }
            Step::Family(id) => {
                let mut is_found = false;
                let limit = self.span.end;
                for end in self.message.family_ends(self.families, id, at).iter().filter(|end| end.end <= limit) {
                    let longer = Cover {
                        end: end.end,
                        misspelt: cover.misspelt + end.misspelt,
                        open_words: cover.open_words + end.rest_words,
                        rest_words: cover.rest_words + end.rest_words,
                        wild_words: cover.wild_words + end.wild_words,
                        names_list: cover.names_list || end.names_list,
                        ..cover.clone()
                    };
                    is_found |= self.from(next, longer);
                }
                is_found
            }
            Step::Slot(Slot::Number) => {
                let word = self.message.word(at).filter(|_| at < self.span.end);
                let Some(number) = word.and_then(|word| word.number) else { return false };
                self.from(next, Cover { end: at + 1, number: Some(number), ..cover })
            }
            // A question is no aside before a command.
            Step::Slot(Slot::Rest)
                if at == self.span.start && self.message.tokens().get(at).is_some_and(is_question) =>
            {
                false
            }
            // Nor do these words begin a name before a command: "why did you | delete it".
            Step::Slot(Slot::Item | Slot::Title)
                if at == self.span.start
                    && self
                        .message
                        .tokens()
                        .get(at)
                        .is_some_and(|token| lexicon::NEVER_SUBJECTS.contains(&token.word))
                    && self.program.begins_with_slot() =>
            {
                false
            }
            Step::Slot(slot) => {
                let mut is_found = false;
                for end in phrase_ends(self.message.tokens(), at..self.span.end) {
                    let mut longer = cover.clone();
                    longer.fill(slot, at..end);
                    is_found |= self.from(next, longer);
                }
                is_found
            }
            Step::Wild => {
                let is_free = |token: &&Token| !lexicon::NEVER_WILD.contains(&token.word);
                let words = self.message.tokens()[at..self.span.end].iter().take(WILD_WORDS);
                let most = words.take_while(is_free).count();
                let mut is_found = false;
                for count in 0..=most {
                    let wild_words = cover.wild_words + count;
                    is_found |= self.from(next, Cover { end: at + count, wild_words, ..cover.clone() });
                }
                is_found
            }
        }
    }
}

impl Message<'_> {
    /// Returns where a family that begins at `at` may end, for each end the way that explains most.
    fn family_ends(&self, families: &Families, id: FamilyId, at: usize) -> Rc<[FamilyEnd]> {
        if let Some(ends) = self.families.borrow().get(&(id, at)) {
            return Rc::clone(ends);
        }
        let family = &families.families[id];
        let span = at..self.tokens().len();
        let mut ends: Vec<FamilyEnd> = Vec::new();
        for cover in family.program.covers(families, self, span, &|_| true) {
            let end = FamilyEnd {
                end: cover.end,
                misspelt: cover.misspelt,
                rest_words: cover.rest_words,
                wild_words: cover.wild_words,
                names_list: cover.names_list || family.names_list,
            };
            match ends.iter_mut().find(|other| other.end == end.end) {
                Some(other) if end.cost() < other.cost() => *other = end,
                Some(_) => {}
                None => ends.push(end),
            }
        }
        let ends: Rc<[FamilyEnd]> = ends.into();
        self.families.borrow_mut().insert((id, at), Rc::clone(&ends));
        ends
    }
}

fn is_question(token: &Token) -> bool {
    lexicon::QUESTIONS.contains(&token.word)
}

impl Cover {
    fn fill(&mut self, slot: Slot, span: Range<usize>) {
        self.end = span.end;
        self.open_words += span.len();
        match slot {
            Slot::Title => self.title = Some(span),
            Slot::Item => self.item = Some(span),
            Slot::New => self.new = Some(span),
            Slot::Rest => self.rest_words += span.len(),
            Slot::Number => {}
        }
    }
}

/// Where a phrase that begins at the start of `span` may end: not inside a hyphenated word, not in another sentence.
fn phrase_ends(tokens: &[Token], span: Range<usize>) -> Vec<usize> {
    if tokens.get(span.start).is_none_or(|token| token.glued) {
        return Vec::new();
    }
    let mut ends = Vec::new();
    for end in span.start + 1..=span.end {
        let next = tokens.get(end);
        if next.is_none_or(|token| !token.glued) {
            ends.push(end);
        }
        if next.is_some_and(|token| token.begins_sentence) {
            break;
        }
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::super::notation::parse;
    use super::super::sentence::Sentence;
    use super::*;

    fn program(line: &str, vocabulary: &mut Vocabulary) -> Program {
        Program::compile(&parse(line).unwrap(), &Families::default(), vocabulary).unwrap()
    }

    fn covers(line: &str, text: &str) -> Vec<Cover> {
        let mut vocabulary = Vocabulary::default();
        let program = program(line, &mut vocabulary);
        let message = vocabulary.message(Sentence::read(text), &Budget::default());
        let all = message.sentence.all();
        program.covers(&Families::default(), &message, all.clone(), &|at| at == all.end)
    }

    #[test]
    fn a_pattern_covers_all_words_or_none() {
        assert_eq!(covers("[please] (add|put) milk", "please put milk").len(), 1);
        assert_eq!(covers("[please] (add|put) milk", "put milk").len(), 1);
        assert!(covers("[please] (add|put) milk", "put milk there").is_empty());
        assert!(covers("[please] (add|put) milk", "please milk").is_empty());
    }

    #[test]
    fn every_way_to_fill_the_slots_is_found() {
        let ways = covers("rename {item} to {new}", "rename talk to Ann to call Ann");
        let items: Vec<_> = ways.iter().map(|way| way.item.clone().unwrap()).collect();
        assert_eq!(items, [1..2, 1..4]);
    }

    #[test]
    fn a_slot_neither_splits_a_hyphenated_word_nor_reaches_into_another_sentence() {
        assert!(covers("{item} in", "check-in").is_empty());
        assert!(covers("delete {item}", "delete butter. what is left").is_empty());
    }

    #[test]
    fn misspelt_words_are_understood_where_they_are_no_other_word() {
        for (text, misspelt) in [("delete", 0), ("delte", 1), ("dleete", 1), ("deelete", 1), ("dalete", 1)] {
            assert_eq!(covers("delete", text).first().map(|way| way.misspelt), Some(misspelt), "{text}");
        }
        assert!(covers("clear", "clean").is_empty());
        assert!(covers("show", "shoe").is_empty());
        assert!(covers("add", "ad").is_empty());
    }

    #[test]
    fn a_pattern_that_explodes_spends_the_budget_once() {
        let mut vocabulary = Vocabulary::default();
        let program = program("{item} a {new} a {title} a {rest} b", &mut vocabulary);
        let text = format!("{}b", "a ".repeat(200));
        let message = vocabulary.message(Sentence::read(&text), &Budget::default());
        let covers = || drop(program.covers(&Families::default(), &message, 0..201, &|at| at == 201));
        let taken = steps_of(covers);
        assert!(message.is_out_of_steps() && taken <= 2 * MAX_STEPS, "{taken}");
        assert_eq!(steps_of(covers), 0, "no step is taken over a message whose budget is spent");
    }

    #[test]
    fn a_pattern_that_leads_nowhere_is_tried_once_at_each_position() {
        let mut vocabulary = Vocabulary::default();
        let program = program("{item} a {new} a {title} a {rest} b", &mut vocabulary);
        let text = "a ".repeat(200);
        let message = vocabulary.message(Sentence::read(&text), &Budget::default());
        let steps = steps_of(|| drop(program.covers(&Families::default(), &message, 0..200, &|at| at == 200)));
        assert!(steps <= 8 * 200 * 200, "{steps}");
    }
}
