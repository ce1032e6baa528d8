//! The JSON format of rows in the ledger. It is versioned, so that entries outlive changes of the domain's types.

use chrono::{DateTime, Utc};
use domain::change::{EntityId, Row};
use domain::id::UserId;
use domain::storage::StorageError;
use domain::task::{Task, Version};
use sea_orm::prelude::Json;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::corrupt;
use crate::json::{from_json, to_json};

/// Version of the format. Other versions are rejected.
const FORMAT_VERSION: u32 = 1;

/// A task. Times are in microseconds since the Unix epoch.
#[derive(Serialize, Deserialize)]
struct StoredTask {
    v: u32,
    id: Uuid,
    title: String,
    completed_at: Option<i64>,
    deleted_at: Option<i64>,
    version: u32,
    created_at: i64,
    updated_at: i64,
}

pub(super) fn task_to_json(task: &Task) -> Result<Json, StorageError> {
    let microseconds = |at: DateTime<Utc>| at.timestamp_micros();
    to_json(&StoredTask {
        v: FORMAT_VERSION,
        id: task.id.as_uuid(),
        title: task.title.as_str().to_owned(),
        completed_at: task.completed_at.map(microseconds),
        deleted_at: task.deleted_at.map(microseconds),
        version: task.version.get(),
        created_at: microseconds(task.created_at),
        updated_at: microseconds(task.updated_at),
    })
}

/// Deserializes a row of the owner.
pub(super) fn from_stored(owner: UserId, entity: EntityId, json: Json) -> Result<Row, StorageError> {
    let version = &json["v"];
    if *version != FORMAT_VERSION {
        return Err(corrupt(format!("unknown format version {version} of a {}", entity.kind())));
    }
    match entity {
        EntityId::Task(_) => Ok(Row::Task(from_json::<StoredTask>(json)?.into_task(owner)?)),
    }
}

impl StoredTask {
    fn into_task(self, owner: UserId) -> Result<Task, StorageError> {
        Ok(Task {
            id: self.id.into(),
            user_id: owner,
            title: self.title.parse().map_err(corrupt)?,
            completed_at: self.completed_at.map(time).transpose()?,
            deleted_at: self.deleted_at.map(time).transpose()?,
            version: Version::new(self.version).ok_or("task has version 0").map_err(corrupt)?,
            created_at: time(self.created_at)?,
            updated_at: time(self.updated_at)?,
        })
    }
}

fn time(microseconds: i64) -> Result<DateTime<Utc>, StorageError> {
    DateTime::from_timestamp_micros(microseconds).ok_or("time is out of range").map_err(corrupt)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn example() -> Task {
        let at = |microseconds| DateTime::UNIX_EPOCH + TimeDelta::microseconds(microseconds);
        Task {
            id: Uuid::from_u128(1).into(),
            user_id: Uuid::from_u128(2).into(),
            title: "Buy milk".parse().unwrap(),
            completed_at: Some(at(3)),
            deleted_at: None,
            version: Version::FIRST,
            created_at: at(-4),
            updated_at: at(5),
        }
    }

    /// Stored entries are never rewritten, so the format must stay readable.
    #[test]
    fn a_task_has_a_stable_format() {
        let stored = serde_json::json!({
            "v": 1,
            "id": "00000000-0000-0000-0000-000000000001",
            "title": "Buy milk",
            "completed_at": 3,
            "deleted_at": null,
            "version": 1,
            "created_at": -4,
            "updated_at": 5,
        });
        let task = example();
        assert_eq!(task_to_json(&task).unwrap(), stored);
        assert_eq!(from_stored(task.user_id, EntityId::Task(task.id), stored).unwrap(), Row::Task(task));
    }

    #[test]
    fn an_unknown_format_version_is_corrupt() {
        let task = example();
        let mut stored = task_to_json(&task).unwrap();
        for version in [serde_json::json!(2), serde_json::json!("1"), Json::Null] {
            stored["v"] = version;
            let read = from_stored(task.user_id, EntityId::Task(task.id), stored.clone());
            assert!(matches!(read, Err(StorageError::Corrupt(_))), "{read:?}");
        }
    }
}
