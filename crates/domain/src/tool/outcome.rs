//! Outcomes of the tools on tasks, as text and as data.

use serde_json::{Value, json};

use super::{ToolError, ToolOutcome};
use crate::change::{Action, ChangeError, Conflict, Entry, Field, Receipt, Row, Undone};
use crate::storage::StorageError;
use crate::task::{Task, TaskChange, TaskError};

pub(super) fn created(TaskChange { after, entry, .. }: &TaskChange) -> ToolOutcome {
    done(format!("Task '{}' created successfully", after.title), json!({"task": view(after)}), entry.as_slice())
}

pub(super) fn completed(TaskChange { after, entry, .. }: &TaskChange) -> ToolOutcome {
    let message = match entry {
        Some(_) => format!("Task '{}' marked as completed", after.title),
        None => format!("Task '{}' was already completed", after.title),
    };
    done(message, json!({"task": view(after), "already_completed": entry.is_none()}), entry.as_slice())
}

pub(super) fn renamed(TaskChange { before, after, entry }: &TaskChange) -> ToolOutcome {
    let previous = before.as_ref().map_or(after.title.as_str(), |before| before.title.as_str());
    let message = match entry {
        Some(_) => format!("Task '{previous}' renamed to '{}'", after.title),
        None => format!("Task '{}' already has that title", after.title),
    };
    done(message, json!({"task": view(after), "previous_title": previous}), entry.as_slice())
}

pub(super) fn deleted(TaskChange { after, entry, .. }: &TaskChange) -> ToolOutcome {
    done(format!("Task '{}' deleted", after.title), json!({"task": view(after)}), entry.as_slice())
}

/// The outcome of a tool call on one task whose entry is in the ledger.
pub(super) fn recorded(entry: &Entry) -> Option<ToolOutcome> {
    let task = |row: &Option<Row>| row.as_ref().and_then(Row::as_task).cloned();
    let change = TaskChange { before: task(&entry.before), after: task(&entry.after)?, entry: Some(entry.clone()) };
    Some(match entry.action {
        Action::Created => created(&change),
        Action::Completed => completed(&change),
        Action::Deleted => deleted(&change),
        Action::Updated | Action::Reopened | Action::Restored | Action::Purged => renamed(&change),
    })
}

/// The outcome of an undo.
pub(super) fn undone(Undone { entries, .. }: &Undone) -> ToolOutcome {
    let receipts = Receipt::all(entries);
    let lines: Vec<_> = receipts.iter().map(describe).collect();
    done(format!("Undone: {}", lines.join("; ")), json!({"changes": receipts}), entries)
}

/// Describes a change in words.
pub(super) fn describe(receipt: &Receipt) -> String {
    let title = &receipt.task.title;
    match (receipt.action, &receipt.previous_title) {
        (Action::Updated, Some(previous)) => format!("task '{previous}' renamed to '{title}'"),
        (action, _) => format!("task '{title}' {}", action.as_str()),
    }
}

/// The outcome of an undo that failed.
pub(super) fn not_undone(error: ChangeError) -> Result<ToolOutcome, ToolError> {
    match error {
        ChangeError::NotFound => Ok(refused("There is nothing to undo.".to_owned(), json!({}))),
        ChangeError::Conflicts(conflicts) => {
            let message = "Nothing was undone: tasks have changed since. Ask the user what to do.".to_owned();
            let conflicts: Vec<_> = conflicts.iter().map(conflict).collect();
            Ok(refused(message, json!({"conflicts": conflicts})))
        }
        ChangeError::Contention | ChangeError::CursorExpired => Err(ToolError::Contention),
        ChangeError::LeaseLost => Err(ToolError::LeaseLost),
        // Tool calls have no idempotency key.
        ChangeError::Idempotency(error) => Err(StorageError::Other(error.into()).into()),
        ChangeError::InsufficientScope(error) => Err(error.into()),
        ChangeError::Storage(error) => Err(error.into()),
    }
}

fn conflict(conflict: &Conflict) -> Value {
    json!({
        "seq": conflict.seq,
        "entity": conflict.entity.kind(),
        "entity_id": conflict.entity.as_uuid(),
        "field": conflict.field.map(Field::name),
        "later_seq": conflict.later,
    })
}

pub(super) fn done(message: String, data: Value, entries: &[Entry]) -> ToolOutcome {
    ToolOutcome::Done { message, data, changes: Receipt::all(entries) }
}

pub(super) fn refused(message: String, data: Value) -> ToolOutcome {
    ToolOutcome::Refused { message, data }
}

/// The outcome of a use case of tasks that failed.
pub(super) fn on_task_error(error: TaskError) -> Result<ToolOutcome, ToolError> {
    match error {
        TaskError::NotFound | TaskError::Purged => {
            Ok(refused("The task is gone. Nothing was changed.".to_owned(), json!({})))
        }
        TaskError::Stale => {
            Ok(refused("The task has changed meanwhile. Nothing was changed; look again.".to_owned(), json!({})))
        }
        TaskError::Contention => Err(ToolError::Contention),
        TaskError::LeaseLost => Err(ToolError::LeaseLost),
        // Tool calls have no idempotency key.
        TaskError::Idempotency(error) => Err(StorageError::Other(error.into()).into()),
        TaskError::InsufficientScope(error) => Err(error.into()),
        TaskError::Storage(error) => Err(error.into()),
    }
}

/// A task as data.
pub(super) fn view(task: &Task) -> Value {
    json!({"id": task.id, "title": task.title.as_str(), "completed": task.completed()})
}

/// Tasks as data, with the positions that identify them.
pub(super) fn numbered(tasks: &[Task]) -> Vec<Value> {
    let with_position = |(index, task): (usize, &Task)| json!({"position": index + 1, "id": task.id, "title": task.title.as_str(), "completed": task.completed()});
    tasks.iter().enumerate().map(with_position).collect()
}
