//! A row in the ledger: JSON in a form of its own, so that entries outlive changes of the domain's types.

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

/// The only form so far. A server that meets a later one cannot read it.
const FORM: u32 = 1;

/// A task. Times are in microseconds since 1970.
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
        v: FORM,
        id: task.id.as_uuid(),
        title: task.title.as_str().to_owned(),
        completed_at: task.completed_at.map(microseconds),
        deleted_at: task.deleted_at.map(microseconds),
        version: task.version.get(),
        created_at: microseconds(task.created_at),
        updated_at: microseconds(task.updated_at),
    })
}

/// The owner's row of this kind that is stored as `json`.
pub(super) fn from_stored(owner: UserId, entity: EntityId, json: Json) -> Result<Row, StorageError> {
    let form = &json["v"];
    if *form != FORM {
        return Err(corrupt(format!("a {} in the form {form}", entity.kind())));
    }
    match entity {
        EntityId::Task(_) => Ok(Row::Task(task(owner, from_json(json)?)?)),
    }
}

fn task(owner: UserId, stored: StoredTask) -> Result<Task, StorageError> {
    Ok(Task {
        id: stored.id.into(),
        user_id: owner,
        title: stored.title.parse().map_err(corrupt)?,
        completed_at: stored.completed_at.map(time).transpose()?,
        deleted_at: stored.deleted_at.map(time).transpose()?,
        version: Version::new(stored.version).ok_or("a task at version 0").map_err(corrupt)?,
        created_at: time(stored.created_at)?,
        updated_at: time(stored.updated_at)?,
    })
}

fn time(microseconds: i64) -> Result<DateTime<Utc>, StorageError> {
    DateTime::from_timestamp_micros(microseconds).ok_or("a time out of range").map_err(corrupt)
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

    /// What is stored has landed: it is read as long as it is kept.
    #[test]
    fn a_task_is_stored_in_this_form() {
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
    fn another_form_is_corrupt() {
        let task = example();
        let mut stored = task_to_json(&task).unwrap();
        for form in [serde_json::json!(2), serde_json::json!("1"), Json::Null] {
            stored["v"] = form;
            let read = from_stored(task.user_id, EntityId::Task(task.id), stored.clone());
            assert!(matches!(read, Err(StorageError::Corrupt(_))), "{read:?}");
        }
    }
}
