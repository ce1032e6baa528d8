//! The grammar: what people say to a task list, as tables, and the readings that it finds in a message.
//!
//! The tables are word families (`words.rs`), frames (whole sentences: `additions.rs`, `changes.rs`, `questions.rs`,
//! `remarks.rs`) and phrases (what stands in a slot: `phrases.rs`).
//!
//! A frame covers the whole sentence; `<lead>` and `<tail>` may stand around every one and are not written. Where several
//! frames cover a sentence, the one that explains the most words wins. Below `sure` stand frames that say plainly what is
//! wanted; below `unsure` those that might also mean something else: they act on a task that the conversation knows, and
//! ask about anything else.

mod additions;
mod changes;
mod phrases;
mod questions;
mod reading;
mod remarks;
mod words;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::LazyLock;

use super::lexicon;
use super::matching::{Budget, Cover, Families, Message, Program, Vocabulary};
use super::notation::{NotationError, Pattern, parse};
use super::sentence::Sentence;

use reading::{Close, Features, FrameInfo, Frames, TailKind};
pub(super) use reading::{Feature, Intent, Item, Phrase, Reading};

/// Maximum number of positions at which a frame may begin.
const MAX_STARTS: usize = 12;

/// Maximum number of words that the tails behind a frame cover.
const MAX_TAIL_WORDS: usize = 20;

/// A compiled line of the tables.
struct Frame {
    info: FrameInfo,
    program: Program,
    /// Whether an unknown first word may be a name by which the assistant is called. False for frames that begin with
    /// any words ("mop | the floor ...") and for frames about the speaker ("Bob | finished the report").
    may_follow_name: bool,
}

/// The compiled grammar.
pub(super) struct Grammar {
    vocabulary: Vocabulary,
    families: Families,
    lead: Program,
    tail: Program,
    loose_tail: Program,
    clause_behind: Program,
    list_name: Program,
    frames: Vec<Frame>,
    items: Vec<(Phrase, Program)>,
    no_titles: Vec<Program>,
    choosing: Vec<Program>,
    naming: Vec<Program>,
    mentions: Vec<Program>,
    elsewhere: Program,
    doubtful: Program,
    clause: Program,
    comment: Program,
}

/// Every table of frames, and whether its frames are about the speaker. Among frames with the same score the first one wins.
fn tables() -> impl Iterator<Item = (&'static Frames, bool)> {
    let tables = [
        (additions::ADDITIONS, false),
        (changes::CHANGES, false),
        (changes::SPEAKER, true),
        (questions::QUESTIONS, false),
        (remarks::REMARKS, false),
    ];
    tables.into_iter().flat_map(|(table, is_about_speaker)| table.iter().map(move |frames| (frames, is_about_speaker)))
}

/// The features of the families that a line names.
fn features(line: &Pattern) -> Features {
    let mut families = Vec::new();
    line.families(&mut families);
    let has = |family: &str| families.contains(&family);
    words::FEATURES.iter().filter(|(family, _)| has(family)).map(|(_, feature)| *feature).collect()
}

/// The grammar of the tables.
#[expect(clippy::expect_used, reason = "the tables are part of the program, and a test compiles them")]
pub(super) static GRAMMAR: LazyLock<Grammar> = LazyLock::new(|| Grammar::compile().expect("the tables are valid"));

impl Grammar {
    fn compile() -> Result<Self, NotationError> {
        let mut vocabulary = Vocabulary::default();
        let families = Families::compile(words::FAMILIES, words::LIST_NAMES, &mut vocabulary)?;
        let mut compile = |line: &str| Program::compile(&parse(line)?, &families, &mut vocabulary);
        let mut frames = Vec::new();
        for (table, is_about_speaker) in tables() {
            for (lines, sure) in [(table.sure, true), (table.unsure, false)] {
                for line in lines {
                    let pattern = parse(line)?;
                    frames.push(Frame {
                        info: FrameInfo { intent: table.intent, sure, line, features: features(&pattern) },
                        program: compile(line)?.into_frame(),
                        may_follow_name: !is_about_speaker && !pattern.begins_with_slot(),
                    });
                }
            }
        }
        let items =
            phrases::ITEMS.iter().map(|(phrase, line)| Ok((*phrase, compile(line)?))).collect::<Result<_, _>>()?;
        let mut all = |lines: &[&str]| lines.iter().map(|line| compile(line)).collect::<Result<Vec<_>, _>>();
        let (no_titles, choosing) = (all(phrases::NO_TITLES)?, all(phrases::CHOOSING)?);
        let (naming, mentions) = (all(phrases::NAMING)?, all(phrases::MENTIONS)?);
        let (lead, tail, loose_tail) = (compile("<lead>")?, compile("<tail>")?, compile("<loose-tail>")?);
        let elsewhere = compile("<elsewhere> [<aside> [{item}]]")?;
        let doubtful = compile("<doubtful> [<aside> [{item}]]")?;
        let clause_behind = compile("<clause-behind>")?;
        let list_name = compile("<topics>|<list>")?;
        let clause = compile("<clause>")?;
        let comment = compile("<comment>")?;
        Ok(Self {
            vocabulary,
            families,
            lead,
            tail,
            loose_tail,
            clause_behind,
            list_name,
            frames,
            items,
            no_titles,
            choosing,
            naming,
            mentions,
            elsewhere,
            doubtful,
            clause,
            comment,
        })
    }

    /// Returns the message of `sentence`.
    pub fn message<'t>(&self, sentence: Sentence<'t>, budget: &Budget) -> Message<'t> {
        self.vocabulary.message(sentence, budget)
    }

    /// Returns every way to understand the words in `span`, the best first.
    pub fn readings(&self, message: &Message<'_>, span: Range<usize>) -> Vec<Reading> {
        self.readings_from(message, span.start, &[span.end]).pop().unwrap_or_default()
    }

    /// For each of `ends`, returns every way to understand the words between `start` and it, the best first.
    pub fn readings_from(&self, message: &Message<'_>, start: usize, ends: &[usize]) -> Vec<Vec<Reading>> {
        let mut found = vec![Vec::new(); ends.len()];
        let Some(&limit) = ends.iter().max() else { return found };
        // The ways to go on behind a frame, by its end.
        let mut closes: BTreeMap<usize, Vec<Close>> = BTreeMap::new();
        for (index, &end) in ends.iter().enumerate() {
            let mut add = |tail: &Program, kind: TailKind| {
                for (at, comment) in self.ends_before(tail, message, start..end) {
                    let closes = closes.entry(at).or_default();
                    if !closes.iter().any(|close: &Close| close.index == index) {
                        closes.push(Close { index, kind, comment });
                    }
                }
            };
            add(&self.tail, TailKind::Strict);
            add(&self.loose_tail, TailKind::Loose);
            add(&self.clause_behind, TailKind::Clause);
        }
        let mut items = HashMap::new();
        let starts = self.starts(message, start..limit);
        let span = start..limit;
        // With a comma it is a name for certain.
        let called = called(message, span.clone()).filter(|_| !message.sentence.begins_with_name(span.clone()));
        let names_speaker = called.is_some_and(|at| lexicon::SPEAKERS.contains(&message.tokens()[at].word));
        for frame in &self.frames {
            for &at in &starts {
                if called == Some(at) && !frame.may_follow_name && !names_speaker {
                    continue;
                }
                for cover in self.covers(&frame.program, message, at..limit, &|end| closes.contains_key(&end)) {
                    let ends_with_item = cover.item.as_ref().is_some_and(|item| item.end == cover.end);
                    let ends_with_title = [&cover.title, &cover.new].into_iter().flatten().any(|t| t.end == cover.end);
                    let item = cover
                        .item
                        .clone()
                        .map(|item| items.entry(item.clone()).or_insert_with(|| self.item(message, item)).clone());
                    for close in closes.get(&cover.end).map_or(&[][..], Vec::as_slice) {
                        // What follows "remind me" is rather a title than a comment.
                        let lacks_title = frame.info.intent == Intent::Add && cover.title.is_none();
                        let fits = match close.kind {
                            TailKind::Strict => true,
                            TailKind::Loose => !(ends_with_title || lacks_title),
                            TailKind::Clause => cover.names_list && !(ends_with_title || ends_with_item),
                        };
                        if fits {
                            let words = ends[close.index] - start;
                            found[close.index].push(Reading::new(
                                frame.info,
                                at,
                                words,
                                close.comment,
                                cover.clone(),
                                item.clone(),
                            ));
                        }
                    }
                }
            }
        }
        for readings in &mut found {
            // Stable: among equals, the order of the tables decides.
            readings.sort_by_key(|reading| std::cmp::Reverse(reading.score));
        }
        found
    }

    fn covers(
        &self,
        program: &Program,
        message: &Message<'_>,
        span: Range<usize>,
        ends_at: &dyn Fn(usize) -> bool,
    ) -> Vec<Cover> {
        program.covers(&self.families, message, span, ends_at)
    }

    /// Returns the ways to cover all words in `span` without a misspelt one.
    fn exact_covers(&self, program: &Program, message: &Message<'_>, span: Range<usize>) -> Vec<Cover> {
        let end = span.end;
        let mut covers = self.covers(program, message, span, &|at| at == end);
        covers.retain(|cover| cover.misspelt == 0);
        covers
    }

    /// Returns where a frame may begin: at the start, or behind any number of leads.
    fn starts(&self, message: &Message<'_>, span: Range<usize>) -> Vec<usize> {
        let mut starts = vec![span.start];
        let signs = message.tokens()[span.clone()].iter().take_while(|token| token.is_sign()).count();
        starts.extend((signs > 0 && signs < span.len()).then_some(span.start + signs));
        if message.sentence.begins_with_name(span.clone()) || called(message, span.clone()).is_some() {
            starts.push(span.start + 1);
        }
        let mut next = 0;
        while let Some(&start) = starts.get(next).filter(|_| starts.len() < MAX_STARTS) {
            for cover in self.covers(&self.lead, message, start..span.end, &|_| true) {
                let is_clear = cover.misspelt == 0 || cover.end - start == 1;
                if is_clear && cover.end > start && cover.end < span.end && !starts.contains(&cover.end) {
                    starts.push(cover.end);
                }
            }
            next += 1;
        }
        starts
    }

    /// Returns where a frame may end in `span`: at the end, or before any number of tails. With each goes the number of words
    /// of a comment among them.
    fn ends_before(&self, tail: &Program, message: &Message<'_>, span: Range<usize>) -> BTreeMap<usize, usize> {
        let mut ends = BTreeMap::from([(span.end, 0)]);
        for start in span.clone().rev().take_while(|&at| span.end - at <= MAX_TAIL_WORDS) {
            let covers = self.covers(tail, message, start..span.end, &|at| ends.contains_key(&at));
            let comment = covers.iter().filter_map(|cover| {
                let words = if cover.rest_words > 0 { cover.end - start } else { 0 };
                Some(ends.get(&cover.end)? + words)
            });
            if let Some(fewest) = comment.min() {
                ends.insert(start, fewest);
            }
        }
        ends
    }

    /// Returns how the words in `span` point at a task.
    pub fn item(&self, message: &Message<'_>, span: Range<usize>) -> Item {
        if message.sentence.places(span.clone()).len() > 1 {
            return Item { phrase: Phrase::Several, name: 0..0, number: None };
        }
        let mut best = Item { phrase: Phrase::Name, name: span.clone(), number: None };
        let mut open_words = span.len() + 1;
        for (phrase, program) in &self.items {
            // Misspelt words do not count: names are what people write with the least care.
            for cover in self.exact_covers(program, message, span.clone()) {
                if cover.open_words < open_words {
                    open_words = cover.open_words;
                    best = Item { phrase: *phrase, name: cover.item.unwrap_or(0..0), number: cover.number };
                }
            }
        }
        best
    }

    /// Whether the words in `span` stand for a title without being one.
    pub fn is_no_title(&self, message: &Message<'_>, span: &Range<usize>) -> bool {
        self.no_titles.iter().any(|program| !self.exact_covers(program, message, span.clone()).is_empty())
    }

    /// Returns the words of an answer to "Which one?" without what stands around it.
    pub fn choice(&self, message: &Message<'_>) -> Range<usize> {
        let starts = self.starts(message, message.sentence.all());
        let ends: Vec<usize> =
            self.ends_before(&self.loose_tail, message, message.sentence.all()).into_keys().collect();
        self.shortest(&self.choosing, message, &starts, &ends)
    }

    /// Returns the words of an answer to "What should it be called?" without what stands around it.
    pub fn name(&self, message: &Message<'_>) -> Range<usize> {
        let ends: Vec<usize> = self.ends_before(&self.tail, message, message.sentence.all()).into_keys().collect();
        self.shortest(&self.naming, message, &[0], &ends)
    }

    /// Returns the thing that the words in `span` speak of, if they are said before a command about it.
    pub fn mentioned(&self, message: &Message<'_>, span: &Range<usize>) -> Option<Range<usize>> {
        let covers = self.mentions.iter().flat_map(|program| self.exact_covers(program, message, span.clone()));
        let is_thing = |item: &Range<usize>| {
            let first = &message.tokens()[item.start].word;
            !lexicon::THIRD_PERSONS.contains(first) && !lexicon::CONDITIONS.contains(first)
        };
        let things = covers.filter(|cover| cover.item.as_ref().is_some_and(is_thing));
        things.min_by_key(|cover| cover.open_words).and_then(|cover| cover.item)
    }

    /// Whether the words in `span` are rather a clause than a name, as in "delete what I said" or "mark it as not done".
    pub fn is_clause(&self, message: &Message<'_>, span: Range<usize>) -> bool {
        let negates = message.tokens()[span.clone()].iter().any(|token| lexicon::NEGATIONS.contains(&token.word));
        negates || self.covers(&self.clause, message, span, &|_| true).iter().any(|cover| cover.misspelt == 0)
    }

    /// Whether the words in `span` are a clause with a subject, which says something about the words before it.
    pub fn is_remark(&self, message: &Message<'_>, span: Range<usize>) -> bool {
        let has_subject = lexicon::SUBJECTS.contains(&message.tokens()[span.start].word);
        span.len() > 1 && (has_subject || !self.exact_covers(&self.comment, message, span).is_empty())
    }

    /// Whether the words in `span` only lead to a command.
    pub fn is_lead(&self, message: &Message<'_>, span: Range<usize>) -> bool {
        self.starts(message, span.start..span.end + 1).contains(&span.end)
    }

    /// Whether the words in `span` name a list.
    pub fn is_list_name(&self, message: &Message<'_>, span: Range<usize>) -> bool {
        !self.exact_covers(&self.list_name, message, span).is_empty()
    }

    /// Whether another program looks after what the words in `span` name.
    pub fn is_elsewhere(&self, message: &Message<'_>, span: &Range<usize>) -> bool {
        span.clone().any(|start| !self.exact_covers(&self.elsewhere, message, start..span.end).is_empty())
    }

    /// Whether another program may look after what the words in `span` name, although it may be a task too.
    pub fn is_doubtful(&self, message: &Message<'_>, span: &Range<usize>) -> bool {
        span.clone().any(|start| !self.exact_covers(&self.doubtful, message, start..span.end).is_empty())
    }

    /// The shortest `{item}` that one of `programs` leaves.
    fn shortest(&self, programs: &[Program], message: &Message<'_>, starts: &[usize], ends: &[usize]) -> Range<usize> {
        let mut best = message.sentence.all();
        for program in programs {
            for &start in starts {
                let span = start..best.end.max(start);
                for cover in self.covers(program, message, span, &|at| ends.contains(&at)) {
                    best = cover.item.filter(|item| cover.misspelt == 0 && item.len() < best.len()).unwrap_or(best);
                }
            }
        }
        best
    }
}

/// Returns where the message goes on behind a first word that the grammar does not know: perhaps the name of the assistant,
/// as in "Olly add milk".
fn called(message: &Message<'_>, span: Range<usize>) -> Option<usize> {
    let first = message.tokens().get(span.start)?;
    let is_unknown = message.word(span.start).is_some_and(|word| !word.is_known());
    // "Cookout is cancelled" speaks of a cookout.
    let is_subject =
        message.tokens().get(span.start + 1).is_some_and(|next| lexicon::FINITE_VERBS.contains(&next.word));
    let may_be_name =
        is_unknown && !is_subject && span.len() > 2 && first.is_name() && !lexicon::HEDGES.contains(&first.word);
    may_be_name.then_some(span.start + 1)
}

#[cfg(test)]
mod tests;
