//! Receipts of the changes of a turn, and pending actions.

use chrono::{DateTime, Utc};
use domain::change::{ReceiptStatus, Receipts, TaskRef};
use domain::conversation::{PendingAction, PendingItem, PendingItemAction};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// The receipt of a committed change.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Receipt)]
pub(crate) struct ReceiptBody {
    /// The number of the change.
    #[schema(minimum = 1, example = 41)]
    seq: u64,
    /// The operation of the change.
    operation_id: Uuid,
    /// What happened to the task: `created`, `updated`, `completed`, `reopened`, `deleted`, `restored` or `purged`.
    #[schema(value_type = String, example = "updated")]
    action: &'static str,
    /// The task after the change.
    task: TaskRefBody,
    /// The title before the change, if the change replaced it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    previous_title: Option<String>,
    /// The number of the change that undid this one, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    undone_by: Option<u64>,
}

/// A task by its id and title.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = TaskRef)]
pub(crate) struct TaskRefBody {
    /// The task's id.
    id: Uuid,
    /// The task's title.
    #[schema(example = "Buy groceries")]
    title: String,
}

/// Deletions and edits that wait for the user's confirmation. When confirmed, they run as one operation.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = PendingAction)]
pub(crate) struct PendingBody {
    /// The id to send as `confirm`.
    id: Uuid,
    /// The deletions and edits, at most one per task.
    items: Vec<PendingItemBody>,
    /// The time at which the action expires.
    expires_at: DateTime<Utc>,
}

/// A deletion or an edit of one task.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = PendingItem)]
pub(crate) struct PendingItemBody {
    /// `delete` or `update`.
    #[schema(value_type = String, example = "delete")]
    action: &'static str,
    /// The task as it was when the action was created. If it has changed since, it is skipped.
    task: TaskRefBody,
    /// The new title of an `update`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    new_title: Option<String>,
}

/// Converts the receipts of a turn.
pub(crate) fn bodies(receipts: Receipts) -> Vec<ReceiptBody> {
    receipts.changes.into_iter().map(ReceiptBody::from).collect()
}

impl From<ReceiptStatus> for ReceiptBody {
    fn from(ReceiptStatus { receipt, undone_by }: ReceiptStatus) -> Self {
        Self {
            seq: receipt.seq.0,
            operation_id: receipt.operation_id.as_uuid(),
            action: receipt.action.as_str(),
            task: receipt.task.into(),
            previous_title: receipt.previous_title.map(String::from),
            undone_by: undone_by.map(|seq| seq.0),
        }
    }
}

impl From<TaskRef> for TaskRefBody {
    fn from(TaskRef { id, title }: TaskRef) -> Self {
        Self { id: id.as_uuid(), title: title.into() }
    }
}

impl From<PendingAction> for PendingBody {
    fn from(PendingAction { id, items, expires_at, .. }: PendingAction) -> Self {
        Self { id: id.as_uuid(), items: items.into_iter().map(PendingItemBody::from).collect(), expires_at }
    }
}

impl From<PendingItem> for PendingItemBody {
    fn from(PendingItem { task, action, .. }: PendingItem) -> Self {
        let (action, new_title) = match action {
            PendingItemAction::Delete => ("delete", None),
            PendingItemAction::Update { new_title } => ("update", Some(new_title.into())),
        };
        Self { action, task: task.into(), new_title }
    }
}
