//! What has happened in the conversation, read from its messages: who said what, what came of it, which task was
//! spoken of last.
//!
//! The turns may stem from any provider, so nothing is taken for granted: what is missing or of another shape is
//! as if it had not been said. Deliberately not here: what the words mean (`dialogue.rs`).

use domain::llm::LlmMessage;
use serde_json::Value;

use super::command::{Action, Command, Known, Question, Target};

/// A user's message and everything up to the next one.
#[derive(Debug, Default)]
pub(super) struct Exchange<'m> {
    /// What the user said.
    pub said: &'m str,
    /// What was answered; texts from before a tool was called included.
    pub answer: String,
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
            LlmMessage::Assistant { text, calls: made, .. } => {
                exchange.answer.push_str(text);
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

    /// Whether it waits for the user to agree.
    pub fn waits(&self) -> bool {
        self.data["needs_confirmation"] == true
    }

    /// The tasks on offer after a failure: those that were meant, or those that come near.
    pub fn choices(&self) -> Vec<Known> {
        let candidates = self.tasks("candidates");
        if candidates.is_empty() { self.tasks("nearest") } else { candidates }
    }
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
    pub seen: Vec<Known>,
    /// The question that the message may answer.
    pub question: Option<Question>,
    /// What would take back the last change, if anything does.
    pub way_back: Option<Command>,
}

impl Memory {
    /// Takes in what the tools have told. The question of the time before is over.
    pub fn take_in(&mut self, outcomes: &[Outcome<'_>]) {
        self.question = None;
        for outcome in outcomes {
            if outcome.success { self.see(outcome) } else { self.question = question_after(outcome) }
        }
    }

    fn see(&mut self, outcome: &Outcome<'_>) {
        self.question = None;
        if let Some(task) = outcome.task() {
            self.way_back = way_back(outcome, &task);
            self.seen.retain(|seen| seen.id != task.id);
            // What is deleted can be meant no more.
            self.focus = (outcome.tool != "delete_task").then(|| {
                self.seen.push(task.clone());
                task
            });
        } else if outcome.data["tasks"].is_array() {
            let shown = outcome.tasks("tasks");
            self.seen.retain(|seen| shown.iter().all(|task| task.id != seen.id));
            // A list of one names it; behind a longer one, "it" may be any of them.
            if let Some(first) = shown.first() {
                self.focus = (shown.len() == 1).then(|| first.clone());
            }
            self.seen.extend(shown);
        }
    }

    /// Whether a task that was shown has `name` in its title, compared as the tools compare.
    pub fn has_seen(&self, name: &str) -> bool {
        let name = domain::text::Folded::new(name);
        self.seen.iter().any(|task| domain::text::Folded::new(&task.title).as_str().contains(name.as_str()))
    }

    /// Whether a task that was shown has exactly this title, compared as the tools compare.
    pub fn has_seen_exactly(&self, title: &str) -> bool {
        let title = domain::text::Folded::new(title);
        self.seen.iter().any(|task| domain::text::Folded::new(&task.title) == title)
    }
}

/// What would take back what a tool did to `task`. There is no tool that reopens one.
fn way_back(outcome: &Outcome<'_>, task: &Known) -> Option<Command> {
    match outcome.tool {
        "add_task" => Some(Command::Delete(Target::known(task))),
        "delete_task" => Some(Command::Add { title: task.title.clone() }),
        "update_task" => {
            let previous = outcome.data["previous_title"].as_str().filter(|title| *title != task.title)?;
            Some(Command::Rename(Target::known(task), previous.to_owned()))
        }
        _ => None,
    }
}

/// What a failed call leaves to be asked: which of these?
fn question_after(outcome: &Outcome<'_>) -> Option<Question> {
    let choices = outcome.choices();
    let action = Action::of_tool(outcome.tool).filter(|_| !choices.is_empty())?;
    let new_title = outcome.arguments["new_title"].as_str().map(str::to_owned);
    Some(Question::Which { action, new_title, choices })
}
