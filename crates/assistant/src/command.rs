//! What a message leads to: commands to run, a question, or a remark. Conversations store questions as JSON.

use domain::tool::{CONFIRM_PENDING, UNDO};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::selection::Selection;
use super::tasks::{Known, Status};

/// A change of an existing task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Action {
    /// Mark it as done.
    Complete,
    /// Delete it.
    Delete,
    /// Give it another title.
    Rename,
}

impl Action {
    /// Returns the action of a tool, if it has one.
    pub fn of_tool(tool: &str) -> Option<Self> {
        match tool {
            "complete_task" => Some(Self::Complete),
            "delete_task" => Some(Self::Delete),
            "update_task" => Some(Self::Rename),
            _ => None,
        }
    }
}

/// The task that a tool is called for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Target {
    /// The tool's `task_identifier`.
    pub identifier: String,
    /// Its name in a question: the title in quotes, or the position.
    pub label: String,
    /// The identifiers of several tasks that are tried if no task has all of the words as its title: "milk and eggs".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<String>,
}

impl Target {
    /// A task by its title, or by a part of its title.
    pub fn named(title: &str) -> Self {
        Self { identifier: title.to_owned(), label: quoted(title), parts: Vec::new() }
    }

    /// A task that the conversation has shown.
    pub fn known(task: &Known) -> Self {
        Self { identifier: task.id.clone(), label: quoted(&task.title), parts: Vec::new() }
    }

    /// The task at a position of the list that was shown last.
    pub fn position(number: u32) -> Self {
        Self { identifier: number.to_string(), label: format!("number {number}"), parts: Vec::new() }
    }

    /// The last task of the list that was shown last.
    pub fn last() -> Self {
        Self { identifier: "last".to_owned(), label: "the last one".to_owned(), parts: Vec::new() }
    }
}

/// Returns a title in the quotation marks of answers.
pub(super) fn quoted(title: &str) -> String {
    format!("“{title}”")
}

/// What a list is read for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum View {
    /// To show it.
    Tasks,
    /// To tell how many tasks there are.
    Count,
    /// To tell whether a task with these words in its title is there.
    Search(String),
    /// To tell whether the task with these words in its title is done.
    IsDone(String),
    /// To tell what was done, without days, which the list does not show.
    DoneSometime,
}

/// One command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Command {
    /// Add a task.
    Add {
        /// Its title.
        title: String,
    },
    /// Read the list.
    List {
        /// Which tasks.
        status: Status,
        /// For what.
        view: View,
    },
    /// Mark a task as done.
    Complete(Target),
    /// Delete a task.
    Delete(Target),
    /// Give a task another title.
    Rename(Target, String),
    /// Read the list and do the same to each selected task.
    Sweep(Action, Selection),
    /// Undo what the last turn changed.
    Undo,
    /// Run what waits for the user's confirmation.
    ConfirmPending,
}

impl Command {
    /// The command that does `action` to one task; none for a new title, which is missing.
    pub fn on(action: Action, target: Target) -> Option<Self> {
        match action {
            Action::Complete => Some(Self::Complete(target)),
            Action::Delete => Some(Self::Delete(target)),
            Action::Rename => None,
        }
    }

    /// A command that reads a list to show it.
    pub fn show(status: Status) -> Self {
        Self::List { status, view: View::Tasks }
    }

    /// Whether it changes or deletes existing tasks.
    pub fn changes_tasks(&self) -> bool {
        !matches!(self, Self::Add { .. } | Self::List { .. })
    }

    /// Replaces the title or the task that was named last.
    pub fn correct(&mut self, words: String) {
        match self {
            Self::Add { title } | Self::Rename(_, title) => *title = words,
            Self::Complete(target) | Self::Delete(target) => *target = Target::named(&words),
            Self::List { .. } | Self::Sweep(..) | Self::Undo | Self::ConfirmPending => {}
        }
    }

    /// The tool that it calls first.
    pub fn tool(&self) -> &'static str {
        match self {
            Self::Add { .. } => "add_task",
            Self::List { .. } | Self::Sweep(..) => "list_tasks",
            Self::Complete(_) => "complete_task",
            Self::Delete(_) => "delete_task",
            Self::Rename(..) => "update_task",
            Self::Undo => UNDO,
            Self::ConfirmPending => CONFIRM_PENDING,
        }
    }

    /// The arguments of that call.
    pub fn arguments(&self) -> Value {
        match self {
            Self::Add { title } => json!({ "title": title }),
            Self::List { status, view: View::Search(words) | View::IsDone(words) } => {
                json!({ "status": status.as_str(), "query": words })
            }
            Self::List { status, .. } => json!({ "status": status.as_str() }),
            Self::Sweep(_, selection) => json!({ "status": selection.status.as_str() }),
            Self::Complete(task) | Self::Delete(task) => json!({ "task_identifier": task.identifier }),
            Self::Rename(task, title) => json!({ "task_identifier": task.identifier, "new_title": title }),
            Self::Undo | Self::ConfirmPending => json!({}),
        }
    }
}

/// A question to the user that the next message may answer. The plan of the assistant's reply stores it as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Question {
    /// What is the title of the new task?
    Title,
    /// Is this the title of one task, or are these several?
    OneOrSeveral {
        /// The words as one title.
        whole: String,
        /// The titles of several tasks.
        parts: Vec<String>,
    },
    /// Should a task be added although the list has one with this title?
    AddAgain {
        /// Its title.
        title: String,
    },
    /// Which task?
    Which {
        /// What is to be done to it.
        action: Action,
        /// Its new title, if the message had one.
        new_title: Option<String>,
        /// The tasks to choose from; empty if none were shown.
        choices: Vec<Known>,
    },
    /// What is the task's new title?
    NewTitle(Target),
    /// Is this right?
    Confirm(Command),
}

/// An answer without a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Remark {
    /// A greeting back.
    Greeting,
    /// An answer to thanks.
    Welcome,
    /// A farewell.
    Goodbye,
    /// Examples of what can be said.
    Help,
    /// Nothing was done, as requested.
    NothingDone,
    /// A yes to no question.
    NothingAsked,
    /// The user wants to think.
    TakeYourTime,
    /// What the assistant did last, as it was told then.
    LastChanges(Vec<String>),
    /// Which of several tasks should be deleted?
    DeletesNamed,
    /// Which of several tasks should be marked as done?
    CompletesNamed,
    /// Which task is meant?
    WhichTask,
    /// Tasks are renamed one at a time.
    RenamesOne,
    /// The old title may end at several places.
    AmbiguousTitles,
    /// Only the last change can be undone.
    UndoesLast,
    /// A task cannot be reopened.
    NoReopening,
    /// There is one list.
    OneList,
    /// Tasks have no dates, times, repetitions or alarms.
    NoDates,
    /// Tasks have no priorities, tags or notes.
    NoFields,
    /// Another program does that.
    Elsewhere,
    /// English is the only language that is understood.
    EnglishOnly,
    /// The user may be in danger.
    Crisis,
    /// Not understood.
    Unknown,
    /// Too long, or too much at once.
    TooLong,
}

/// What is to be done about a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// The commands to run, in order.
    pub commands: Vec<Command>,
    /// The question to ask afterwards.
    pub question: Option<Question>,
    /// The parts of the message about which nothing is done.
    pub skipped: Vec<String>,
}

/// What to do about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Run commands.
    Act(Plan),
    /// Ask, and run nothing.
    Ask(Question),
    /// Say something, and run nothing.
    Say(Remark),
}

impl Decision {
    /// Runs one command.
    pub fn run(command: Command) -> Self {
        Self::run_all(vec![command])
    }

    /// Runs several commands.
    pub fn run_all(commands: Vec<Command>) -> Self {
        Self::Act(Plan { commands, ..Plan::default() })
    }
}
