//! The end of a turn as operators see it.

use super::*;
use crate::runtime::event_log::{LoggedEvent, RecordedEvents, TurnEnd};

async fn noted(ports: ChatPorts) -> (TurnEnd, Result<TurnAnswer, ChatError>) {
    let events = Arc::<RecordedEvents>::default();
    let answer = send(ChatPorts { events: events.clone(), ..ports }).await;
    let mut events = events.take();
    assert_eq!(events.len(), 1, "{events:?}");
    match events.pop() {
        Some(LoggedEvent::TurnEnded(end)) => (*end, answer),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_end_of_a_turn_is_noted_with_its_figures() {
    let steps = [Step::calls("list_tasks", &json!({})), Step::says("You have none.")];
    let mut tools = idle();
    tools
        .expect_run()
        .returning(|_, _, _| Ok(ToolOutcome::Done { message: "none".into(), data: json!({}), changes: Vec::new() }));
    let (end, answer) = noted(ports(Recorded::default().repo(), Arc::new(ScriptedLlm::new(steps)), tools)).await;
    assert_eq!((end.user, end.conversation), (owner(), answer.as_ref().unwrap().conversation));
    assert_eq!((end.state, end.failure), (TurnState::Complete, None));
    assert_eq!((end.rounds, end.tool_calls), (2, 1));
    assert_eq!((end.provider.as_str(), end.usage), ("scripted", answer.unwrap().usage));
}

#[tokio::test]
async fn a_failed_turn_is_noted_with_the_code_of_its_failure() {
    for (error, code) in [
        (LlmError::Unavailable("down".into()), FailureCode::Unavailable),
        (LlmError::Timeout("late".into()), FailureCode::Timeout),
    ] {
        let llm = Arc::new(ScriptedLlm::new([Step::Fail(error)]));
        let (end, answer) = noted(ports(Recorded::default().repo(), llm, idle())).await;
        assert!(answer.is_err());
        assert_eq!((end.state, end.failure, end.rounds), (TurnState::Failed, Some(code), 0));
    }
}

#[tokio::test]
async fn a_turn_that_lost_its_lease_is_noted() {
    let recorded = Recorded::default();
    let mut repo = recorded.repo_without_progress();
    repo.expect_end_turn().returning(|_, _, _| Err(ConversationRepoError::NoTurn));
    repo.expect_answer().returning(|_, _| Err(ConversationRepoError::NoTurn));
    let llm = Arc::new(ScriptedLlm::new([Step::says("Hello.")]));
    let (end, _) = noted(ports(recorded.expect_messages(repo), llm, idle())).await;
    assert_eq!((end.state, end.failure), (TurnState::Failed, Some(FailureCode::LeaseLost)));
}
