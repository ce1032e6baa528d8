//! Deleting several tasks, and effects that have happened before.

use super::*;
use crate::change::EffectId;
use crate::conversation::PendingAction;
use crate::message::{ToolCall, ToolResult};
use crate::principal::Scope;
use crate::task::TaskEffect;

/// A turn in which the user said `words`.
fn said(words: &str) -> ToolContext {
    ToolContext { user_text: Some(words.to_owned()), ..context() }
}

fn deletion(identifier: &str, result: Option<ToolResult>) -> ToolCall {
    let parameters = json!({"task_identifier": identifier});
    ToolCall { id: identifier.into(), round: 0, tool: "delete_task".into(), parameters, agreed: false, result }
}

fn showing(tasks: &[Task]) -> MockConversationRepo {
    let ids: Vec<TaskId> = tasks.iter().map(|task| task.id).collect();
    let mut conversations = MockConversationRepo::new();
    conversations.expect_shown_tasks().returning(move |_, _| Ok(ids.clone()));
    conversations
}

fn two() -> Vec<Task> {
    vec![task(1, "buy milk"), task(2, "call Bob")]
}

fn effect() -> EffectId {
    EffectId { turn: Uuid::from_u128(5).into(), round: 1, index: 0 }
}

#[tokio::test]
async fn a_deletion_that_the_user_has_not_agreed_to_waits_for_a_yes() {
    let context = ToolContext { agreed: false, ..context() };
    let parameters = json!({"task_identifier": "buy milk"});
    let outcome = tools(listing(two()), showing(&two())).run(&context, "delete_task", parameters).await.unwrap();
    let ToolOutcome::NeedsConfirmation { tasks, title, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!((tasks, title.as_str()), (vec![(two()[0].id, Version::FIRST)], "buy milk"));
}

#[tokio::test]
async fn several_deletions_need_words_that_ask_for_each_of_them() {
    let both = [deletion("milk", None), deletion("Bob", None)];
    for (words, may) in [
        ("list my tasks", false),
        ("tidy up", false),
        ("yes", false),
        ("delete call Bob", false),
        ("delete buy milk and call Bob", true),
        ("delete both", true),
        ("delete 1 and 2", true),
    ] {
        let tools = tools(listing(two()), showing(&two()));
        assert_eq!(tools.may_run(&said(words), "delete_task", &both).await.unwrap(), may, "{words}");
    }
}

#[tokio::test]
async fn what_the_turn_has_already_deleted_counts() {
    let data = json!({"task": {"id": task(3, "x").id, "title": "water the plants", "completed": false}});
    let gone = ToolResult { success: true, message: "deleted".into(), data };
    let calls = [deletion("plants", Some(gone)), deletion("milk", None)];
    for (words, may) in [("delete water the plants", false), ("delete water the plants and buy milk", true)] {
        let tools = tools(listing(two()), showing(&two()));
        assert_eq!(tools.may_run(&said(words), "delete_task", &calls).await.unwrap(), may, "{words}");
    }
}

#[tokio::test]
async fn what_touches_one_task_or_is_no_deletion_needs_no_more_words() {
    let tools = tools(listing(two()), showing(&two()));
    let same = [deletion("milk", None), deletion("buy milk", None), deletion("nothing", None)];
    assert!(tools.may_run(&said("tidy up"), "delete_task", &same).await.unwrap());
    let both = [deletion("milk", None), deletion("Bob", None)];
    assert!(tools.may_run(&said("tidy up"), "complete_task", &both).await.unwrap());
}

#[tokio::test]
async fn what_was_agreed_to_is_deleted_at_its_version_and_nothing_else() {
    let offered = two().iter().map(|task| (task.id, task.version)).collect::<Vec<_>>();
    let action = PendingAction { id: Uuid::from_u128(3).into(), tool: "delete_task".into(), tasks: offered.clone() };
    let mut repo = MockTaskRepo::new();
    repo.expect_delete_many()
        .withf(move |user, tasks, change| *user == owner() && tasks == offered && change.call == Some(effect()))
        .times(1)
        .returning(|_, _, _| Ok(vec![task(2, "call Bob")]));
    let context = ToolContext { effect_id: Some(effect()), agreed: true, ..said("yes") };
    let outcomes = tools(repo, MockConversationRepo::new()).run_agreed(&context, &action).await.unwrap();
    assert!(matches!(&outcomes[0], ToolOutcome::Refused { message, .. } if message.contains("changed meanwhile")));
    assert!(matches!(&outcomes[1], ToolOutcome::Done { message, .. } if message == "Task 'call Bob' deleted"));
    let other = PendingAction { tool: "add_task".into(), ..action.clone() };
    let refused = tools(MockTaskRepo::new(), MockConversationRepo::new()).run_agreed(&context, &other).await;
    assert!(matches!(refused, Err(ToolError::UnknownTool(_))));
    let mut reader = context;
    reader.principal.scopes = [Scope::TasksRead].into_iter().collect();
    let refused = tools(MockTaskRepo::new(), MockConversationRepo::new()).run_agreed(&reader, &action).await;
    assert!(matches!(refused, Err(ToolError::InsufficientScope(_))));
}

#[tokio::test]
async fn a_question_that_names_shown_tasks_is_an_offer_of_those_in_the_question() {
    let mut all = two();
    all.push(task(3, "water the plants"));
    // A title within another one, and one within a word.
    all.push(task(4, "milk"));
    all.push(task(5, "Bo"));
    for (text, offered) in [
        ("Shall I delete \u{201c}buy milk\u{201d} and \u{201c}Call Bob\u{201d}?", vec![1, 2]),
        ("Shall I delete \u{201c}buy milk\u{201d}?", vec![1]),
        ("You have buy milk and call Bob.", vec![]),
        (
            "I will keep \u{201c}water the plants\u{201d}. Shall I delete \u{201c}buy milk\u{201d} and call Bob?",
            vec![1, 2],
        ),
        ("1. buy milk\n2. call Bob\nShall I delete some of them?", vec![]),
    ] {
        let mut repo = MockTaskRepo::new();
        let found = all.clone();
        repo.expect_get_many().returning(move |_, _| Ok(found.clone()));
        let offer = tools(repo, showing(&all)).offered_in(&context(), text).await.unwrap();
        let ids = offer.into_iter().flat_map(|offer| offer.tasks).map(|(id, _)| id.as_uuid().as_u128());
        assert_eq!(ids.collect::<Vec<_>>(), offered, "{text}");
    }
}

#[tokio::test]
async fn an_effect_that_has_happened_is_told_as_what_it_did() {
    let asked = ToolContext { effect_id: Some(effect()), ..context() };
    let titled = Task { title: "buy oat milk".parse().unwrap(), ..task(1, "buy milk") };
    let done = Task { completed_at: Some(at()), ..task(1, "buy milk") };
    for (before, after, told, did) in [
        (None, Some(task(1, "buy milk")), "Task 'buy milk' created successfully", true),
        (Some(task(1, "buy milk")), None, "Task 'buy milk' deleted", true),
        (Some(task(1, "buy milk")), Some(titled), "Task 'buy milk' renamed to 'buy oat milk'", true),
        (Some(task(1, "buy milk")), Some(done), "Task 'buy milk' marked as completed", true),
        (Some(task(1, "buy milk")), Some(task(1, "buy milk")), "Task 'buy milk' already has that title", false),
    ] {
        let mut repo = MockTaskRepo::new();
        let happened = TaskEffect { before, after };
        repo.expect_effect()
            .withf(|user, id| *user == owner() && *id == effect())
            .returning(move |_, _| Ok(Some(happened.clone())));
        let outcome = tools(repo, MockConversationRepo::new()).done_before(&asked).await.unwrap().unwrap();
        let ToolOutcome::Done { message, changed, .. } = outcome else { panic!() };
        assert_eq!((message.as_str(), changed), (told, did));
    }
}

#[tokio::test]
async fn an_effect_that_has_not_happened_is_nothing() {
    let mut repo = MockTaskRepo::new();
    repo.expect_effect().returning(|_, _| Ok(None));
    let asked = ToolContext { effect_id: Some(effect()), ..context() };
    assert_eq!(tools(repo, MockConversationRepo::new()).done_before(&asked).await.unwrap(), None);
}

#[tokio::test]
async fn a_write_of_a_turn_that_has_ended_ends_the_call() {
    let mut repo = MockTaskRepo::new();
    repo.expect_create().returning(|_, _, _| Err(TaskRepoError::TurnEnded));
    let ended = tools(repo, MockConversationRepo::new()).run(&context(), "add_task", json!({"title": "a"})).await;
    assert!(matches!(ended, Err(ToolError::TurnEnded)), "{ended:?}");
}

#[tokio::test]
async fn what_waits_for_a_yes_counts_as_well() {
    let data =
        json!({"task": {"id": task(1, "x").id, "title": "buy milk", "completed": false}, "needs_confirmation": true});
    let waits = ToolResult { success: false, message: "Ask.".into(), data };
    let calls = [deletion("milk", Some(waits)), deletion("Bob", None)];
    let tools = tools(listing(two()), showing(&two()));
    assert!(!tools.may_run(&said("tidy up"), "delete_task", &calls).await.unwrap());
}
