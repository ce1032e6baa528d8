//! Patterns compiled into small programs, and the machine that runs them over words.
//!
//! The machine finds every way in which a pattern covers a span of words completely: a backtracking matcher in the
//! manner of Thompson and Pike (<https://swtch.com/~rsc/regexp/regexp2.html>) over words instead of characters. A
//! regular-expression crate would do for characters, but finds one way only, and the competing ways are what readings
//! are made of. Deliberately not here: which way is the best.

mod first_words;
mod words;

use std::collections::HashMap;
use std::ops::Range;

use self::first_words::FirstWords;
use self::words::{Word, WordId};
use super::notation::{NotationError, Pattern, Slot};
use super::sentence::Token;

#[cfg(test)]
pub(super) use self::words::{MAX_STEPS, steps_of};
pub(super) use self::words::{Vocabulary, Words};

/// How many words `{*}` may cover.
const WILD_WORDS: usize = 3;

/// What a question begins with.
const QUESTION_WORDS: &[&str] = &[
    "are", "can", "could", "did", "do", "does", "how", "is", "should", "what", "when", "where", "which", "who", "why",
];

/// Words that `{*}` does not cover: they begin another phrase.
const NEVER_WILD: &[&str] = &[
    "", "a", "about", "an", "and", "at", "by", "do", "for", "from", "i", "if", "in", "is", "it", "my", "of", "off",
    "on", "or", "our", "that", "the", "this", "to", "with", "your",
];

#[derive(Clone, Debug)]
enum Step {
    Word(WordId),
    Slot(Slot),
    Wild,
    /// What follows speaks of the list.
    List,
    Either(usize, usize),
    Jump(usize),
    Done,
}

/// A pattern that can be run.
#[derive(Debug)]
pub(super) struct Program {
    steps: Vec<Step>,
    first: FirstWords,
}

/// One way in which a pattern covers a span of words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cover {
    /// Where it ends. Programs that need not reach the end of the span use it.
    pub end: usize,
    /// The words of each slot.
    pub title: Option<Range<usize>>,
    /// See [`Slot::Item`].
    pub item: Option<Range<usize>>,
    /// See [`Slot::New`].
    pub new: Option<Range<usize>>,
    /// The value of the number, if there is one.
    pub number: Option<u32>,
    /// How many words stand in slots: they are what the grammar does not explain.
    pub open_words: usize,
    /// How many words `{*}` covers.
    pub wild_words: usize,
    /// Whether a name of the list is covered ([`Pattern::ListName`]).
    pub speaks_of_list: bool,
    /// How many words had to be taken for a slip.
    pub slips: usize,
}

impl Program {
    /// Compiles `pattern`; `families` are the word families by name.
    ///
    /// # Errors
    /// [`NotationError::UnknownFamily`].
    pub fn compile(
        pattern: &Pattern,
        families: &HashMap<&str, Pattern>,
        vocabulary: &mut Vocabulary,
    ) -> Result<Self, NotationError> {
        let mut program = Self { steps: Vec::new(), first: FirstWords::Any };
        program.append(pattern, families, vocabulary, 0)?;
        program.steps.push(Step::Done);
        program.first = FirstWords::of(&program);
        Ok(program)
    }

    fn append(
        &mut self,
        pattern: &Pattern,
        families: &HashMap<&str, Pattern>,
        vocabulary: &mut Vocabulary,
        depth: usize,
    ) -> Result<(), NotationError> {
        match pattern {
            Pattern::Word(word) => self.steps.push(Step::Word(vocabulary.id(word))),
            Pattern::Slot(slot) => self.steps.push(Step::Slot(*slot)),
            Pattern::Wild => self.steps.push(Step::Wild),
            Pattern::Family(name) => {
                let unknown = || NotationError::UnknownFamily(name.clone());
                // Deeper than any sensible table: the family contains itself.
                let family = families.get(name.as_str()).filter(|_| depth < 16).ok_or_else(unknown)?;
                self.append(family, families, vocabulary, depth + 1)?;
            }
            Pattern::ListName(name) => {
                self.steps.push(Step::List);
                self.append(name, families, vocabulary, depth)?;
            }
            Pattern::Sequence(parts) => {
                for part in parts {
                    self.append(part, families, vocabulary, depth)?;
                }
            }
            Pattern::Maybe(inner) => {
                let fork = self.placeholder();
                self.append(inner, families, vocabulary, depth)?;
                self.steps[fork] = Step::Either(fork + 1, self.steps.len());
            }
            Pattern::Choice(options) => {
                let mut exits = Vec::new();
                for (i, option) in options.iter().enumerate() {
                    let fork = (i + 1 < options.len()).then(|| self.placeholder());
                    self.append(option, families, vocabulary, depth)?;
                    if let Some(fork) = fork {
                        exits.push(self.placeholder());
                        self.steps[fork] = Step::Either(fork + 1, self.steps.len());
                    }
                }
                for exit in exits {
                    self.steps[exit] = Step::Jump(self.steps.len());
                }
            }
        }
        Ok(())
    }

    /// A step whose target is not known yet; whoever asks for it replaces it.
    fn placeholder(&mut self) -> usize {
        self.steps.push(Step::Jump(0));
        self.steps.len() - 1
    }

    /// Every way to cover words of `span`, from its start to some `end` for which `ends_at` holds.
    pub fn covers(
        &self,
        tokens: &[Token],
        words: &Words,
        span: Range<usize>,
        ends_at: &dyn Fn(usize) -> bool,
    ) -> Vec<Cover> {
        let mut found = Vec::new();
        let known = &words.all()[..span.end];
        if words.are_given_up() || !self.first.allow(known.get(span.start)) {
            return found;
        }
        let mut threads = vec![(0, Cover { end: span.start, ..Cover::default() })];
        while let Some((at_step, mut cover)) = threads.pop() {
            if !words.take(1) {
                break;
            }
            let at = cover.end;
            match &self.steps[at_step] {
                Step::Done if ends_at(at) => {
                    words.take(found.len());
                    if !found.contains(&cover) {
                        found.push(cover);
                    }
                }
                Step::Done => {}
                Step::List => {
                    cover.speaks_of_list = true;
                    threads.push((at_step + 1, cover));
                }
                Step::Jump(target) => threads.push((*target, cover)),
                Step::Either(first, second) => {
                    threads.push((*second, cover.clone()));
                    threads.push((*first, cover));
                }
                Step::Word(id) => {
                    let Some(word) = known.get(at) else { continue };
                    if word.exact != Some(*id) {
                        if !word.meant.contains(&Some(*id)) {
                            continue;
                        }
                        cover.slips += 1;
                    }
                    cover.end += 1;
                    threads.push((at_step + 1, cover));
                }
                Step::Slot(Slot::Number) => {
                    let Some(number) = known.get(at).and_then(|word| word.number) else { continue };
                    cover.number = Some(number);
                    cover.end += 1;
                    threads.push((at_step + 1, cover));
                }
                // A question is no aside before a command.
                Step::Slot(Slot::Rest) if at == span.start && tokens.get(at).is_some_and(asks) => {}
                Step::Slot(slot) => {
                    // Popped in reverse: the longest is pushed first, so that the shortest is tried first.
                    let ends = phrase_ends(tokens, at..span.end);
                    words.take(ends.len());
                    for end in ends.into_iter().rev() {
                        let mut longer = cover.clone();
                        longer.fill(*slot, at..end);
                        threads.push((at_step + 1, longer));
                    }
                }
                Step::Wild => {
                    let free = |token: &&Token| !NEVER_WILD.contains(&token.word.as_str());
                    let most = tokens[at..span.end].iter().take(WILD_WORDS).take_while(free).count();
                    for count in (0..=most).rev() {
                        let mut longer = cover.clone();
                        longer.end += count;
                        longer.wild_words += count;
                        threads.push((at_step + 1, longer));
                    }
                }
            }
        }
        found
    }
}

fn asks(token: &Token) -> bool {
    QUESTION_WORDS.contains(&token.word.as_str())
}

impl Cover {
    fn fill(&mut self, slot: Slot, span: Range<usize>) {
        self.end = span.end;
        self.open_words += span.len();
        match slot {
            Slot::Title => self.title = Some(span),
            Slot::Item => self.item = Some(span),
            Slot::New => self.new = Some(span),
            Slot::Rest | Slot::Number => {}
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

    fn covers(line: &str, text: &str) -> Vec<Cover> {
        let mut vocabulary = Vocabulary::default();
        let program = Program::compile(&parse(line).unwrap(), &HashMap::new(), &mut vocabulary).unwrap();
        let sentence = Sentence::read(text);
        let words = vocabulary.look_up(&sentence);
        let end = sentence.tokens().len();
        program.covers(sentence.tokens(), &words, 0..end, &|at| at == end)
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
    fn slips_are_understood_where_they_make_no_other_word() {
        for (text, slips) in [("delete", 0), ("delte", 1), ("dleete", 1), ("deelete", 1), ("dalete", 1)] {
            assert_eq!(covers("delete", text).first().map(|way| way.slips), Some(slips), "{text}");
        }
        assert!(covers("clear", "clean").is_empty());
        assert!(covers("show", "shoe").is_empty());
        assert!(covers("add", "ad").is_empty());
    }

    #[test]
    fn a_pattern_that_explodes_is_given_up() {
        let mut vocabulary = Vocabulary::default();
        let line = parse("{item} a {new} a {title} a {rest} b").unwrap();
        let program = Program::compile(&line, &HashMap::new(), &mut vocabulary).unwrap();
        let text = "a ".repeat(200);
        let sentence = Sentence::read(&text);
        let words = vocabulary.look_up(&sentence);
        let covers = || assert!(program.covers(sentence.tokens(), &words, 0..200, &|at| at == 200).is_empty());
        let taken = steps_of(covers);
        assert!(words.are_given_up() && taken <= MAX_STEPS + 2 * 200, "{taken}");
        assert_eq!(steps_of(covers), 0, "what is given up takes no step more");
    }
}
