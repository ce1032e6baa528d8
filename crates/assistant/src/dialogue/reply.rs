//! Interprets a message as the answer to the question before it.
//!
//! People may also ignore the question and want something else: then the message is interpreted as if nothing had been
//! asked.

use domain::text::NormalizedText;

use super::interpreter::{Interpreter, command, several_at_once, together};
use crate::command::{Action, Command, Decision, Question, Remark, Target};
use crate::grammar::{GRAMMAR, Intent, Item, Phrase, Reading};
use crate::lexicon;
use crate::tasks::Known;

/// Maximum number of words of a choice between tasks.
const MAX_NAME_WORDS: usize = 12;

/// Decides about a message that confirms what waits for confirmation; `None` if nothing does, or if the message is no yes.
/// (A no is the same whatever was asked.)
pub(super) fn to_pending(interpreter: &Interpreter<'_>, best: Option<&Reading>) -> Option<Decision> {
    let memory = interpreter.memory;
    (memory.is_pending && confirms(interpreter, best)).then(|| match memory.question {
        // The answer before asked for something else too.
        Some(_) => Decision::Say(Remark::NothingAsked),
        None => Decision::run(Command::ConfirmPending),
    })
}

/// Whether a message is a yes, or one that repeats what it is to: "yes, delete them".
fn confirms(interpreter: &Interpreter<'_>, best: Option<&Reading>) -> bool {
    let Some(best) = best else { return false };
    let sentence = &interpreter.message.sentence;
    let begins_with_yes = sentence.has_any(&(0..1), lexicon::AFFIRMATIVES);
    let span = best.item_span.clone().unwrap_or(best.span.clone());
    let names = sentence.tokens().get(span).unwrap_or_default();
    best.intent() == Intent::Yes
        || (matches!(best.intent(), Intent::Delete | Intent::DeleteAll)
            && begins_with_yes
            && names.iter().all(|token| lexicon::QUESTION_TARGETS.contains(&token.word)))
}

/// Decides about a message by the question before it; `None` if it is no answer to it. `best` is its best reading without
/// the question.
pub(super) fn to(question: &Question, interpreter: &Interpreter<'_>, best: Option<&Reading>) -> Option<Decision> {
    let intent = best.map(Reading::intent);
    let sentence = &interpreter.message.sentence;
    match intent {
        Some(Intent::No | Intent::Leave) => return Some(Decision::Say(Remark::NothingDone)),
        Some(Intent::Wait) => return Some(Decision::Ask(question.clone())),
        _ => {}
    }
    match question {
        Question::Confirm(command) if intent == Some(Intent::Yes) => Some(Decision::run(command.clone())),
        Question::Confirm(Command::Delete(task)) if confirms(interpreter, best) => {
            Some(Decision::run(Command::Delete(task.clone())))
        }
        // "Yes, and add eggs"
        Question::Confirm(command) if sentence.has_any(&(0..1), lexicon::YES) => {
            let Decision::Act(mut plan) = interpreter.interpret(best.filter(|best| best.is_sure())?) else {
                return None;
            };
            plan.commands.insert(0, command.clone());
            Some(Decision::Act(plan))
        }
        Question::AddAgain { title } if intent == Some(Intent::Yes) => {
            Some(Decision::run(Command::Add { title: title.clone() }))
        }
        Question::Confirm(_) | Question::AddAgain { .. } => None,
        // "Add one more: sugar"
        Question::OneOrSeveral { .. } if best.is_some_and(|best| best.is_sure() && best.intent() != Intent::Yes) => {
            None
        }
        Question::OneOrSeveral { whole, parts } => {
            let titles = match (
                sentence.has_any(&sentence.all(), lexicon::SINGULARS),
                sentence.has_any(&sentence.all(), lexicon::PLURALS),
            ) {
                (true, false) => vec![whole.clone()],
                (false, true) => parts.clone(),
                _ if intent == Some(Intent::Yes) => return Some(Decision::Ask(question.clone())),
                _ => return None,
            };
            Some(Decision::run_all(titles.into_iter().map(|title| Command::Add { title }).collect()))
        }
        Question::Title | Question::NewTitle(_) if !may_be_title(interpreter, best) => None,
        Question::Title => Some(match title(interpreter) {
            Some(title) => Decision::run(Command::Add { title }),
            None => Decision::Ask(Question::Title),
        }),
        Question::NewTitle(target) => Some(command(Action::Rename, target.clone(), title(interpreter))),
        Question::Which { action, choices, .. } if says_all(interpreter, best, *action, choices.len()) => {
            Some(together(*action, choices.iter().map(Target::known)))
        }
        Question::Which { action, new_title, choices } => {
            let chosen = choose(question, choices, interpreter, best)?;
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
fn says_all(interpreter: &Interpreter<'_>, best: Option<&Reading>, action: Action, choices: usize) -> bool {
    let same = match action {
        Action::Complete => Intent::Complete,
        Action::Delete => Intent::Delete,
        Action::Rename => return false,
    };
    let span = best.filter(|reading| reading.intent() == same).and_then(|reading| reading.item_span.as_ref());
    choices > 1 && span.is_some_and(|span| interpreter.says_all(span, choices))
}

/// Whether a message may be the title that was asked for: no question, no doubt, and no plain command or remark of its own.
/// "Finish the report" is rather the title, "finish the second one" is not.
fn may_be_title(interpreter: &Interpreter<'_>, best: Option<&Reading>) -> bool {
    let points = |phrase| matches!(phrase, Phrase::Position | Phrase::First | Phrase::Last | Phrase::It);
    let sentence = &interpreter.message.sentence;
    if sentence.is_question() || sentence.has_any(&(0..1), lexicon::QUESTION_OPENERS) {
        return false;
    }
    let Some(reading) = best else { return true };
    match reading.intent() {
        Intent::Errand | Intent::Yes | Intent::Correct => true,
        Intent::Complete | Intent::Delete | Intent::Rename => {
            let is_shown = |item: &Item| interpreter.memory.has_seen(interpreter.name_of(item));
            let is_plain = |item: &Item| points(item.phrase) || reading.names_list || is_shown(item);
            let is_plain = reading.item.as_ref().is_some_and(is_plain);
            !(reading.is_sure() && is_plain)
        }
        Intent::Comment => false,
        _ => !reading.is_sure(),
    }
}

fn title(interpreter: &Interpreter<'_>) -> Option<String> {
    let span = GRAMMAR.name(interpreter.message);
    let title = interpreter.written(&span);
    let says_nothing = title.is_empty() || GRAMMAR.is_no_title(interpreter.message, &span);
    (!says_nothing).then(|| title.to_owned())
}

enum Choice {
    Task(Target),
    All,
    Several,
    Unclear,
}

fn choose(
    question: &Question,
    choices: &[Known],
    interpreter: &Interpreter<'_>,
    best: Option<&Reading>,
) -> Option<Choice> {
    let span = GRAMMAR.choice(interpreter.message);
    let item = interpreter.item(span.clone());
    if best.is_some_and(|reading| reading.intent() == Intent::Yes) {
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
        Phrase::Several if choices.len() > 1 && interpreter.says_all(&span, choices.len()) => Some(Choice::All),
        Phrase::Several => Some(Choice::Several),
        Phrase::It if choices.len() == 1 => Some(shown(0)),
        Phrase::It | Phrase::Unsaid => Some(Choice::Unclear),
        Phrase::Name | Phrase::NamedTask => {
            // A plain command of its own is no name.
            let is_command =
                |best: &Reading| best.is_sure() && !matches!(best.intent(), Intent::Correct | Intent::Errand);
            if best.is_some_and(is_command) || interpreter.message.sentence.is_question() || span.len() > MAX_NAME_WORDS
            {
                return None;
            }
            let name = interpreter.written(&item.name);
            match (named(choices, interpreter.written(&span)).or_else(|| named(choices, name)), question) {
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
