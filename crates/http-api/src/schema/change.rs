//! Changes of rows, as the ledger records them.

use chrono::{DateTime, Utc};
use domain::change::{Entry, Row};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::task::StoredTaskBody;

/// A change of a row.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Change)]
pub(crate) struct ChangeBody {
    /// The number of the change: a user's changes are numbered from 1 without a gap.
    #[schema(minimum = 1, example = 41)]
    seq: u64,
    /// The time of the change.
    at: DateTime<Utc>,
    /// The operation of the change: everything that one request or one tool call changed.
    operation_id: Uuid,
    /// The kind of the row: `task`.
    #[schema(value_type = String, example = "task")]
    entity: &'static str,
    /// The row's id.
    entity_id: Uuid,
    /// What happened to the row: `created`, `updated`, `completed`, `reopened`, `deleted` (into the trash), `restored`
    /// or `purged` (removed for good).
    #[schema(value_type = String, example = "updated")]
    action: &'static str,
    /// The row before the change; null if the change created it, or if it was purged since.
    #[schema(required)]
    before: Option<StoredTaskBody>,
    /// The row after the change; null if the row was purged by the change or since.
    #[schema(required)]
    after: Option<StoredTaskBody>,
    /// The origin of the change: `http`, `chat`, `mcp`, `cli`, or `system` for the server's own maintenance.
    #[schema(value_type = String, example = "http")]
    via: &'static str,
    /// The conversation in which the assistant made the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    conversation_id: Option<Uuid>,
    /// The assistant's message whose turn made the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message_id: Option<Uuid>,
    /// The number of the change that this one undoes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    undoes: Option<u64>,
}

impl From<Entry> for ChangeBody {
    fn from(entry: Entry) -> Self {
        Self {
            seq: entry.seq.0,
            at: entry.at,
            operation_id: entry.operation.as_uuid(),
            entity: entry.entity.kind(),
            entity_id: entry.entity.as_uuid(),
            action: entry.action.as_str(),
            before: entry.before.map(|Row::Task(task)| task.into()),
            after: entry.after.map(|Row::Task(task)| task.into()),
            via: entry.via.as_str(),
            conversation_id: entry.conversation.map(domain::id::ConversationId::as_uuid),
            message_id: entry.message.map(domain::id::MessageId::as_uuid),
            undoes: entry.undoes.map(|seq| seq.0),
        }
    }
}
