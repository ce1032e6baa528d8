//! Messages that say more than one thing: two commands joined by "and", several sentences, and a sentence that only
//! names what the next one is about.

use std::ops::Range;

use super::super::command::{Command, Decision, Remark, Target};
use super::super::grammar::{Feature, GRAMMAR, Intent, Item, Phrase, Reading};
use super::Listener;

/// What makes a command wait for something, which nothing here does.
const CONDITIONS: &[&str] = &["after", "before", "if", "once", "unless", "until", "when"];

/// The longest bare thing that a command behind it may be about, in words.
const MAX_BARE_WORDS: usize = 4;

/// How many sentences are taken for commands of their own.
const MAX_SENTENCES: usize = 8;

/// How many times "and" is tried as the joint between two commands.
const MAX_JOINTS: usize = 4;

impl Listener<'_> {
    /// "Do this and do that", if both parts are sure and explain more than the whole does. Only what names no title
    /// runs as the second part: a title might as well contain it ("add wash and fold the laundry").
    pub(super) fn two_commands(&self, whole: Option<&Reading>) -> Option<Decision> {
        let all = self.sentence.all();
        let joints =
            self.sentence.tokens().iter().enumerate().filter(|(_, t)| matches!(t.word.as_str(), "and" | "then"));
        for (at, _) in joints.take(MAX_JOINTS) {
            let (left, right) = (self.readings(all.start..at), self.readings(at + 1..all.end));
            let (Some(left), Some(right)) = (left.first(), right.first()) else { continue };
            let is_better = whole.is_none_or(|whole| left.score + right.score + 4 > whole.score);
            let is_command = |reading: &Reading| {
                use Intent::{Add, Complete, Delete, Everything, List, Rename};
                reading.sure && matches!(reading.intent, Add | List(_) | Complete | Delete | Rename | Everything)
            };
            if !is_better || !is_command(left) || !is_command(right) {
                continue;
            }
            // A new title might go on behind the "and"; what points at the list or into it does not.
            let points = |item: &Item| matches!(item.phrase, Phrase::Position | Phrase::First | Phrase::Last);
            let stands_alone = left.intent != Intent::Add
                || matches!(right.intent, Intent::List(_))
                || right.speaks_of_list
                || (right.intent == Intent::Add && right.has(Feature::Add))
                || right.item.as_ref().is_some_and(points);
            return Some(match (self.interpret(left), self.interpret(right)) {
                (Decision::Act(first), Decision::Act(second)) if stands_alone => {
                    Decision::Act(first.into_iter().chain(second).collect())
                }
                _ => Decision::Say(Remark::OneCommand),
            });
        }
        None
    }

    /// Several sentences: what they ask for together. A "don't" among them outweighs everything, a question comes
    /// before any deed, and chatter around commands is left aside.
    pub(super) fn by_sentences(&self) -> Decision {
        let spans = self.sentence.sentences();
        if spans.len() > MAX_SENTENCES {
            return Decision::Say(Remark::TooLong);
        }
        if self.sentence.tokens().first().is_some_and(|token| CONDITIONS.contains(&token.word.as_str())) {
            return Decision::Say(Remark::Unknown);
        }
        let mut commands = Vec::new();
        let mut question = None;
        let mut perhaps = None;
        let mut swept = None;
        let mut remark = None;
        let mut mentioned = None;
        let mut before_mention = 0;
        for span in spans.iter().filter(|_| spans.len() > 1) {
            let readings = self.readings(span.clone());
            if let (Some(thing), Some(reading)) = (&mentioned, readings.first())
                && let Some(command) = self.about_mentioned(reading, thing)
            {
                // What sounded like a wish was the reason for this.
                commands.truncate(before_mention);
                commands.push(command);
                mentioned = None;
                continue;
            }
            before_mention = commands.len();
            mentioned = GRAMMAR.mentioned(self.sentence, self.words, span.clone()).or_else(|| {
                // A bare thing: "sandpaper, please add it to the list".
                (readings.is_empty() && span.len() <= MAX_BARE_WORDS).then(|| span.clone())
            });
            match self.best_of(&readings) {
                Ok(None) => {}
                Ok(Some(reading)) if reading.intent == Intent::Leave => return Decision::Say(Remark::LeftAlone),
                // "Delete milk? No."
                Ok(Some(reading)) if reading.intent == Intent::No && !commands.is_empty() => {
                    return Decision::Say(Remark::LeftAlone);
                }
                // "Cross off eggs, I have to go": behind a command that is a comment.
                Ok(Some(reading)) if !commands.is_empty() && self.is_comment(reading) => {}
                Ok(Some(reading)) => match self.interpret(reading) {
                    Decision::Act(more) => commands.extend(more),
                    sweep @ Decision::Sweep(..) => swept = Some(sweep),
                    // What only sounds like a wish is the reason for the command behind it: "We're out of paint, so ..."
                    Decision::Ask(asked) if !reading.sure => perhaps = perhaps.or(Some(asked)),
                    Decision::Ask(asked) => question = question.or(Some(asked)),
                    Decision::Say(said) => remark = Some(said),
                },
                Err(ambiguous) => return Decision::Say(ambiguous),
            }
        }
        if commands.is_empty() {
            question = question.or(perhaps);
        }
        match question {
            Some(question) => Decision::Ask(question),
            None => match swept {
                // What becomes of the list then is not to be told in one breath.
                Some(_) if !commands.is_empty() => Decision::Say(Remark::OneCommand),
                Some(sweep) => sweep,
                // It does not undo what is done in the same breath.
                None if commands.len() > 1 && commands.contains(&Command::Undo) => Decision::Say(Remark::OneCommand),
                None if commands.is_empty() => Decision::Say(remark.unwrap_or(Remark::Unknown)),
                None => Decision::Act(commands),
            },
        }
    }

    /// Whether a sentence tells of its speaker and names neither the list nor a reminder.
    fn is_comment(&self, reading: &Reading) -> bool {
        let first = self.sentence.tokens().get(reading.span.start).map(|token| token.word.as_str());
        reading.intent == Intent::Add
            && matches!(first, Some("i" | "we"))
            && !reading.speaks_of_list
            && !reading.has(Feature::Reminder)
    }

    /// A command about "it", where that is what the sentence before has named. A new task may be called after anything;
    /// to change one, its name has to be the object of a sentence that the grammar knows.
    fn about_mentioned(&self, reading: &Reading, thing: &Range<usize>) -> Option<Command> {
        let points = |item: &Item| item.phrase == Phrase::It || self.sentence.is_pronoun(&item.name);
        let is_whole = self.sentence.sentences().contains(thing);
        match reading.intent {
            Intent::Add => {
                let is_open = reading
                    .title
                    .as_ref()
                    .is_none_or(|title| GRAMMAR.is_no_title(self.sentence, self.words, title.clone()));
                (reading.sure && is_open).then(|| Command::Add { title: self.written(thing).to_owned() })
            }
            Intent::Complete | Intent::Delete
                if reading.sure && !is_whole && reading.item.as_ref().is_some_and(points) =>
            {
                let target = Target::named(self.name_of(&self.item(thing.clone())));
                Some(if reading.intent == Intent::Delete { Command::Delete(target) } else { Command::Complete(target) })
            }
            _ => None,
        }
    }
}
