//! What the tools on tasks say of what they did, in words and as data.

use serde_json::{Value, json};

use super::{ToolError, ToolOutcome};
use crate::task::{Task, TaskRepoError};

pub(super) fn created(task: &Task) -> ToolOutcome {
    done(format!("Task '{}' created successfully", task.title), json!({"task": view(task)}), true)
}

pub(super) fn completed(task: &Task) -> ToolOutcome {
    let data = json!({"task": view(task), "already_completed": false});
    done(format!("Task '{}' marked as completed", task.title), data, true)
}

pub(super) fn renamed(before: &Task, after: &Task) -> ToolOutcome {
    let message = if before == after {
        format!("Task '{}' already has that title", after.title)
    } else {
        format!("Task '{}' renamed to '{}'", before.title, after.title)
    };
    let data = json!({"task": view(after), "previous_title": before.title.as_str()});
    done(message, data, before != after)
}

pub(super) fn deleted(task: &Task) -> ToolOutcome {
    done(format!("Task '{}' deleted", task.title), json!({"task": view(task)}), true)
}

/// Several deletions in one turn, for which the user has not asked in so many words.
pub(super) fn needs_consent(task: Task) -> ToolOutcome {
    ToolOutcome::NeedsConfirmation {
        message: format!(
            "Deleting several tasks needs the user's consent. Task '{}' was not deleted; it will be if the user's next \
             message is a yes. Ask them.",
            task.title
        ),
        data: json!({"task": view(&task)}),
        tasks: vec![(task.id, task.version)],
        title: task.title.into(),
    }
}

pub(super) fn done(message: String, data: Value, changed: bool) -> ToolOutcome {
    ToolOutcome::Done { message, data, changed }
}

pub(super) fn refused(message: String, data: Value) -> ToolOutcome {
    ToolOutcome::Refused { message, data }
}

pub(super) fn refuse(error: TaskRepoError) -> Result<ToolOutcome, ToolError> {
    match error {
        TaskRepoError::NotFound => Ok(refused("The task is gone. Nothing was changed.".to_owned(), json!({}))),
        TaskRepoError::Stale => {
            Ok(refused("The task has changed meanwhile. Nothing was changed; look again.".to_owned(), json!({})))
        }
        TaskRepoError::TurnEnded => Err(ToolError::TurnEnded),
        TaskRepoError::Storage(error) => Err(error.into()),
    }
}

/// A task as tools show it.
pub(super) fn view(task: &Task) -> Value {
    json!({"id": task.id, "title": task.title.as_str(), "completed": task.completed()})
}

/// Tasks as tools show them in a list, with the positions by which they can be named.
pub(super) fn numbered(tasks: &[Task]) -> Vec<Value> {
    let with_position = |(index, task): (usize, &Task)| json!({"position": index + 1, "id": task.id, "title": task.title.as_str(), "completed": task.completed()});
    tasks.iter().enumerate().map(with_position).collect()
}
