//! Targets of deletions and edits, and running confirmed ones.

use super::*;
use crate::conversation::PendingItemAction;

fn call(tool: &str, parameters: Value) -> ToolCall {
    ToolCall { id: tool.into(), round: 0, tool: tool.into(), parameters, result: None, changes: Vec::new() }
}

fn deletion(number: u128, title: &str) -> PendingItem {
    PendingItem::new(&task(number, title), PendingItemAction::Delete)
}

#[tokio::test]
async fn only_unambiguous_deletions_and_edits_have_a_target() {
    let memory = Memory::with([task(1, "milk"), task(2, "eggs"), task(3, "brown eggs")]);
    let tools = tools(&memory, showing(vec![task(2, "eggs").id]));
    let calls = [
        call("delete_task", json!({"task_identifier": "milk"})),
        call("update_task", json!({"task_identifier": "1", "new_title": "12 eggs"})),
        call("delete_task", json!({"task_identifier": "egg"})),
        call("delete_task", json!({"task_identifier": "bread"})),
        call("update_task", json!({"task_identifier": "milk", "new_title": " "})),
        call("delete_task", json!({"wrong": 1})),
        call("complete_task", json!({"task_identifier": "milk"})),
        call("add_task", json!({"title": "milk"})),
        call("drop_tables", json!({})),
    ];
    let found = tools.overwrite_targets(&context(), &calls).await.unwrap();
    let new_title = "12 eggs".parse().unwrap();
    let renaming = PendingItem::new(&task(2, "eggs"), PendingItemAction::Update { new_title });
    let mut expected = vec![Some(deletion(1, "milk")), Some(renaming)];
    expected.resize(calls.len(), None);
    assert_eq!(found, expected);
    assert_eq!(memory.entries(), []);
}

#[tokio::test]
async fn confirmed_items_run_as_one_operation_at_their_recorded_versions() {
    let memory = Memory::with([task(1, "a"), task(2, "b"), task(3, "c"), task(4, "d")]);
    let new_title = "c2".parse().unwrap();
    let items = [
        deletion(1, "a"),
        deletion(2, "b"),
        PendingItem::new(&task(3, "c"), PendingItemAction::Update { new_title }),
        deletion(5, "gone"),
    ];
    memory.put(task(2, "b").toggle(at()));
    let tools = tools(&memory, showing(vec![]));
    let outcome = tools.run_pending(&context(), &items).await.unwrap();
    let ToolOutcome::Done { message, data, changes } = &outcome else { panic!("{outcome:?}") };
    assert_eq!(
        message,
        "Confirmed: task 'a' deleted; task 'c' renamed to 'c2'; task 'b' left as it is: it has changed meanwhile; \
         task 'gone' left as it is: it has changed meanwhile"
    );
    assert_eq!(data["left"].as_array().unwrap().len(), 2);
    assert_eq!(changes.len(), 2);
    assert_eq!(changes[0].operation_id, changes[1].operation_id);
    assert!(memory.row(2).unwrap().deleted_at.is_none() && memory.row(4).unwrap().deleted_at.is_none());
    let found = tools.find_effect(&context(), CONFIRM_PENDING).await.unwrap().unwrap();
    assert!(matches!(found, ToolOutcome::Done { changes: found, .. } if found == *changes));
}

#[tokio::test]
async fn a_concurrently_changed_task_is_skipped() {
    let memory = Memory::with([task(1, "a"), task(2, "b")]);
    let other = |memory: &Memory| memory.put(task(1, "a").toggle(at()));
    *memory.meanwhile.lock().unwrap() = Some(Box::new(other));
    let items = [deletion(1, "a"), deletion(2, "b")];
    let outcome = tools(&memory, showing(vec![])).run_pending(&context(), &items).await.unwrap();
    assert!(matches!(&outcome, ToolOutcome::Done { changes, .. } if changes.len() == 1), "{outcome:?}");
    assert!(memory.row(1).unwrap().deleted_at.is_none());
}

#[tokio::test]
async fn a_confirmation_without_matching_items_changes_nothing() {
    let memory = Memory::with([]);
    let outcome = tools(&memory, showing(vec![])).run_pending(&context(), &[deletion(1, "a")]).await.unwrap();
    assert!(matches!(outcome, ToolOutcome::Refused { .. }), "{outcome:?}");
    let mut context = context();
    context.origin.principal.scopes = [Scope::TasksRead].into_iter().collect();
    let error = tools(&memory, showing(vec![])).run_pending(&context, &[deletion(1, "a")]).await.unwrap_err();
    assert!(matches!(error, ToolError::InsufficientScope(_)), "{error}");
}
