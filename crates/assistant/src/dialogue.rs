//! From a message to a decision: what to do, what to ask, or what to say.
//!
//! The grammar proposes readings; this decides among them with what the conversation knows. The rule is to ask when
//! unsure: a reading that is not sure acts only on a task that the conversation has shown. Deliberately not here: the
//! answer to a pending question (`reply.rs`), and every word that is said (`wording.rs`).

mod parts;

use std::ops::Range;

use domain::chat::UserText;

use super::command::{Action, Command, Decision, Question, Remark, Status, Target};
use super::conversation::Memory;
use super::grammar::{Feature, GRAMMAR, Intent, Item, Phrase, Reading};
use super::matching::Words;
use super::reply;
use super::sentence::{Sentence, Token};

/// The longest message that is taken for a command, in words. A title has at most 500 characters.
pub(super) const MAX_WORDS: usize = 250;

/// How many tasks one sentence may name.
const MAX_TOGETHER: usize = 20;

/// How much less another reading has to explain before it is out of the question: half a word.
const CLOSE: i32 = 2;

/// A message as the grammar knows it; none if it is too long to be one.
pub(super) fn hear(text: &str) -> Option<(Sentence<'_>, Words)> {
    if text.chars().nth(UserText::MAX).is_some() {
        return None;
    }
    let sentence = Sentence::read(text);
    (sentence.tokens().len() <= MAX_WORDS).then(|| {
        let words = GRAMMAR.words(&sentence);
        (sentence, words)
    })
}

/// Decides what to do about a message.
pub(super) fn decide(text: &str, memory: &Memory) -> Decision {
    let Some((sentence, words)) = hear(text) else { return Decision::Say(Remark::TooLong) };
    let decision = Listener { sentence: &sentence, words: &words, memory }.decide();
    // What was found before the machine gave up may be the lesser part.
    if words.are_given_up() { Decision::Say(Remark::TooLong) } else { decision }
}

/// Whether another reading comes so close to one that changes a task that it might as well be meant.
fn is_contested(best: &Reading, readings: &[Reading]) -> bool {
    let changes = |reading: &Reading| matches!(reading.intent, Intent::Complete | Intent::Delete | Intent::Rename);
    let is_close = |other: &&Reading| other.score + CLOSE > best.score && other.sure && other.intent != best.intent;
    changes(best) && readings.iter().any(|other| is_close(&other))
}

/// A message in its conversation.
pub(super) struct Listener<'a> {
    /// The message.
    pub sentence: &'a Sentence<'a>,
    /// Its words as the grammar knows them.
    pub words: &'a Words,
    /// What is known.
    pub memory: &'a Memory,
}

impl Listener<'_> {
    fn decide(&self) -> Decision {
        let readings = self.readings(self.sentence.all());
        if let Some(decision) = reply::to_pending(self, readings.first()) {
            return decision;
        }
        if let Some(question) = &self.memory.question
            && let Some(decision) = reply::to(question, self, readings.first())
        {
            return decision;
        }
        self.two_commands(readings.first()).unwrap_or_else(|| match self.best_of(&readings) {
            Ok(Some(reading)) if is_contested(reading, &readings) => confirmed(self.interpret(reading)),
            Ok(Some(reading)) => self.interpret(reading),
            Ok(None) => self.by_sentences(),
            Err(remark) => Decision::Say(remark),
        })
    }

    fn readings(&self, span: Range<usize>) -> Vec<Reading> {
        GRAMMAR.readings(self.sentence, self.words, span)
    }

    /// The reading to go by. Where a new title may begin at several places ("rename talk to Ann to call Ann"), it is
    /// the one whose old title is known.
    fn best_of<'r>(&self, readings: &'r [Reading]) -> Result<Option<&'r Reading>, Remark> {
        let Some(best) = readings.first() else { return Ok(None) };
        let same =
            |other: &&Reading| other.intent == Intent::Rename && other.score == best.score && other.new_title.is_some();
        let mut splits: Vec<&Reading> = readings.iter().filter(same).collect();
        splits.dedup_by(|a, b| a.new_title == b.new_title);
        if best.intent != Intent::Rename || splits.len() < 2 {
            return Ok(Some(best));
        }
        splits.retain(|reading| reading.item.as_ref().is_some_and(|item| self.points_at_something(item)));
        if let [only] = splits[..] { Ok(Some(only)) } else { Err(Remark::WhichTo) }
    }

    fn points_at_something(&self, item: &Item) -> bool {
        match item.phrase {
            Phrase::Position | Phrase::First | Phrase::Last | Phrase::NamedTask => true,
            Phrase::It => self.memory.focus.is_some(),
            Phrase::Unsaid | Phrase::Several => false,
            Phrase::Name => self.memory.has_seen_exactly(self.written(&item.name)),
        }
    }

    /// Decides by one reading.
    pub fn interpret(&self, reading: &Reading) -> Decision {
        match reading.intent {
            Intent::Add => self.add(reading),
            Intent::Errand => {
                let title = self.written(&reading.span).to_owned();
                Decision::Ask(Question::Confirm(Command::Add { title }))
            }
            Intent::List(status) => Decision::Act(vec![Command::List { status, about: None }]),
            Intent::Find => {
                let about = reading.item_span.clone().map(|span| self.name_of(&self.item(span)).to_owned());
                Decision::Act(vec![Command::List { status: Status::All, about }])
            }
            Intent::Complete => self.change(Action::Complete, reading),
            Intent::Delete => self.change(Action::Delete, reading),
            Intent::Rename => self.change(Action::Rename, reading),
            Intent::Unwanted => confirmed(self.change(Action::Delete, reading)),
            Intent::Leave | Intent::No => Decision::Say(Remark::LeftAlone),
            Intent::Yes => Decision::Say(Remark::NothingAsked),
            Intent::Everything => Decision::Sweep(Action::Delete, self.status_in(&reading.span)),
            Intent::CompleteAll => Decision::Sweep(Action::Complete, Status::Pending),
            Intent::Undo if reading.is_complete() => Decision::Act(vec![Command::Undo]),
            // One task among what was changed last, or before it.
            Intent::Undo => Decision::Say(Remark::UndoesLast),
            Intent::Reopen => Decision::Say(Remark::NoReopening),
            Intent::OtherLists => Decision::Say(Remark::OneList),
            Intent::Elsewhere => Decision::Say(Remark::Elsewhere),
            Intent::Greet => Decision::Say(Remark::Greeting),
            Intent::Thanks => Decision::Say(Remark::Welcome),
            Intent::Bye => Decision::Say(Remark::Goodbye),
            Intent::Help => Decision::Say(Remark::Help),
        }
    }

    fn add(&self, reading: &Reading) -> Decision {
        let Some(span) = &reading.title else { return Decision::Ask(Question::Title) };
        let title = self.written(span);
        if title.is_empty() || GRAMMAR.is_no_title(self.sentence, self.words, span.clone()) {
            return Decision::Ask(Question::Title);
        }
        let titles = if names_things(reading) { self.sentence.listed(span.clone()) } else { Vec::new() };
        if reading.sure && !titles.is_empty() && titles.len() <= MAX_TOGETHER {
            let one = |title: &Range<usize>| Command::Add { title: self.written(title).to_owned() };
            return Decision::Act(titles.iter().map(one).collect());
        }
        if self.sentence.is_sum(span) {
            return Decision::Say(Remark::Elsewhere);
        }
        let command = Command::Add { title: title.to_owned() };
        if reading.sure || self.sentence.is_behind_colon(span.start) {
            Decision::Act(vec![command])
        } else {
            Decision::Ask(Question::Confirm(command))
        }
    }

    fn change(&self, action: Action, reading: &Reading) -> Decision {
        let new_title = reading.new_title.as_ref().map(|span| self.written(span).to_owned());
        let which = |new_title| Decision::Ask(Question::Which { action, new_title, choices: Vec::new() });
        let Some(item) = &reading.item else {
            // "Change the title to ..." is said of the task at hand.
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
            Phrase::Position => (Target::position(item.number.unwrap_or(1)), true),
            Phrase::First => (Target::position(1), true),
            Phrase::Last => (Target::last(), true),
            Phrase::NamedTask if self.sentence.is_person(&item.name) => return Decision::Say(Remark::Elsewhere),
            Phrase::NamedTask => (Target::named(self.name_in(reading, item)), !self.is_clause(item)),
            Phrase::Name => {
                let name = self.name_in(reading, item);
                if name.is_empty() {
                    return which(new_title);
                }
                let places = self.sentence.places(item.name.clone());
                if action != Action::Rename && (2..=MAX_TOGETHER).contains(&places.len()) {
                    return together(action, places.into_iter().map(Target::position));
                }
                let names = self.sentence.listed(item.name.clone());
                if reading.sure && action != Action::Rename && (2..=MAX_TOGETHER).contains(&names.len()) {
                    return together(action, names.iter().map(|name| Target::named(self.written(name))));
                }
                let certain = match self.belief(action, reading, item, name) {
                    Belief::Task => true,
                    Belief::Perhaps => false,
                    Belief::Elsewhere => return Decision::Say(Remark::Elsewhere),
                    Belief::Nonsense => return Decision::Say(Remark::Unknown),
                };
                (Target::named(name), certain)
            }
        };
        let decided = command(action, target, new_title);
        if is_certain { decided } else { confirmed(decided) }
    }

    /// Several tasks by their places, as in "the first and the third".
    fn several(&self, action: Action, reading: &Reading) -> Decision {
        let span = reading.item_span.clone().unwrap_or_default();
        let places = self.sentence.places(span.clone());
        let excepts = self.sentence.has_any(&span, &["except", "but", "besides", "without", "minus", "apart", "other"]);
        if action != Action::Rename && !excepts && places.is_empty() && self.says_all(&span, 0) {
            let open = if action == Action::Complete { Status::Pending } else { self.status_in(&reading.span) };
            return Decision::Sweep(action, open);
        }
        if action == Action::Rename || !(2..=MAX_TOGETHER).contains(&places.len()) {
            return Decision::Say(several_at_once(action));
        }
        together(action, places.into_iter().map(Target::position))
    }

    /// Which tasks "all completed tasks" and its likes are.
    fn status_in(&self, span: &Range<usize>) -> Status {
        let any = |of: &[&str]| self.sentence.has_any(span, of);
        if any(&["completed", "finished", "done", "complete", "closed", "accomplished", "checked", "ticked"]) {
            Status::Completed
        } else if any(&["open", "pending", "unfinished", "remaining", "incomplete", "outstanding", "left"]) {
            Status::Pending
        } else {
            Status::All
        }
    }

    /// Whether a bare name is believed to be a task's.
    fn belief(&self, action: Action, reading: &Reading, item: &Item, name: &str) -> Belief {
        let (sentence, words, span) = (self.sentence, self.words, item.name.clone());
        // "Mark X as done" is said of tasks alone, "complete X" and "delete X" of much else.
        let may_be_other = !reading.has(Feature::Done) && !reading.speaks_of_list;
        // What cannot be taken back needs the whole title, unless the sentence is plain.
        let needs_all = action == Action::Delete && !reading.sure;
        let is_known = if needs_all { self.memory.has_seen_exactly(name) } else { self.memory.has_seen(name) };
        if !is_known
            && (self.sentence.is_person(&span) || (action == Action::Delete && self.is_from_elsewhere(reading, &span)))
        {
            Belief::Elsewhere
        } else if is_known {
            Belief::Task
        } else if self.sentence.wonders(&span) {
            Belief::Perhaps
        } else if self.is_clause(item) {
            if reading.sure { Belief::Perhaps } else { Belief::Nonsense }
        } else if may_be_other && GRAMMAR.is_elsewhere(sentence, words, span.clone()) {
            Belief::Elsewhere
        } else if reading.sure && !(may_be_other && GRAMMAR.is_doubtful(sentence, words, span)) {
            Belief::Task
        } else {
            Belief::Perhaps
        }
    }

    /// Whether something is to be taken from something else than the list: "remove the stain from my blouse".
    fn is_from_elsewhere(&self, reading: &Reading, span: &Range<usize>) -> bool {
        let words = self.sentence.tokens().get(span.clone()).unwrap_or_default();
        let is_from = |pair: &[Token]| {
            pair[0].word == "from"
                && ["a", "an", "his", "her", "my", "our", "the", "this", "that"].contains(&pair[1].word.as_str())
        };
        !reading.speaks_of_list && words.windows(2).any(is_from)
    }

    /// The name that an item gives, or all of its words if exactly these are a title that was shown.
    fn name_in(&self, reading: &Reading, item: &Item) -> &str {
        let whole = reading.item_span.as_ref().map_or("", |span| self.written(span));
        if self.memory.has_seen_exactly(whole) { whole } else { self.name_of(item) }
    }

    /// The name that an item gives. A quoted passage in it is the name: the words around it only lead there.
    fn name_of(&self, item: &Item) -> &str {
        self.sentence.quoted(item.name.clone()).unwrap_or_else(|| self.written(&item.name))
    }

    fn is_clause(&self, item: &Item) -> bool {
        GRAMMAR.is_clause(self.sentence, self.words, item.name.clone())
    }

    /// How the words in `span` point at a task.
    pub fn item(&self, span: Range<usize>) -> Item {
        GRAMMAR.item(self.sentence, self.words, span)
    }

    /// Whether the words in `span` mean all of `count` tasks.
    pub fn says_all(&self, span: &Range<usize>, count: usize) -> bool {
        let says = |of: &[&str]| self.sentence.has_any(span, of);
        says(&["all", "everything", "every", "each"]) || (count == 2 && says(&["both"]))
    }

    /// The words in `span` as they were written.
    pub fn written(&self, span: &Range<usize>) -> &str {
        self.sentence.written(span.clone())
    }
}

/// The question whether to do what was decided, if that is one thing to do.
fn confirmed(decided: Decision) -> Decision {
    match decided {
        Decision::Act(commands) => match <[Command; 1]>::try_from(commands) {
            Ok([only]) => Decision::Ask(Question::Confirm(only)),
            // A yes is to one thing.
            Err(several) if several.iter().any(|command| matches!(command, Command::Delete(_))) => {
                Decision::Say(Remark::DeletesNamed)
            }
            Err(several) if several.iter().any(|command| matches!(command, Command::Complete(_))) => {
                Decision::Say(Remark::CompletesNamed)
            }
            Err(several) => Decision::Act(several),
        },
        other => other,
    }
}

/// What is believed of a bare name.
enum Belief {
    /// It is a task's.
    Task,
    /// It may be a task's.
    Perhaps,
    /// It is of something that another program looks after.
    Elsewhere,
    /// It is no name.
    Nonsense,
}

/// What is known of a command, as the command or as the question for what is missing.
pub(super) fn command(action: Action, target: Target, new_title: Option<String>) -> Decision {
    match (action, new_title) {
        (Action::Complete, _) => Decision::Act(vec![Command::Complete(target)]),
        (Action::Delete, _) => Decision::Act(vec![Command::Delete(target)]),
        (Action::Rename, Some(title)) => Decision::Act(vec![Command::Rename(target, title)]),
        (Action::Rename, None) => Decision::Ask(Question::NewTitle(target)),
    }
}

/// The same done to several tasks.
pub(super) fn together(action: Action, targets: impl Iterator<Item = Target>) -> Decision {
    let one = |target| if action == Action::Delete { Command::Delete(target) } else { Command::Complete(target) };
    Decision::Act(targets.map(one).collect())
}

/// Whether a new task's words are likely things rather than a deed: "put milk, eggs and bread on the list", and not
/// "remind me to buy milk, eggs and bread".
fn names_things(reading: &Reading) -> bool {
    reading.has(Feature::Add) || reading.has(Feature::Put)
}

/// What is said when several tasks are meant and it is not clear which.
pub(super) fn several_at_once(action: Action) -> Remark {
    match action {
        Action::Complete => Remark::CompletesNamed,
        Action::Delete => Remark::DeletesNamed,
        Action::Rename => Remark::RenamesOne,
    }
}
