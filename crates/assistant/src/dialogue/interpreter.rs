//! Interprets one reading of a message in its conversation.
//!
//! The rule is to ask when unsure: a reading that is not sure changes only a task that the conversation has shown.

use std::ops::Range;

use crate::command::{Action, Command, Decision, Plan, Question, Remark, Target, View};
use crate::conversation::Memory;
use crate::grammar::{Feature, GRAMMAR, Intent, Item, Phrase, Reading};
use crate::lexicon;
use crate::matching::Message;
use crate::selection::Selection;
use crate::sentence::Enumeration;
use crate::tasks::Status;

/// Maximum number of tasks that one sentence names.
pub(super) const MAX_TOGETHER: usize = 20;

/// Maximum number of words of a search that does not name the list.
const MAX_SEARCH_WORDS: usize = 2;

/// How much less another reading may explain to be as likely as the best one: half a word.
const CLOSE: i32 = 2;

/// A message in its conversation.
pub(super) struct Interpreter<'a> {
    /// The message.
    pub message: &'a Message<'a>,
    /// The conversation before it.
    pub memory: &'a Memory,
}

/// How likely a bare name is a task's.
pub(super) enum Plausibility {
    /// It is a task's.
    Task,
    /// It may be a task's.
    Perhaps,
    /// It belongs to something that another program looks after.
    Elsewhere,
    /// It is no name.
    Nonsense,
}

impl Interpreter<'_> {
    /// Returns every way to understand the words in `span`, the best first.
    pub fn readings(&self, span: Range<usize>) -> Vec<Reading> {
        GRAMMAR.readings(self.message, span)
    }

    /// Returns the reading to go by. Where a new title may begin at several places ("rename talk to Ann to call Ann"), it
    /// is the one whose old title is known.
    pub fn best_of<'r>(&self, readings: &'r [Reading]) -> Result<Option<&'r Reading>, Remark> {
        let Some(best) = readings.first() else { return Ok(None) };
        let is_split = |other: &&Reading| {
            other.intent() == Intent::Rename && other.score == best.score && other.new_title.is_some()
        };
        let mut splits: Vec<&Reading> = readings.iter().filter(is_split).collect();
        splits.dedup_by(|a, b| a.new_title == b.new_title);
        if best.intent() != Intent::Rename || splits.len() < 2 {
            return Ok(Some(best));
        }
        splits.retain(|reading| reading.item.as_ref().is_some_and(|item| self.is_resolvable(item)));
        if let [only] = splits[..] { Ok(Some(only)) } else { Err(Remark::AmbiguousTitles) }
    }

    fn is_resolvable(&self, item: &Item) -> bool {
        match item.phrase {
            Phrase::Position | Phrase::First | Phrase::Last | Phrase::NamedTask => true,
            Phrase::It => self.memory.focus.is_some(),
            Phrase::Unsaid | Phrase::Several => false,
            Phrase::Name => self.memory.has_seen_exactly(self.written(&item.name)),
        }
    }

    /// Decides by the best of `readings`; `None` if there is none.
    pub fn decide(&self, readings: &[Reading]) -> Option<Decision> {
        match self.best_of(readings) {
            Ok(Some(reading)) if is_contested(reading, readings) => Some(confirmed(self.interpret(reading))),
            Ok(Some(reading)) => Some(self.interpret(reading)),
            Ok(None) => None,
            Err(remark) => Some(Decision::Say(remark)),
        }
    }

    /// Decides by one reading.
    pub fn interpret(&self, reading: &Reading) -> Decision {
        let say = Decision::Say;
        match reading.intent() {
            Intent::Add => self.add(reading),
            Intent::Errand => {
                let command = Command::Add { title: self.written(&reading.span).to_owned() };
                let first = reading.title.as_ref().map_or(0..0, |title| title.start..title.start + 1);
                if self.message.sentence.has_any(&first, lexicon::SUBJECTS) {
                    return say(Remark::Unknown);
                }
                // "Buy me a ticket" asks for more than a note.
                let is_for_person = self.message.sentence.is_person(&first);
                if reading.has(Feature::Chore) && !is_for_person {
                    Decision::run(command)
                } else {
                    Decision::Ask(Question::Confirm(command))
                }
            }
            Intent::List(status) => Decision::run(Command::show(status)),
            Intent::Count(status) => Decision::run(Command::List { status, view: View::Count }),
            Intent::Find => self.find(reading, View::Search),
            Intent::IsDone => self.find(reading, View::IsDone),
            Intent::DoneSometime => {
                Decision::run(Command::List { status: Status::Completed, view: View::DoneSometime })
            }
            Intent::LastChanges => say(Remark::LastChanges(self.memory.last_changes.clone())),
            Intent::Complete => self.change(Action::Complete, reading),
            Intent::Delete => self.change(Action::Delete, reading),
            Intent::Rename => self.change(Action::Rename, reading),
            Intent::Correct => self.correct(reading),
            Intent::Unwanted => confirmed(self.change(Action::Delete, reading)),
            Intent::Leave | Intent::No | Intent::Comment => say(Remark::NothingDone),
            Intent::Wait => say(Remark::TakeYourTime),
            Intent::Yes => say(Remark::NothingAsked),
            Intent::DeleteAll => {
                Decision::run(Command::Sweep(Action::Delete, Selection::all(self.status_in(&reading.span))))
            }
            Intent::CompleteAll => Decision::run(Command::Sweep(Action::Complete, Selection::all(Status::Pending))),
            Intent::Undo if reading.is_complete() => Decision::run(Command::Undo),
            Intent::Undo => say(Remark::UndoesLast),
            Intent::Reopen => say(Remark::NoReopening),
            Intent::OtherLists => say(Remark::OneList),
            Intent::Dates => say(Remark::NoDates),
            Intent::Fields => say(Remark::NoFields),
            Intent::Elsewhere => say(Remark::Elsewhere),
            Intent::Crisis => say(Remark::Crisis),
            Intent::Greet => say(Remark::Greeting),
            Intent::Thanks => say(Remark::Welcome),
            Intent::Bye => say(Remark::Goodbye),
            Intent::Help => say(Remark::Help),
        }
    }

    fn find(&self, reading: &Reading, view: fn(String) -> View) -> Decision {
        let Some(span) = reading.item_span.clone() else { return Decision::run(Command::show(Status::All)) };
        let item = self.item(span);
        match (item.phrase, &self.memory.focus) {
            (Phrase::It, Some(focus)) => {
                Decision::run(Command::List { status: Status::All, view: view(focus.title.clone()) })
            }
            (Phrase::Unsaid | Phrase::Several, _) => Decision::run(Command::show(Status::All)),
            _ if self.message.sentence.has_any(&(item.name.start..item.name.start + 1), lexicon::INDEFINITES) => {
                let list = item.name.clone().any(|at| lexicon::LIST_WORDS.contains(&self.message.tokens()[at].word));
                if reading.names_list || list || item.name.len() == 1 {
                    Decision::run(Command::show(Status::All))
                } else {
                    Decision::Say(Remark::Unknown)
                }
            }
            (Phrase::It, _) => Decision::Say(Remark::WhichTask),
            _ => {
                // "Thing 0" is rather the whole name.
                let name = self.name_of(&item);
                let is_short = name.chars().count() < 3;
                let whole = reading.item_span.as_ref().map_or(name, |span| self.written(span));
                let words = if is_short { whole } else { name }.to_owned();
                // "Find train tickets" and "do I have mail" may be about anything.
                let may_be_other = item.name.len() > MAX_SEARCH_WORDS
                    || GRAMMAR.is_elsewhere(self.message, &item.name)
                    || GRAMMAR.is_doubtful(self.message, reading.item_span.as_ref().unwrap_or(&item.name));
                if (!reading.is_sure() && may_be_other) || self.message.sentence.is_person(&item.name) {
                    return Decision::Say(Remark::Unknown);
                }
                if words.is_empty() {
                    return Decision::run(Command::show(Status::All));
                }
                Decision::run(Command::List { status: Status::All, view: view(words) })
            }
        }
    }

    fn add(&self, reading: &Reading) -> Decision {
        let Some(span) = &reading.title else { return Decision::Ask(Question::Title) };
        let remark = self.remark_in(span);
        let span = &self.quoted_title(&(span.start..remark.as_ref().map_or(span.end, |remark| remark.start)));
        let title = self.written(span);
        if title.is_empty() || GRAMMAR.is_no_title(self.message, span) {
            return Decision::Ask(Question::Title);
        }
        if self.message.sentence.is_sum(span) || self.message.sentence.is_person(span) && span.len() == 1 {
            return Decision::Say(Remark::Elsewhere);
        }
        let is_quoted = self.message.sentence.quoted(span.clone()).is_some();
        let is_sure = reading.is_sure() || is_quoted || self.message.sentence.is_behind_colon(span.start);
        let is_thing = reading.has(Feature::Add) || reading.has(Feature::Put);
        let titles = match self.message.sentence.enumeration(span.clone()) {
            Enumeration::Several(parts) if parts.len() <= MAX_TOGETHER => self.all_written(&parts),
            Enumeration::Several(_) => return Decision::Say(Remark::TooLong),
            Enumeration::Open(parts) if is_sure && is_thing => {
                let parts = self.all_written(&parts);
                return Decision::Ask(Question::OneOrSeveral { whole: title.to_owned(), parts });
            }
            Enumeration::One | Enumeration::Open(_) => vec![title.to_owned()],
        };
        let commands: Vec<Command> = titles.into_iter().map(|title| Command::Add { title }).collect();
        let known =
            commands.iter().find(|command| matches!(command, Command::Add { title } if self.memory.has_open(title)));
        match (known, &commands[..]) {
            (Some(Command::Add { title }), [_]) => Decision::Ask(Question::AddAgain { title: title.clone() }),
            _ if is_sure => Decision::Act(Plan {
                commands,
                question: None,
                skipped: [self.date_outside(reading), remark.map(|remark| self.written(&remark).to_owned())]
                    .into_iter()
                    .flatten()
                    .collect(),
            }),
            (_, [only]) => Decision::Ask(Question::Confirm(only.clone())),
            (_, _) => Decision::Ask(Question::Confirm(Command::Add { title: title.to_owned() })),
        }
    }

    /// The date or time of a reminder that is not in its title, because tasks have none.
    fn date_outside(&self, reading: &Reading) -> Option<String> {
        let title = reading.title.as_ref().filter(|_| reading.has(Feature::Reminder))?;
        let is_outside = |at: &usize| !title.contains(at);
        let mut words = reading.span.clone().filter(is_outside);
        let first = words.clone().find(|at| self.message.sentence.is_date_word(*at))?;
        let last = words.rfind(|at| self.message.sentence.is_date_word(*at))?;
        let ends_before_title = last < title.start || first >= title.end;
        ends_before_title.then(|| self.written(&(first..last + 1)).to_owned())
    }

    fn all_written(&self, spans: &[Range<usize>]) -> Vec<String> {
        spans.iter().map(|span| self.written(span).to_owned()).collect()
    }

    /// "No, I meant coffee": another title for the task that the last turn added or renamed.
    fn correct(&self, reading: &Reading) -> Decision {
        match (&self.memory.just_named, &reading.new_title) {
            (Some(task), Some(title)) => {
                Decision::run(Command::Rename(Target::known(task), self.written(title).to_owned()))
            }
            _ => Decision::Say(Remark::Unknown),
        }
    }

    fn change(&self, action: Action, reading: &Reading) -> Decision {
        let new_title = reading.new_title.as_ref().map(|span| self.written(&self.replacing_title(span)).to_owned());
        let which = |new_title| Decision::Ask(Question::Which { action, new_title, choices: Vec::new() });
        let Some(item) = &reading.item else {
            // "Change the title to ..." is about the task at hand.
            return match (&self.memory.focus, new_title) {
                (Some(focus), Some(title)) => command(action, Target::known(focus), Some(title)),
                (_, new_title) => which(new_title),
            };
        };
        let (target, is_certain) = match item.phrase {
            Phrase::Unsaid => return which(new_title),
            Phrase::Several => return self.several(action, reading),
            Phrase::It => match &self.memory.focus {
                Some(focus) => (Target::known(focus), true),
                None => return which(new_title),
            },
            Phrase::Position => (self.at(item.number.unwrap_or(1), reading), true),
            Phrase::First => (Target::position(1), true),
            Phrase::Last => (Target::last(), true),
            Phrase::NamedTask if self.message.sentence.is_person(&item.name) => {
                return Decision::Say(Remark::Elsewhere);
            }
            Phrase::NamedTask => (self.target(reading, item, action), !self.is_clause(item)),
            Phrase::Name => {
                let name = self.name_in(reading, item);
                if name.is_empty() {
                    return which(new_title);
                }
                let positions = self.message.sentence.places(item.name.clone());
                if action != Action::Rename && (2..=MAX_TOGETHER).contains(&positions.len()) {
                    return together(action, positions.into_iter().map(Target::position));
                }
                if let Enumeration::Several(names) = self.message.sentence.enumeration(item.name.clone())
                    && reading.is_sure()
                    && names.len() > 2
                    && action != Action::Rename
                    && names.len() <= MAX_TOGETHER
                {
                    return together(action, names.iter().map(|name| Target::named(self.written(name))));
                }
                let end = self.comment_in(&item.name).map_or(item.name.end, |comment| comment.start);
                let named = Item { name: item.name.start..end, ..item.clone() };
                let is_certain = match self.plausibility(action, reading, &named, name) {
                    Plausibility::Task => true,
                    Plausibility::Perhaps => false,
                    Plausibility::Elsewhere => return Decision::Say(Remark::Elsewhere),
                    Plausibility::Nonsense => return Decision::Say(Remark::Unknown),
                };
                (self.target(reading, item, action), is_certain)
            }
        };
        if reading.new_title.as_ref().is_some_and(|title| self.message.sentence.is_time(title)) {
            return Decision::Say(Remark::NoDates);
        }
        let decided = command(action, target, new_title);
        let decided = if is_certain { decided } else { confirmed(decided) };
        match (decided, self.comment_in(&item.name)) {
            (Decision::Act(mut plan), Some(comment)) if item.phrase == Phrase::Name => {
                plan.skipped.push(self.written(&comment).to_owned());
                Decision::Act(plan)
            }
            (decided, _) => decided,
        }
    }

    /// The task at a position, or the one whose title is these words: "number 7".
    fn at(&self, number: u32, reading: &Reading) -> Target {
        let written = reading.item_span.as_ref().map_or("", |span| self.written(span));
        if self.memory.has_seen_exactly(written) { Target::named(written) } else { Target::position(number) }
    }

    fn target(&self, reading: &Reading, item: &Item, action: Action) -> Target {
        let mut target = Target::named(self.name_in(reading, item));
        if action != Action::Rename
            && let Enumeration::Several(parts) | Enumeration::Open(parts) =
                self.message.sentence.enumeration(item.name.clone())
            && parts.len() <= MAX_TOGETHER
        {
            target.parts = parts.iter().map(|part| self.written(&self.item(part.clone()).name).to_owned()).collect();
            target.parts.retain(|part| !part.is_empty());
        }
        target
    }

    /// Returns how the words in `span` point at a task.
    pub fn item(&self, span: Range<usize>) -> Item {
        GRAMMAR.item(self.message, span)
    }

    /// Whether the words in `span` mean all of `count` tasks.
    pub fn says_all(&self, span: &Range<usize>, count: usize) -> bool {
        let sentence = &self.message.sentence;
        sentence.has_any(span, lexicon::UNIVERSALS) || (count == 2 && sentence.has_any(span, lexicon::DUALS))
    }

    /// Returns the words in `span` as they were written.
    pub fn written(&self, span: &Range<usize>) -> &str {
        self.message.sentence.written(span.clone())
    }
}

/// Whether another reading is as likely as one that changes a task.
fn is_contested(best: &Reading, readings: &[Reading]) -> bool {
    let changes = |reading: &Reading| matches!(reading.intent(), Intent::Complete | Intent::Delete | Intent::Rename);
    let is_same = |other: &Reading| {
        matches!(
            (best.intent(), other.intent()),
            (Intent::Delete, Intent::Delete | Intent::DeleteAll)
                | (Intent::Complete, Intent::Complete | Intent::CompleteAll)
                | (Intent::Rename, Intent::Rename | Intent::Correct)
        )
    };
    let is_close = |other: &&Reading| other.score + CLOSE > best.score && other.is_sure() && !is_same(other);
    changes(best) && readings.iter().any(|other| is_close(&other))
}

/// Returns the question whether to do what was decided, if that is one thing.
pub(super) fn confirmed(decision: Decision) -> Decision {
    let Decision::Act(Plan { commands, question, skipped }) = decision else { return decision };
    match <[Command; 1]>::try_from(commands) {
        Ok([only]) => Decision::Ask(Question::Confirm(only)),
        // A yes is to one thing.
        Err(several) if several.iter().any(|command| matches!(command, Command::Delete(_))) => {
            Decision::Say(Remark::DeletesNamed)
        }
        Err(several) if several.iter().any(|command| matches!(command, Command::Complete(_))) => {
            Decision::Say(Remark::CompletesNamed)
        }
        Err(commands) => Decision::Act(Plan { commands, question, skipped }),
    }
}

/// Returns the command to do `action` to a task, or the question for the new title.
pub(super) fn command(action: Action, target: Target, new_title: Option<String>) -> Decision {
    match (action, new_title) {
        (Action::Complete, _) => Decision::run(Command::Complete(target)),
        (Action::Delete, _) => Decision::run(Command::Delete(target)),
        (Action::Rename, Some(title)) => Decision::run(Command::Rename(target, title)),
        (Action::Rename, None) => Decision::Ask(Question::NewTitle(target)),
    }
}

/// Returns the commands to do the same to several tasks.
pub(super) fn together(action: Action, targets: impl Iterator<Item = Target>) -> Decision {
    Decision::run_all(targets.filter_map(|target| Command::on(action, target)).collect())
}

/// Returns the remark for several tasks of which it is not clear which are meant.
pub(super) fn several_at_once(action: Action) -> Remark {
    match action {
        Action::Complete => Remark::CompletesNamed,
        Action::Delete => Remark::DeletesNamed,
        Action::Rename => Remark::RenamesOne,
    }
}
