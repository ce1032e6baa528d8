//! Tasks.

use chrono::{DateTime, Utc};
use domain::task::Task;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A task.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Task)]
pub(crate) struct TaskBody {
    /// The task's id.
    id: Uuid,
    /// The id of the owner.
    user_id: Uuid,
    /// The title.
    #[schema(example = "Buy groceries")]
    title: String,
    /// Whether the task is completed.
    completed: bool,
    /// The time of completion; null if the task is pending.
    #[schema(required)]
    completed_at: Option<DateTime<Utc>>,
    /// The number of changes, from 1. The `ETag` is this number in quotes.
    #[schema(minimum = 1, example = 1)]
    version: u32,
    /// The time of creation.
    created_at: DateTime<Utc>,
    /// The time of the last change.
    updated_at: DateTime<Utc>,
}

impl From<Task> for TaskBody {
    fn from(task: Task) -> Self {
        Self {
            id: task.id.as_uuid(),
            user_id: task.user_id.as_uuid(),
            completed: task.completed(),
            title: task.title.into(),
            completed_at: task.completed_at,
            version: task.version.get(),
            created_at: task.created_at,
            updated_at: task.updated_at,
        }
    }
}

/// A stored task, which may be in the trash.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StoredTask)]
pub(crate) struct StoredTaskBody {
    #[serde(flatten)]
    task: TaskBody,
    /// The time at which the task was moved to the trash; null if it is not in the trash.
    #[schema(required)]
    deleted_at: Option<DateTime<Utc>>,
}

impl From<Task> for StoredTaskBody {
    fn from(task: Task) -> Self {
        Self { deleted_at: task.deleted_at, task: task.into() }
    }
}
