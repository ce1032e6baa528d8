//! What the assistant says without a tool's result: questions, remarks, help. None of it claims that something was done.

use super::answer::{enumerated, numbered};
use super::command::quoted;
use super::command::{Action, Command, Question, Remark};
use super::selection::Part;

/// Maximum number of skipped parts that are named.
const MAX_SKIPPED: usize = 3;

/// Maximum number of characters of a skipped part that are repeated.
const MAX_SKIPPED_CHARACTERS: usize = 120;

/// Returns the text of a question.
pub(super) fn question(question: &Question) -> String {
    match question {
        Question::Title => "What should the task be?".to_owned(),
        Question::AddAgain { title } => {
            format!("{} is on your list already. Shall I add it once more?", quoted(title))
        }
        Question::OneOrSeveral { whole, parts } => {
            let parts: Vec<_> = parts.iter().map(|part| quoted(part)).collect();
            format!("Is {} one task, or {}: {}?", quoted(whole), counted_word(parts.len()), enumerated(&parts))
        }
        Question::Which { action, choices, .. } => {
            let which = match action {
                Action::Complete => "Which task should I mark as done?",
                Action::Delete => "Which task should I delete?",
                Action::Rename => "Which task should I rename?",
            };
            if choices.is_empty() { which.to_owned() } else { format!("{which}\n\n{}", numbered(choices)) }
        }
        Question::NewTitle(task) => format!("What should I call {}?", task.label),
        Question::Confirm(command) => format!("Shall I {}?", proposal(command)),
    }
}

fn counted_word(count: usize) -> String {
    match count {
        2 => "two".to_owned(),
        3 => "three".to_owned(),
        more => more.to_string(),
    }
}

/// What a command does, behind "Shall I".
fn proposal(command: &Command) -> String {
    let each = |action: &Action, which: &str| match action {
        Action::Complete => format!("mark {which} as done"),
        Action::Delete => format!("delete {which}"),
        Action::Rename => format!("rename {which}"),
    };
    match command {
        Command::Add { title } => format!("add {} to your list", quoted(title)),
        Command::List { .. } => "show your list".to_owned(),
        Command::Complete(task) => format!("mark {} as done", task.label),
        Command::Delete(task) => format!("delete {} from your list", task.label),
        Command::Rename(task, title) => format!("rename {} to {}", task.label, quoted(title)),
        Command::Sweep(action, selection) => match selection.part {
            Part::All if selection.except.is_empty() => each(action, "all of them"),
            _ => each(action, "these"),
        },
        Command::Undo => "undo what I changed last".to_owned(),
        Command::ConfirmPending => "go ahead".to_owned(),
    }
}

/// Returns what is said about the parts of a message about which nothing was done; `None` if there are none.
pub(super) fn skipped(parts: &[String]) -> Option<String> {
    let short = |part: &String| {
        let mut text: String = part.chars().take(MAX_SKIPPED_CHARACTERS).collect();
        if text.len() < part.len() {
            text.push('…');
        }
        quoted(&text)
    };
    let mut named: Vec<_> = parts.iter().take(MAX_SKIPPED).map(short).collect();
    if parts.len() > MAX_SKIPPED {
        named.push(format!("{} more", parts.len() - MAX_SKIPPED));
    }
    (!named.is_empty()).then(|| format!("I did nothing about {}.", enumerated(&named)))
}

/// Returns the text of a remark. Frequent ones vary with `turn`, the number of turns before.
pub(super) fn remark(remark: &Remark, turn: usize) -> String {
    let vary = |texts: &[&'static str]| texts.get(turn % texts.len().max(1)).copied().unwrap_or_default();
    match remark {
        Remark::LastChanges(answers) if answers.is_empty() => "I have changed nothing in this conversation.",
        Remark::LastChanges(answers) => return format!("The last thing I did:\n\n{}", answers.join("\n\n")),
        Remark::Greeting => vary(&[
            "Hello! What can I do for your list? Say “help” to see what I understand.",
            "Hello again! What can I do for your list?",
        ]),
        Remark::Welcome => vary(&["You're welcome.", "Any time.", "Glad to help."]),
        Remark::Goodbye => vary(&["Goodbye!", "See you!"]),
        Remark::Help => HELP,
        Remark::NothingDone => "All right, I leave everything as it is.",
        Remark::NothingAsked => "I'm not sure what you say yes to. Tell me what to do, or say “help”.",
        Remark::TakeYourTime => "Take your time.",
        Remark::DeletesNamed => {
            "I'd rather not guess which ones to delete. Name them or give me their numbers, as in “delete 1 and 3”."
        }
        Remark::CompletesNamed => {
            "I'm not sure which ones are done. Name them or give me their numbers, as in “complete 1 and 3”."
        }
        Remark::WhichTask => "Which task do you mean? Tell me its name.",
        Remark::RenamesOne => "I rename one task at a time. Tell me which one to start with.",
        Remark::AmbiguousTitles => {
            "I'm not sure where the old title ends. Put the titles in quotes, as in: rename “old title” to “new title”."
        }
        Remark::UndoesLast => {
            "I can only undo everything that I changed last in this conversation. If that is what you want, say “undo”."
        }
        Remark::NoReopening => {
            "I can't mark a task as not done. If I have just marked it as done, say “undo”; or I can add it again."
        }
        Remark::OneList => "I can't make other lists: there is one list, and I can put things on it.",
        Remark::NoDates => {
            "I keep no dates and send no reminders. Times that you mention stay in the title, as in “call mom on Friday”."
        }
        Remark::NoFields => {
            "I keep no priorities, tags or notes. You can put them into the title, as in “urgent: call the bank”."
        }
        Remark::Elsewhere => {
            "I can't do that: I only look after your task list. If you mean a task, say so, as in “delete the dentist task”."
        }
        Remark::EnglishOnly => {
            "I understand English only. Other languages need a language model: see “Choosing a model” in Doable's documentation."
        }
        Remark::Crisis => {
            "I'm sorry that you feel this way. I'm only a task list and can't help with this, but people can: if you may be in \
             danger, please call your local emergency number, or find a helpline in your country at findahelpline.com. In the US \
             you can call or text 988, in the UK and Ireland 116 123. You don't have to go through this alone."
        }
        Remark::Unknown => vary(&[
            "Sorry, I can't help with that. I look after your task list: I can add, show, complete, delete and rename tasks. \
             Say “help” for examples.",
            "I can't do that: I only look after your task list. Try “add milk”, “what's left?” or “complete the second one”.",
        ]),
        Remark::TooLong => "That is too much at once for me. Please say it in a sentence or two.",
    }
    .to_owned()
}

/// The text for a command whose tool is not there.
pub(super) const NO_TOOL: &str = "I can't do that here.";

const HELP: &str = "You can say, for example:\n\n\
    - “Add a task to buy groceries” or “Put milk, eggs and bread on my list”\n\
    - “What's on my list?”, “What's left?” or “What have I finished?”\n\
    - “Mark the second one as done” or “I finished the report”\n\
    - “Delete the groceries task”, “Delete 1 and 3” or “Clear my list”\n\
    - “Rename milk to oat milk”\n\
    - “Undo that”\n\n\
    I also understand “it” and “the last one”, and I ask when I'm not sure.";
