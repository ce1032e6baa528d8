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
    }
}

/// The words of a remark.
pub(super) fn remark(remark: Remark) -> &'static str {
    match remark {
        Remark::Greeting => "Hello! What can I do for your list? Say “help” to see what I understand.",
        Remark::Welcome => "You're welcome.",
        Remark::Goodbye => "Goodbye!",
        Remark::Help => HELP,
        Remark::LeftAlone => "All right, I leave everything as it is.",
        Remark::NothingAsked => "I'm not sure what you say yes to. Tell me what to do, or say “help”.",
        Remark::DeletesOne => {
            "I delete one task at a time, so that nothing goes by mistake. Tell me which one to start with."
        }
        Remark::CompletesOne => "I mark one task as done at a time. Tell me which one to start with.",
        Remark::RenamesOne => "I rename one task at a time. Tell me which one to start with.",
        Remark::OneCommand => "That sounds like two things at once. Please tell me one after the other.",
        Remark::WhichTo => {
            "I'm not sure where the old title ends. Put the titles in quotes, as in: rename “old title” to “new title”."
        }
        Remark::NoUndo => {
            "I can't take back what has happened. I can add a task again, or rename it back: just tell me."
        }
        Remark::NoReopening => "I can't mark a task as not done. I can add it again: just tell me.",
        Remark::OneList => "I can't make other lists: there is one list, and I can put things on it.",
        Remark::Elsewhere => {
            "I can't do that: I only look after your task list. If you mean a task, say so, as in “delete the dentist task”."
        }
        Remark::Unknown => {
            "Sorry, I can't help with that. I look after your task list: I can add, show, complete, delete and rename tasks. \
             Say “help” for examples."
        }
        Remark::TooLong => "That is too much at once for me. Please say it in a sentence or two.",
    }
}

/// What is said when the command needs a tool that is not there.
pub(super) const NO_TOOL: &str = "I can't do that here.";

const HELP: &str = "You can say, for example:\n\n\
    - “Add a task to buy groceries” or “Put milk on my list”\n\
    - “What's on my list?”, “What's left?” or “What have I finished?”\n\
    - “Mark the second one as done” or “I finished the report”\n\
    - “Delete the groceries task”\n\
    - “Rename milk to oat milk”\n\n\
    I also understand “it” and “the last one”, and I ask when I'm not sure.";
