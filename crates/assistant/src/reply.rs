//! What a message means as the answer to the question that was asked before it.
//!
//! People may also ignore the question and want something else; then this has nothing to say and the message is heard
//! as if nothing had been asked. Deliberately not here: how the pending question is found (`dialogue.rs`).

use domain::text::NormalizedText;

use super::command::{Action, Command, Decision, Known, Question, Remark, Target};
use super::dialogue::{Listener, command, several_at_once, together};
use super::grammar::{GRAMMAR, Intent, Phrase, Reading};

/// A name longer than this, in words, is more likely something else than the choice between tasks.
const MAX_NAME_WORDS: usize = 12;

/// Begins of an answer that agrees and goes on: "yes, delete them".
const YES_WORDS: &[&str] = &["yes", "yeah", "yep", "yup", "sure", "ok", "okay", "please"];

/// What stands for the tasks that a question has named.
const NAMED_TASKS: &[&str] = &["it", "that", "them", "these", "those", "this", "all", "both", "of"];

/// Decides about a message that answers what waits for confirmation; `None` if nothing does, or if it is no yes. (A no is
/// the same whatever was asked.)
pub(super) fn to_pending(listener: &Listener<'_>, best: Option<&Reading>) -> Option<Decision> {
    let memory = listener.memory;
    (memory.is_pending && agrees(listener, best)).then(|| match memory.question {
        // The answer before asked for something else too.
        Some(_) => Decision::Say(Remark::NothingAsked),
        None => Decision::Act(vec![Command::ConfirmPending]),
    })
}

/// Whether a message is a yes, or one that says again what it is to: "yes, delete them".
fn agrees(listener: &Listener<'_>, best: Option<&Reading>) -> bool {
    let Some(best) = best else { return false };
    let begins_with_yes = listener.sentence.has_any(&(0..1), YES_WORDS);
    let span = best.item_span.clone().unwrap_or(best.span.clone());
    let names = listener.sentence.tokens().get(span).unwrap_or_default();
    best.intent == Intent::Yes
        || (matches!(best.intent, Intent::Delete | Intent::Everything)
            && begins_with_yes
            && names.iter().all(|token| NAMED_TASKS.contains(&token.word.as_str())))
}

/// Decides about a message by the question before it; `None` if it is no answer to it. `best` is how the message
/// would be read without the question.
pub(super) fn to(question: &Question, listener: &Listener<'_>, best: Option<&Reading>) -> Option<Decision> {
    let intent = best.map(|reading| reading.intent);
    if matches!(intent, Some(Intent::No | Intent::Leave)) {
        return Some(Decision::Say(Remark::LeftAlone));
    }
    match question {
        Question::Confirm(command) if intent == Some(Intent::Yes) => Some(Decision::Act(vec![command.clone()])),
        Question::Confirm(Command::Delete(task)) if agrees(listener, best) => {
            Some(Decision::Act(vec![Command::Delete(task.clone())]))
        }
        Question::Confirm(_) => None,
        Question::Title | Question::NewTitle(_) if best.is_some_and(is_plain) => None,
        Question::Title => Some(match title(listener) {
            Some(title) => Decision::Act(vec![Command::Add { title }]),
            None => Decision::Ask(Question::Title),
        }),
        Question::NewTitle(target) => Some(command(Action::Rename, target.clone(), title(listener))),
        Question::Which { action, choices, .. } if says_all(listener, best, *action, choices.len()) => {
            Some(together(*action, choices.iter().map(Target::known)))
        }
        Question::Which { action, new_title, choices } => {
            let chosen = choose(question, choices, listener, best)?;
            Some(match chosen {
                Choice::Task(target) => command(*action, target, new_title.clone()),
                Choice::All if *action != Action::Rename => together(*action, choices.iter().map(Target::known)),
                Choice::All | Choice::Several => Decision::Say(several_at_once(*action)),
                Choice::Unclear => Decision::Ask(question.clone()),
            })
        }
    }
}

/// Whether a message repeats the command that was asked about and means all of the tasks that were named: "delete both".
fn says_all(listener: &Listener<'_>, best: Option<&Reading>, action: Action, choices: usize) -> bool {
    let same = match action {
        Action::Complete => Intent::Complete,
        Action::Delete => Intent::Delete,
        Action::Rename => return false,
    };
    let span = best.filter(|reading| reading.intent == same).and_then(|reading| reading.item_span.as_ref());
    choices > 1 && span.is_some_and(|span| listener.says_all(span, choices))
}

/// Whether a message is plainly a command or a remark of its own, although a title was asked for. "Finish the report"
/// is rather the title, "finish the second one" is not.
fn is_plain(reading: &Reading) -> bool {
    let points = |phrase| matches!(phrase, Phrase::Position | Phrase::First | Phrase::Last | Phrase::It);
    match reading.intent {
        Intent::Add => reading.sure,
        Intent::Complete | Intent::Delete | Intent::Rename => {
            reading.sure && reading.item.as_ref().is_some_and(|item| points(item.phrase) || reading.speaks_of_list)
        }
        Intent::Yes => false,
        _ => reading.sure && reading.is_complete(),
    }
}

fn title(listener: &Listener<'_>) -> Option<String> {
    let span = GRAMMAR.name(listener.sentence, listener.words);
    let title = listener.written(&span);
    let says_nothing = title.is_empty() || GRAMMAR.is_no_title(listener.sentence, listener.words, span);
    (!says_nothing).then(|| title.to_owned())
}

enum Choice {
    Task(Target),
    All,
    Several,
    Unclear,
}

fn choose(question: &Question, choices: &[Known], listener: &Listener<'_>, best: Option<&Reading>) -> Option<Choice> {
    let span = GRAMMAR.choice(listener.sentence, listener.words);
    let item = listener.item(span.clone());
    if best.is_some_and(|reading| reading.intent == Intent::Yes) {
        return Some(match choices {
            [only] => Choice::Task(Target::known(only)),
            _ => Choice::Unclear,
        });
    }
    let shown = |index: usize| choices.get(index).map_or(Choice::Unclear, |task| Choice::Task(Target::known(task)));
    match item.phrase {
        Phrase::Position | Phrase::First => {
            let number = item.number.unwrap_or(1);
            let by_number = choices.iter().position(|task| task.position == u64::from(number));
            Some(match by_number {
                _ if choices.is_empty() => Choice::Task(Target::position(number)),
                Some(index) => shown(index),
                None => Choice::Unclear,
            })
        }
        Phrase::Last if choices.is_empty() => Some(Choice::Task(Target::last())),
        Phrase::Last => Some(shown(choices.len() - 1)),
        Phrase::Several if choices.len() > 1 && listener.says_all(&span, choices.len()) => Some(Choice::All),
        Phrase::Several => Some(Choice::Several),
        Phrase::It if choices.len() == 1 => Some(shown(0)),
        Phrase::It | Phrase::Unsaid => Some(Choice::Unclear),
        Phrase::Name | Phrase::NamedTask => {
            // A command of its own is heard as that: here no plain sentence can be a title.
            if best.is_some_and(|reading| reading.sure)
                || listener.sentence.is_question()
                || span.len() > MAX_NAME_WORDS
            {
                return None;
            }
            let name = listener.written(&item.name);
            match (named(choices, listener.written(&span)).or_else(|| named(choices, name)), question) {
                (Some(task), _) => Some(Choice::Task(Target::known(task))),
                (None, _) if choices.is_empty() && !name.is_empty() => Some(Choice::Task(Target::named(name))),
                (None, _) => Some(Choice::Unclear),
            }
        }
    }
}

/// The task among `choices` that has this title, or the only one that contains it.
fn named<'k>(choices: &'k [Known], name: &str) -> Option<&'k Known> {
    let name = NormalizedText::new(name);
    let titles: Vec<_> = choices.iter().map(|task| (task, NormalizedText::new(&task.title))).collect();
    let mut containing = titles.iter().filter(|(_, title)| title.as_str().contains(name.as_str()));
    let only = containing.next().filter(|_| containing.next().is_none() && !name.as_str().is_empty());
    titles.iter().find(|(_, title)| *title == name).or(only).map(|(task, _)| *task)
}
