//! Requests with idempotency keys, on tasks and a ledger in memory.

use std::sync::Arc;

use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::change::memory::{Memory, owner, task};
use crate::change::{ChangeError, ChangeService, EntityId, Field, OnConflict, Origin, Seq, UndoTarget};
use crate::conversation::{Fingerprint, KeyReuse};
use crate::patch::Patch;
use crate::principal::{Principal, Scopes, Via};
use crate::task::{TaskError, TaskPatch, TaskService};

fn origin() -> Origin {
    let principal = Principal { user: owner(), session: None, api_token: None, via: Via::Http, scopes: Scopes::all() };
    Origin::request(&principal, &"r1".parse().unwrap())
}

fn request(key: &str, fingerprint: u8) -> Idempotency {
    let fingerprint = Fingerprint([fingerprint; 32]);
    Idempotency { key: key.parse().unwrap(), fingerprint, reuse: KeyReuse::Refuse }
}

fn keyed(key: &str) -> Origin {
    origin().with_key(Some(request(key, 1)))
}

fn id(number: u128) -> TaskId {
    Uuid::from_u128(number).into()
}

fn services(memory: &Arc<Memory>) -> (TaskService, ChangeService) {
    let ledger = memory.ledger();
    (TaskService::new(memory.clone(), ledger.clone()), ChangeService::new(ledger, memory.clone()))
}

async fn rename(tasks: &TaskService, id: TaskId, title: &str) {
    let patch = TaskPatch { title: Patch::Set(title.parse().unwrap()), ..TaskPatch::default() };
    tasks.update(&origin(), id, &patch, None).await.unwrap();
}

#[tokio::test]
async fn a_repeated_creation_returns_the_first_version_of_its_task() {
    let memory = Memory::with([]);
    let (tasks, _) = services(&memory);
    let create = async |origin: &Origin| tasks.create(origin, "Milk".parse().unwrap(), false).await;
    let first = create(&keyed("k")).await.unwrap().after;
    for title in ["Oat milk", "Soy milk"] {
        assert_eq!(create(&keyed("k")).await.unwrap().after, first);
        rename(&tasks, first.id, title).await;
    }
    assert_eq!((create(&keyed("k")).await.unwrap().after, memory.entries().len()), (first.clone(), 3));
    let reused = create(&origin().with_key(Some(request("k", 2)))).await.unwrap_err();
    assert!(matches!(reused, TaskError::Idempotency(IdempotencyError::KeyReused)), "{reused:?}");
    tasks.delete(&origin(), first.id, None).await.unwrap();
    tasks.purge(&origin(), first.id).await.unwrap();
    let purged = create(&keyed("k")).await.unwrap_err();
    assert!(matches!(purged, TaskError::Purged), "{purged:?}");
}

#[tokio::test]
async fn a_request_that_is_overtaken_by_the_same_one_returns_its_answer() {
    let memory = Memory::with([task(1, "Milk")]);
    let (tasks, _) = services(&memory);
    let answer = KeyedAnswer::Task { id: id(1), version: task(1, "Milk").version };
    let overtaken = Keyed { request: request("k", 1), answer };
    *memory.before_commit.lock().unwrap() = Some(Box::new(move |memory| memory.put_key(overtaken)));
    let created = tasks.create(&keyed("k"), "Bread".parse().unwrap(), false).await.unwrap();
    assert_eq!((created.after, memory.entries()), (task(1, "Milk"), Vec::new()));
}

#[tokio::test]
async fn a_repeated_restoration_that_changed_nothing_still_changes_nothing() {
    let memory = Memory::with([task(1, "Milk")]);
    let (tasks, _) = services(&memory);
    assert_eq!(tasks.restore(&keyed("k"), id(1)).await.unwrap().after, task(1, "Milk"));
    tasks.delete(&origin(), id(1), None).await.unwrap();
    assert_eq!(tasks.restore(&keyed("k"), id(1)).await.unwrap().after, task(1, "Milk"));
    assert!(memory.row(1).unwrap().deleted_at.is_some());
    // The ledger was pruned.
    memory.prune(1);
    let pruned = tasks.restore(&keyed("k"), id(1)).await.unwrap_err();
    assert!(matches!(pruned, TaskError::Purged), "{pruned:?}");
}

#[tokio::test]
async fn a_key_is_stored_once_although_the_commit_is_retried() {
    let memory = Memory::with([task(1, "Milk").delete(task(1, "Milk").created_at)]);
    let (tasks, _) = services(&memory);
    *memory.stale.lock().unwrap() = 3;
    let restored = tasks.restore(&keyed("k"), id(1)).await.unwrap().after;
    assert_eq!(tasks.restore(&keyed("k"), id(1)).await.unwrap().after, restored);
    assert_eq!(memory.entries().len(), 1);
}

#[tokio::test]
async fn a_repeated_undo_returns_the_first_result_and_a_refused_one_is_tried_again() {
    let memory = Memory::with([task(1, "a")]);
    let (tasks, changes) = services(&memory);
    rename(&tasks, id(1), "b").await;
    rename(&tasks, id(1), "c").await;
    let undo = async |key, seq, mode| changes.undo(&keyed(key), UndoTarget::Change(Seq(seq)), mode).await;
    let skipped = undo("skip", 1, OnConflict::Skip).await.unwrap();
    assert_eq!((skipped.entries.len(), skipped.conflicts.len()), (0, 1));
    let refused = undo("fail", 1, OnConflict::Fail).await.unwrap_err();
    assert!(matches!(refused, ChangeError::Conflicts(_)), "{refused:?}");
    let undone = undo("undo", 2, OnConflict::Fail).await.unwrap();
    assert_eq!(undone.entries.len(), 1);
    undo("fail", 1, OnConflict::Fail).await.unwrap();
    assert_eq!(memory.row(1).unwrap().title.as_str(), "a");
    let head = memory.entries().len();
    assert_eq!(undo("skip", 1, OnConflict::Skip).await.unwrap(), skipped);
    assert_eq!(undo("undo", 2, OnConflict::Fail).await.unwrap(), undone);
    assert_eq!(memory.entries().len(), head);
    // An undo of everything does not undo anything of it again.
    memory.prune(head);
    let pruned = undo("undo", 2, OnConflict::Fail).await.unwrap_err();
    assert!(matches!(pruned, ChangeError::NotFound), "{pruned:?}");
}

/// Databases contain answers in this form.
#[test]
fn the_stored_form_of_an_answer_has_no_text() {
    let uuid = "00000000-0000-0000-0000-000000000001";
    let conflict = |field| Conflict { seq: Seq(4), entity: EntityId::Task(id(1)), field, later: Some(Seq(5)) };
    let operation = Some(Uuid::from_u128(1).into());
    let undo = KeyedAnswer::Undo { operation, conflicts: vec![conflict(Some(Field::Deleted)), conflict(None)] };
    for (answer, stored) in [
        (KeyedAnswer::Task { id: id(1), version: Version::FIRST.next() }, json!({"task": {"id": uuid, "version": 2}})),
        (
            undo,
            json!({"undo": {"operation": uuid, "conflicts": [
                {"seq": 4, "entity": {"task": uuid}, "field": "deleted", "later": 5},
                {"seq": 4, "entity": {"task": uuid}, "field": null, "later": 5},
            ]}}),
        ),
        (KeyedAnswer::Stop { turn: Uuid::from_u128(1).into() }, json!({"stop": {"turn": uuid}})),
    ] {
        assert_eq!(serde_json::to_value(&answer).unwrap(), stored);
        assert_eq!(serde_json::from_value::<KeyedAnswer>(stored).unwrap(), answer);
    }
}
