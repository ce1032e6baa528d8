//! The limit on deletions and edits without the user's confirmation.
//!
//! The limit applies to the existing tasks that a turn deletes or overwrites. If a round would exceed it, all deletions
//! and edits of the round are deferred until the user confirms them. The server only counts; it does not interpret text.

use std::collections::{BTreeSet, HashMap};

use serde_json::json;

use super::work::{CallResult, Draft, TurnContext};
use crate::change::{Action, Receipt};
use crate::conversation::message::{ToolResult, receipts, tool_calls};
use crate::conversation::{PendingAction, PendingItem, PendingItemAction};
use crate::id::TaskId;
use crate::tool::{CONFIRM_PENDING, TaskMatch, UNDO};

/// The deletions and edits that a turn has deferred.
#[derive(Default)]
pub(super) struct DeferredItems(Option<PendingAction>);

impl DeferredItems {
    /// Whether no item is deferred.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Defers `item`. Each task is deferred once: a deletion replaces an edit, and a later edit an earlier one.
    pub fn add(&mut self, context: &TurnContext, item: PendingItem) {
        let action = self.0.get_or_insert_with(|| PendingAction {
            id: context.ports.ids.next().into(),
            message: context.turn.assistant_message,
            items: Vec::new(),
            expires_at: context.now() + PendingAction::TTL,
        });
        let same_task = |known: &PendingItem| known.task.id == item.task.id;
        if action.items.iter().any(|known| same_task(known) && known.action == PendingItemAction::Delete) {
            return;
        }
        action.items.retain(|known| !same_task(known));
        action.items.push(item);
    }

    /// Updates titles and versions of deferred items after changes of the turn itself, so that the user confirms the state
    /// that the turn left.
    pub fn record(&mut self, changes: &[Receipt]) {
        for receipt in changes {
            let items = self.0.iter_mut().flat_map(|action| &mut action.items);
            for item in items.filter(|item| item.task.id == receipt.task.id) {
                item.task = receipt.task.clone();
                item.version = receipt.version.unwrap_or(item.version);
            }
        }
    }

    /// Takes the pending action to be stored with the turn.
    pub fn take(&mut self) -> Option<PendingAction> {
        self.0.take()
    }
}

/// The last change that the turn made to each task. Calls of a round are resolved before the first of them runs, so their
/// versions may precede these changes.
#[derive(Default)]
pub(super) struct OwnChanges(HashMap<TaskId, Receipt>);

impl OwnChanges {
    pub fn record(&mut self, changes: &[Receipt]) {
        self.0.extend(changes.iter().map(|receipt| (receipt.task.id, receipt.clone())));
    }

    /// Returns the match with the version after the turn's own changes, so that only changes of others are stale.
    pub fn apply_to_match(&self, target: TaskMatch) -> TaskMatch {
        let TaskMatch::One(mut task) = target else { return target };
        if let Some(version) = self.0.get(&task.id).and_then(|receipt| receipt.version) {
            task.version = version;
        }
        TaskMatch::One(task)
    }

    /// Returns the item with the version and the title after the turn's own changes.
    pub fn apply_to_item(&self, item: PendingItem) -> PendingItem {
        match self.0.get(&item.task.id) {
            Some(receipt) => {
                let version = receipt.version.unwrap_or(item.version);
                PendingItem { task: receipt.task.clone(), version, ..item }
            }
            None => item,
        }
    }
}

/// The existing tasks that a turn has deleted or overwritten, and their maximum number.
pub(super) struct Allowance {
    limit: usize,
    /// Tasks that the turn created, which do not count.
    created: BTreeSet<TaskId>,
    touched: BTreeSet<TaskId>,
}

impl Allowance {
    pub fn of(context: &TurnContext, draft: &Draft) -> Self {
        let created = receipts(&draft.parts).filter(|receipt| receipt.action == Action::Created);
        let created = created.map(|receipt| receipt.task.id).collect();
        // Undo is limited to earlier changes of the conversation, and confirmed changes need no further confirmation.
        let counted = tool_calls(&draft.parts).filter(|call| call.tool != UNDO && call.tool != CONFIRM_PENDING);
        let overwritten = counted
            .flat_map(|call| &call.changes)
            .filter(|receipt| matches!(receipt.action, Action::Deleted | Action::Updated));
        let mut allowance = Self { limit: context.options.confirm_above, created, touched: BTreeSet::new() };
        allowance.touched = overwritten.map(|receipt| receipt.task.id).collect();
        allowance.touched.retain(|id| !allowance.created.contains(id));
        allowance
    }

    /// Whether the task counts towards the limit.
    pub fn counts(&self, item: &PendingItem) -> bool {
        !self.created.contains(&item.task.id)
    }

    /// Records what a call has created.
    pub fn record(&mut self, changes: &[Receipt]) {
        let created = changes.iter().filter(|receipt| receipt.action == Action::Created);
        self.created.extend(created.map(|receipt| receipt.task.id));
    }

    /// Counts all of `items` if that does not exceed the limit. Returns whether they were counted.
    pub fn admit<'i>(&mut self, items: impl IntoIterator<Item = &'i PendingItem>) -> bool {
        let more: BTreeSet<_> = items.into_iter().filter(|item| self.counts(item)).map(|item| item.task.id).collect();
        let all: BTreeSet<_> = self.touched.union(&more).copied().collect();
        let allowed = more.is_empty() || all.len() <= self.limit;
        if allowed {
            self.touched = all;
        }
        allowed
    }
}

/// The result of a deferred call.
pub(super) fn deferred_result(context: &TurnContext, item: &PendingItem) -> CallResult {
    let limit = context.options.confirm_above;
    let message = format!(
        "Not done yet: task '{}' waits for the user's confirmation, because the request would delete or edit more than \
         {limit} tasks. Tell the user what waits, and ask them to confirm.",
        item.task.title
    );
    let data = json!({"needs_confirmation": true, "task": item.task});
    CallResult { result: ToolResult { success: false, message, data }, ..CallResult::failed("") }
}

pub(super) fn is_deferred(result: &ToolResult) -> bool {
    result.data["needs_confirmation"] == true
}
