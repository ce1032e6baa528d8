//! The tools on tasks in memory.

mod confirmation;

use std::sync::Mutex;

use uuid::Uuid;

use super::*;
use crate::change::memory::{Memory, at, owner, task};
use crate::change::{Action, CallOrigin, Origin, Receipt};
use crate::conversation::MockConversationRepo;
use crate::conversation::turn::Attempt;
use crate::id::ConversationId;
use crate::principal::{Principal, Scopes, Via};

/// The context of call `index` of a turn.
fn call_of(turn: u128, index: u8) -> ToolContext {
    let call = CallOrigin {
        conversation: Uuid::from_u128(99).into(),
        message: Uuid::from_u128(turn + 100).into(),
        attempt: Attempt { turn: Uuid::from_u128(turn).into(), number: 1 },
        round: 0,
        index,
    };
    let principal = Principal { user: owner(), session: None, api_token: None, via: Via::Chat, scopes: Scopes::all() };
    let request_id = "r".parse().unwrap();
    ToolContext {
        origin: Origin { principal, request_id, call: Some(call), message_parts: None, idempotency: None },
        target: None,
    }
}

fn context() -> ToolContext {
    call_of(1, 0)
}

fn tools(memory: &Arc<Memory>, conversations: MockConversationRepo) -> TaskTools {
    TaskTools::new(memory.clone(), Arc::new(conversations), memory.ledger())
}

fn without_tasks() -> TaskTools {
    tools(&Memory::with([]), MockConversationRepo::new())
}

fn showing(shown: Vec<TaskId>) -> MockConversationRepo {
    let mut repo = MockConversationRepo::new();
    repo.expect_shown_tasks().returning(move |_, _| Ok(shown.clone()));
    repo.expect_set_shown_tasks().returning(|_, _, _| Ok(()));
    repo
}

async fn run(tools: &TaskTools, tool: &str, parameters: Value) -> ToolOutcome {
    tools.run(&context(), tool, parameters).await.unwrap()
}

fn message(outcome: &ToolOutcome) -> &str {
    match outcome {
        ToolOutcome::Done { message, .. } | ToolOutcome::Refused { message, .. } => message,
    }
}

#[tokio::test]
async fn adding_creates_the_task_and_returns_its_receipt() {
    let memory = Memory::with([]);
    let outcome = run(&tools(&memory, showing(vec![])), "add_task", json!({"title": " Buy milk "})).await;
    let entries = memory.entries();
    let created = entries[0].after.as_ref().unwrap().as_task().unwrap();
    assert_eq!((created.user_id, created.title.as_str()), (owner(), "Buy milk"));
    assert_eq!(
        outcome,
        ToolOutcome::Done {
            message: "Task 'Buy milk' created successfully".into(),
            data: json!({"task": {"id": created.id, "title": "Buy milk", "completed": false}}),
            changes: Receipt::all(&entries),
        }
    );
}

#[tokio::test]
async fn adding_an_empty_title_stores_nothing() {
    let tools = without_tasks();
    let outcome = run(&tools, "add_task", json!({"title": " \u{200B}"})).await;
    assert_eq!(outcome, refused("Task title cannot be empty".into(), json!({})));
}

#[tokio::test]
async fn parameters_outside_the_schema_and_unknown_tools_run_nothing() {
    let tools = without_tasks();
    let foreign = json!({"title": "a", "user_id": Uuid::from_u128(1)});
    let error = tools.run(&context(), "add_task", foreign).await.unwrap_err();
    assert!(matches!(error, ToolError::BadParameters(_)), "{error}");
    let error = tools.run(&context(), "drop_tables", json!({})).await.unwrap_err();
    assert!(matches!(error, ToolError::UnknownTool(_)), "{error}");
}

#[tokio::test]
async fn a_caller_without_the_scope_changes_nothing() {
    let tools = without_tasks();
    let mut context = context();
    context.origin.principal.scopes = [Scope::TasksRead].into_iter().collect();
    for (tool, parameters) in [
        ("add_task", json!({"title": "a"})),
        ("complete_task", json!({"task_identifier": "a"})),
        ("delete_task", json!({"task_identifier": "a"})),
        ("update_task", json!({"task_identifier": "a", "new_title": "b"})),
    ] {
        let error = tools.run(&context, tool, parameters).await.unwrap_err();
        assert!(matches!(error, ToolError::InsufficientScope(_)), "{tool}: {error}");
    }
}

#[tokio::test]
async fn listing_returns_positions_and_counts_and_stores_what_was_shown() {
    let shown: Arc<Mutex<Vec<TaskId>>> = Arc::default();
    let stored = shown.clone();
    let mut conversations = MockConversationRepo::new();
    conversations.expect_set_shown_tasks().times(1).returning(move |user, id, tasks| {
        assert_eq!((user, id), (owner(), ConversationId::from(Uuid::from_u128(99))));
        *stored.lock().unwrap() = tasks.to_vec();
        Ok(())
    });
    let mut done = task(2, "b");
    done.completed_at = Some(at());
    let tools = tools(&Memory::with([task(1, "a"), done]), conversations);
    let ToolOutcome::Done { message, data, changes } = run(&tools, "list_tasks", json!({})).await else { panic!() };
    assert_eq!((message.as_str(), changes), ("2 tasks", vec![]));
    assert_eq!(data["tasks"][1], json!({"position": 2, "id": Uuid::from_u128(2), "title": "b", "completed": true}));
    assert_eq!((&data["total"], &data["pending"], &data["completed"]), (&json!(2), &json!(1), &json!(1)));
    assert_eq!(*shown.lock().unwrap(), [task(1, "a").id, task(2, "b").id]);
}

#[tokio::test]
async fn an_effect_is_guarded_by_the_version_that_was_resolved() {
    let memory = Memory::with([task(1, "report")]);
    let other = |memory: &Memory| memory.put(task(1, "report").toggle(at()));
    *memory.before_commit.lock().unwrap() = Some(Box::new(other));
    let outcome = run(&tools(&memory, showing(vec![])), "complete_task", json!({"task_identifier": "report"})).await;
    assert!(matches!(outcome, ToolOutcome::Refused { .. }), "{outcome:?}");
    assert_eq!(memory.entries(), []);
}

#[tokio::test]
async fn an_effect_happens_once_and_is_found_again() {
    let memory = Memory::with([task(1, "report")]);
    let tools = tools(&memory, showing(vec![]));
    assert_eq!(tools.find_effect(&context(), "add_task").await.unwrap(), None);
    let first = run(&tools, "add_task", json!({"title": "milk"})).await;
    assert_eq!(run(&tools, "add_task", json!({"title": "milk"})).await, first);
    assert_eq!(tools.find_effect(&context(), "add_task").await.unwrap(), Some(first));
    for (index, tool, parameters) in [
        (1, "update_task", json!({"task_identifier": "report", "new_title": "essay"})),
        (2, "complete_task", json!({"task_identifier": "essay"})),
        (3, "delete_task", json!({"task_identifier": "essay"})),
    ] {
        let outcome = tools.run(&call_of(1, index), tool, parameters).await.unwrap();
        assert_eq!(tools.find_effect(&call_of(1, index), tool).await.unwrap(), Some(outcome), "{tool}");
    }
    assert_eq!(memory.entries().len(), 4);
}

#[tokio::test]
async fn completing_a_completed_task_stores_nothing() {
    let memory = Memory::with([task(1, "report").toggle(at())]);
    let outcome = run(&tools(&memory, showing(vec![])), "complete_task", json!({"task_identifier": "report"})).await;
    let ToolOutcome::Done { message, data, changes } = outcome else { panic!() };
    assert_eq!((message.as_str(), changes), ("Task 'report' was already completed", vec![]));
    assert_eq!(data["already_completed"], true);
}

#[tokio::test]
async fn completing_a_missing_task_suggests_similar_ones() {
    let tools = tools(&Memory::with([task(1, "Buy groceries"), task(2, "Call mom")]), showing(vec![]));
    let outcome = run(&tools, "complete_task", json!({"task_identifier": "buy grocereis"})).await;
    let ToolOutcome::Refused { data, .. } = outcome else { panic!() };
    assert_eq!(data["nearest"].as_array().unwrap().len(), 1, "{data}");
    assert_eq!(data["nearest"][0]["title"], "Buy groceries");
}

#[tokio::test]
async fn an_ambiguous_name_changes_nothing_and_shows_the_candidates() {
    let tasks = vec![task(1, "Meeting with Bob"), task(2, "Prepare meeting"), task(3, "Milk")];
    for tool in ["complete_task", "delete_task"] {
        let mut conversations = MockConversationRepo::new();
        conversations
            .expect_set_shown_tasks()
            .withf(|_, _, shown| shown.len() == 2)
            .times(1)
            .returning(|_, _, _| Ok(()));
        let tools = tools(&Memory::with(tasks.clone()), conversations);
        let outcome = run(&tools, tool, json!({"task_identifier": "meeting"})).await;
        let ToolOutcome::Refused { data, .. } = outcome else { panic!() };
        assert_eq!(data["candidates"][1]["title"], "Prepare meeting");
        assert_eq!(data["candidates"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_name_is_found_without_its_accents_and_plural_ending() {
    for (title, identifier) in [("Café visit", "cafe"), ("eggs", "egg"), ("pay the bill", "bills")] {
        let memory = Memory::with([task(1, title), task(2, "tea")]);
        run(&tools(&memory, showing(vec![])), "delete_task", json!({"task_identifier": identifier})).await;
        assert!(memory.row(1).unwrap().deleted_at.is_some(), "{title}: {identifier}");
    }
    // A literal match takes precedence.
    let memory = Memory::with([task(1, "egg timer"), task(2, "eggs")]);
    run(&tools(&memory, showing(vec![])), "delete_task", json!({"task_identifier": "eggs"})).await;
    assert!(memory.row(1).unwrap().deleted_at.is_none() && memory.row(2).unwrap().deleted_at.is_some());
}

#[tokio::test]
async fn a_search_finds_titles_and_counts_all_tasks() {
    let memory = Memory::with([task(1, "Café visit"), task(2, "call mom"), task(3, "mom's cake").toggle(at())]);
    for (parameters, titles) in [
        (json!({"query": "mom"}), vec!["mom's cake", "call mom"]),
        (json!({"query": "CAFE"}), vec!["Café visit"]),
        (json!({"query": "tea"}), vec![]),
    ] {
        let outcome = run(&tools(&memory, showing(vec![])), "list_tasks", parameters.clone()).await;
        let ToolOutcome::Done { data, .. } = outcome else { panic!("{parameters}") };
        let mut found: Vec<_> = data["tasks"].as_array().unwrap().iter().map(|task| task["title"].clone()).collect();
        found.sort_by_key(|title| std::cmp::Reverse(title.to_string()));
        assert_eq!(found, titles, "{parameters}");
        assert_eq!(
            (&data["pending"], &data["completed"], &data["total"]),
            (&json!(2), &json!(1), &json!(titles.len()))
        );
    }
    let tools = tools(&memory, showing(vec![]));
    let refused = tools.run(&context(), "list_tasks", json!({ "query": "é".repeat(501) })).await;
    assert!(matches!(refused, Err(ToolError::BadParameters(_))));
}

#[tokio::test]
async fn an_exact_title_takes_precedence_over_titles_that_contain_it() {
    let memory = Memory::with([task(1, "Buy milk and eggs"), task(2, "Buy Milk")]);
    let outcome = run(&tools(&memory, showing(vec![])), "delete_task", json!({"task_identifier": "buy milk"})).await;
    assert_eq!(message(&outcome), "Task 'Buy Milk' deleted");
    assert!(memory.row(2).unwrap().deleted_at.is_some() && memory.row(1).unwrap().deleted_at.is_none());
}

#[tokio::test]
async fn positions_refer_to_the_list_that_was_last_shown() {
    let shown = vec![task(3, "c").id, task(1, "a").id];
    for (identifier, expected) in [
        (json!("1"), Some(3)),
        (json!(1), Some(3)),
        (json!("#2"), Some(1)),
        (json!("last"), Some(1)),
        (json!("3"), None),
    ] {
        let memory = Memory::with([task(1, "a"), task(2, "b"), task(3, "c")]);
        let tools = tools(&memory, showing(shown.clone()));
        run(&tools, "delete_task", json!({"task_identifier": identifier})).await;
        let deleted: Vec<_> = (1..=3).filter(|number| memory.row(*number).unwrap().deleted_at.is_some()).collect();
        assert_eq!(deleted, Vec::from_iter(expected), "{identifier}");
    }
}

#[tokio::test]
async fn positions_do_not_resolve_without_a_conversation() {
    let mut context = context();
    context.origin.call = None;
    let tools = tools(&Memory::with([task(1, "a")]), MockConversationRepo::new());
    let outcome = tools.run(&context, "delete_task", json!({"task_identifier": "1"})).await.unwrap();
    assert!(matches!(outcome, ToolOutcome::Refused { .. }), "{outcome:?}");
}

#[tokio::test]
async fn renaming_returns_the_previous_title() {
    let memory = Memory::with([task(1, "old")]);
    let tools = tools(&memory, showing(vec![]));
    let outcome = run(&tools, "update_task", json!({"task_identifier": "old", "new_title": "new"})).await;
    let ToolOutcome::Done { message, data, changes } = outcome else { panic!() };
    assert_eq!(message, "Task 'old' renamed to 'new'");
    assert_eq!((&data["previous_title"], &data["task"]["title"]), (&json!("old"), &json!("new")));
    assert_eq!(changes[0].previous_title.as_ref().unwrap().as_str(), "old");
}

#[tokio::test]
async fn undo_reverts_the_last_turn_and_describes_it() {
    let memory = Memory::with([task(1, "a")]);
    let tools = tools(&memory, showing(vec![]));
    let rename = json!({"task_identifier": "a", "new_title": "b"});
    tools.run(&call_of(1, 0), "update_task", rename).await.unwrap();
    tools.run(&call_of(1, 1), "add_task", json!({"title": "new"})).await.unwrap();
    let undone = tools.run(&call_of(2, 0), UNDO, json!({})).await.unwrap();
    assert_eq!(message(&undone), "Undone: task 'new' deleted; task 'b' renamed to 'a'");
    assert_eq!(tools.find_effect(&call_of(2, 0), UNDO).await.unwrap(), Some(undone.clone()));
    let ToolOutcome::Done { changes, .. } = undone else { panic!() };
    let actions: Vec<_> = changes.iter().map(|change| change.action).collect();
    assert_eq!(actions, [Action::Deleted, Action::Updated]);
    let again = tools.run(&call_of(3, 0), UNDO, json!({})).await.unwrap();
    assert_eq!(message(&again), "There is nothing to undo in this conversation.");
    let error = tools.run(&call_of(4, 0), UNDO, json!({"turn": 1})).await.unwrap_err();
    assert!(matches!(error, ToolError::BadParameters(_)), "{error}");
}

#[tokio::test]
async fn an_undo_in_conflict_changes_nothing_and_names_the_conflict() {
    let memory = Memory::with([task(1, "a")]);
    let tools = tools(&memory, showing(vec![]));
    let rename = json!({"task_identifier": "a", "new_title": "b"});
    tools.run(&call_of(1, 0), "update_task", rename).await.unwrap();
    let mut request = call_of(1, 0);
    request.origin.call = None;
    tools.run(&request, "update_task", json!({"task_identifier": "b", "new_title": "mine"})).await.unwrap();
    let ToolOutcome::Refused { data, .. } = tools.run(&call_of(2, 0), UNDO, json!({})).await.unwrap() else { panic!() };
    let expected = json!({"seq": 1, "entity": "task", "entity_id": task(1, "a").id, "field": "title", "later_seq": 2});
    assert_eq!(data["conflicts"], json!([expected]));
    assert_eq!(memory.row(1).unwrap().title.as_str(), "mine");
}

#[test]
fn specs_describe_the_tools() {
    let names: Vec<_> = specs().iter().map(|spec| spec.name).collect();
    assert_eq!(names, ["add_task", "list_tasks", "complete_task", "delete_task", "update_task", "undo"]);
    let delete = specs().into_iter().find(|spec| spec.name == "delete_task").unwrap();
    assert!(delete.destructive && !delete.read_only && !delete.idempotent);
    assert_eq!(confirm_pending_spec().name, CONFIRM_PENDING);
}
