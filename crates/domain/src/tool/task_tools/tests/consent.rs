//! Deleting several tasks, and effects that have happened before.

use super::*;
use crate::change::EffectId;
use crate::conversation::PendingAction;
use crate::principal::Scope;
use crate::task::TaskEffect;

/// A turn with two deletions, in which the user said `words`.
fn one_of_two(words: &str) -> ToolContext {
    ToolContext { calls: 2, user_text: Some(words.to_owned()), ..context() }
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
async fn one_of_several_deletions_that_nobody_asked_for_waits_for_a_yes() {
    for words in ["list my tasks", "tidy up", "yes", "delete call Bob"] {
        let outcome = tools(listing(two()), showing(&two()))
            .run(&one_of_two(words), "delete_task", json!({"task_identifier": "buy milk"}))
            .await
            .unwrap();
        let ToolOutcome::NeedsConfirmation { tasks, title, .. } = outcome else { panic!("{words}: {outcome:?}") };
        assert_eq!((tasks, title.as_str()), (vec![(two()[0].id, Version::FIRST)], "buy milk"));
    }
}

#[tokio::test]
async fn explicit_words_are_consent() {
    for (words, agreed) in [("delete buy milk and call Bob", false), ("delete both", false), ("ok", true)] {
        let mut repo = listing(two());
        repo.expect_delete().times(1).returning(|_, _, _, _| Ok(task(1, "buy milk")));
        let context = ToolContext { agreed, ..one_of_two(words) };
        let parameters = json!({"task_identifier": "buy milk"});
        let outcome = tools(repo, showing(&two())).run(&context, "delete_task", parameters).await.unwrap();
        assert!(matches!(outcome, ToolOutcome::Done { changed: true, .. }), "{words}: {outcome:?}");
    }
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
    let context = ToolContext { effect_id: Some(effect()), agreed: true, ..one_of_two("yes") };
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
async fn a_question_that_names_several_shown_tasks_is_an_offer_of_those() {
    let mut all = two();
    all.push(task(3, "water the plants"));
    for (text, offered) in [
        ("Shall I delete \u{201c}buy milk\u{201d} and \u{201c}Call Bob\u{201d}?", vec![1, 2]),
        ("Shall I delete \u{201c}buy milk\u{201d}?", vec![]),
        ("You have buy milk and call Bob.", vec![]),
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
async fn a_call_that_may_have_run_before_tells_what_it_did_then() {
    let retried = ToolContext { retried: true, effect_id: Some(effect()), ..context() };
    let renamed = Task { title: "buy oat milk".parse().unwrap(), ..task(1, "buy milk") };
    for (before, after, told) in [
        (None, Some(task(1, "buy milk")), "Task 'buy milk' created successfully"),
        (Some(task(1, "buy milk")), None, "Task 'buy milk' deleted"),
        (Some(task(1, "buy milk")), Some(renamed), "Task 'buy milk' renamed to 'buy oat milk'"),
        (Some(task(1, "buy milk")), Some(task(1, "buy milk")), "Task 'buy milk' marked as completed"),
    ] {
        let mut repo = MockTaskRepo::new();
        let done = TaskEffect { before, after };
        repo.expect_effect()
            .withf(|user, id| *user == owner() && *id == effect())
            .returning(move |_, _| Ok(Some(done.clone())));
        let outcome = tools(repo, MockConversationRepo::new())
            .run(&retried, "delete_task", json!({"task_identifier": "buy milk"}))
            .await
            .unwrap();
        assert!(matches!(&outcome, ToolOutcome::Done { message, changed: true, .. } if message == told), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_call_that_had_not_run_runs_now() {
    let mut repo = MockTaskRepo::new();
    repo.expect_effect().returning(|_, _| Ok(None));
    repo.expect_create()
        .withf(|_, _, change| change.call == Some(effect()))
        .times(1)
        .returning(|_, new, _| Ok(task(42, new.title.as_str())));
    let retried = ToolContext { retried: true, effect_id: Some(effect()), ..context() };
    let outcome =
        tools(repo, MockConversationRepo::new()).run(&retried, "add_task", json!({"title": "a"})).await.unwrap();
    assert!(matches!(outcome, ToolOutcome::Done { changed: true, .. }), "{outcome:?}");
}
