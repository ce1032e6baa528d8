//! The use cases on tasks and a ledger in memory.

use uuid::Uuid;

use super::*;
use crate::change::memory::{Memory, at, owner, task};
use crate::change::{Action, Seq};
use crate::patch::Patch;
use crate::principal::{Scopes, Via};

fn service(memory: &Arc<Memory>) -> TaskService {
    TaskService::new(memory.clone(), memory.ledger())
}

fn origin(scopes: Scopes) -> Origin {
    let principal = Principal { user: owner(), session: None, api_token: None, via: Via::Http, scopes };
    Origin::request(&principal, &"r1".parse().unwrap())
}

fn all() -> Origin {
    origin(Scopes::all())
}

fn id(number: u128) -> TaskId {
    Uuid::from_u128(number).into()
}

fn title(text: &str) -> TaskPatch {
    TaskPatch { title: Patch::Set(text.parse().unwrap()), ..TaskPatch::default() }
}

#[tokio::test]
async fn every_change_adds_one_entry_with_the_row_before_and_after() {
    let memory = Memory::with([]);
    let service = service(&memory);
    let created = service.create(&all(), "Milk".parse().unwrap(), false).await.unwrap();
    let id = created.after.id;
    service.update(&all(), id, &title("Oat milk"), None).await.unwrap();
    service.toggle(&all(), id, None).await.unwrap();
    service.toggle(&all(), id, None).await.unwrap();
    service.delete(&all(), id, None).await.unwrap();
    service.restore(&all(), id).await.unwrap();
    let entries = memory.entries();
    let actions: Vec<_> = entries.iter().map(|entry| entry.action).collect();
    let expected =
        [Action::Created, Action::Updated, Action::Completed, Action::Reopened, Action::Deleted, Action::Restored];
    assert_eq!(actions, expected);
    assert_eq!(entries.iter().map(|entry| entry.seq.0).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    for pair in entries.windows(2) {
        assert_eq!(pair[0].after, pair[1].before);
    }
    let after = entries[5].after.as_ref().unwrap().as_task().unwrap();
    assert_eq!((after.version.get(), after.title.as_str(), after.deleted_at), (6, "Oat milk", None));
}

#[tokio::test]
async fn an_update_without_effect_adds_no_entry_and_keeps_version_and_times() {
    let memory = Memory::with([task(1, "Milk")]);
    let service = service(&memory);
    let change = service.update(&all(), id(1), &title("Milk"), None).await.unwrap();
    assert_eq!((change.after, change.entry), (task(1, "Milk"), None));
    service.restore(&all(), id(1)).await.unwrap();
    assert_eq!(memory.entries(), []);
}

#[tokio::test]
async fn a_completed_task_keeps_its_time_of_completion() {
    let memory = Memory::with([Task { completed_at: Some(at()), ..task(1, "Milk") }]);
    let patch = TaskPatch { completed: Patch::Set(true), ..title("Oat milk") };
    let change = service(&memory).update(&all(), id(1), &patch, None).await.unwrap();
    assert_eq!(change.after.completed_at, Some(at()));
}

#[tokio::test]
async fn a_conflict_is_retried_only_without_an_expected_version() {
    let memory = Memory::with([task(1, "Milk")]);
    *memory.stale.lock().unwrap() = 3;
    assert!(service(&memory).toggle(&all(), id(1), None).await.is_ok());
    let other = |memory: &Memory| memory.put(memory.row(1).unwrap().toggle(at()));
    *memory.before_commit.lock().unwrap() = Some(Box::new(other));
    let version = memory.row(1).unwrap().version;
    let error = service(&memory).toggle(&all(), id(1), Some(version)).await.unwrap_err();
    assert!(matches!(error, TaskError::Stale), "{error:?}");
    *memory.stale.lock().unwrap() = usize::MAX;
    let error = service(&memory).toggle(&all(), id(1), None).await.unwrap_err();
    assert!(matches!(error, TaskError::Contention), "{error:?}");
}

#[tokio::test]
async fn a_retry_applies_the_rule_to_the_changed_task() {
    let memory = Memory::with([task(1, "Milk")]);
    let other = |memory: &Memory| memory.put(memory.row(1).unwrap().apply(&title("Oat milk"), at()));
    *memory.before_commit.lock().unwrap() = Some(Box::new(other));
    let change = service(&memory).toggle(&all(), id(1), None).await.unwrap();
    assert_eq!((change.after.title.as_str(), change.after.completed()), ("Oat milk", true));
    assert_eq!(change.after.version.get(), 3);
}

#[tokio::test]
async fn a_deleted_task_exists_only_in_the_trash() {
    let memory = Memory::with([task(1, "Milk"), task(2, "Eggs")]);
    let service = service(&memory);
    service.delete(&all(), id(1), None).await.unwrap();
    for error in [
        service.get(&all().principal, id(1)).await.unwrap_err(),
        service.update(&all(), id(1), &title("a"), None).await.unwrap_err(),
        service.delete(&all(), id(1), None).await.unwrap_err(),
        service.purge(&all(), id(2)).await.unwrap_err(),
    ] {
        assert!(matches!(error, TaskError::NotFound), "{error:?}");
    }
    service.purge(&all(), id(1)).await.unwrap();
    assert!(memory.row(1).is_none());
    let entries = memory.entries();
    assert_eq!(entries.last().unwrap().action, Action::Purged);
    assert!(entries.iter().all(|entry| entry.before.is_none() && entry.after.is_none()), "{entries:?}");
    assert!(matches!(service.restore(&all(), id(1)).await.unwrap_err(), TaskError::NotFound));
}

#[tokio::test]
async fn the_trash_is_emptied_up_to_a_time_in_several_batches() {
    let deleted = |number: u128, seconds| Task {
        deleted_at: Some(at() + chrono::TimeDelta::seconds(seconds)),
        ..task(number, "Milk")
    };
    let memory = Memory::with((1..=1200).map(|n| deleted(n, 0)).chain([deleted(2000, 1), task(2001, "Eggs")]));
    assert_eq!(service(&memory).empty_trash(&all(), at()).await.unwrap(), 1200);
    assert!(memory.row(2000).is_some() && memory.row(2001).is_some());
    assert_eq!(memory.entries().last().unwrap().seq, Seq(1200));
}

#[tokio::test]
async fn without_the_scope_every_use_case_is_refused() {
    let memory = Memory::with([]);
    let service = service(&memory);
    let reader = origin([Scope::TasksRead].into_iter().collect());
    let writer = origin([Scope::TasksWrite].into_iter().collect());
    let refused = |error: TaskError| assert!(matches!(error, TaskError::InsufficientScope(_)), "{error:?}");
    refused(service.create(&reader, "a".parse().unwrap(), false).await.unwrap_err());
    refused(service.update(&reader, id(1), &TaskPatch::default(), None).await.unwrap_err());
    refused(service.toggle(&reader, id(1), None).await.unwrap_err());
    refused(service.delete(&reader, id(1), None).await.unwrap_err());
    refused(service.restore(&reader, id(1)).await.unwrap_err());
    refused(service.purge(&reader, id(1)).await.unwrap_err());
    refused(service.empty_trash(&reader, at()).await.unwrap_err());
    refused(service.get(&writer.principal, id(1)).await.unwrap_err());
    let page = PageRequest::first(PURGE_BATCH_SIZE);
    refused(service.list_trash(&writer.principal, page).await.unwrap_err());
}
