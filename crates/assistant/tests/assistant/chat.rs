//! A list of tasks that answers as the tools do, confirmation and undo included, and a conversation about it.

use anyhow::{Context as _, Result};
use domain::llm::{LlmMessage, LlmRequest, LlmToolCall};
use domain::text::SearchText;
use domain::tool::{CONFIRM_PENDING, UNDO};
use serde_json::{Value, json};

use crate::{answer, confirming, in_short, request, stored, tools, user};

/// Maximum number of tasks that a turn deletes or renames unasked.
const CONFIRM_ABOVE: usize = 3;

/// A person's list and what was said so far.
#[derive(Default)]
pub(crate) struct Chat {
    messages: Vec<LlmMessage>,
    pub(crate) tasks: Vec<Task>,
    shown: Vec<String>,
    created: usize,
    /// What waits for confirmation: the task as it was, and its new title if it is to have one.
    pending: Vec<(Task, Option<String>)>,
    /// The list as it was before each turn that changed it and is not undone.
    undoable: Vec<Vec<Task>>,
}

#[derive(Clone, PartialEq)]
pub(crate) struct Task {
    id: String,
    pub(crate) title: String,
    completed: bool,
}

impl Task {
    fn json(&self, position: usize) -> Value {
        json!({ "position": position, "id": self.id, "title": self.title, "completed": self.completed })
    }
}

impl Chat {
    pub(crate) fn with(titles: &[&str]) -> Self {
        let mut chat = Self::default();
        for title in titles {
            chat.create(title);
        }
        chat
    }

    /// A list of tasks, of which those in brackets are done.
    pub(crate) fn with_states(tasks: &[&str]) -> Self {
        let mut chat = Self::with(&tasks.iter().map(|task| task.trim_matches(['[', ']'])).collect::<Vec<_>>());
        for (task, written) in chat.tasks.iter_mut().zip(tasks) {
            task.completed = written.starts_with('[');
        }
        chat
    }

    fn create(&mut self, title: &str) -> Value {
        self.created += 1;
        self.tasks.push(Task { id: format!("id-{}", self.created), title: title.to_owned(), completed: false });
        self.tasks.last().map(|task| task.json(1)).unwrap_or_default()
    }

    /// Says something and answers with the calls in short and the final words.
    pub(crate) async fn say(&mut self, text: &str) -> Result<(String, String)> {
        self.messages.push(user(text));
        let (mut waiting, before) = (std::mem::take(&mut self.pending), self.tasks.clone());
        let mut calls = Vec::new();
        for _ in 0..3 {
            let tools = if waiting.is_empty() { tools() } else { confirming() };
            let round = answer(LlmRequest { tools, ..request(self.messages.clone()) }).await?;
            self.messages.push(stored(&round));
            if calls.is_empty() || !round.calls.is_empty() {
                calls.push(in_short(&round)?);
            }
            if round.calls.is_empty() {
                if self.tasks != before && !calls.iter().any(|call| call == "undo") {
                    self.undoable.push(before);
                }
                return Ok((calls.join("; "), round.text));
            }
            let alone = round.calls.len() == 1 && round.text.is_empty();
            let is_overwrite = |call: &LlmToolCall| matches!(call.tool.as_str(), "delete_task" | "update_task");
            let too_many = round.calls.iter().filter(|call| is_overwrite(call)).count() > CONFIRM_ABOVE;
            for call in &round.calls {
                let content = match call.tool.as_str() {
                    CONFIRM_PENDING if alone => self.confirm(&waiting),
                    UNDO => self.undo(),
                    _ if too_many && is_overwrite(call) => self.put_off(call)?,
                    _ => self.run(call)?,
                };
                self.messages.push(LlmMessage::ToolResult {
                    call_id: call.id.clone(),
                    tool: call.tool.clone(),
                    content,
                });
            }
            waiting.clear();
        }
        anyhow::bail!("{text}: it goes on calling")
    }

    fn put_off(&mut self, call: &LlmToolCall) -> Result<Value> {
        let arguments: Value = serde_json::from_str(&call.arguments)?;
        let task = match self.find(arguments["task_identifier"].as_str().context("no task")?) {
            Ok(index) => self.tasks[index].clone(),
            Err(failure) => return Ok(failure),
        };
        let data = json!({ "needs_confirmation": true, "task": { "id": task.id, "title": task.title } });
        self.pending.push((task, arguments["new_title"].as_str().map(str::to_owned)));
        Ok(json!({ "success": false, "message": "Not done yet", "data": data }))
    }

    fn confirm(&mut self, waiting: &[(Task, Option<String>)]) -> Value {
        let (mut changes, mut left) = (Vec::new(), Vec::new());
        for (task, new_title) in waiting {
            let index = self.tasks.iter().position(|other| other == task);
            match (index, new_title) {
                (None, _) => left.push(json!({ "id": task.id, "title": task.title })),
                (Some(index), None) => changes.push(change("deleted", &self.tasks.remove(index), None)),
                (Some(index), Some(title)) => {
                    title.clone_into(&mut self.tasks[index].title);
                    changes.push(change("updated", &self.tasks[index], Some(&task.title)));
                }
            }
        }
        json!({ "success": !changes.is_empty(), "message": "Confirmed", "data": { "tasks": [], "changes": changes, "left": left } })
    }

    fn undo(&mut self) -> Value {
        let Some(before) = self.undoable.pop() else {
            return json!({ "success": false, "message": "There is nothing to undo in this conversation.", "data": {} });
        };
        let after = std::mem::replace(&mut self.tasks, before);
        let was = |task: &Task| after.iter().find(|other| other.id == task.id);
        let mut changes = Vec::new();
        for task in &self.tasks {
            match was(task) {
                None => changes.push(change("restored", task, None)),
                Some(other) if other.title != task.title => changes.push(change("updated", task, Some(&other.title))),
                Some(other) if other.completed && !task.completed => changes.push(change("reopened", task, None)),
                Some(_) => {}
            }
        }
        let is_gone = |task: &&Task| self.tasks.iter().all(|other| other.id != task.id);
        changes.extend(after.iter().filter(is_gone).map(|task| change("deleted", task, None)));
        json!({ "success": true, "message": "Undone", "data": { "changes": changes } })
    }

    pub(crate) async fn expect(&mut self, turns: &[(&str, &str, &str)]) -> Result<()> {
        for (said, calls, answer) in turns {
            let found = self.say(said).await?;
            assert_eq!((found.0.as_str(), found.1.as_str()), (*calls, *answer), "after: {said}");
        }
        Ok(())
    }

    fn run(&mut self, call: &LlmToolCall) -> Result<Value> {
        let arguments: Value = serde_json::from_str(&call.arguments)?;
        let text = |key: &str| arguments[key].as_str().with_context(|| format!("{key} in {arguments}"));
        let done = |message: &str, data: Value| Ok(json!({ "success": true, "message": message, "data": data }));
        if call.tool == "add_task" {
            let task = self.create(text("title")?);
            return done("created", json!({ "task": task }));
        }
        if call.tool == "list_tasks" {
            return Ok(self.list(text("status")?, arguments["query"].as_str()));
        }
        let index = match self.find(text("task_identifier")?) {
            Ok(index) => index,
            Err(failure) => return Ok(failure),
        };
        match call.tool.as_str() {
            "complete_task" => {
                let already = std::mem::replace(&mut self.tasks[index].completed, true);
                done("completed", json!({ "task": self.tasks[index].json(1), "already_completed": already }))
            }
            "delete_task" => {
                let task = self.tasks.remove(index);
                done("deleted", json!({ "task": task.json(1) }))
            }
            "update_task" => {
                let previous = std::mem::replace(&mut self.tasks[index].title, text("new_title")?.to_owned());
                done("renamed", json!({ "task": self.tasks[index].json(1), "previous_title": previous }))
            }
            other => anyhow::bail!("no tool {other}"),
        }
    }

    fn list(&mut self, status: &str, query: Option<&str>) -> Value {
        let fits = |task: &&Task| {
            let is_found = query.is_none_or(|words| SearchText::new(&task.title).contains(&SearchText::new(words)));
            is_found && (status == "all" || task.completed == (status == "completed"))
        };
        let tasks: Vec<Task> = self.tasks.iter().filter(fits).cloned().collect();
        self.shown = tasks.iter().map(|task| task.id.clone()).collect();
        let completed = self.tasks.iter().filter(|task| task.completed).count();
        let rows: Vec<Value> = tasks.iter().zip(1..).map(|(task, position)| task.json(position)).collect();
        json!({ "success": true, "message": "", "data": {
            "tasks": rows, "status": status, "total": rows.len(), "pending": self.tasks.len() - completed, "completed": completed,
        }})
    }

    fn find(&mut self, identifier: &str) -> std::result::Result<usize, Value> {
        let number = if identifier == "last" { Some(self.shown.len()) } else { identifier.parse().ok() };
        let shown = number.and_then(|number: usize| self.shown.get(number.checked_sub(1)?)).cloned();
        let name = identifier.to_lowercase();
        let by = |test: &dyn Fn(&Task) -> bool| -> Vec<usize> {
            (0..self.tasks.len()).filter(|&index| test(&self.tasks[index])).collect()
        };
        let by_id = by(&|task| task.id == shown.as_deref().unwrap_or(identifier));
        let by_title = by(&|task| task.title.to_lowercase() == name);
        let by_part = by(&|task| task.title.to_lowercase().contains(&name));
        match [by_id, by_title, by_part].into_iter().find(|found| !found.is_empty()).unwrap_or_default().as_slice() {
            [only] => Ok(*only),
            [] => {
                let nearest: Vec<Value> = self.tasks.iter().take(1).map(|task| task.json(1)).collect();
                Err(json!({ "success": false, "message": "No task fits", "data": { "nearest": nearest } }))
            }
            several => {
                let candidates: Vec<Task> = several.iter().map(|&index| self.tasks[index].clone()).collect();
                self.shown = candidates.iter().map(|task| task.id.clone()).collect();
                let rows: Vec<Value> = candidates.iter().zip(1..).map(|(task, position)| task.json(position)).collect();
                Err(json!({ "success": false, "message": "Several tasks fit", "data": { "candidates": rows } }))
            }
        }
    }
}

fn change(action: &str, task: &Task, previous: Option<&str>) -> Value {
    let mut change =
        json!({ "seq": 1, "operation_id": "op", "action": action, "task": { "id": task.id, "title": task.title } });
    if let Some(previous) = previous {
        change["previous_title"] = previous.into();
    }
    change
}
