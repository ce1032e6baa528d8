//! What has happened in the conversation, read from its messages: who said what, what came of it, which task was
//! spoken of last.
//!
//! The turns may stem from any provider, so nothing is taken for granted: what is missing or of another shape is
//! as if it had not been said. Deliberately not here: what the words mean (`dialogue.rs`).

use std::collections::HashSet;

use domain::llm::LlmMessage;
use domain::task::Title;
use domain::text::NormalizedText;
use domain::tool::{CONFIRM_PENDING, UNDO};
use serde_json::Value;

use super::command::{Action, Known, Question};

/// Maximum number of tasks that are remembered as shown, the newest.
const MAX_SEEN: usize = 200;

/// A user's message and everything up to the next one.
#[derive(Debug, Default)]
pub(super) struct Exchange<'m> {
    /// What the user said.
    pub said: &'m str,
    /// The question of the assistant's reply, if it asked one.
    pub question: Option<Question>,
    /// What came of the tools that were called, in order.
    pub outcomes: Vec<Outcome<'m>>,
}

/// What came of a tool call.
#[derive(Debug)]
pub(super) struct Outcome<'m> {
    /// The tool.
    pub tool: &'m str,
    /// Its arguments; null if they are no JSON or the call is not to be found.
    pub arguments: Value,
    /// Whether it did what it was asked.
    pub success: bool,
    /// What happened, in words; may be empty.
    pub message: &'m str,
    /// What happened, as data.
    pub data: &'m Value,
}

/// A change as the result of an undo or of a confirmation tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change<'m> {
    /// What happened to the task, such as `deleted`.
    pub action: &'m str,
    /// The task after it. Whether it is done is not told.
    pub task: Known,
    /// The title before, if it had another one.
    pub previous_title: Option<&'m str>,
}

/// Cuts a conversation into exchanges. What comes before the first message of the user belongs to none.
pub(super) fn exchanges(messages: &[LlmMessage]) -> Vec<Exchange<'_>> {
    let mut exchanges: Vec<Exchange<'_>> = Vec::new();
    let mut calls: &[_] = &[];
    for message in messages {
        if let LlmMessage::User { text } = message {
            exchanges.push(Exchange { said: text, ..Exchange::default() });
            calls = &[];
            continue;
        }
        let Some(exchange) = exchanges.last_mut() else { continue };
        match message {
            LlmMessage::User { .. } => {}
            LlmMessage::Assistant { plan, calls: made, .. } => {
                // Plans of other providers are no questions of this assistant.
                exchange.question = plan.as_deref().and_then(|plan| serde_json::from_str(plan).ok());
                calls = made;
            }
            LlmMessage::ToolResult { call_id, tool, content } => {
                let call = calls.iter().find(|call| call.id == *call_id);
                exchange.outcomes.push(Outcome {
                    tool,
                    arguments: call.and_then(|call| serde_json::from_str(&call.arguments).ok()).unwrap_or_default(),
                    success: content["success"].as_bool().unwrap_or(false),
                    message: content["message"].as_str().unwrap_or(""),
                    data: &content["data"],
                });
            }
        }
    }
    exchanges
}

impl Outcome<'_> {
    /// The task that it is about, if it is about one.
    pub fn task(&self) -> Option<Known> {
        known(&self.data["task"], 1)
    }

    /// The tasks under `key` (`tasks`, `candidates`, `nearest`), numbered as they are shown.
    pub fn tasks(&self, key: &str) -> Vec<Known> {
        let rows = self.data[key].as_array().map_or(&[][..], Vec::as_slice);
        rows.iter().zip(1..).filter_map(|(row, number)| known(row, number)).collect()
    }

    /// Whether it is of a tool that changes several tasks at once, and tells of them as changes.
    pub fn is_of_changes(&self) -> bool {
        [UNDO, CONFIRM_PENDING].contains(&self.tool)
    }

    /// The changes that such a tool made.
    pub fn changes(&self) -> Vec<Change<'_>> {
        let rows = self.data["changes"].as_array().map_or(&[][..], Vec::as_slice);
        rows.iter().filter(|_| self.is_of_changes()).filter_map(change).collect()
    }

    /// Whether it waits for the user's confirmation.
    pub fn waits(&self) -> bool {
        self.data["needs_confirmation"] == true
    }

    /// The tasks to choose from after a failure: those that were meant, or those that come near.
    pub fn choices(&self) -> Vec<Known> {
        let candidates = self.tasks("candidates");
        if candidates.is_empty() { self.tasks("nearest") } else { candidates }
    }
}

fn change(row: &Value) -> Option<Change<'_>> {
    Some(Change {
        action: row["action"].as_str()?,
        task: known(&row["task"], 1)?,
        previous_title: row["previous_title"].as_str(),
    })
}

fn known(row: &Value, number: u64) -> Option<Known> {
    Some(Known {
        id: row["id"].as_str()?.to_owned(),
        title: row["title"].as_str()?.to_owned(),
        completed: row["completed"].as_bool().unwrap_or(false),
        position: row["position"].as_u64().unwrap_or(number),
    })
}

/// What the assistant knows when it hears a message.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The task that "it" is.
    pub focus: Option<Known>,
    /// The tasks that were shown, the newest last. Some may have changed since.
    seen: Vec<SeenTask>,
    /// The question that the message may answer.
    pub question: Option<Question>,
    /// Whether the server keeps something that the message may confirm.
    pub is_pending: bool,
}

/// A task that was shown, with its title as titles are compared.
#[derive(Debug)]
struct SeenTask {
    id: String,
    title: NormalizedText,
}

impl Memory {
    /// Returns what is known after `exchanges`.
    pub fn of(exchanges: Vec<Exchange<'_>>) -> Self {
        let mut memory = Self::default();
        for exchange in exchanges {
            memory.add(exchange);
        }
        memory
    }

    /// Adds an exchange. Its question, or its last failed call, replaces the question of the exchange before.
    fn add(&mut self, exchange: Exchange<'_>) {
        self.question = exchange.question;
        // The server remembers the actions that wait for confirmation.
        for outcome in exchange.outcomes.iter().filter(|outcome| !outcome.waits()) {
            if outcome.success { self.see(outcome) } else { self.question = question_after(outcome) }
        }
    }

    fn see(&mut self, outcome: &Outcome<'_>) {
        self.question = None;
        if outcome.is_of_changes() {
            let changes = outcome.changes();
            self.focus = None;
            for change in &changes {
                self.change(&change.task, change.action == "deleted");
            }
            if changes.len() > 1 {
                self.focus = None;
            }
        } else if let Some(task) = outcome.task() {
            self.change(&task, outcome.tool == "delete_task");
        } else if outcome.data["tasks"].is_array() {
            let shown = outcome.tasks("tasks");
            // A list of one names it; behind a longer one, "it" may be any of them.
            if let Some(first) = shown.first() {
                self.focus = (shown.len() == 1).then(|| first.clone());
            }
            self.show(&shown);
        }
    }

    /// Takes in that one task was changed. What is deleted can be meant no more.
    fn change(&mut self, task: &Known, is_deleted: bool) {
        if is_deleted {
            self.seen.retain(|seen| seen.id != task.id);
            self.focus = None;
        } else {
            self.show(std::slice::from_ref(task));
            self.focus = Some(task.clone());
        }
    }

    fn show(&mut self, tasks: &[Known]) {
        let tasks = &tasks[..tasks.len().min(MAX_SEEN)];
        let ids: HashSet<&str> = tasks.iter().map(|task| task.id.as_str()).collect();
        self.seen.retain(|seen| !ids.contains(seen.id.as_str()));
        self.seen
            .extend(tasks.iter().map(|task| SeenTask { id: task.id.clone(), title: NormalizedText::new(&task.title) }));
        self.seen.drain(..self.seen.len().saturating_sub(MAX_SEEN));
    }

    /// Whether a task that was shown has `name` in its title, compared as the tools compare.
    pub fn has_seen(&self, name: &str) -> bool {
        self.any_seen(name, |title, name| title.as_str().contains(name.as_str()))
    }

    /// Whether a task that was shown has exactly this title, compared as the tools compare.
    pub fn has_seen_exactly(&self, title: &str) -> bool {
        self.any_seen(title, |seen, title| seen == title)
    }

    fn any_seen(&self, name: &str, fits: impl Fn(&NormalizedText, &NormalizedText) -> bool) -> bool {
        // What is longer than any title is in none.
        if self.seen.is_empty() || name.chars().nth(Title::MAX).is_some() {
            return false;
        }
        let name = NormalizedText::new(name);
        self.seen.iter().any(|task| fits(&task.title, &name))
    }
}

/// What a failed call leaves to be asked: which of these?
fn question_after(outcome: &Outcome<'_>) -> Option<Question> {
    let choices = outcome.choices();
    let action = Action::of_tool(outcome.tool).filter(|_| !choices.is_empty())?;
    let new_title = outcome.arguments["new_title"].as_str().map(str::to_owned);
    Some(Question::Which { action, new_title, choices })
}
