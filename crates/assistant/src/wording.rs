//! Everything the assistant says that rests on no tool's result: questions, remarks, help.
//!
//! None of it may sound as if something had been done. Deliberately not here: what is said about results
//! (`answer.rs`).

use super::answer::numbered;
use super::command::quoted;
use super::command::{Action, Command, Question, Remark};

/// The words of a question. They are how the question is recognised in the conversation later.
pub(super) fn question(question: &Question) -> String {
    match question {
        Question::Title => "What should the task be?".to_owned(),
        Question::Which { action, choices, .. } => {
            let which = match action {
                Action::Complete => "Which task should I mark as done?",
                Action::Delete => "Which task should I delete?",
                Action::Rename => "Which task should I rename?",
            };
            if choices.is_empty() { which.to_owned() } else { format!("{which}\n\n{}", numbered(choices)) }
        }
        Question::NewTitle(task) => format!("What should I call {}?", task.label),
        Question::Confirm(Command::Add { title }) => format!("Shall I add {} to your list?", quoted(title)),
        Question::Confirm(Command::List { .. }) => "Shall I show your list?".to_owned(),
        Question::Confirm(Command::Complete(task)) => format!("Shall I mark {} as done?", task.label),
        Question::Confirm(Command::Delete(task)) => format!("Shall I delete {} from your list?", task.label),
        Question::Confirm(Command::Rename(task, title)) => {
            format!("Shall I rename {} to {}?", task.label, quoted(title))
        }
        Question::Confirm(Command::Undo) => "Shall I undo what I changed last?".to_owned(),
        Question::Confirm(Command::ConfirmPending) => "Shall I go ahead?".to_owned(),
    }
}

/// The words of a remark. What is said more often in a conversation varies with `turn`, the number of turns before.
pub(super) fn remark(remark: Remark, turn: usize) -> &'static str {
    let vary = |ways: &[&'static str]| ways.get(turn % ways.len().max(1)).copied().unwrap_or_default();
    match remark {
        Remark::Greeting => vary(&[
            "Hello! What can I do for your list? Say “help” to see what I understand.",
            "Hello again! What shall we do?",
        ]),
        Remark::Welcome => vary(&["You're welcome.", "Any time.", "Glad to help."]),
        Remark::Goodbye => vary(&["Goodbye!", "See you!"]),
        Remark::Help => HELP,
        Remark::LeftAlone => "All right, I leave everything as it is.",
        Remark::NothingAsked => "I'm not sure what you say yes to. Tell me what to do, or say “help”.",
        Remark::DeletesNamed => {
            "I'd rather not guess which ones to delete. Name them or give me their numbers, as in “delete 1 and 3”."
        }
        Remark::CompletesNamed => {
            "I'm not sure which ones are done. Name them or give me their numbers, as in “complete 1 and 3”."
        }
        Remark::RenamesOne => "I rename one task at a time. Tell me which one to start with.",
        Remark::OneCommand => "That sounds like two things at once. Please tell me one after the other.",
        Remark::WhichTo => {
            "I'm not sure where the old title ends. Put the titles in quotes, as in: rename “old title” to “new title”."
        }
        Remark::UndoesLast => {
            "I can only undo everything that I changed last in this conversation. If that is what you want, say “undo”."
        }
        Remark::NoReopening => {
            "I can't mark a task as not done. If I have just marked it as done, say “undo”; or I can add it again."
        }
        Remark::OneList => "I can't make other lists: there is one list, and I can put things on it.",
        Remark::Elsewhere => {
            "I can't do that: I only look after your task list. If you mean a task, say so, as in “delete the dentist task”."
        }
        Remark::Unknown => vary(&[
            "Sorry, I can't help with that. I look after your task list: I can add, show, complete, delete and rename tasks. \
             Say “help” for examples.",
            "I can't do that: I only look after your task list. Try “add milk”, “what's left?” or “complete the second one”.",
        ]),
        Remark::TooLong => "That is too much at once for me. Please say it in a sentence or two.",
    }
}

/// What is said when the command needs a tool that is not there.
pub(super) const NO_TOOL: &str = "I can't do that here.";

const HELP: &str = "You can say, for example:\n\n\
    - “Add a task to buy groceries” or “Put milk, eggs and bread on my list”\n\
    - “What's on my list?”, “What's left?” or “What have I finished?”\n\
    - “Mark the second one as done” or “I finished the report”\n\
    - “Delete the groceries task”, “Delete 1 and 3” or “Clear my list”\n\
    - “Rename milk to oat milk”\n\
    - “Undo that”\n\n\
    I also understand “it” and “the last one”, and I ask when I'm not sure.";
