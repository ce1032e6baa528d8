//! Targets of deletions and edits, and running confirmed ones.

use super::*;
use crate::conversation::{PendingItem, PendingItemAction};

fn call(tool: &str, parameters: Value) -> ToolCall {
    ToolCall { id: tool.into(), round: 0, tool: tool.into(), parameters, result: None, changes: Vec::new() }
}

fn deletion(number: u128, title: &str) -> PendingItem {
    PendingItem::new(&task(number, title), PendingItemAction::Delete)
}

fn pending(items: impl IntoIterator<Item = PendingItem>) -> PendingAction {
    let expires_at = at() + PendingAction::TTL;
    let id = Uuid::from_u128(500).into();
    PendingAction { id, message: Uuid::from_u128(501).into(), items: items.into_iter().collect(), expires_at }
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
        call("update_task", json!({"task_identifier": "milk", "new_title": "milk"})),
        call("delete_task", json!({"wrong": 1})),
        call("complete_task", json!({"task_identifier": "milk"})),
        call("add_task", json!({"title": "milk"})),
        call("drop_tables", json!({})),
    ];
    let resolved = tools.resolve(&context(), &calls).await.unwrap();
    let found: Vec<_> = resolved.into_iter().map(|call| call.overwrites).collect();
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
    let outcome = tools.run_pending(&context(), &pending(items)).await.unwrap();
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
    *memory.before_commit.lock().unwrap() = Some(Box::new(other));
    let items = [deletion(1, "a"), deletion(2, "b")];
    let outcome = tools(&memory, showing(vec![])).run_pending(&context(), &pending(items)).await.unwrap();
    assert!(matches!(&outcome, ToolOutcome::Done { changes, .. } if changes.len() == 1), "{outcome:?}");
    assert!(memory.row(1).unwrap().deleted_at.is_none());
}

#[tokio::test]
async fn a_confirmation_without_matching_items_changes_nothing() {
    let memory = Memory::with([]);
    let outcome = tools(&memory, showing(vec![])).run_pending(&context(), &pending([deletion(1, "a")])).await.unwrap();
    assert!(matches!(outcome, ToolOutcome::Refused { .. }), "{outcome:?}");
    let mut context = context();
    context.origin.principal.scopes = [Scope::TasksRead].into_iter().collect();
    let error = tools(&memory, showing(vec![])).run_pending(&context, &pending([deletion(1, "a")])).await.unwrap_err();
    assert!(matches!(error, ToolError::InsufficientScope(_)), "{error}");
}

#[tokio::test]
async fn a_task_that_changed_after_it_was_resolved_is_not_deleted() {
    let memory = Memory::with([task(1, "milk")]);
    let tools = tools(&memory, showing(vec![]));
    let delete = call("delete_task", json!({"task_identifier": "milk"}));
    let resolved = tools.resolve(&context(), std::slice::from_ref(&delete)).await.unwrap().remove(0);
    let renamed = TaskPatch { title: Patch::Set("keep me".parse().unwrap()), ..TaskPatch::default() };
    memory.put(task(1, "milk").apply(&renamed, at()));
    let context = ToolContext { target: resolved.target, ..context() };
    let outcome = tools.run(&context, &delete.tool, delete.parameters).await.unwrap();
    assert!(message(&outcome).contains("has changed meanwhile"), "{outcome:?}");
    assert!(memory.row(1).unwrap().deleted_at.is_none());
}

#[tokio::test]
async fn titles_are_read_once_for_all_unknown_identifiers() {
    let mut tasks = crate::task::MockTaskRepo::new();
    // The slowest text to normalize: each character decomposes, and marks have to be put in order.
    let long = |number| task(number, &"\u{1E09}\u{0327}".repeat(250));
    tasks.expect_list().withf(|_, filter, _| filter.title.is_some()).returning(|_, _, page| {
        Ok(crate::page::Page::from_surplus(vec![], page.limit, |task: &Task| crate::task::TaskCursor(task.id)))
    });
    tasks
        .expect_list()
        .withf(|_, filter, _| filter.title.is_none())
        .times(1)
        .returning(move |_, _, _| Ok(crate::page::Page { items: (1..=1000).map(long).collect(), next: None }));
    let memory = Memory::with([]);
    let tools = TaskTools::new(Arc::new(tasks), Arc::new(showing(vec![])), memory.ledger());
    let miss = |number: u8| {
        let text = format!("{}{number}", "\u{1E09}\u{0327}".repeat(249));
        call("delete_task", json!({"task_identifier": text}))
    };
    let calls: Vec<_> = (0..32).map(miss).collect();
    let resolved = tools.resolve(&context(), &calls).await.unwrap();
    assert!(resolved.iter().all(|call| matches!(&call.target, Some(TaskMatch::None(nearest)) if nearest.len() == 3)));
}

#[tokio::test]
async fn resolving_identifiers_requires_the_scope_tasks_write() {
    let memory = Memory::with([task(1, "a secret")]);
    let mut context = context();
    context.origin.principal.scopes = [Scope::TasksRead, Scope::Chat].into_iter().collect();
    for tool in ["delete_task", "complete_task"] {
        let calls = [call(tool, json!({"task_identifier": "secret"}))];
        let error = tools(&memory, showing(vec![])).resolve(&context, &calls).await.unwrap_err();
        assert!(matches!(error, ToolError::InsufficientScope(_)), "{error}");
    }
}
