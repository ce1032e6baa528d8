//! The conversation so far, read from its messages: the calls and their outcomes, the tasks that were shown, the question
//! that is open.
//!
//! The messages may come from any provider: whatever is missing or has another shape is ignored.

use std::collections::HashSet;

use domain::llm::LlmMessage;
use domain::task::Title;
use domain::text::NormalizedText;
use domain::tool::{CONFIRM_PENDING, UNDO};
use serde_json::Value;

use super::command::{Action, Question};
use super::tasks::Known;

/// Maximum number of tasks that are remembered as shown, the newest first to stay.
const MAX_SEEN: usize = 200;

/// A user's message and everything up to the next one.
#[derive(Debug, Default)]
pub(super) struct Exchange<'m> {
    /// The user's message.
    pub text: &'m str,
    /// The text of the assistant's last reply.
    pub answer: &'m str,
    /// The question of the assistant's last reply.
    pub question: Option<Question>,
    /// The outcomes of the calls, in order.
    pub outcomes: Vec<Outcome<'m>>,
}

/// The outcome of a tool call.
#[derive(Clone, Debug)]
pub(super) struct Outcome<'m> {
    /// The tool.
    pub tool: &'m str,
    /// Its arguments; null if they are no JSON or there is no such call.
    pub arguments: Value,
    /// Whether it succeeded.
    pub success: bool,
    /// What happened, in words; may be empty.
    pub message: &'m str,
    /// What happened, as data.
    pub data: &'m Value,
}

/// A change in the result of an undo or of a confirmation.
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
            exchanges.push(Exchange { text, ..Exchange::default() });
            calls = &[];
            continue;
        }
        let Some(exchange) = exchanges.last_mut() else { continue };
        match message {
            LlmMessage::User { .. } => {}
            LlmMessage::Assistant { text, plan, calls: made, .. } => {
                exchange.answer = text;
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

    /// The tasks under `key` (`tasks`, `candidates`, `nearest`), numbered from 1.
    pub fn tasks(&self, key: &str) -> Vec<Known> {
        let rows = self.data[key].as_array().map_or(&[][..], Vec::as_slice);
        rows.iter().zip(1..).filter_map(|(row, number)| known(row, number)).collect()
    }

    /// The number of tasks of a list with those that are on later pages; `shown` if the tool does not say.
    pub fn total(&self, shown: usize) -> usize {
        self.data["total"].as_u64().and_then(|total| usize::try_from(total).ok()).unwrap_or(shown).max(shown)
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

/// The conversation before a message.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The task that "it" means.
    pub focus: Option<Known>,
    /// The task that the last exchange added or renamed, if it did nothing else.
    pub just_named: Option<Known>,
    /// The question that the message may answer.
    pub question: Option<Question>,
    /// Whether something waits for the user's confirmation.
    pub is_pending: bool,
    /// The answers of the last exchange that changed tasks.
    pub last_changes: Vec<String>,
    /// The tasks that were shown, the newest last. Some may have changed since.
    seen: Vec<SeenTask>,
    /// The list that was shown last.
    list: Vec<Known>,
    /// The number of its tasks, with those that are on later pages.
    list_total: usize,
    /// The ids of its tasks that were changed since.
    touched: HashSet<String>,
}

/// A task that was shown, with its normalized title.
#[derive(Debug)]
struct SeenTask {
    id: String,
    title: NormalizedText,
    completed: bool,
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
        let is_change = |outcome: &&Outcome<'_>| outcome.success && outcome.tool != "list_tasks";
        if exchange.outcomes.iter().any(|outcome| is_change(&outcome)) {
            self.last_changes = vec![exchange.answer.to_owned()];
        }
        let mut changes = exchange.outcomes.iter().filter(is_change);
        self.just_named = match (changes.next(), changes.next()) {
            (Some(only), None) if ["add_task", "update_task"].contains(&only.tool) => only.task(),
            _ => None,
        };
        // The server keeps the actions that wait for confirmation.
        let mut question = None;
        for outcome in exchange.outcomes.iter().filter(|outcome| !outcome.waits()) {
            if outcome.success {
                self.see(outcome);
                question = None;
            } else {
                question = question_after(outcome);
            }
        }
        self.question = exchange.question.or(question);
    }

    fn see(&mut self, outcome: &Outcome<'_>) {
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
            // A list of one names it; after a longer one, "it" may be any of them.
            if let Some(first) = shown.first() {
                self.focus = (shown.len() == 1).then(|| first.clone());
            }
            self.show(&shown);
            self.list_total = outcome.total(shown.len());
            self.list = shown;
            self.touched.clear();
        }
    }

    /// Adds the change of one task. A deleted task is forgotten.
    fn change(&mut self, task: &Known, is_deleted: bool) {
        self.touched.insert(task.id.clone());
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
        self.seen.extend(tasks.iter().map(|task| SeenTask {
            id: task.id.clone(),
            title: NormalizedText::new(&task.title),
            completed: task.completed,
        }));
        self.seen.drain(..self.seen.len().saturating_sub(MAX_SEEN));
    }

    /// The list that was shown last, in its order, and how many tasks it has with those on later pages. Empty if none was.
    pub fn shown_list(&self) -> (&[Known], usize) {
        (&self.list, self.list_total)
    }

    /// Whether positions have a meaning.
    pub fn has_shown_list(&self) -> bool {
        !self.list.is_empty()
    }

    /// The tasks of the list that was shown last that were not changed since, if any was.
    pub fn untouched(&self) -> Vec<&Known> {
        let rest: Vec<&Known> = self.list.iter().filter(|task| !self.touched.contains(&task.id)).collect();
        if rest.len() < self.list.len() { rest } else { Vec::new() }
    }

    /// Whether a task that was shown contains `name` in its title.
    pub fn has_seen(&self, name: &str) -> bool {
        self.any_seen(name, |task, name| task.title.as_str().contains(name.as_str()))
    }

    /// Whether a task that was shown has exactly this title.
    pub fn has_seen_exactly(&self, title: &str) -> bool {
        self.any_seen(title, |task, title| task.title == *title)
    }

    /// Whether a task that was shown and is not completed has exactly this title.
    pub fn has_open(&self, title: &str) -> bool {
        self.any_seen(title, |task, title| !task.completed && task.title == *title)
    }

    fn any_seen(&self, name: &str, is_match: impl Fn(&SeenTask, &NormalizedText) -> bool) -> bool {
        // No title contains a longer text.
        if self.seen.is_empty() || name.chars().nth(Title::MAX).is_some() {
            return false;
        }
        let name = NormalizedText::new(name);
        self.seen.iter().any(|task| is_match(task, &name))
    }
}

/// The question that a failed call leaves: which of these?
fn question_after(outcome: &Outcome<'_>) -> Option<Question> {
    let choices = outcome.choices();
    let action = Action::of_tool(outcome.tool).filter(|_| !choices.is_empty())?;
    let new_title = outcome.arguments["new_title"].as_str().map(str::to_owned);
    Some(Question::Which { action, new_title, choices })
}
