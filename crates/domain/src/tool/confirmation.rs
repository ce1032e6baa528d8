//! Pending actions: which task a call would delete or overwrite, and running the action once it is confirmed.

use std::collections::HashMap;

use serde_json::json;

use super::outcome::{describe, done, refused, view};
use super::parameters::{OneTask, UpdateTask, read};
use super::resolve::{Resolved, TaskResolver, storage};
use super::{ToolContext, ToolError, ToolOutcome};
use crate::change::{ChangeRepoError, Entry, Ledger, MAX_ATTEMPTS, Receipt, Write};
use crate::conversation::{PendingItem, PendingItemAction};
use crate::id::TaskId;
use crate::message::ToolCall;
use crate::patch::Patch;
use crate::principal::Scope;
use crate::task::{Task, TaskPatch, Title};

/// Returns what a call would delete or overwrite, if it identifies exactly one existing task.
pub(super) async fn overwrite_target(
    resolver: &TaskResolver,
    context: &ToolContext,
    call: &ToolCall,
) -> Result<Option<PendingItem>, ToolError> {
    let (identifier, action) = match call.tool.as_str() {
        "delete_task" => match read::<OneTask>(call.parameters.clone()) {
            Ok(OneTask { task_identifier }) => (task_identifier, PendingItemAction::Delete),
            Err(_) => return Ok(None),
        },
        "update_task" => match read::<UpdateTask>(call.parameters.clone()) {
            Ok(UpdateTask { task_identifier, new_title }) => match new_title.parse::<Title>() {
                Ok(new_title) => (task_identifier, PendingItemAction::Update { new_title }),
                Err(_) => return Ok(None),
            },
            Err(_) => return Ok(None),
        },
        _ => return Ok(None),
    };
    let owner = context.origin.principal.user;
    Ok(match resolver.resolve(owner, context.conversation(), identifier.as_str()).await? {
        Resolved::One(task) => Some(PendingItem::new(&task, action)),
        Resolved::Several(_) | Resolved::None(_) => None,
    })
}

/// Runs a confirmed action on those of its tasks that are still at the recorded versions.
pub(super) async fn run_confirmed(
    resolver: &TaskResolver,
    ledger: &Ledger,
    context: &ToolContext,
    items: &[PendingItem],
) -> Result<ToolOutcome, ToolError> {
    context.origin.principal.require(Scope::TasksWrite)?;
    let owner = context.origin.principal.user;
    let ids: Vec<TaskId> = items.iter().map(|item| item.task.id).collect();
    for _ in 0..MAX_ATTEMPTS {
        let now = ledger.clock.now();
        let tasks = resolver.tasks.get_many(owner, &ids).await.map_err(storage)?;
        let tasks: HashMap<TaskId, Task> = tasks.into_iter().map(|task| (task.id, task)).collect();
        let write = |item: &PendingItem| {
            let task = tasks.get(&item.task.id).filter(|task| task.version == item.version)?;
            let after = match &item.action {
                PendingItemAction::Delete => task.delete(now),
                PendingItemAction::Update { new_title } => {
                    let title = Patch::Set(new_title.clone());
                    task.apply(&TaskPatch { title, ..TaskPatch::default() }, now)
                }
            };
            (after != *task).then(|| Write::replace(task.clone(), after))
        };
        let writes: Vec<_> = items.iter().filter_map(write).collect();
        if writes.is_empty() {
            return Ok(confirmed(items, &[]));
        }
        match ledger.commit(&context.origin, &writes, now).await {
            Ok(entries) => return Ok(confirmed(items, &entries)),
            Err(ChangeRepoError::Stale) => {}
            // The account was deleted, and its turns with it.
            Err(ChangeRepoError::NotFound | ChangeRepoError::LeaseLost) => return Err(ToolError::LeaseLost),
            Err(ChangeRepoError::Storage(error)) => return Err(error.into()),
        }
    }
    Err(ToolError::Contention)
}

/// Describes which of the confirmed items were run.
fn confirmed(items: &[PendingItem], entries: &[Entry]) -> ToolOutcome {
    let receipts = Receipt::all(entries);
    let skipped: Vec<_> =
        items.iter().filter(|item| receipts.iter().all(|receipt| receipt.task.id != item.task.id)).collect();
    let mut lines: Vec<_> = receipts.iter().map(describe).collect();
    lines.extend(
        skipped.iter().map(|item| format!("task '{}' left as it is: it has changed meanwhile", item.task.title)),
    );
    let tasks: Vec<_> = entries.iter().filter_map(|entry| entry.after.as_ref()?.as_task()).map(view).collect();
    let skipped: Vec<_> = skipped.iter().map(|item| json!({"id": item.task.id, "title": item.task.title})).collect();
    let data = json!({"tasks": tasks, "changes": receipts, "left": skipped});
    let message = format!("Confirmed: {}", lines.join("; "));
    if entries.is_empty() { refused(message, data) } else { done(message, data, entries) }
}

/// The outcome of a confirmation whose entries are in the ledger.
pub(super) fn recorded(entries: &[Entry]) -> ToolOutcome {
    confirmed(&[], entries)
}
