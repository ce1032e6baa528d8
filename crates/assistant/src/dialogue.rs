//! From a message to a decision: what to do, what to ask, or what to say.
//!
//! A message may answer the question before it. Otherwise its parts are interpreted one by one, and what is not done is
//! named.

mod guess;
mod interpreter;
mod names;
mod parts;
mod pasted;
mod reply;
mod sets;

use std::ops::Range;

use domain::chat::{MAX_CALLS, UserText};

use self::interpreter::Interpreter;
pub(super) use self::parts::MessagePart;
use self::pasted::PastedList;
use super::command::{Command, Decision, Plan, Question, Remark, Target};
use super::conversation::Memory;
use super::grammar::{Feature, GRAMMAR, Intent, Item, Phrase, Reading};
use super::lexicon;
use super::matching::{Budget, Message};
use super::sentence::{Enumeration, MAX_WORDS, Sentence};

/// Maximum number of words of a thing or a statement that a command behind it may be about.
const MAX_BARE_WORDS: usize = 12;

/// Maximum number of words of a part that goes on with an enumeration.
const MAX_CONTINUED_WORDS: usize = 5;

pub(super) use self::parts::parts as parts_of;

/// Returns the message of `text` as the grammar knows it; `None` if it is too long.
pub(super) fn read<'t>(text: &'t str, budget: &Budget) -> Option<Message<'t>> {
    if text.chars().nth(UserText::MAX).is_some() {
        return None;
    }
    let sentence = Sentence::read(text);
    (sentence.tokens().len() <= MAX_WORDS).then(|| GRAMMAR.message(sentence, budget))
}

/// Decides what to do about a message.
pub(super) fn decide(text: &str, memory: &Memory) -> Decision {
    if text.chars().nth(UserText::MAX).is_some() {
        return Decision::Say(Remark::TooLong);
    }
    let budget = Budget::default();
    if let Some(list) = PastedList::read(text, &budget) {
        return add_pasted(&list);
    }
    let Some(message) = read(text, &budget) else { return Decision::Say(Remark::TooLong) };
    let decision = Interpreter { message: &message, memory }.decide_message();
    // What was found before the budget was spent may be the lesser part.
    if message.is_out_of_steps() { Decision::Say(Remark::TooLong) } else { decision }
}

fn add_pasted(list: &PastedList<'_>) -> Decision {
    let add = |title: &&str| Command::Add { title: (*title).to_owned() };
    let commands: Vec<Command> = list.items.iter().take(MAX_CALLS).map(add).collect();
    let left = list.items.iter().skip(MAX_CALLS).chain(&list.checked);
    let skipped = left.map(|title| (*title).to_owned()).collect();
    if commands.is_empty() {
        return Decision::Say(Remark::Unknown);
    }
    Decision::Act(Plan { commands, question: None, skipped })
}

impl Interpreter<'_> {
    fn decide_message(&self) -> Decision {
        let all = self.message.sentence.all();
        let whole = self.readings(all.clone());
        if whole.first().is_some_and(|best| best.intent() == Intent::Crisis) {
            return Decision::Say(Remark::Crisis);
        }
        if let Some(decision) = reply::to_pending(self, whole.first()) {
            return decision;
        }
        if let Some(question) = &self.memory.question
            && let Some(decision) = reply::to(question, self, whole.first())
        {
            return decision;
        }
        if let Some(decision) = self.labelled_title(&whole) {
            return decision;
        }
        if self.message.sentence.joints().is_empty() {
            return self.decide(&whole).unwrap_or_else(|| self.best_guess());
        }
        let Some(parts) = parts::parts(self.message) else { return Decision::Say(Remark::TooLong) };
        match &parts[..] {
            [] => Decision::Say(Remark::Unknown),
            [only] => match self.decide(&only.readings) {
                Some(decision) => decision,
                None => self.best_guess(),
            },
            several => self.decide_parts(several),
        }
    }

    /// Decides about a message of several parts. A "don't" among them outweighs everything, and chatter around commands is
    /// left aside.
    fn decide_parts(&self, parts: &[MessagePart]) -> Decision {
        let mut plan = Plan::default();
        let mut remark = None;
        let mut wish = None;
        let mut is_adding = false;
        let mut mentioned: Option<(Range<usize>, usize, usize)> = None;
        for part in parts {
            let best = part.readings.first();
            if let (Some((thing, commands, skipped)), Some(reading)) = (&mentioned, best)
                && let Some(command) = self.about_mentioned(reading, thing)
            {
                // What sounded like a wish was the reason for this command.
                plan.commands.truncate(*commands);
                plan.skipped.truncate(*skipped);
                plan.commands.push(command);
                (mentioned, wish) = (None, None);
                continue;
            }
            let before = (plan.commands.len(), plan.skipped.len());
            mentioned = GRAMMAR
                .mentioned(self.message, &part.span)
                // A bare thing or a statement: "sandpaper, please add it to the list".
                .or_else(|| (best.is_none() && part.span.len() <= MAX_BARE_WORDS).then(|| part.span.clone()))
                .map(|thing| (thing, before.0, before.1));
            let Some(best) = best else {
                if let Some(titles) = self.continued(&part.span).filter(|_| is_adding) {
                    plan.commands.extend(titles.into_iter().map(|title| Command::Add { title }));
                    mentioned = None;
                    continue;
                }
                plan.skipped.push(self.written(&part.span).to_owned());
                continue;
            };
            is_adding = best.intent() == Intent::Add && best.title.is_some() && !best.has(Feature::Reminder);
            match (best.intent(), &self.memory.question) {
                // "Yes, and add eggs"
                (Intent::Yes, Some(Question::Confirm(command))) if plan.commands.is_empty() => {
                    plan.commands.push(command.clone());
                    continue;
                }
                (Intent::Yes, _) if self.memory.is_pending => plan.skipped.push(self.written(&part.span).to_owned()),
                _ => {}
            }
            match best.intent() {
                Intent::Crisis => return Decision::Say(Remark::Crisis),
                Intent::Leave => return Decision::Say(Remark::NothingDone),
                // "Delete milk? No."
                Intent::No if !plan.commands.is_empty() => return Decision::Say(Remark::NothingDone),
                Intent::Comment => continue,
                // "Delete milk, no, eggs"
                Intent::Correct if !plan.commands.is_empty() => {
                    let title = best.new_title.as_ref().map(|title| self.written(title).to_owned());
                    if let (Some(command), Some(title)) = (plan.commands.last_mut(), title) {
                        command.correct(title);
                    }
                    continue;
                }
                // "Cross off eggs, I have to go": behind a command that is a comment.
                Intent::Add if !plan.commands.is_empty() && self.is_comment(best) => continue,
                _ => {}
            }
            match self.decide(&part.readings) {
                Some(Decision::Act(more)) => {
                    // Two parts that show the same list show it once.
                    let is_repeated = |command: &Command| matches!(command, Command::List { .. } | Command::Sweep(..));
                    let more_commands = more.commands.into_iter();
                    let new = more_commands.filter(|new| !(is_repeated(new) && plan.commands.contains(new)));
                    let new: Vec<_> = new.collect();
                    plan.commands.extend(new);
                    plan.skipped.extend(more.skipped);
                }
                // A need may be the reason for the command behind it: "We're out of paint, so ..."
                Some(Decision::Ask(question))
                    if !best.is_sure() && matches!(best.intent(), Intent::Add | Intent::Errand) =>
                {
                    wish = wish.or(Some((question, part.span.clone())));
                }
                Some(Decision::Ask(question)) if plan.question.is_none() => plan.question = Some(question),
                Some(Decision::Ask(_)) | None => plan.skipped.push(self.written(&part.span).to_owned()),
                Some(Decision::Say(said)) => match said {
                    Remark::Greeting
                    | Remark::Welcome
                    | Remark::Goodbye
                    | Remark::NothingDone
                    | Remark::NothingAsked => {
                        remark = remark.or(Some(said));
                    }
                    said => {
                        plan.skipped.push(self.written(&part.span).to_owned());
                        remark = Some(said);
                    }
                },
            }
        }
        self.finish(plan, wish, remark)
    }

    /// The decision that a plan leads to. `wish` is a part that only sounds like a wish for a new task.
    fn finish(&self, mut plan: Plan, wish: Option<(Question, Range<usize>)>, remark: Option<Remark>) -> Decision {
        if plan.commands.is_empty() && plan.question.is_none() {
            return match (wish, remark) {
                (Some((question, _)), _) => Decision::Ask(question),
                (None, Some(remark)) => Decision::Say(remark),
                (None, None) => self.best_guess(),
            };
        }
        // A wish is asked about only if nothing else happens.
        if let (Some((_, span)), None) = (wish, &plan.question) {
            plan.skipped.push(self.written(&span).to_owned());
        }
        // "If I finish the report, delete it"
        let is_conditional = self.message.sentence.has_any(&(0..1), lexicon::CONDITIONS);
        if is_conditional && plan.commands.iter().any(Command::changes_tasks) {
            return Decision::Say(Remark::Unknown);
        }
        if plan.commands.len() > MAX_CALLS {
            return Decision::Say(Remark::TooLong);
        }
        // An undo does not undo what is done in the same breath.
        if plan.commands.len() > 1 && plan.commands.contains(&Command::Undo) {
            return Decision::Say(Remark::TooLong);
        }
        match plan {
            Plan { commands, question: Some(question), skipped } if commands.is_empty() && skipped.is_empty() => {
                Decision::Ask(question)
            }
            plan => Decision::Act(plan),
        }
    }

    /// The titles of a part that goes on with an enumeration: "..., and also bread", "...; bread".
    fn continued(&self, span: &Range<usize>) -> Option<Vec<String>> {
        let tokens = self.message.tokens();
        let words = span.clone().take_while(|&at| lexicon::CONTINUATIONS.contains(&tokens[at].word)).count();
        let rest = span.start + words..span.end;
        let continues = words > 0 || self.message.sentence.is_behind_semicolon(span.start);
        if rest.is_empty() || rest.len() > MAX_CONTINUED_WORDS || !continues || self.is_dependent(rest.start) {
            return None;
        }
        Some(match self.message.sentence.enumeration(rest.clone()) {
            Enumeration::One | Enumeration::Open(_) => vec![self.written(&rest).to_owned()],
            Enumeration::Several(parts) => parts.iter().map(|part| self.written(part).to_owned()).collect(),
        })
    }

    /// Whether the word at `at` belongs to the words before it.
    fn is_dependent(&self, at: usize) -> bool {
        lexicon::NEVER_LISTED.contains(&self.message.tokens()[at].word)
    }

    /// Whether a part speaks of its speaker and names neither the list nor a reminder.
    fn is_comment(&self, reading: &Reading) -> bool {
        let first = self.message.tokens().get(reading.span.start);
        first.is_some_and(|token| lexicon::SPEAKERS.contains(&token.word))
            && !reading.names_list
            && !reading.has(Feature::Reminder)
    }

    /// The task that the words in `thing` name, without a clause behind a comma.
    fn mentioned_target(&self, thing: &Range<usize>) -> Option<Target> {
        let remark = self.remark_in(thing).or_else(|| self.comment_in(thing));
        let end = remark.map_or(thing.end, |remark| remark.start);
        let thing = GRAMMAR.mentioned(self.message, &(thing.start..end)).unwrap_or(thing.start..end);
        let item = self.item(thing);
        match item.phrase {
            Phrase::Name | Phrase::NamedTask => Some(Target::named(self.name_of(&item))),
            Phrase::Position => Some(Target::position(item.number?)),
            Phrase::First => Some(Target::position(1)),
            Phrase::Last => Some(Target::last()),
            Phrase::It | Phrase::Unsaid | Phrase::Several => None,
        }
    }

    /// A command about "it", where that is what the part before has named. A new task may be called after anything; to
    /// change one, its name has to be the object of a sentence that the grammar knows.
    fn about_mentioned(&self, reading: &Reading, thing: &Range<usize>) -> Option<Command> {
        let points = |item: &Item| item.phrase == Phrase::It || self.message.sentence.is_pronoun(&item.name);
        let is_whole = self.message.sentence.sentences().contains(thing);
        let first = thing.start..thing.start + 1;
        let is_name = self.message.sentence.has_any(&first, lexicon::DETERMINERS)
            || ![lexicon::NEVER_SUBJECTS, lexicon::NEVER_NAMES]
                .iter()
                .any(|class| self.message.sentence.has_any(&first, *class));
        match reading.intent() {
            Intent::Add => {
                let title = reading.title.as_ref();
                let is_open = title.is_none_or(|title| GRAMMAR.is_no_title(self.message, title));
                (reading.is_sure() && is_open).then(|| Command::Add { title: self.written(thing).to_owned() })
            }
            intent if !is_whole && is_name && reading.item.as_ref().is_some_and(points) => {
                let target = self.mentioned_target(thing)?;
                match (intent, &reading.new_title) {
                    (Intent::Complete, _) => Some(Command::Complete(target)),
                    (Intent::Delete, _) => Some(Command::Delete(target)),
                    (Intent::Rename, Some(title)) => {
                        Some(Command::Rename(target, self.written(&self.replacing_title(title)).to_owned()))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }
}
