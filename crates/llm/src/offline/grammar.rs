//! The grammar: what people say to a task list, as tables, and the machine that holds a sentence against them.
//!
//! The tables are in `grammar/`: word families, frames (whole sentences) and phrases (what stands in a slot).
//! Deliberately not here: what a reading leads to. That depends on the conversation: `dialogue.rs`.

mod frames;
mod phrases;
mod words;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use super::matching::{Cover, Program, Vocabulary, Word};
use super::notation::{NotationError, Pattern, parse};
use super::sentence::Sentence;

pub(super) use super::command::Status;

/// What a sentence asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    /// A new task.
    Add,
    /// The list.
    List(Status),
    /// Whether something is on the list.
    Find,
    /// A task to be marked as done.
    Complete,
    /// A task to be deleted.
    Delete,
    /// A task to be given another title.
    Rename,
    /// Something not to be done.
    Leave,
    /// Yes.
    Yes,
    /// No.
    No,
    /// To delete several tasks or all.
    Everything,
    /// To mark several tasks or all as done.
    CompleteAll,
    /// To take something back.
    Undo,
    /// To mark a task as not done.
    Reopen,
    /// Lists of their own.
    OtherLists,
    /// What another program looks after.
    Elsewhere,
    /// A greeting.
    Greet,
    /// Thanks or praise.
    Thanks,
    /// A farewell.
    Bye,
    /// What can be said.
    Help,
}

/// Frames that ask for the same.
pub(super) struct Frames {
    /// What they ask for.
    pub intent: Intent,
    /// Frames that say so plainly.
    pub sure: &'static [&'static str],
    /// Frames that might also mean something else.
    pub unsure: &'static [&'static str],
}

/// How a phrase points at a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phrase {
    /// By its place.
    Position,
    /// The first of the list.
    First,
    /// The last of the list.
    Last,
    /// By a pronoun.
    It,
    /// Not at all.
    Unsaid,
    /// At several.
    Several,
    /// By its title, or a part of it.
    Name,
    /// By its title, or a part of it, and by saying that it is a task.
    NamedTask,
}

/// One way to understand a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// What it asks for.
    pub intent: Intent,
    /// Whether it says so plainly.
    pub sure: bool,
    /// How much of the sentence is explained; more is better.
    pub score: i32,
    /// How many words the frame itself explains, without what may stand around every frame.
    pub explained: usize,
    /// The words of a new task's title.
    pub title: Option<Range<usize>>,
    /// The words of a task's new title.
    pub new_title: Option<Range<usize>>,
    /// The words that point at a task.
    pub item_span: Option<Range<usize>>,
    /// How they do.
    pub item: Option<Item>,
    /// The line of the grammar.
    pub line: &'static str,
}

/// How words point at a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// In which way.
    pub phrase: Phrase,
    /// The words of the name, if it is one.
    pub name: Range<usize>,
    /// The number, if it is one.
    pub number: Option<u32>,
}

struct Frame {
    intent: Intent,
    sure: bool,
    line: &'static str,
    program: Program,
}

/// The grammar, ready to be used.
pub(super) struct Grammar {
    vocabulary: Vocabulary,
    lead: Program,
    tail: Program,
    loose_tail: Program,
    frames: Vec<Frame>,
    items: Vec<(Phrase, Program)>,
    no_titles: Vec<Program>,
    choosing: Vec<Program>,
    naming: Vec<Program>,
    elsewhere: Program,
}

/// The one grammar.
#[expect(clippy::expect_used, reason = "the tables are part of the program, and a test reads every line of them")]
pub(super) static GRAMMAR: LazyLock<Grammar> = LazyLock::new(|| Grammar::compile().expect("the grammar is sound"));

impl Grammar {
    fn compile() -> Result<Self, NotationError> {
        let families = words::FAMILIES
            .iter()
            .map(|(name, line)| Ok((*name, parse(line)?)))
            .collect::<Result<HashMap<_, _>, NotationError>>()?;
        let mut vocabulary = Vocabulary::default();
        let mut compile = |line: &str| Program::compile(&parse(line)?, &families, &mut vocabulary);
        let mut frames = Vec::new();
        for table in frames::FRAMES {
            for (lines, sure) in [(table.sure, true), (table.unsure, false)] {
                for line in lines {
                    frames.push(Frame { intent: table.intent, sure, line, program: compile(line)? });
                }
            }
        }
        let items = phrases::ITEMS.iter().map(|(phrase, line)| Ok((*phrase, compile(line)?))).collect::<Result<_, _>>()?;
        let no_titles = phrases::NO_TITLES.iter().map(|line| compile(line)).collect::<Result<_, _>>()?;
        let choosing = phrases::CHOOSING.iter().map(|line| compile(line)).collect::<Result<_, _>>()?;
        let naming = phrases::NAMING.iter().map(|line| compile(line)).collect::<Result<_, _>>()?;
        let (lead, tail, loose_tail) = (compile("<lead>")?, compile("<tail>")?, compile("<loose-tail>")?);
        let elsewhere = compile("<elsewhere> [<aside> {item}]")?;
        Ok(Self { vocabulary, lead, tail, loose_tail, frames, items, no_titles, choosing, naming, elsewhere })
    }

    /// The sentence's words as the grammar knows them.
    pub fn words(&self, sentence: &Sentence<'_>) -> Vec<Word> {
        self.vocabulary.look_up(sentence)
    }

    /// Every way to understand the words in `span`, the best first.
    pub fn readings(&self, sentence: &Sentence<'_>, words: &[Word], span: Range<usize>) -> Vec<Reading> {
        let tokens = sentence.tokens();
        let starts = self.starts(sentence, words, span.clone());
        let ends = ends_with(&self.tail, sentence, words, span.clone());
        let loose_ends = ends_with(&self.loose_tail, sentence, words, span.clone());
        let mut items = HashMap::new();
        let mut readings = Vec::new();
        for frame in &self.frames {
            for &start in &starts {
                for cover in frame.program.covers(tokens, words, start..span.end, &|at| loose_ends.contains(&at)) {
                    let new_title_ends = [&cover.title, &cover.new].into_iter().flatten().any(|t| t.end == cover.end);
                    if new_title_ends && !ends.contains(&cover.end) {
                        continue;
                    }
                    let item = cover.item.clone().map(|item| {
                        items.entry(item.clone()).or_insert_with(|| self.item(sentence, words, item)).clone()
                    });
                    readings.push(Reading::new(frame, start, span.len(), cover, item));
                }
            }
        }
        // Stable: among equals, the order of the tables decides.
        readings.sort_by_key(|reading| std::cmp::Reverse(reading.score));
        readings
    }

    /// Where a frame may begin: at the start, or behind any number of leads.
    fn starts(&self, sentence: &Sentence<'_>, words: &[Word], span: Range<usize>) -> Vec<usize> {
        let mut starts = vec![span.start];
        let mut next = 0;
        while let Some(&start) = starts.get(next) {
            for cover in self.lead.covers(sentence.tokens(), words, start..span.end, &|_| true) {
                if cover.end > start && cover.end < span.end && !starts.contains(&cover.end) {
                    starts.push(cover.end);
                }
            }
            next += 1;
        }
        starts
    }

    /// How the words in `span` point at a task.
    pub fn item(&self, sentence: &Sentence<'_>, words: &[Word], span: Range<usize>) -> Item {
        let at_end = |at| at == span.end;
        let mut best = Item { phrase: Phrase::Name, name: span.clone(), number: None };
        let mut open_words = span.len() + 1;
        for (phrase, program) in &self.items {
            for cover in program.covers(sentence.tokens(), words, span.clone(), &at_end) {
                // A slip is no help here: names are what people write with the least care.
                if cover.slips == 0 && cover.open_words < open_words {
                    open_words = cover.open_words;
                    best = Item { phrase: *phrase, name: cover.item.unwrap_or(0..0), number: cover.number };
                }
            }
        }
        best
    }

    /// Whether the words in `span` are no title but a word for one.
    pub fn is_no_title(&self, sentence: &Sentence<'_>, words: &[Word], span: Range<usize>) -> bool {
        let at_end = |at| at == span.end;
        self.no_titles.iter().any(|program| {
            let covers = program.covers(sentence.tokens(), words, span.clone(), &at_end);
            covers.iter().any(|cover| cover.slips == 0)
        })
    }

    /// The words of an answer to "Which one?" without what stands around it.
    pub fn choice(&self, sentence: &Sentence<'_>, words: &[Word]) -> Range<usize> {
        let starts = self.starts(sentence, words, sentence.all());
        let ends = ends_with(&self.loose_tail, sentence, words, sentence.all());
        shortest(&self.choosing, sentence, words, &starts, &ends)
    }

    /// The words of an answer to "What should it be called?" without what stands around it.
    pub fn name(&self, sentence: &Sentence<'_>, words: &[Word]) -> Range<usize> {
        let ends = ends_with(&self.tail, sentence, words, sentence.all());
        shortest(&self.naming, sentence, words, &[0], &ends)
    }

    /// Whether what the words in `span` name is what another program looks after: its last word says so.
    pub fn is_elsewhere(&self, sentence: &Sentence<'_>, words: &[Word], span: Range<usize>) -> bool {
        let at_end = |at| at == span.end;
        span.clone().any(|start| {
            let covers = self.elsewhere.covers(sentence.tokens(), words, start..span.end, &at_end);
            covers.iter().any(|cover| cover.slips == 0)
        })
    }
}

/// Where a frame may end in `span`: at the end, or before any number of tails.
fn ends_with(tail: &Program, sentence: &Sentence<'_>, words: &[Word], span: Range<usize>) -> Vec<usize> {
    let mut ends = vec![span.end];
    for start in span.clone().rev().take_while(|&at| span.end - at <= 12) {
        if !tail.covers(sentence.tokens(), words, start..span.end, &|at| ends.contains(&at)).is_empty() {
            ends.push(start);
        }
    }
    ends
}

/// The shortest `{item}` that one of `programs` leaves.
fn shortest(
    programs: &[Program],
    sentence: &Sentence<'_>,
    words: &[Word],
    starts: &[usize],
    ends: &[usize],
) -> Range<usize> {
    let mut best = sentence.all();
    for program in programs {
        for &start in starts {
            for cover in program.covers(sentence.tokens(), words, start..best.end.max(start), &|at| ends.contains(&at)) {
                best = cover.item.filter(|item| cover.slips == 0 && item.len() < best.len()).unwrap_or(best);
            }
        }
    }
    best
}

impl Reading {
    /// Unexplained words cost most, then words that do not matter and slips. A frame that is not sure has to explain
    /// one word more than one that is.
    fn new(frame: &Frame, start: usize, words: usize, cover: Cover, item: Option<Item>) -> Self {
        let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX / 16);
        // The words of "the milk task" but one are explained.
        let said = match (&item, &cover.item) {
            (Some(item), Some(span)) if item.phrase != Phrase::Name => span.len() - item.name.len(),
            (Some(_) | None, _) => 0,
        };
        let explained = cover.end - start - cover.open_words - cover.wild_words;
        let score = 4 * (count(words) - count(cover.open_words) + count(said))
            - count(cover.wild_words)
            - 2 * count(cover.slips)
            - if frame.sure { 0 } else { 4 };
        Self {
            intent: frame.intent,
            sure: frame.sure,
            score,
            explained,
            title: cover.title,
            new_title: cover.new,
            item_span: cover.item,
            item,
            line: frame.line,
        }
    }

    /// Whether it leaves no word open.
    pub fn is_complete(&self) -> bool {
        self.title.is_none() && self.new_title.is_none() && self.item.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_tables_can_be_read() {
        if let Err(error) = Grammar::compile() {
            panic!("{error}");
        }
    }

    #[test]
    fn every_family_is_used() {
        let mut lines = String::new();
        for table in frames::FRAMES {
            lines.extend(table.sure.iter().chain(table.unsure).copied());
        }
        lines.extend(phrases::ITEMS.iter().map(|(_, line)| *line));
        lines.extend(phrases::NO_TITLES.iter().chain(phrases::CHOOSING).chain(phrases::NAMING).copied());
        lines.extend(words::FAMILIES.iter().map(|(_, line)| *line));
        for (name, _) in words::FAMILIES {
            let used = ["lead", "loose-tail", "elsewhere", "aside"].contains(name) || lines.contains(&format!("<{name}>"));
            assert!(used, "<{name}>");
        }
    }

    #[test]
    fn all_words_of_the_tables_are_in_the_form_that_sentences_are_read_into() {
        fn words(pattern: &Pattern, found: &mut Vec<String>) {
            match pattern {
                Pattern::Word(word) => found.push(word.clone()),
                Pattern::Sequence(parts) | Pattern::Choice(parts) => parts.iter().for_each(|part| words(part, found)),
                Pattern::Maybe(inner) => words(inner, found),
                Pattern::Family(_) | Pattern::Slot(_) | Pattern::Wild => {}
            }
        }
        let mut found = Vec::new();
        for line in words::FAMILIES.iter().map(|(_, line)| line) {
            words(&parse(line).unwrap(), &mut found);
        }
        for table in frames::FRAMES {
            for line in table.sure.iter().chain(table.unsure) {
                words(&parse(line).unwrap(), &mut found);
            }
        }
        for word in found {
            let sentence = Sentence::read(&word);
            let read: Vec<_> = sentence.tokens().iter().map(|token| token.word.as_str()).collect();
            assert_eq!(read, [word.as_str()]);
        }
    }
}
