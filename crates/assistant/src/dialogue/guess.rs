//! What to do about words that no line of the grammar covers.

use super::interpreter::{Interpreter, confirmed};
use crate::command::{Command, Decision, Plan, Question, Remark};
use crate::grammar::{Feature, GRAMMAR, Intent, Reading};
use crate::{language, lexicon};

/// Maximum number of words of a label before a colon.
const MAX_LABEL: usize = 16;

/// Maximum number of words of a label before a dash.
const MAX_DASHED: usize = 6;

/// Maximum number of words before a command that are taken for an introduction.
const MAX_INTRODUCTION: usize = 8;

impl Interpreter<'_> {
    /// The command behind words that the grammar does not know: done if it adds or shows something, asked about if it
    /// changes a task.
    pub fn best_guess(&self) -> Decision {
        let all = self.message.sentence.all();
        let doubts = [lexicon::NEGATIONS, lexicon::CONDITIONS, lexicon::QUESTIONS, lexicon::HEDGES, lexicon::WONDERS];
        let is_doubt = |at: &usize| doubts.iter().any(|class| class.contains(&self.message.tokens()[*at].word));
        let introduction = (0..all.end).take_while(|at| !is_doubt(at)).take(MAX_INTRODUCTION);
        let starts = introduction.map(|at| at + 1).filter(|&at| at < all.end && !self.message.tokens()[at].glued);
        let mut best: Option<Reading> = None;
        for start in starts {
            let readings = self.readings(start..all.end);
            let Some(reading) = readings.into_iter().next().filter(|reading| reading.is_sure() && reading.is_exact)
            else {
                continue;
            };
            if best.as_ref().is_none_or(|best| reading.score > best.score) {
                best = Some(reading);
            }
        }
        let unknown = || {
            let text = self.message.sentence.text();
            Decision::Say(if language::is_english(text) { Remark::Unknown } else { Remark::EnglishOnly })
        };
        let Some(reading) = best else { return unknown() };
        match reading.intent() {
            Intent::Add if reading.title.as_ref().is_some_and(|title| !self.is_dependent(title.start)) => {
                if reading.has(Feature::Add) || reading.has(Feature::Reminder) {
                    self.interpret(&reading)
                } else {
                    confirmed(self.interpret(&reading))
                }
            }
            Intent::Complete | Intent::Delete | Intent::Rename => match confirmed(self.interpret(&reading)) {
                Decision::Ask(question) => Decision::Ask(question),
                Decision::Act(_) | Decision::Say(_) => unknown(),
            },
            Intent::List(_) | Intent::Count(_)
                if lexicon::QUESTION_OPENERS.contains(&self.message.tokens()[reading.span.start].word) =>
            {
                self.interpret(&reading)
            }
            _ => unknown(),
        }
    }

    /// The title behind a label: "one for the band: update the website". It is added if the label speaks of a new task, and
    /// asked about otherwise. A reading that explains the words before the colon goes first.
    pub fn labelled_title(&self, readings: &[Reading]) -> Option<Decision> {
        let (sentence, all) = (&self.message.sentence, self.message.sentence.all());
        let speaks_of_tasks = |colon: usize| {
            sentence.has_any(&(0..colon), lexicon::LABELS) || GRAMMAR.is_list_name(self.message, 0..colon)
        };
        let is_label = |at: usize| {
            sentence.is_behind_label(at) || (at <= MAX_DASHED && sentence.is_behind_colon(at) && speaks_of_tasks(at))
        };
        let colon = (1..all.end.min(MAX_LABEL)).find(|&at| is_label(at))?;
        let adds = |reading: &Reading| {
            [Feature::Add, Feature::Put, Feature::Reminder].iter().any(|feature| reading.has(*feature))
        };
        let explains = |reading: &Reading| match &reading.title {
            Some(title) if title.start == colon => true,
            // "To do: add milk"
            Some(title) if title.start > colon => {
                let rest = self.readings(colon..all.end);
                rest.first().is_some_and(|best| best.is_sure() && adds(best) && best.title.as_ref() == Some(title))
            }
            Some(title) => reading.is_sure() && !self.is_dependent(title.start),
            None => reading.is_sure(),
        };
        let changes =
            |reading: &Reading| matches!(reading.intent(), Intent::Complete | Intent::Delete | Intent::Rename);
        // "The forms: done"
        let is_done = (colon..all.end).all(|at| lexicon::COMPLETED.contains(&self.message.tokens()[at].word));
        if GRAMMAR.is_lead(self.message, 0..colon)
            || is_done
            || readings.first().is_some_and(explains)
            || self.readings(0..colon).iter().any(changes)
        {
            return None;
        }
        let remark = self.remark_in(&(colon..all.end));
        let title = self.written(&(colon..remark.as_ref().map_or(all.end, |remark| remark.start))).to_owned();
        if title.is_empty() || sentence.is_question() || sentence.has_any(&(0..colon), lexicon::NEGATIONS) {
            return None;
        }
        let command = Command::Add { title };
        Some(if speaks_of_tasks(colon) {
            let skipped = remark.iter().map(|remark| self.written(remark).to_owned()).collect();
            Decision::Act(Plan { commands: vec![command], question: None, skipped })
        } else {
            Decision::Ask(Question::Confirm(command))
        })
    }
}
