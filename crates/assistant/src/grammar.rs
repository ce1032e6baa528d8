//! The grammar: what people say to a task list, as tables, and the machine that holds a sentence against them.
//!
//! The tables are in `grammar/`: word families, frames (whole sentences) and phrases (what stands in a slot).
//! Deliberately not here: what a reading leads to. That depends on the conversation: `dialogue.rs`.

mod frames;
mod phrases;
mod questions;
mod reading;
mod remarks;
mod words;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use super::matching::{Program, Vocabulary, Words};
use super::notation::{NotationError, Pattern, parse};
use super::sentence::Sentence;

pub(super) use super::command::Status;
use reading::Features;
pub(super) use reading::{Feature, Intent, Item, Phrase, Reading};

/// Frames that ask for the same.
pub(super) struct Frames {
    /// What they ask for.
    pub intent: Intent,
    /// Frames that say so plainly.
    pub sure: &'static [&'static str],
    /// Frames that might also mean something else.
    pub unsure: &'static [&'static str],
}

/// A line of the tables, ready to be held against a sentence.
pub(super) struct Frame {
    intent: Intent,
    sure: bool,
    line: &'static str,
    features: Features,
    program: Program,
    /// Whether an unknown first word may be a name by which the assistant is called. False for frames that begin with
    /// any words ("mop | the floor ...") and for frames about the speaker ("Bob | finished the report").
    may_follow_name: bool,
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
    mentions: Vec<Program>,
    elsewhere: Program,
    doubtful: Program,
    clause: Program,
}

/// First words that make a command doubtful, and are no names.
const DOUBTS: &[&str] = &[
    "almost",
    "avoid",
    "define",
    "hypothetically",
    "maybe",
    "nearly",
    "perhaps",
    "possibly",
    "quit",
    "quote",
    "seldom",
    "someday",
    "spell",
];

/// At how many places a frame may begin. Nobody puts that many leads before a command.
const MAX_STARTS: usize = 12;

/// Every table of frames, and whether its frames are about the speaker. Among lines that explain a sentence equally well
/// the first one wins.
fn tables() -> impl Iterator<Item = (&'static Frames, bool)> {
    let tables =
        [(frames::COMMANDS, false), (frames::SPEAKER, true), (questions::QUESTIONS, false), (remarks::REMARKS, false)];
    tables.into_iter().flat_map(|(table, is_about_speaker)| table.iter().map(move |frames| (frames, is_about_speaker)))
}

/// The features of the families that a line names.
fn features(line: &Pattern) -> Features {
    let mut families = Vec::new();
    line.families(&mut families);
    let has = |family: &str| families.contains(&family);
    words::FEATURES.iter().filter(|(family, _)| has(family)).map(|(_, feature)| *feature).collect()
}

/// The one grammar.
#[expect(clippy::expect_used, reason = "the tables are part of the program, and a test reads every line of them")]
pub(super) static GRAMMAR: LazyLock<Grammar> = LazyLock::new(|| Grammar::compile().expect("the grammar is sound"));

impl Grammar {
    fn compile() -> Result<Self, NotationError> {
        let families = words::FAMILIES
            .iter()
            .map(|(name, line)| {
                let pattern = parse(line)?;
                let names_list = words::LIST_NAMES.contains(name);
                Ok((*name, if names_list { Pattern::ListName(Box::new(pattern)) } else { pattern }))
            })
            .collect::<Result<HashMap<_, _>, NotationError>>()?;
        let mut vocabulary = Vocabulary::default();
        let mut compile = |line: &str| Program::compile(&parse(line)?, &families, &mut vocabulary);
        let mut frames = Vec::new();
        for (table, is_about_speaker) in tables() {
            for (lines, sure) in [(table.sure, true), (table.unsure, false)] {
                for line in lines {
                    let pattern = parse(line)?;
                    frames.push(Frame {
                        intent: table.intent,
                        sure,
                        line,
                        features: features(&pattern),
                        program: compile(line)?,
                        may_follow_name: !is_about_speaker && !pattern.begins_with_slot(),
                    });
                }
            }
        }
        let items =
            phrases::ITEMS.iter().map(|(phrase, line)| Ok((*phrase, compile(line)?))).collect::<Result<_, _>>()?;
        let no_titles = phrases::NO_TITLES.iter().map(|line| compile(line)).collect::<Result<_, _>>()?;
        let choosing = phrases::CHOOSING.iter().map(|line| compile(line)).collect::<Result<_, _>>()?;
        let naming = phrases::NAMING.iter().map(|line| compile(line)).collect::<Result<_, _>>()?;
        let mentions = phrases::MENTIONS.iter().map(|line| compile(line)).collect::<Result<_, _>>()?;
        let (lead, tail, loose_tail) = (compile("<lead>")?, compile("<tail>")?, compile("<loose-tail>")?);
        let elsewhere = compile("<elsewhere> [<aside> {item}]")?;
        let doubtful = compile("<doubtful> [<aside> {item}]")?;
        let clause = compile("<clause>")?;
        Ok(Self {
            vocabulary,
            lead,
            tail,
            loose_tail,
            frames,
            items,
            no_titles,
            choosing,
            naming,
            mentions,
            elsewhere,
            doubtful,
            clause,
        })
    }

    /// The sentence's words as the grammar knows them.
    pub fn words(&self, sentence: &Sentence<'_>) -> Words {
        self.vocabulary.look_up(sentence)
    }

    /// Every way to understand the words in `span`, the best first.
    pub fn readings(&self, sentence: &Sentence<'_>, words: &Words, span: Range<usize>) -> Vec<Reading> {
        let tokens = sentence.tokens();
        let starts = self.starts(sentence, words, span.clone());
        let ends = ends_with(&self.tail, sentence, words, span.clone());
        let loose_ends = ends_with(&self.loose_tail, sentence, words, span.clone());
        let mut items = HashMap::new();
        let mut readings = Vec::new();
        // With a comma it is a name for certain.
        let called = called(sentence, words, span.clone()).filter(|_| !sentence.begins_with_name(span.clone()));
        let says_who = called.is_some_and(|start| matches!(tokens[start].word.as_str(), "i" | "we"));
        for frame in &self.frames {
            for &start in &starts {
                if called == Some(start) && !frame.may_follow_name && !says_who {
                    continue;
                }
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
    fn starts(&self, sentence: &Sentence<'_>, words: &Words, span: Range<usize>) -> Vec<usize> {
        let mut starts = vec![span.start];
        let signs = sentence.tokens()[span.clone()].iter().take_while(|token| token.is_sign()).count();
        starts.extend((signs > 0 && signs < span.len()).then_some(span.start + signs));
        if sentence.begins_with_name(span.clone()) || called(sentence, words, span.clone()).is_some() {
            starts.push(span.start + 1);
        }
        let mut next = 0;
        while let Some(&start) = starts.get(next).filter(|_| starts.len() < MAX_STARTS) {
            for cover in self.lead.covers(sentence.tokens(), words, start..span.end, &|_| true) {
                let is_clear = cover.slips == 0 || cover.end - start == 1;
                if is_clear && cover.end > start && cover.end < span.end && !starts.contains(&cover.end) {
                    starts.push(cover.end);
                }
            }
            next += 1;
        }
        starts
    }

    /// How the words in `span` point at a task.
    pub fn item(&self, sentence: &Sentence<'_>, words: &Words, span: Range<usize>) -> Item {
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
    pub fn is_no_title(&self, sentence: &Sentence<'_>, words: &Words, span: Range<usize>) -> bool {
        let at_end = |at| at == span.end;
        self.no_titles.iter().any(|program| {
            let covers = program.covers(sentence.tokens(), words, span.clone(), &at_end);
            covers.iter().any(|cover| cover.slips == 0)
        })
    }

    /// The words of an answer to "Which one?" without what stands around it.
    pub fn choice(&self, sentence: &Sentence<'_>, words: &Words) -> Range<usize> {
        let starts = self.starts(sentence, words, sentence.all());
        let ends = ends_with(&self.loose_tail, sentence, words, sentence.all());
        shortest(&self.choosing, sentence, words, &starts, &ends)
    }

    /// The words of an answer to "What should it be called?" without what stands around it.
    pub fn name(&self, sentence: &Sentence<'_>, words: &Words) -> Range<usize> {
        let ends = ends_with(&self.tail, sentence, words, sentence.all());
        shortest(&self.naming, sentence, words, &[0], &ends)
    }

    /// The thing that the words in `span` speak of, if they are said before a command about it.
    pub fn mentioned(&self, sentence: &Sentence<'_>, words: &Words, span: Range<usize>) -> Option<Range<usize>> {
        let at_end = |at| at == span.end;
        let covers = |program: &Program| program.covers(sentence.tokens(), words, span.clone(), &at_end);
        let covers = self.mentions.iter().flat_map(covers).filter(|cover| cover.slips == 0);
        covers.min_by_key(|cover| cover.open_words).and_then(|cover| cover.item)
    }

    /// Whether the words in `span` are rather a clause than a name, as in "delete what I said" or "mark it as not done".
    pub fn is_clause(&self, sentence: &Sentence<'_>, words: &Words, span: Range<usize>) -> bool {
        let negates =
            sentence.tokens()[span.clone()].iter().any(|token| matches!(token.word.as_str(), "not" | "never"));
        let covers = self.clause.covers(sentence.tokens(), words, span, &|_| true);
        negates || covers.iter().any(|cover| cover.slips == 0)
    }

    /// Whether what the words in `span` name is what another program looks after.
    pub fn is_elsewhere(&self, sentence: &Sentence<'_>, words: &Words, span: Range<usize>) -> bool {
        ends_in(&self.elsewhere, sentence, words, span)
    }

    /// Whether what the words in `span` name may be a task, and may be what another program looks after.
    pub fn is_doubtful(&self, sentence: &Sentence<'_>, words: &Words, span: Range<usize>) -> bool {
        ends_in(&self.doubtful, sentence, words, span)
    }
}

/// Where the sentence goes on behind a first word that the grammar has no use for: perhaps the name of whoever is
/// spoken to, as in "Olly add milk".
fn called(sentence: &Sentence<'_>, words: &Words, span: Range<usize>) -> Option<usize> {
    let first = sentence.tokens().get(span.start).map_or("", |token| token.word.as_str());
    if DOUBTS.contains(&first) {
        return None;
    }
    let is_unknown = words.get(span.start).is_some_and(|word| !word.is_known());
    (is_unknown && span.len() > 2 && sentence.tokens()[span.start].is_name()).then_some(span.start + 1)
}

/// Whether `program` covers the end of `span`, from any word on.
fn ends_in(program: &Program, sentence: &Sentence<'_>, words: &Words, span: Range<usize>) -> bool {
    let at_end = |at| at == span.end;
    span.clone().any(|start| {
        let covers = program.covers(sentence.tokens(), words, start..span.end, &at_end);
        covers.iter().any(|cover| cover.slips == 0)
    })
}

/// Where a frame may end in `span`: at the end, or before any number of tails.
fn ends_with(tail: &Program, sentence: &Sentence<'_>, words: &Words, span: Range<usize>) -> Vec<usize> {
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
    words: &Words,
    starts: &[usize],
    ends: &[usize],
) -> Range<usize> {
    let mut best = sentence.all();
    for program in programs {
        for &start in starts {
            for cover in program.covers(sentence.tokens(), words, start..best.end.max(start), &|at| ends.contains(&at))
            {
                best = cover.item.filter(|item| cover.slips == 0 && item.len() < best.len()).unwrap_or(best);
            }
        }
    }
    best
}

#[cfg(test)]
mod tests;
