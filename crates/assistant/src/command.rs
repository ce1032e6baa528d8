//! What the assistant has understood: a command that can be run, or a question that has to be answered first.
//!
//! Deliberately not here: how it was understood (`dialogue.rs`), and what is said about it (`wording.rs`).

use domain::tool::{CONFIRM_PENDING, UNDO};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Which tasks a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// All of them.
    All,
    /// Those that are not done.
    Pending,
    /// Those that are done.
    Completed,
}

/// What is done to a task that exists.
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
    /// The action of a tool, if it has one.
    pub fn of_tool(tool: &str) -> Option<Self> {
        match tool {
            "complete_task" => Some(Self::Complete),
            "delete_task" => Some(Self::Delete),
            "update_task" => Some(Self::Rename),
            _ => None,
        }
    }
}

/// A task as the conversation has shown it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Whether it is done.
    pub completed: bool,
    /// The number under which it was shown, from 1.
    pub position: u64,
}

/// A task as a tool is told which one it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Target {
    /// The tool's `task_identifier`.
    pub identifier: String,
    /// How it is called in a question: its title in quotes, or its place.
    pub label: String,
}

impl Target {
    /// A task by its title, or by a part of it.
    pub fn named(title: &str) -> Self {
        Self { identifier: title.to_owned(), label: quoted(title) }
    }

    /// A task that the conversation has shown.
    pub fn known(task: &Known) -> Self {
        Self { identifier: task.id.clone(), label: quoted(&task.title) }
    }

    /// The task at a place of the list that was shown last.
    pub fn position(number: u32) -> Self {
        Self { identifier: number.to_string(), label: format!("number {number}") }
    }

    /// The last task of the list that was shown last.
    pub fn last() -> Self {
        Self { identifier: "last".to_owned(), label: "the last one".to_owned() }
    }
}

/// A title as it is quoted in an answer.
pub(super) fn quoted(title: &str) -> String {
    format!("“{title}”")
}

/// One call of one tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Command {
    /// Add a task.
    Add {
        /// Its title.
        title: String,
    },
    /// Show the list.
    List {
        /// Which tasks.
        status: Status,
        /// What the user wants to find in it.
        about: Option<String>,
    },
    /// Mark a task as done.
    Complete(Target),
    /// Delete a task.
    Delete(Target),
    /// Give a task another title.
    Rename(Target, String),
    /// Undo what the last turn changed.
    Undo,
    /// Run what waits for the user's confirmation.
    ConfirmPending,
}

impl Command {
    /// The tool that does it.
    pub fn tool(&self) -> &'static str {
        match self {
            Self::Add { .. } => "add_task",
            Self::List { .. } => "list_tasks",
            Self::Complete(_) => "complete_task",
            Self::Delete(_) => "delete_task",
            Self::Rename(..) => "update_task",
            Self::Undo => UNDO,
            Self::ConfirmPending => CONFIRM_PENDING,
        }
    }

    /// What the user wants to find, if they do.
    pub fn about(&self) -> Option<&str> {
        match self {
            Self::List { about, .. } => about.as_deref(),
            Self::Add { .. }
            | Self::Complete(_)
            | Self::Delete(_)
            | Self::Rename(..)
            | Self::Undo
            | Self::ConfirmPending => None,
        }
    }

    /// The tool's arguments.
    pub fn arguments(&self) -> Value {
        match self {
            Self::Add { title } => json!({ "title": title }),
            Self::List { status, .. } => json!({ "status": match status {
                Status::All => "all",
                Status::Pending => "pending",
                Status::Completed => "completed",
            }}),
            Self::Complete(task) | Self::Delete(task) => json!({ "task_identifier": task.identifier }),
            Self::Rename(task, title) => json!({ "task_identifier": task.identifier, "new_title": title }),
            Self::Undo | Self::ConfirmPending => json!({}),
        }
    }
}

/// A question to the user that the next message may answer. It is stored as JSON in the plan of the assistant's reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Question {
    /// What is the title of the new task?
    Title,
    /// Which task?
    Which {
        /// What is to be done to it.
        action: Action,
        /// Its new title, if that was said.
        new_title: Option<String>,
        /// The tasks to choose from; empty if none were shown.
        choices: Vec<Known>,
    },
    /// What is the task's new title?
    NewTitle(Target),
    /// Shall I?
    Confirm(Command),
}

/// Something to say that leads to no call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remark {
    /// A greeting back.
    Greeting,
    /// You are welcome.
    Welcome,
    /// Goodbye.
    Goodbye,
    /// What can be said.
    Help,
    /// Nothing is done, as wished.
    LeftAlone,
    /// A yes, but to what?
    NothingAsked,
    /// Which of several tasks should be deleted?
    DeletesNamed,
    /// Which of several tasks should be marked as done?
    CompletesNamed,
    /// Tasks are renamed one at a time.
    RenamesOne,
    /// Commands that cannot be run together.
    OneCommand,
    /// Where does the old title end?
    WhichTo,
    /// Only the last change can be undone.
    UndoesLast,
    /// A task cannot be reopened.
    NoReopening,
    /// There is one list.
    OneList,
    /// Another program looks after that.
    Elsewhere,
    /// Not understood.
    Unknown,
    /// Too long, or too much at once.
    TooLong,
}

/// What to do about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Run these, in this order.
    Act(Vec<Command>),
    /// Look which tasks there are, and do this to every one of them.
    Sweep(Action, Status),
    /// Ask.
    Ask(Question),
    /// Say something.
    Say(Remark),
}
