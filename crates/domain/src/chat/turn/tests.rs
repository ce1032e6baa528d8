//! Turns on mocked storage and a scripted model.

mod confirmation;
mod events;
mod fixture;
mod limits;
mod noted;
mod provider_data;
mod resumed;
mod tokens;
mod words;

use std::sync::{Arc, Mutex};

use futures_channel::oneshot;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::{ChatError, ChatPorts};
use super::reply::SAVE_DELAY;
use super::*;
use crate::change::Action;
use crate::chat::{TurnFailure, TurnFinished};
use crate::conversation::MockConversationRepo;
use crate::conversation::message::{Message, Role, content, tool_calls};
use crate::conversation::turn::{FailureCode, TurnState};
use crate::llm::{FinishReason, LlmError, LlmEvent, LlmMessage, ScriptedLlm, Step};
use crate::principal::Scope;
use crate::runtime::Background;
use crate::storage::StorageError;
use crate::tool::{MockToolExecutor, ToolError, ToolOutcome};
use fixture::*;

#[tokio::test]
async fn results_go_back_to_the_model_until_it_answers() {
    let llm = Arc::new(ScriptedLlm::new([
        Step::calls("list_tasks", &json!({})),
        Step::calls("add_task", &json!({"title": "milk"})),
        Step::says("Added milk."),
    ]));
    let recorded = Recorded::default();
    let answer = send(ports(recorded.repo(), llm.clone(), succeeding())).await.unwrap();
    assert_eq!(answer.response, "Added milk.");
    assert_eq!(answer.usage, Usage { tokens_in: 30, tokens_out: 15 });
    let tools: Vec<_> = answer.tool_calls.iter().map(|call| (call.round, call.tool.as_str())).collect();
    assert_eq!(tools, [(0, "list_tasks"), (1, "add_task")]);
    let requests = llm.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests[0].system.contains("Monday, 2 March 2026"), "the user's own date, not UTC's");
    assert_eq!(requests[0].messages, [LlmMessage::User { text: "Add milk".into() }]);
    assert!(matches!(&requests[2].messages[4], LlmMessage::ToolResult { tool, .. } if tool == "add_task"));
    let ended = recorded.ended();
    assert_eq!((ended.state, ended.parts.len()), (TurnState::Complete, 3));
    let progress = recorded.progress.lock().unwrap().clone();
    let results: Vec<Vec<_>> =
        progress.iter().map(|parts| tool_calls(parts).map(|call| call.result.is_some()).collect()).collect();
    assert_eq!(results, [[true]], "the outcome of a call without an effect is stored before the model is called again");
}

#[tokio::test]
async fn a_call_is_stored_with_its_effect() {
    let mut tools = idle();
    tools.expect_run().times(2).returning(|context, _, _| {
        let parts = context.origin.message_parts.clone().unwrap();
        let stored = tool_calls(&parts).map(|call| call.result.is_some()).collect::<Vec<_>>();
        let message = format!("{stored:?}");
        Ok(ToolOutcome::Done { message, data: json!({}), changes: vec![receipt(Action::Created, 1)] })
    });
    let llm = Arc::new(ScriptedLlm::new([
        Step::calls("add_task", &json!({"title": "milk"})),
        Step::calls("add_task", &json!({"title": "tea"})),
        Step::says("Added both."),
    ]));
    let mut repo = Recorded::default().repo_without_progress();
    repo.expect_end_turn().returning(|_, _, _| Ok(()));
    let answer = send(ports(repo, llm, tools)).await.unwrap();
    let results: Vec<_> = answer.tool_calls.iter().map(|call| call.result.as_ref().unwrap().message.as_str()).collect();
    assert_eq!(results, ["[false]", "[true, false]"]);
}

#[tokio::test]
async fn results_are_stored_while_a_slow_model_is_waited_for() {
    let (gate, opened) = oneshot::channel();
    let gate = Mutex::new(Some(gate));
    let answer = vec![
        LlmEvent::TextDelta("Added milk.".to_owned()),
        LlmEvent::Finished { reason: FinishReason::Stop, usage: None },
    ];
    let llm =
        Arc::new(ScriptedLlm::new([Step::calls("add_task", &json!({"title": "milk"})), Step::Gated(opened, answer)]));
    let mut repo = Recorded::default().repo_without_progress();
    // The model answers only when the result is stored.
    repo.expect_save_progress().returning(move |_, _, parts| {
        if tool_calls(parts).all(|call| call.result.is_some()) {
            gate.lock().unwrap().take();
        }
        Ok(())
    });
    repo.expect_end_turn().returning(|_, _, _| Ok(()));
    let answer = send(skipping(SAVE_DELAY, ports(repo, llm, succeeding()))).await.unwrap();
    assert_eq!(answer.response, "Added milk.");
}

#[tokio::test]
async fn the_messages_of_a_new_conversation_are_not_read() {
    let mut repo = MockConversationRepo::new();
    repo.expect_begin_turn().returning(|_, new| {
        Ok(TurnStart::New { turn: Turn { position: 1, ..turn_of(&new) }, pending: None, time_zone: time_zone() })
    });
    repo.expect_end_turn().returning(|_, _, _| Ok(()));
    let llm = Arc::new(ScriptedLlm::new([Step::says("hello")]));
    send(ports(repo, llm.clone(), idle())).await.unwrap();
    assert_eq!(llm.requests()[0].messages, [LlmMessage::User { text: "Add milk".into() }]);
}

#[tokio::test]
async fn the_users_message_is_stored_before_the_model_is_called() {
    let mut repo = MockConversationRepo::new();
    repo.expect_begin_turn().times(1).returning(|_, _| Err(ConversationRepoError::NotFound));
    let llm = Arc::new(ScriptedLlm::new([Step::says("hello")]));
    let error = send(ports(repo, llm.clone(), idle())).await.unwrap_err();
    assert!(matches!(error, ChatError::Conversations(ConversationRepoError::NotFound)), "{error:?}");
    assert!(llm.requests().is_empty(), "no model is called for another user's conversation");
}

#[tokio::test]
async fn a_new_conversation_is_titled_by_its_first_message() {
    let recorded = Recorded::default();
    send(ports(recorded.repo(), Arc::new(ScriptedLlm::new([Step::says("ok")])), idle())).await.unwrap();
    let started = recorded.started.lock().unwrap().clone().unwrap();
    assert!(matches!(started.target, ConversationTarget::New(_, title) if title.as_str() == "Add milk"));
    assert_eq!((started.provider.as_str(), started.model.as_str()), ("scripted", "script"));
    assert_eq!(started.lease.ttl, Lease::TTL);
}

#[tokio::test]
async fn a_failing_model_leaves_a_notice() {
    let recorded = Recorded::default();
    let llm = Arc::new(ScriptedLlm::new([Step::Fail(LlmError::Unavailable("down".into()))]));
    let error = send(ports(recorded.repo(), llm, idle())).await.unwrap_err();
    let ChatError::Model { source: LlmError::Unavailable(_), stored } = error else { panic!("{error:?}") };
    let started = recorded.started.lock().unwrap().clone().unwrap();
    assert_eq!(stored.message, started.assistant_message);
    let ended = recorded.ended();
    assert_eq!((ended.state, ended.error_code), (TurnState::Failed, Some(FailureCode::Unavailable)));
    assert_eq!(content(&ended.parts), "The assistant could not answer. Nothing was changed.");
}

#[tokio::test]
async fn a_failure_after_a_tool_call_names_what_was_done() {
    let recorded = Recorded::default();
    let steps = [Step::calls("add_task", &json!({"title": "milk"})), Step::Fail(LlmError::Unavailable("down".into()))];
    send(ports(recorded.repo(), Arc::new(ScriptedLlm::new(steps)), succeeding())).await.unwrap_err();
    assert_eq!(content(&recorded.ended().parts), "The assistant could not finish. Until then: add_task ran.");
}

#[tokio::test]
async fn a_model_past_its_deadline_times_out() {
    let recorded = Recorded::default();
    let ports = ports(recorded.repo(), Arc::new(ScriptedLlm::new([Step::Hang])), idle());
    let error = send(skipping(ChatOptions::default().model_deadline, ports)).await.unwrap_err();
    assert!(matches!(error, ChatError::Model { source: LlmError::Timeout(_), .. }), "{error:?}");
    assert_eq!(recorded.ended().error_code, Some(FailureCode::Timeout));
}

#[tokio::test]
async fn an_empty_reply_is_an_error() {
    let recorded = Recorded::default();
    let error = send(ports(recorded.repo(), Arc::new(ScriptedLlm::new([Step::says(" ")])), idle())).await.unwrap_err();
    assert!(matches!(error, ChatError::Model { source: LlmError::BadReply(_), .. }), "{error:?}");
}

#[tokio::test]
async fn an_empty_reply_after_a_tool_call_is_answered_with_the_tools_message() {
    let steps = [Step::calls("add_task", &json!({"title": "milk"})), Step::says("")];
    let answer =
        send(ports(Recorded::default().repo(), Arc::new(ScriptedLlm::new(steps)), succeeding())).await.unwrap();
    assert_eq!(answer.response, "add_task ran");
}

#[tokio::test]
async fn nul_characters_of_a_model_are_removed() {
    let recorded = Recorded::default();
    let steps = [Step::calls_raw([("add_task", r#"{"title":"a\u0000b"}"#)]), Step::says("do\0ne")];
    let answer = send(ports(recorded.repo(), Arc::new(ScriptedLlm::new(steps)), succeeding())).await.unwrap();
    assert_eq!(answer.response, "done");
    assert_eq!(answer.tool_calls[0].parameters, json!({"title": "ab"}));
}

#[tokio::test]
async fn a_storage_failure_in_a_tool_ends_the_turn() {
    let recorded = Recorded::default();
    let mut tools = idle();
    tools.expect_run().returning(|_, _, _| Err(ToolError::Storage(StorageError::Unavailable("gone".into()))));
    let llm = Arc::new(ScriptedLlm::new([Step::calls("list_tasks", &json!({}))]));
    let error = send(ports(recorded.repo(), llm, tools)).await.unwrap_err();
    assert!(matches!(error, ChatError::Interrupted { source: StorageError::Unavailable(_), .. }), "{error:?}");
    assert_eq!(recorded.ended().state, TurnState::Failed);
    let text = content(&recorded.ended().parts);
    assert!(text.contains("not known whether its last step was done"), "{text}");
}

#[tokio::test]
async fn a_turn_ends_at_a_call_that_finds_its_lease_lost() {
    let mut repo = Recorded::default().repo_without_progress();
    let mut tools = idle();
    tools.expect_run().times(1).returning(|_, _, _| Err(ToolError::LeaseLost));
    repo.expect_answer().returning(|_, _| Err(ConversationRepoError::NoTurn));
    let llm = Arc::new(ScriptedLlm::new([Step::calls("delete_task", &json!({"task_identifier": "1"}))]));
    let error = send(ports(repo, llm, tools)).await.unwrap_err();
    assert!(matches!(error, ChatError::LeaseLost { .. }), "{error:?}");
}

#[tokio::test]
async fn a_panic_in_a_tool_releases_the_turn() {
    let recorded = Recorded::default();
    let mut tools = idle();
    tools.expect_run().returning(|_, _, _| panic!("a bug"));
    let llm = Arc::new(ScriptedLlm::new([Step::calls("list_tasks", &json!({}))]));
    let error = send(ports(recorded.repo(), llm, tools)).await.unwrap_err();
    assert!(matches!(error, ChatError::Panicked { .. }), "{error:?}");
    assert_eq!(recorded.ended().state, TurnState::Failed);
}

#[tokio::test]
async fn a_turn_whose_lease_is_lost_stores_nothing_more() {
    let recorded = Recorded::default();
    let mut conversations = recorded.repo();
    conversations.expect_renew_lease().times(1).returning(|_, _, _| Err(ConversationRepoError::NoTurn));
    conversations.expect_answer().returning(|_, _| Err(ConversationRepoError::NoTurn));
    let ports = ports(conversations, Arc::new(ScriptedLlm::new([Step::Hang])), idle());
    let error = send(skipping(Lease::RENEWAL_INTERVAL, ports)).await.unwrap_err();
    assert!(matches!(error, ChatError::LeaseLost { .. }), "{error:?}");
    assert!(recorded.ended.lock().unwrap().is_none());
}

/// Runs work and notifies of its completion.
struct NotifyingBackground(Mutex<Option<oneshot::Sender<()>>>);

impl Background for NotifyingBackground {
    fn spawn(&self, work: BoxFuture<'static, ()>) {
        let done = self.0.lock().unwrap().take().unwrap();
        tokio::spawn(async move {
            work.await;
            done.send(()).unwrap();
        });
    }
}

#[tokio::test]
async fn a_turn_continues_when_its_caller_is_dropped() {
    let recorded = Recorded::default();
    let (open, gate) = oneshot::channel();
    let Step::Events(late) = Step::says("late") else { panic!() };
    let base = ports(recorded.repo(), Arc::new(ScriptedLlm::new([Step::Gated(gate, late)])), idle());
    let (done, is_done) = oneshot::channel();
    let background = Arc::new(NotifyingBackground(Mutex::new(Some(done))));
    let caller = tokio::spawn(send(ChatPorts { background, ..base }));
    while recorded.started.lock().unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    caller.abort();
    open.send(()).unwrap();
    is_done.await.unwrap();
    assert_eq!(content(&recorded.ended().parts), "late");
}

#[tokio::test]
async fn a_caller_without_the_scope_starts_nothing() {
    let service = service(ports(MockConversationRepo::new(), Arc::new(ScriptedLlm::new([])), idle()));
    let principal = Principal { scopes: [Scope::TasksRead].into_iter().collect(), ..principal() };
    let error = service.send(&principal, &"r".parse().unwrap(), message("hi")).await.unwrap_err();
    assert!(matches!(error, ChatError::InsufficientScope(_)), "{error:?}");
}
