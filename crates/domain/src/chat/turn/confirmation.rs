//! Which deletions and edits a turn may make unasked, and what becomes of the others.
//!
//! The server counts and reads no text: together with what the turn has done, a round may delete or overwrite a number of
//! existing tasks. A round that would go beyond puts all of them off.

use std::collections::{BTreeSet, HashMap};

use serde_json::json;

use super::work::{Draft, Ran, TurnContext};
use crate::change::{Action, Receipt};
use crate::conversation::{PendingAction, PendingItem, PendingItemAction};
use crate::id::TaskId;
use crate::message::{ToolResult, receipts, tool_calls};
use crate::tool::{CONFIRM_PENDING, TaskMatch, UNDO};

/// What a turn has put off.
#[derive(Default)]
pub(super) struct PutOff(Option<PendingAction>);

impl PutOff {
    /// Whether nothing was put off.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Puts `item` off. Each task is in it once: a deletion replaces an edit, and a later edit an earlier one.
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

    /// Takes note of what the turn itself has changed meanwhile: the user confirms what the turn left.
    pub fn record(&mut self, changes: &[Receipt]) {
        for receipt in changes {
            let items = self.0.iter_mut().flat_map(|action| &mut action.items);
            for item in items.filter(|item| item.task.id == receipt.task.id) {
                item.task = receipt.task.clone();
                item.version = receipt.version.unwrap_or(item.version);
            }
        }
    }

    /// What waits for confirmation once the turn is complete.
    pub fn take(&mut self) -> Option<PendingAction> {
        self.0.take()
    }
}

/// The versions that the turn's own changes gave to tasks. A later call of the same round was resolved before them.
#[derive(Default)]
pub(super) struct Written(HashMap<TaskId, Receipt>);

impl Written {
    pub fn record(&mut self, changes: &[Receipt]) {
        self.0.extend(changes.iter().map(|receipt| (receipt.task.id, receipt.clone())));
    }

    /// The match at the version that the turn itself has given to the task, so that only changes of others are in the way.
    pub fn current(&self, target: TaskMatch) -> TaskMatch {
        let TaskMatch::One(mut task) = target else { return target };
        if let Some(version) = self.0.get(&task.id).and_then(|receipt| receipt.version) {
            task.version = version;
        }
        TaskMatch::One(task)
    }

    /// The item at the version and with the title that the turn itself has given to the task.
    pub fn seen(&self, item: PendingItem) -> PendingItem {
        match self.0.get(&item.task.id) {
            Some(receipt) => {
                let version = receipt.version.unwrap_or(item.version);
                PendingItem { task: receipt.task.clone(), version, ..item }
            }
            None => item,
        }
    }
}

/// The existing tasks that a turn has deleted or overwritten, and how many it may.
pub(super) struct Allowance {
    limit: usize,
    /// Tasks that the turn created are its own.
    created: BTreeSet<TaskId>,
    touched: BTreeSet<TaskId>,
}

impl Allowance {
    pub fn of(context: &TurnContext, draft: &Draft) -> Self {
        let created = receipts(&draft.parts).filter(|receipt| receipt.action == Action::Created);
        let created = created.map(|receipt| receipt.task.id).collect();
        // An undo is bounded by what it takes back, and what was confirmed was agreed to.
        let counted = tool_calls(&draft.parts).filter(|call| call.tool != UNDO && call.tool != CONFIRM_PENDING);
        let overwritten = counted
            .flat_map(|call| &call.changes)
            .filter(|receipt| matches!(receipt.action, Action::Deleted | Action::Updated));
        let mut allowance = Self { limit: context.options.confirm_above, created, touched: BTreeSet::new() };
        allowance.touched = overwritten.map(|receipt| receipt.task.id).collect();
        allowance.touched.retain(|id| !allowance.created.contains(id));
        allowance
    }

    /// Whether a call on this task counts.
    pub fn counts(&self, item: &PendingItem) -> bool {
        !self.created.contains(&item.task.id)
    }

    /// Takes note of what a call has changed.
    pub fn record(&mut self, changes: &[Receipt]) {
        let created = changes.iter().filter(|receipt| receipt.action == Action::Created);
        self.created.extend(created.map(|receipt| receipt.task.id));
    }

    /// Takes all of `items` into account, if they are not too many. Returns whether they are allowed.
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

/// What is told of a call that was put off.
pub(super) fn waiting(context: &TurnContext, item: &PendingItem) -> Ran {
    let limit = context.options.confirm_above;
    let message = format!(
        "Not done yet: task '{}' waits for the user's confirmation, because the request would delete or edit more than \
         {limit} tasks. Tell the user what waits, and ask them to confirm.",
        item.task.title
    );
    let data = json!({"needs_confirmation": true, "task": item.task});
    Ran { result: ToolResult { success: false, message, data }, ..Ran::failed("") }
}

pub(super) fn is_waiting(result: &ToolResult) -> bool {
    result.data["needs_confirmation"] == true
}
