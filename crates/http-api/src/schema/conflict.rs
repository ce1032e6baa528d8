//! Conflicts of an undo.

use domain::change::{Conflict, Field};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A change that cannot be undone, as a whole or in one field.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Conflict)]
pub(crate) struct ConflictBody {
    /// The number of the change.
    #[schema(minimum = 1, example = 41)]
    seq: u64,
    /// The kind of the changed row: `task`.
    #[schema(value_type = String, example = "task")]
    entity: &'static str,
    /// The id of the changed row.
    entity_id: Uuid,
    /// The field whose value has changed since: `title`, `completed` or `deleted_at`. Null if the conflict is about the
    /// whole row: it was purged, or the change is already undone.
    #[schema(value_type = Option<String>, required, example = "title")]
    field: Option<&'static str>,
    /// The number of the later change that causes the conflict; null if it is not known.
    #[schema(required, minimum = 1, example = 42)]
    later_seq: Option<u64>,
}

impl From<&Conflict> for ConflictBody {
    fn from(conflict: &Conflict) -> Self {
        Self {
            seq: conflict.seq.0,
            entity: conflict.entity.kind(),
            entity_id: conflict.entity.as_uuid(),
            field: conflict.field.map(Field::name),
            later_seq: conflict.later.map(|later| later.0),
        }
    }
}
