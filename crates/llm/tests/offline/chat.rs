//! A list of tasks that answers as the tools do, and a conversation about it.

use anyhow::{Context as _, Result};
use domain::llm::{LlmMessage, LlmToolCall};
use serde_json::{Value, json};

use crate::{assistant, in_short, reply, user};

/// A person's list and what was said so far.
#[derive(Default)]
pub(crate) struct Chat {
    messages: Vec<LlmMessage>,
    pub(crate) tasks: Vec<Task>,
    shown: Vec<String>,
    created: usize,
}

#[derive(Clone)]
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

    fn create(&mut self, title: &str) -> Value {
        self.created += 1;
        self.tasks.push(Task { id: format!("id-{}", self.created), title: title.to_owned(), completed: false });
        self.tasks.last().map(|task| task.json(1)).unwrap_or_default()
    }

    /// Says something and answers with the calls in short and the final words.
    pub(crate) async fn say(&mut self, text: &str) -> Result<(String, String)> {
        self.messages.push(user(text));
        let mut calls = Vec::new();
        for _ in 0..3 {
            let round = reply(self.messages.clone()).await?;
            self.messages.push(assistant(&round.text, round.calls.clone()));
            if calls.is_empty() || !round.calls.is_empty() {
                calls.push(in_short(&round)?);
            }
            if round.calls.is_empty() {
                return Ok((calls.join("; "), round.text));
            }
            for call in &round.calls {
                let content = self.run(call)?;
                self.messages.push(LlmMessage::ToolResult {
                    call_id: call.id.clone(),
                    tool: call.tool.clone(),
                    content,
                });
            }
        }
        anyhow::bail!("{text}: it goes on calling")
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
            return Ok(self.list(text("status")?));
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

    fn list(&mut self, status: &str) -> Value {
        let fits = |task: &&Task| status == "all" || task.completed == (status == "completed");
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
