//! The tools on mocked storage.

mod consent;

use std::sync::Mutex;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::*;
use crate::conversation::MockConversationRepo;
use crate::id::{ConversationId, UserId};
use crate::page::Page;
use crate::principal::{Principal, Scopes, Via};
use crate::runtime::{MockClock, MockIdGenerator};
use crate::task::{MockTaskRepo, TaskChange, TaskCounts, TaskRepoError, TitleMatch, Version};

fn at() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn owner() -> UserId {
    Uuid::from_u128(7).into()
}

fn task(number: u128, title: &str) -> Task {
    Task {
        id: Uuid::from_u128(number).into(),
        user_id: owner(),
        title: title.parse().unwrap(),
        completed_at: None,
        version: Version::FIRST,
        created_at: at(),
        updated_at: at(),
    }
}

fn context() -> ToolContext {
    ToolContext {
        principal: Principal { user: owner(), session: None, via: Via::Chat, scopes: Scopes::all() },
        conversation: Some(Uuid::from_u128(99).into()),
        turn: None,
        effect_id: None,
        user_text: None,
        agreed: true,
        request_id: "r".parse().unwrap(),
    }
}

/// A repository that lists these tasks as the real one does: by exact title, part of a title, or all.
fn listing(tasks: Vec<Task>) -> MockTaskRepo {
    let mut repo = MockTaskRepo::new();
    let all = tasks.clone();
    repo.expect_get()
        .returning(move |_, id| all.iter().find(|task| task.id == id).cloned().ok_or(TaskRepoError::NotFound));
    let pending = tasks.iter().filter(|task| !task.completed()).count() as u64;
    let counts = TaskCounts { pending, completed: tasks.len() as u64 - pending };
    repo.expect_counts().returning(move |_| Ok(counts));
    repo.expect_list().withf(|user, _, _| *user == owner()).returning(move |_, filter, page| {
        let fits = |task: &&Task| match &filter.title {
            None => true,
            Some(TitleMatch::Exactly(text)) => task.title.folded() == *text,
            Some(TitleMatch::Containing(text)) => task.title.folded().as_str().contains(text.as_str()),
        };
        let found = tasks.iter().filter(fits).cloned().collect();
        Ok(Page::from_surplus(found, page.limit, |task| crate::task::TaskCursor(task.id)))
    });
    repo
}

fn tools(tasks: MockTaskRepo, conversations: MockConversationRepo) -> TaskTools {
    let mut clock = MockClock::new();
    clock.expect_now().returning(at);
    let mut ids = MockIdGenerator::new();
    ids.expect_next().returning(|| Uuid::from_u128(42));
    TaskTools::new(Arc::new(tasks), Arc::new(conversations), Arc::new(clock), Arc::new(ids))
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
        ToolOutcome::Done { message, .. }
        | ToolOutcome::Refused { message, .. }
        | ToolOutcome::NeedsConfirmation { message, .. } => message,
    }
}

#[tokio::test]
async fn adding_creates_the_task_for_the_caller() {
    let mut repo = MockTaskRepo::new();
    repo.expect_create()
        .withf(|user, new, change| *user == owner() && new.title.as_str() == "Buy milk" && change.at == at())
        .times(1)
        .returning(|_, new, _| Ok(task(new.id.as_uuid().as_u128(), new.title.as_str())));
    let outcome = run(&tools(repo, MockConversationRepo::new()), "add_task", json!({"title": " Buy milk "})).await;
    assert_eq!(
        outcome,
        ToolOutcome::Done {
            message: "Task 'Buy milk' created successfully".into(),
            data: json!({"task": {"id": Uuid::from_u128(42), "title": "Buy milk", "completed": false}}),
            changed: true
        }
    );
}

#[tokio::test]
async fn adding_an_empty_title_saves_nothing() {
    let tools = tools(MockTaskRepo::new(), MockConversationRepo::new());
    let outcome = run(&tools, "add_task", json!({"title": " \u{200B}"})).await;
    assert_eq!(outcome, refused("Task title cannot be empty".into(), json!({})));
}

#[tokio::test]
async fn parameters_outside_the_schema_and_unknown_tools_run_nothing() {
    let tools = tools(MockTaskRepo::new(), MockConversationRepo::new());
    let foreign = json!({"title": "a", "user_id": Uuid::from_u128(1)});
    let error = tools.run(&context(), "add_task", foreign).await.unwrap_err();
    assert!(matches!(error, ToolError::BadParameters(_)), "{error}");
    let error = tools.run(&context(), "drop_tables", json!({})).await.unwrap_err();
    assert!(matches!(error, ToolError::UnknownTool(_)), "{error}");
}

#[tokio::test]
async fn a_caller_without_the_scope_changes_nothing() {
    let tools = tools(MockTaskRepo::new(), MockConversationRepo::new());
    let mut context = context();
    context.principal.scopes = [Scope::TasksRead].into_iter().collect();
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
async fn listing_shows_positions_and_counts_and_remembers_what_was_shown() {
    let shown: Arc<Mutex<Vec<TaskId>>> = Arc::default();
    let seen = shown.clone();
    let mut conversations = MockConversationRepo::new();
    conversations.expect_set_shown_tasks().times(1).returning(move |user, id, tasks| {
        assert_eq!((user, id), (owner(), ConversationId::from(Uuid::from_u128(99))));
        *seen.lock().unwrap() = tasks.to_vec();
        Ok(())
    });
    let mut done = task(2, "b");
    done.completed_at = Some(at());
    let tools = tools(listing(vec![task(1, "a"), done]), conversations);
    let ToolOutcome::Done { message, data, changed } = run(&tools, "list_tasks", json!({})).await else { panic!() };
    assert_eq!((message.as_str(), changed), ("2 tasks", false));
    assert_eq!(data["tasks"][1], json!({"position": 2, "id": Uuid::from_u128(2), "title": "b", "completed": true}));
    assert_eq!((&data["total"], &data["pending"], &data["completed"]), (&json!(2), &json!(1), &json!(1)));
    assert_eq!(*shown.lock().unwrap(), [task(1, "a").id, task(2, "b").id]);
}

#[tokio::test]
async fn an_effect_is_guarded_by_the_version_that_was_resolved() {
    let mut seen = task(1, "report");
    seen.version = Version::new(5).unwrap();
    let mut repo = listing(vec![seen]);
    repo.expect_update()
        .withf(|user, id, patch, expected, _| {
            *user == owner()
                && id.as_uuid() == Uuid::from_u128(1)
                && patch.completed == Patch::Set(true)
                && *expected == Version::new(5)
        })
        .times(1)
        .returning(|_, _, _, _, _| Err(TaskRepoError::Stale));
    let outcome = run(&tools(repo, showing(vec![])), "complete_task", json!({"task_identifier": "report"})).await;
    assert!(matches!(outcome, ToolOutcome::Refused { .. }), "{outcome:?}");
}

#[tokio::test]
async fn completing_a_completed_task_says_so_and_saves_nothing() {
    let mut done = task(1, "report");
    done.completed_at = Some(at());
    let tools = tools(listing(vec![done]), showing(vec![]));
    let outcome = run(&tools, "complete_task", json!({"task_identifier": "report"})).await;
    let ToolOutcome::Done { message, data, changed } = outcome else { panic!() };
    assert_eq!((message.as_str(), changed), ("Task 'report' was already completed", false));
    assert_eq!(data["already_completed"], true);
}

#[tokio::test]
async fn completing_a_missing_task_saves_nothing_and_offers_the_nearest() {
    let tools = tools(listing(vec![task(1, "Buy groceries"), task(2, "Call mom")]), showing(vec![]));
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
        let tools = tools(listing(tasks.clone()), conversations);
        let outcome = run(&tools, tool, json!({"task_identifier": "meeting"})).await;
        let ToolOutcome::Refused { data, .. } = outcome else { panic!() };
        assert_eq!(data["candidates"][1]["title"], "Prepare meeting");
        assert_eq!(data["candidates"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn an_exact_title_wins_over_titles_that_contain_it() {
    let mut repo = listing(vec![task(1, "Buy milk and eggs"), task(2, "Buy Milk")]);
    repo.expect_delete().times(1).returning(|_, id, _, _| {
        assert_eq!(id.as_uuid(), Uuid::from_u128(2));
        Ok(task(2, "Buy Milk"))
    });
    let outcome = run(&tools(repo, showing(vec![])), "delete_task", json!({"task_identifier": "buy milk"})).await;
    assert_eq!(message(&outcome), "Task 'Buy Milk' deleted");
}

#[tokio::test]
async fn positions_mean_the_list_that_was_last_shown() {
    let tasks = vec![task(1, "a"), task(2, "b"), task(3, "c")];
    let shown = vec![task(3, "c").id, task(1, "a").id];
    for (identifier, expected) in [("1", 3), ("#2", 1), ("last", 1)] {
        let mut repo = listing(tasks.clone());
        repo.expect_delete().times(1).returning(move |_, id, _, _| {
            assert_eq!(id.as_uuid(), Uuid::from_u128(expected));
            Ok(task(expected, "x"))
        });
        run(&tools(repo, showing(shown.clone())), "delete_task", json!({"task_identifier": identifier})).await;
    }
    let tools = tools(listing(tasks), showing(shown));
    let outcome = run(&tools, "delete_task", json!({"task_identifier": "3"})).await;
    assert!(matches!(outcome, ToolOutcome::Refused { .. }), "{outcome:?}");
}

#[tokio::test]
async fn positions_do_not_resolve_without_a_conversation() {
    let tools = tools(listing(vec![task(1, "a")]), MockConversationRepo::new());
    let mut context = context();
    context.conversation = None;
    let outcome = tools.run(&context, "delete_task", json!({"task_identifier": "1"})).await.unwrap();
    assert!(matches!(outcome, ToolOutcome::Refused { .. }), "{outcome:?}");
}

#[tokio::test]
async fn renaming_answers_with_the_previous_title() {
    let mut repo = listing(vec![task(1, "old")]);
    repo.expect_update().times(1).returning(|_, _, patch, _, _| {
        let after = Task { title: patch.title.as_set().unwrap().clone(), ..task(1, "old") };
        Ok(TaskChange { before: task(1, "old"), after })
    });
    let tools = tools(repo, showing(vec![]));
    let outcome = run(&tools, "update_task", json!({"task_identifier": "old", "new_title": "new"})).await;
    let ToolOutcome::Done { message, data, changed } = outcome else { panic!() };
    assert_eq!((message.as_str(), changed), ("Task 'old' renamed to 'new'", true));
    assert_eq!((&data["previous_title"], &data["task"]["title"]), (&json!("old"), &json!("new")));
}

#[test]
fn the_five_tools_say_what_they_are() {
    let names: Vec<_> = specs().iter().map(|spec| spec.name).collect();
    assert_eq!(names, ["add_task", "list_tasks", "complete_task", "delete_task", "update_task"]);
    let delete = specs().into_iter().find(|spec| spec.name == "delete_task").unwrap();
    assert!(delete.destructive && !delete.read_only && !delete.idempotent);
}
