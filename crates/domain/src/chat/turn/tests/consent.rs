//! What the user is offered, and what their yes does.

use super::*;
use crate::task::Version;

fn offer() -> PendingAction {
    let task = |n: u128| (Uuid::from_u128(n).into(), Version::FIRST);
    PendingAction { id: Uuid::from_u128(9).into(), tool: "delete_task".into(), tasks: vec![task(1), task(2)] }
}

/// A conversation in which `offer()` was made.
fn offered(recorded: &Recorded) -> MockConversationRepo {
    let mut repo = MockConversationRepo::new();
    let begun = recorded.begun.clone();
    repo.expect_begin_turn().returning(move |_, new| {
        *begun.lock().unwrap() = Some(new.clone());
        Ok(BegunTurn::New { turn: turn_of(&new), pending: Some(offer()) })
    });
    recorded.expect_rest(repo)
}

fn needs_consent(n: u128) -> ToolOutcome {
    ToolOutcome::NeedsConfirmation {
        message: "Ask them.".into(),
        data: json!({}),
        tasks: vec![(Uuid::from_u128(n).into(), Version::FIRST)],
        title: format!("task {n}"),
    }
}

#[tokio::test]
async fn what_needs_consent_is_on_offer_with_its_names() {
    let recorded = Recorded::default();
    let mut tools = idle();
    tools
        .expect_may_run()
        .withf(|_, tool, calls| tool == "delete_task" && calls.len() == 2)
        .returning(|_, _, _| Ok(false));
    tools.expect_run().withf(move |context, _, _| !context.agreed).times(2).returning(|_, _, parameters| {
        Ok(needs_consent(parameters["task_identifier"].as_str().unwrap().parse().unwrap()))
    });
    let both = [("delete_task", r#"{"task_identifier":"1"}"#), ("delete_task", r#"{"task_identifier":"2"}"#)];
    let llm = ScriptedLlm::new([Step::calls_raw(both), Step::says("Shall I?")]);
    let answer = say(ports(recorded.repo(), Arc::new(llm), tools), "tidy up").await.unwrap();
    let expected = "Shall I?\n\nAnswer \u{201c}yes\u{201d} to delete \u{201c}task 1\u{201d}, \u{201c}task 2\u{201d}. Until then they stay.";
    assert_eq!(answer.response, expected);
    let pending = recorded.ended().pending.unwrap();
    assert_eq!((pending.tool.as_str(), pending.tasks), ("delete_task", offer().tasks));
}

#[tokio::test]
async fn a_deletion_in_a_later_round_counts_the_earlier_ones() {
    let mut tools = idle();
    let gone = |_: &crate::tool::ToolContext, _: &str, data: Value| {
        Ok(ToolOutcome::Done { message: "Task deleted".into(), data, changed: true })
    };
    tools.expect_run().withf(|context, _, _| context.agreed).times(1).returning(gone);
    tools.expect_run().withf(|context, _, _| !context.agreed).times(1).returning(|_, _, _| Ok(needs_consent(2)));
    let earlier = |calls: &[crate::message::ToolCall]| calls.len() == 2 && calls[0].result.is_some();
    tools.expect_may_run().withf(move |_, _, calls| earlier(calls)).times(1).returning(|_, _, _| Ok(false));
    let delete = |n: u8| Step::calls("delete_task", &json!({"task_identifier": n.to_string()}));
    let llm = ScriptedLlm::new([delete(1), delete(2), Step::says("Shall I go on?")]);
    let answer = say(ports(Recorded::default().repo(), Arc::new(llm), tools), "tidy up").await.unwrap();
    assert!(answer.response.contains("task 2"), "{}", answer.response);
}

#[tokio::test]
async fn a_yes_does_what_was_on_offer_before_any_model_is_asked() {
    let recorded = Recorded::default();
    let mut tools = idle();
    let agreed = |context: &crate::tool::ToolContext| context.agreed && context.effect_id.unwrap().round == 0;
    tools.expect_run_agreed().withf(move |context, action| agreed(context) && *action == offer()).times(1).returning(
        |_, _| {
            let gone = ToolOutcome::Done { message: "Task 'a' deleted".into(), data: json!({}), changed: true };
            Ok(vec![gone, ToolOutcome::Refused { message: "It was not deleted.".into(), data: json!({}) }])
        },
    );
    let llm = Arc::new(ScriptedLlm::new([Step::says("I deleted a; b has changed meanwhile.")]));
    let answer = say(ports(offered(&recorded), llm.clone(), tools), "yes").await.unwrap();
    let results: Vec<_> =
        answer.tool_calls.iter().map(|call| (call.agreed, call.result.as_ref().unwrap().success)).collect();
    assert_eq!((results, answer.grounded), (vec![(true, true), (true, false)], true));
    let asked = llm.requests();
    assert_eq!(asked.len(), 1);
    assert!(matches!(asked[0].messages.last(), Some(LlmMessage::ToolResult { .. })), "{:?}", asked[0].messages);
    let progress = recorded.progress.lock().unwrap();
    assert!(tool_calls(&progress[0]).all(|call| call.result.is_none()), "on record before it is done");
}

#[tokio::test]
async fn anything_but_a_yes_lets_the_offer_go() {
    for words in ["no", "what is on my list?"] {
        let llm = Arc::new(ScriptedLlm::new([Step::says("All right.")]));
        let answer = say(ports(offered(&Recorded::default()), llm, idle()), words).await.unwrap();
        assert!(answer.tool_calls.is_empty());
    }
}

#[tokio::test]
async fn an_offer_in_words_is_kept_with_the_turn() {
    let recorded = Recorded::default();
    let mut tools = MockToolExecutor::new();
    tools.expect_tools().returning(Vec::new);
    tools.expect_offered_in().withf(|_, text| text == "Shall I delete both?").returning(|_, _| Ok(Some(offer())));
    let llm = ScriptedLlm::new([Step::says("Shall I delete both?")]);
    say(ports(recorded.repo(), Arc::new(llm), tools), "tidy up").await.unwrap();
    assert_eq!(recorded.ended().pending, Some(offer()));
}

#[tokio::test]
async fn a_turn_that_fails_offers_nothing() {
    let recorded = Recorded::default();
    let mut tools = idle();
    tools.expect_run().returning(|_, _, _| Ok(needs_consent(1)));
    let steps = [Step::calls("delete_task", &json!({})), Step::Fail(LlmError::Unavailable("down".into()))];
    say(ports(recorded.repo(), Arc::new(ScriptedLlm::new(steps)), tools), "tidy up").await.unwrap_err();
    assert_eq!(recorded.ended().pending, None);
}

#[tokio::test]
async fn a_deletion_earlier_in_the_same_round_counts_as_what_it_did() {
    let mut tools = idle();
    let gone = |_: &crate::tool::ToolContext, _: &str, data: Value| {
        Ok(ToolOutcome::Done { message: "Task deleted".into(), data, changed: true })
    };
    tools.expect_run().withf(|context, _, _| context.agreed).times(1).returning(gone);
    tools.expect_run().withf(|context, _, _| !context.agreed).times(1).returning(|_, _, _| Ok(needs_consent(2)));
    // The first call seems to be the only one that names a task; after it, its result counts.
    tools.expect_may_run().withf(|_, _, calls| calls[0].result.is_none()).times(1).returning(|_, _, _| Ok(true));
    let after = |calls: &[crate::message::ToolCall]| calls.len() == 2 && calls[0].result.is_some();
    tools.expect_may_run().withf(move |_, _, calls| after(calls)).times(1).returning(|_, _, _| Ok(false));
    let both = [("delete_task", r#"{"task_identifier":"buy milk"}"#), ("delete_task", r#"{"task_identifier":"milk"}"#)];
    let llm = ScriptedLlm::new([Step::calls_raw(both), Step::says("One is gone.")]);
    let answer = say(ports(Recorded::default().repo(), Arc::new(llm), tools), "tidy up").await.unwrap();
    assert!(answer.response.contains("task 2"), "{}", answer.response);
}

#[tokio::test]
async fn a_yes_to_another_number_of_tasks_is_none() {
    for words in ["yes, delete the task", "delete it"] {
        let llm = Arc::new(ScriptedLlm::new([Step::says("Which?")]));
        let answer = say(ports(offered(&Recorded::default()), llm, idle()), words).await.unwrap();
        assert!(answer.tool_calls.is_empty(), "{words}");
    }
}
