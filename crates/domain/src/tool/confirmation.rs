//! Pending actions: which task a call would delete or overwrite, and running the action once it is confirmed.

use std::collections::HashMap;

use serde_json::json;

use super::outcome::{describe, done, refused, view};
use super::parameters::{OneTask, UpdateTask, read};
use super::resolve::{TaskResolver, Titles, storage};
use super::{ResolvedCall, TaskMatch, ToolContext, ToolError, ToolOutcome};
use crate::change::{ChangeRepoError, Entry, Ledger, MAX_ATTEMPTS, Receipt, Write};
use crate::conversation::message::ToolCall;
use crate::conversation::{PendingAction, PendingItem, PendingItemAction};
use crate::id::TaskId;
use crate::patch::Patch;
use crate::principal::Scope;
use crate::storage::StorageError;
use crate::task::{Task, TaskPatch, Title};

/// Resolves the identifier of a call. A call with invalid parameters resolves to nothing and reports them when it runs.
pub(super) async fn resolve_call(
    resolver: &TaskResolver,
    context: &ToolContext,
    call: &ToolCall,
    titles: &mut Titles,
) -> Result<ResolvedCall, ToolError> {
    let parameters = || call.parameters.clone();
    let (identifier, action) = match call.tool.as_str() {
        "complete_task" => match read::<OneTask>(parameters()) {
            Ok(OneTask { task_identifier }) => (task_identifier, None),
            Err(_) => return Ok(ResolvedCall::default()),
        },
        "delete_task" => match read::<OneTask>(parameters()) {
            Ok(OneTask { task_identifier }) => (task_identifier, Some(PendingItemAction::Delete)),
            Err(_) => return Ok(ResolvedCall::default()),
        },
        "update_task" => match read::<UpdateTask>(parameters()) {
            Ok(UpdateTask { task_identifier, new_title }) => {
                let title = new_title.parse::<Title>().ok();
                (task_identifier, title.map(|new_title| PendingItemAction::Update { new_title }))
            }
            Err(_) => return Ok(ResolvedCall::default()),
        },
        _ => return Ok(ResolvedCall::default()),
    };
    // Titles are not disclosed to a principal without the scope.
    context.origin.principal.require(Scope::TasksWrite)?;
    let owner = context.origin.principal.user;
    let target = resolver.resolve(owner, context.conversation(), identifier.as_str(), titles).await?;
    let overwrites = match (&target, action) {
        // Setting the title that the task already has overwrites nothing.
        (TaskMatch::One(task), Some(PendingItemAction::Update { new_title })) if new_title == task.title => None,
        (TaskMatch::One(task), Some(action)) => Some(PendingItem::new(task, action)),
        _ => None,
    };
    Ok(ResolvedCall { target: Some(target), overwrites })
}

/// Runs a confirmed action on those of its tasks that are still at the recorded versions.
pub(super) async fn run_confirmed(
    resolver: &TaskResolver,
    ledger: &Ledger,
    context: &ToolContext,
    pending: &PendingAction,
) -> Result<ToolOutcome, ToolError> {
    context.origin.principal.require(Scope::TasksWrite)?;
    let items = &pending.items;
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
        match ledger.commit_confirmed(&context.origin, pending.id, &writes, now).await {
            Ok(entries) => return Ok(confirmed(items, &entries)),
            Err(ChangeRepoError::Stale) => {}
            // The account was deleted, and its turns with it.
            Err(ChangeRepoError::NotFound | ChangeRepoError::LeaseLost) => return Err(ToolError::LeaseLost),
            // Tool calls have no idempotency key.
            Err(error @ ChangeRepoError::KeyUsed) => return Err(StorageError::Other(error.into()).into()),
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
