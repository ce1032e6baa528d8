//! Events of turns, and stopping turns.

use super::*;
use crate::change::Receipts;
use crate::conversation::message::ToolCall;

/// The events of a turn with this model and these tools.
async fn events(steps: Vec<Step>, tools: MockToolExecutor) -> Vec<TurnEvent> {
    let signals = Arc::new(RecordedSignals::default());
    let base = ports(Recorded::default().repo(), Arc::new(ScriptedLlm::new(steps)), tools);
    let _answer = send(ChatPorts { signals: signals.clone(), ..base }).await;
    signals.events()
}

fn delta(text: &str) -> LlmEvent {
    LlmEvent::TextDelta(text.into())
}

fn done() -> LlmEvent {
    LlmEvent::Finished { reason: FinishReason::Stop, usage: None }
}

/// The events by name, with their texts.
fn names(events: &[TurnEvent]) -> Vec<String> {
    let result = |call: &ToolCall| call.result.as_ref().map(|result| result.success);
    let name = |event: &TurnEvent| match event {
        TurnEvent::Started(_) => "started".to_owned(),
        TurnEvent::RoundStarted => "[".to_owned(),
        TurnEvent::TextDelta(text) => format!("+{text}"),
        TurnEvent::Notice(text) => format!("!{text}"),
        TurnEvent::ToolCalled(call) => format!("{}?{:?}", call.tool, result(call)),
        TurnEvent::ToolCompleted(call) => format!("{}={:?}", call.tool, result(call)),
        TurnEvent::RoundFinished => "]".to_owned(),
        TurnEvent::Finished(ended) => {
            format!("{:?} {:?}", ended.answer.state, ended.failure.map(|failure| failure.code))
        }
    };
    events.iter().map(name).collect()
}

#[tokio::test]
async fn events_describe_rounds_texts_and_tools_in_order() {
    let reply = Step::Events(vec![delta(" Add"), delta("ed "), delta(" milk.\n"), done()]);
    let events = events(vec![Step::calls("add_task", &json!({"title": "milk"})), reply], succeeding()).await;
    let expected = [
        "started",
        "[",
        "add_task?None",
        "add_task=Some(true)",
        "]",
        "[",
        "+Add",
        "+ed",
        "+  milk.",
        "]",
        "Complete None",
    ];
    assert_eq!(names(&events), expected);
    let Some(TurnEvent::Finished(ended)) = events.last() else { panic!() };
    assert_eq!(ended.answer.response, "Added  milk.", "the texts of the events are the text of the message");
}

#[tokio::test]
async fn a_truncated_reply_keeps_its_text() {
    let recorded = Recorded::default();
    let signals = Arc::new(RecordedSignals::default());
    let cut = Step::Cut(vec![delta("Well, ")], LlmError::Unavailable("cut".into()));
    let base = ports(recorded.repo(), Arc::new(ScriptedLlm::new([cut])), idle());
    send(ChatPorts { signals: signals.clone(), ..base }).await.unwrap_err();
    let notice = "The assistant could not answer. Nothing was changed.";
    let events = names(&signals.events());
    assert_eq!(events, ["started", "[", "+Well,", &format!("!{notice}"), "]", "Failed Some(Unavailable)"]);
    assert_eq!(content(&recorded.ended().parts), format!("Well,\n\n{notice}"));
    assert!(*signals.closed.lock().unwrap());
}

#[tokio::test]
async fn a_stopped_turn_keeps_its_message_and_runs_nothing_more() {
    let recorded = Recorded::default();
    let (signals, stop) = RecordedSignals::stoppable();
    let llm = Arc::new(ScriptedLlm::new([Step::calls("add_task", &json!({"title": "milk"})), Step::Hang]));
    let base = ports(recorded.repo(), llm.clone(), succeeding());
    let answer = tokio::spawn(send(ChatPorts { signals: signals.clone(), ..base }));
    while llm.requests().len() < 2 {
        tokio::task::yield_now().await;
    }
    stop.send(StopReason::User).unwrap();
    let answer = answer.await.unwrap().unwrap();
    assert_eq!((answer.state, answer.tool_calls.len()), (TurnState::Stopped, 1));
    assert_eq!((recorded.ended().state, recorded.ended().error_code), (TurnState::Stopped, None));
    assert_eq!(signals.ended(), TurnFinished { answer, failure: None });
}

#[tokio::test]
async fn a_call_after_a_stop_is_not_run() {
    let (signals, stop) = RecordedSignals::stoppable();
    stop.send(StopReason::User).unwrap();
    let llm = Arc::new(ScriptedLlm::new([Step::calls("add_task", &json!({"title": "milk"}))]));
    let base = ports(Recorded::default().repo(), llm, idle());
    let answer = send(ChatPorts { signals, ..base }).await.unwrap();
    assert_eq!((answer.state, answer.tool_calls.len()), (TurnState::Stopped, 0));
}

#[tokio::test]
async fn a_shutdown_fails_running_turns() {
    let recorded = Recorded::default();
    let (signals, stop) = RecordedSignals::stoppable();
    stop.send(StopReason::Shutdown).unwrap();
    let base = ports(recorded.repo(), Arc::new(ScriptedLlm::new([Step::Hang])), idle());
    let error = send(ChatPorts { signals: signals.clone(), ..base }).await.unwrap_err();
    assert!(matches!(error, ChatError::ShutDown { .. }), "{error:?}");
    assert_eq!(recorded.ended().error_code, Some(FailureCode::ShutDown));
    assert_eq!(signals.ended().failure.unwrap().code, FailureCode::ShutDown);
}

#[tokio::test]
async fn the_last_event_contains_the_providers_retry_delay() {
    let retry_after = Some(std::time::Duration::from_secs(7));
    let limited = LlmError::RateLimited { retry_after, source: "429".into() };
    let events = events(vec![Step::Fail(limited)], idle()).await;
    let Some(TurnEvent::Finished(ended)) = events.last() else { panic!() };
    assert_eq!(ended.failure, Some(TurnFailure { retry_after, ..FailureCode::RateLimited.into() }));
}

#[tokio::test]
async fn a_fallback_is_announced_once_and_stored_as_the_model() {
    let recorded = Recorded::default();
    let fallback_used = || LlmEvent::FallbackUsed { provider: "offline".into(), model: "grammar".into() };
    let Step::Events(mut calls) = Step::calls("list_tasks", &json!({})) else { panic!() };
    calls.insert(0, fallback_used());
    let steps = [Step::Events(calls), Step::Events(vec![fallback_used(), delta("None."), done()])];
    let answer = send(ports(recorded.repo(), Arc::new(ScriptedLlm::new(steps)), succeeding())).await.unwrap();
    assert_eq!(answer.response.matches("in its place").count(), 1, "{}", answer.response);
    let ended = recorded.ended();
    assert_eq!((ended.provider.as_str(), ended.model.as_str()), ("offline", "grammar"));
}

#[tokio::test]
async fn repeated_and_missing_call_ids_are_replaced() {
    let call = |id: &str| LlmEvent::ToolCallComplete {
        index: 0,
        call: crate::llm::LlmToolCall {
            id: id.into(),
            tool: "list_tasks".into(),
            arguments: format!("{{\"n\":\"{id}\"}}"),
        },
    };
    let second = Step::Events(vec![call("same"), done()]);
    let steps = [Step::Events(vec![call("same"), call(""), done()]), second, Step::says("Nothing.")];
    let answer =
        send(ports(Recorded::default().repo(), Arc::new(ScriptedLlm::new(steps)), succeeding())).await.unwrap();
    let ids: Vec<_> = answer.tool_calls.iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["same", "call_0_1", "call_1_0"]);
}

#[tokio::test]
async fn receipts_depend_on_commits_and_not_on_the_models_text() {
    let recorded = Recorded::default();
    let signals = Arc::new(RecordedSignals::default());
    let steps = [Step::calls("add_task", &json!({"title": "milk"})), Step::says("I have deleted everything.")];
    let base = ports(recorded.repo(), Arc::new(ScriptedLlm::new(steps)), succeeding());
    let answer = send(ChatPorts { signals: signals.clone(), ..base }).await.unwrap();
    let changes: Vec<_> = answer.receipts.changes.iter().map(|change| change.receipt.action).collect();
    assert_eq!((changes, answer.receipts.undoable), (vec![Action::Created], true));
    assert_eq!(signals.ended().answer.receipts, answer.receipts);
    assert_eq!(
        crate::conversation::message::receipts(&recorded.ended().parts).count(),
        1,
        "receipts are stored with the message"
    );

    let claim = Arc::new(ScriptedLlm::new([Step::says("I have deleted the task.")]));
    let answer = send(ports(Recorded::default().repo(), claim, idle())).await.unwrap();
    assert_eq!((answer.response.as_str(), answer.receipts), ("I have deleted the task.", Receipts::default()));
}

#[tokio::test]
async fn a_retired_model_names_its_setting_and_the_cause_is_logged() {
    let retired = || LlmError::ModelRetired { model: "m".into(), setting: "COHERE_MODEL", source: "404".into() };
    let signals = Arc::new(RecordedSignals::default());
    let mut failures = crate::runtime::MockFailureLog::new();
    failures.expect_record().withf(|_, error| format!("{error:?}").contains("404")).times(1).returning(|_, _| ());
    let base = ports(Recorded::default().repo(), Arc::new(ScriptedLlm::new([Step::Fail(retired())])), idle());
    let (done, is_done) = oneshot::channel();
    let ports = ChatPorts {
        signals: signals.clone(),
        failures: Arc::new(failures),
        background: Arc::new(NotifyingBackground(Mutex::new(Some(done)))),
        ..base
    };
    let _events = service(ports).stream(&principal(), &"r".parse().unwrap(), message("hi")).await.unwrap();
    is_done.await.unwrap();
    assert_eq!(signals.ended().failure.unwrap().setting, Some("COHERE_MODEL"));
}

#[tokio::test]
async fn a_failure_after_reads_states_that_nothing_was_changed() {
    let recorded = Recorded::default();
    let steps = [Step::calls("list_tasks", &json!({})), Step::Fail(LlmError::Unavailable("down".into()))];
    let mut tools = idle();
    tools
        .expect_run()
        .returning(|_, _, data| Ok(ToolOutcome::Done { message: "1 task".into(), data, changes: vec![] }));
    send(ports(recorded.repo(), Arc::new(ScriptedLlm::new(steps)), tools)).await.unwrap_err();
    assert_eq!(content(&recorded.ended().parts), "The assistant could not answer. Nothing was changed.");
}

#[tokio::test]
async fn text_before_a_call_is_followed_by_the_result_of_the_tool() {
    let Step::Events(mut events) = Step::calls("delete_task", &json!({})) else { panic!() };
    events.insert(0, delta("Let me look."));
    let steps = [Step::Events(events), Step::says("")];
    let mut tools = idle();
    tools.expect_run().returning(|_, _, data| Ok(ToolOutcome::Refused { message: "No task matches.".into(), data }));
    let answer = send(ports(Recorded::default().repo(), Arc::new(ScriptedLlm::new(steps)), tools)).await.unwrap();
    assert_eq!(answer.response, "Let me look.\n\nNo task matches.");
}

#[tokio::test]
async fn a_truncated_answer_has_a_notice() {
    let cut = LlmEvent::Finished { reason: FinishReason::Length, usage: None };
    let steps = [Step::Events(vec![delta("1. buy mi"), cut])];
    let answer = send(ports(Recorded::default().repo(), Arc::new(ScriptedLlm::new(steps)), idle())).await.unwrap();
    assert!(answer.response.contains("cut off"), "{}", answer.response);
}
