//! Names of tasks in a message: where they begin and end, and how likely they are a task's.

use std::ops::Range;

use super::interpreter::{Interpreter, Plausibility};
use crate::command::Action;
use crate::grammar::{Feature, GRAMMAR, Item, Reading};
use crate::lexicon;
use crate::sentence::Token;

/// Maximum number of words of a name that no one has seen: longer ones are rather sentences.
const MAX_NAME_WORDS: usize = 10;

/// Maximum number of words of a name that, with "done" behind it, is taken for a task's.
const MAX_DONE_WORDS: usize = 4;

impl Interpreter<'_> {
    /// The quoted passage of a title that begins or ends with one, which the other words only lead to.
    pub fn quoted_title(&self, span: &Range<usize>) -> Range<usize> {
        let is_quote = |at: &usize| self.message.tokens()[*at].word.is_empty();
        let mut quotes = span.clone().filter(is_quote);
        match (quotes.next(), quotes.next()) {
            (Some(only), None) if only == span.start || only + 1 == span.end => {
                let passage = self.written(&(only..only + 1));
                if only == span.start || passage.contains(' ') { only..only + 1 } else { span.clone() }
            }
            _ => span.clone(),
        }
    }

    /// The words of a new title for a task: a passage in quotes is the title, and the contrast to what it was ends it
    /// ("by Thursday, not Wednesday").
    pub fn replacing_title(&self, span: &Range<usize>) -> Range<usize> {
        let tokens = self.message.tokens();
        let is_whole = |title: &str| title.matches('(').count() == title.matches(')').count();
        let is_contrast = |at: usize| {
            tokens[at].word == "not"
                && self.message.sentence.is_behind_comma(at)
                && is_whole(self.written(&(span.start..at)))
        };
        let end = span.clone().skip(1).find(|&at| is_contrast(at)).filter(|&at| at + 1 < span.end);
        let span = self.quoted_title(&(span.start..end.unwrap_or(span.end)));
        span.start..self.remark_in(&span).map_or(span.end, |remark| remark.start)
    }

    /// The clause with a subject of its own behind a comma in a title: "call the bank, they close at 5".
    pub fn remark_in(&self, title: &Range<usize>) -> Option<Range<usize>> {
        let is_remark =
            |at: usize| self.message.sentence.is_behind_comma(at) && GRAMMAR.is_remark(self.message, at..title.end);
        title.clone().skip(1).find(|&at| is_remark(at)).map(|at| at..title.end)
    }

    /// The clause behind a comma in a name that separates no enumeration: "the pregame, Macca is ill".
    pub fn comment_in(&self, name: &Range<usize>) -> Option<Range<usize>> {
        let comma = name.clone().skip(1).find(|&at| self.message.sentence.is_behind_comma(at))?;
        let comment = comma..name.end;
        (!self.memory.has_seen_exactly(self.written(name)) && self.is_comment_behind(comment.clone()))
            .then_some(comment)
    }

    /// Returns how likely a bare name is a task's.
    pub fn plausibility(&self, action: Action, reading: &Reading, item: &Item, name: &str) -> Plausibility {
        let (sentence, span) = (&self.message.sentence, &item.name);
        // "Mark X as done" is said of tasks alone, "complete X" and "delete X" of much else.
        let may_be_other = !reading.has(Feature::Done) && !reading.names_list;
        // A deletion needs the whole title, unless the sentence is plain.
        let needs_all = action == Action::Delete && !reading.is_sure();
        let is_known = if needs_all { self.memory.has_seen_exactly(name) } else { self.memory.has_seen(name) };
        let is_quoted = sentence.quoted(span.clone()).is_some_and(|passage| passage.contains(' '));
        // "Walk the dog done", "the forms: done", "haircut done"
        let is_done_deed = reading.has(Feature::Done)
            && (sentence.is_errand(span) || sentence.is_label(span) || span.len() <= MAX_DONE_WORDS);
        if is_known || is_quoted {
            Plausibility::Task
        } else if self.is_statement(span) {
            Plausibility::Perhaps
        } else if sentence.is_person(span) || (action == Action::Delete && self.is_from_elsewhere(reading, span)) {
            Plausibility::Elsewhere
        } else if sentence.wonders(span) {
            Plausibility::Perhaps
        } else if self.is_clause(item) {
            if reading.is_sure() { Plausibility::Perhaps } else { Plausibility::Nonsense }
        } else if may_be_other && GRAMMAR.is_elsewhere(self.message, span) {
            Plausibility::Elsewhere
        } else if is_done_deed || (reading.is_sure() && !(may_be_other && GRAMMAR.is_doubtful(self.message, span))) {
            Plausibility::Task
        } else {
            Plausibility::Perhaps
        }
    }

    /// Whether the words in `span` are rather a statement or an adverbial than a name: "Peter has his ladder back".
    fn is_statement(&self, span: &Range<usize>) -> bool {
        let sentence = &self.message.sentence;
        let first = span.start..span.start + 1;
        span.len() > MAX_NAME_WORDS
            || [lexicon::NEVER_NAMES, lexicon::THIRD_PERSONS].iter().any(|class| sentence.has_any(&first, *class))
            || sentence.has_any(&(span.start + 1..span.end), lexicon::FINITE_VERBS)
    }

    /// Whether something is to be taken from something else than the list: "remove the stain from my blouse".
    fn is_from_elsewhere(&self, reading: &Reading, span: &Range<usize>) -> bool {
        let words = self.message.tokens().get(span.clone()).unwrap_or_default();
        let is_from = |pair: &[Token]| pair[0].word == "from" && lexicon::DETERMINERS.contains(&pair[1].word);
        !reading.names_list && words.windows(2).any(is_from)
    }

    /// The name that an item gives, or all of its words if exactly these are a title that was shown. A comma that
    /// separates no enumeration ends it: "the pregame, Macca is ill".
    pub fn name_in(&self, reading: &Reading, item: &Item) -> &str {
        let whole = reading.item_span.as_ref().map_or("", |span| self.written(span));
        if self.memory.has_seen_exactly(whole) {
            return whole;
        }
        match self.comment_in(&item.name) {
            Some(comment) => self.name_of(&self.item(item.name.start..comment.start)),
            None => self.name_of(item),
        }
    }

    /// Whether the words in `span`, behind a comma, are a clause of their own.
    fn is_comment_behind(&self, span: Range<usize>) -> bool {
        let sentence = &self.message.sentence;
        span.len() > 1
            && !sentence.has_any(&(span.start..span.start + 1), lexicon::CORRECTIONS)
            && !sentence.has_any(&span, lexicon::LIST_CONJUNCTIONS)
            && !span.clone().skip(1).any(|at| sentence.is_behind_comma(at))
    }

    /// The name that an item gives. A quoted passage in it is the name: the words around it only lead there.
    pub fn name_of(&self, item: &Item) -> &str {
        self.message.sentence.quoted(item.name.clone()).unwrap_or_else(|| self.written(&item.name))
    }

    pub fn is_clause(&self, item: &Item) -> bool {
        GRAMMAR.is_clause(self.message, item.name.clone())
    }
}
