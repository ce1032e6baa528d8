//! Actions that wait for the user's confirmation: what a call would delete or overwrite, and running it once confirmed.

use std::collections::HashMap;

use serde_json::json;

use super::outcome::{done, in_words, refused, view};
use super::parameters::{OneTask, UpdateTask, read};
use super::resolve::Titles;
use super::{ResolvedCall, TaskMatch, TaskTools, ToolContext, ToolError, ToolOutcome};
use crate::change::{ChangeRepoError, Entry, Receipt, Write};
use crate::conversation::{PendingAction, PendingItem, PendingItemAction};
use crate::id::TaskId;
use crate::message::ToolCall;
use crate::patch::Patch;
use crate::principal::Scope;
use crate::task::{MAX_ATTEMPTS, Task, TaskPatch, Title};

impl TaskTools {
    /// What a call is about. Parameters that do not fit are the call's own to refuse.
    pub(super) async fn resolve_call(
        &self,
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
        // Whoever may not change tasks is not told which there are.
        context.origin.principal.require(Scope::TasksWrite)?;
        let owner = context.origin.principal.user;
        let target = self.find_match(owner, context.conversation(), identifier.as_str(), titles).await?;
        let overwrites = match (&target, action) {
            // The title that the task has already overwrites nothing.
            (TaskMatch::One(task), Some(PendingItemAction::Update { new_title })) if new_title == task.title => None,
            (TaskMatch::One(task), Some(action)) => Some(PendingItem::new(task, action)),
            _ => None,
        };
        Ok(ResolvedCall { target: Some(target), overwrites })
    }

    /// Does what the user has confirmed, to those tasks that are at the versions that were seen.
    pub(super) async fn run_confirmed(
        &self,
        context: &ToolContext,
        pending: &PendingAction,
    ) -> Result<ToolOutcome, ToolError> {
        context.origin.principal.require(Scope::TasksWrite)?;
        let items = &pending.items;
        let owner = context.origin.principal.user;
        let ids: Vec<TaskId> = items.iter().map(|item| item.task.id).collect();
        for _ in 0..MAX_ATTEMPTS {
            let now = self.ledger.clock.now();
            let tasks = self.tasks.get_many(owner, &ids).await.map_err(super::resolve::storage)?;
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
            match self.ledger.commit_confirmed(&context.origin, pending.id, &writes, now).await {
                Ok(entries) => return Ok(confirmed(items, &entries)),
                Err(ChangeRepoError::Stale) => {}
                // The account is gone, and with it the turn.
                Err(ChangeRepoError::NotFound | ChangeRepoError::LeaseLost) => return Err(ToolError::LeaseLost),
                Err(ChangeRepoError::Storage(error)) => return Err(error.into()),
            }
        }
        Err(ToolError::Contention)
    }
}

/// What was done of what was confirmed.
fn confirmed(items: &[PendingItem], entries: &[Entry]) -> ToolOutcome {
    let receipts = Receipt::all(entries);
    let left: Vec<_> =
        items.iter().filter(|item| receipts.iter().all(|receipt| receipt.task.id != item.task.id)).collect();
    let mut lines: Vec<_> = receipts.iter().map(in_words).collect();
    lines.extend(left.iter().map(|item| format!("task '{}' left as it is: it has changed meanwhile", item.task.title)));
    let tasks: Vec<_> = entries.iter().filter_map(|entry| entry.after.as_ref()?.as_task()).map(view).collect();
    let left: Vec<_> = left.iter().map(|item| json!({"id": item.task.id, "title": item.task.title})).collect();
    let data = json!({"tasks": tasks, "changes": receipts, "left": left});
    let message = format!("Confirmed: {}", lines.join("; "));
    if entries.is_empty() { refused(message, data) } else { done(message, data, entries) }
}

/// What a recorded confirmation did.
pub(super) fn recorded(entries: &[Entry]) -> ToolOutcome {
    confirmed(&[], entries)
}
