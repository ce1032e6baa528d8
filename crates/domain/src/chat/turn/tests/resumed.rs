//! Resumed turns, repeated requests, and turns of other processes.

use super::*;
use crate::change::Action;
use crate::conversation::message::{ToolCall, ToolResult};
use crate::conversation::{PendingItem, PendingItemAction, StoredAnswer};
use crate::tool::ToolSpec;

fn call(round: u8, tool: &str, result: Option<&str>) -> Part {
    let result = result.map(|message| ToolResult { success: true, message: message.to_owned(), data: json!({}) });
    Part::ToolCall(ToolCall {
        id: format!("c{round}"),
        round,
        tool: tool.into(),
        parameters: json!({"title": tool}),
        changes: result.iter().map(|_| receipt(Action::Created, 1)).collect(),
        result,
    })
}

/// A conversation with a failed turn that has stored `parts`.
fn failed_with(recorded: &Recorded, parts: Vec<Part>) -> MockConversationRepo {
    failed_with_pending(recorded, parts, None)
}

/// The same, with a pending action.
fn failed_with_pending(recorded: &Recorded, parts: Vec<Part>, pending: Option<PendingAction>) -> MockConversationRepo {
    recorded.expect_rest(resuming(recorded, parts, pending))
}

/// Expects only the start of the turn.
fn resuming(recorded: &Recorded, parts: Vec<Part>, pending: Option<PendingAction>) -> MockConversationRepo {
    let mut repo = MockConversationRepo::new();
    let started = recorded.started.clone();
    repo.expect_begin_turn().returning(move |_, new| {
        *started.lock().unwrap() = Some(new.clone());
        let usage = Usage { tokens_in: 100, tokens_out: 1 };
        let at = "2026-03-01T11:00:00Z".parse().unwrap();
        Ok(TurnStart::Resumed {
            turn: Turn { attempt: 2, ..turn_of(&new) },
            parts: parts.clone(),
            usage,
            at,
            pending: pending.clone(),
            time_zone: time_zone(),
        })
    });
    repo
}

fn spec(name: &'static str, read_only: bool) -> ToolSpec {
    ToolSpec {
        name,
        description: "",
        parameters: Arc::new(json!({})),
        read_only,
        destructive: false,
        idempotent: false,
    }
}

#[tokio::test]
async fn a_resumed_turn_does_not_repeat_completed_calls() {
    let recorded = Recorded::default();
    let notice = Part::Notice { text: "The assistant could not finish.".into() };
    let partial = Part::Text { round: 1, text: "Add".into() };
    let parts = vec![call(0, "add_task", Some("Task 'milk' created successfully")), partial, notice];
    let mut tools = MockToolExecutor::new();
    tools.expect_tools().returning(|| vec![spec("add_task", false)]);
    let llm = Arc::new(ScriptedLlm::new([Step::says("Added milk.")]));
    let answer = send(ports(failed_with(&recorded, parts), llm.clone(), tools)).await.unwrap();
    assert_eq!(
        (answer.response.as_str(), answer.tool_calls.len(), answer.receipts.changes.len()),
        ("Added milk.", 1, 1)
    );
    let messages = &llm.requests()[0].messages;
    assert_eq!(messages.len(), 3, "the message, the call and its result: {messages:?}");
    assert!(matches!(recorded.ended().parts.last(), Some(Part::Text { round: 1, .. })));
    assert_eq!(answer.usage.tokens_in, 110, "the usage of all attempts");
    assert_eq!(recorded.ended().usage.tokens_in, 10, "storage adds it to earlier attempts");
    assert_eq!(answer.created_at.to_rfc3339(), "2026-03-01T11:00:00+00:00", "the start of the first attempt");
}

#[tokio::test]
async fn a_resumed_turn_sends_the_provider_data_of_its_calls_and_drops_that_of_a_partial_answer() {
    let recorded = Recorded::default();
    let data = |round, data: &str| Part::ProviderData { round, source: "scripted script".into(), data: data.into() };
    let partial = Part::Text { round: 1, text: "Add".into() };
    let parts = vec![data(0, "of the calls"), call(0, "add_task", Some("Created")), partial, data(1, "of the answer")];
    let llm = Arc::new(ScriptedLlm::new([Step::says("Added milk.")]));
    send(ports(failed_with(&recorded, parts), llm.clone(), idle())).await.unwrap();
    let messages = &llm.requests()[0].messages;
    assert!(
        matches!(&messages[1], LlmMessage::Assistant { calls, provider_data: Some(data), .. }
            if calls.len() == 1 && data == "of the calls"),
        "{messages:?}"
    );
    assert!(!format!("{:?}", recorded.ended().parts).contains("of the answer"));
}

#[tokio::test]
async fn calls_without_a_result_get_the_recorded_outcome_and_are_not_run_again() {
    let parts = vec![call(0, "list_tasks", Some("1 task")), call(1, "add_task", None), call(1, "delete_task", None)];
    let mut tools = idle();
    tools.expect_find_effect().times(2).returning(|context, _| {
        let effect = context.origin.call.unwrap().effect();
        assert_eq!(effect.round, 1);
        let done = ToolOutcome::Done {
            message: "Task 'milk' created".into(),
            data: json!({}),
            changes: vec![receipt(Action::Created, 2)],
        };
        Ok((effect.index == 0).then_some(done))
    });
    let llm = Arc::new(ScriptedLlm::new([Step::says("Added milk.")]));
    let answer = send(ports(failed_with(&Recorded::default(), parts), llm.clone(), tools)).await.unwrap();
    let results: Vec<_> = answer.tool_calls.iter().map(|call| call.result.as_ref().unwrap().success).collect();
    assert_eq!((results, answer.receipts.changes.len()), (vec![true, true, false], 2));
    let messages = format!("{:?}", llm.requests()[0].messages);
    assert!(messages.contains("not done before the turn was interrupted"), "{messages}");
}

#[tokio::test]
async fn an_attempt_that_fails_early_keeps_the_recorded_calls() {
    let recorded = Recorded::default();
    let done = call(0, "add_task", Some("Task 'milk' created successfully"));
    let mut repo = resuming(&recorded, vec![done.clone()], None);
    repo.expect_messages()
        .returning(|_, _, _, _| Err(ConversationRepoError::Storage(StorageError::Unavailable("gone".into()))));
    send(ports(recorded.expect_progress(repo), Arc::new(ScriptedLlm::new([])), idle())).await.unwrap_err();
    let ended = recorded.ended();
    assert_eq!(ended.parts[0], done, "the next attempt must not repeat it");
    let text = content(&ended.parts);
    assert_eq!(text, "The assistant could not finish. Until then: Task 'milk' created successfully.");
}

#[tokio::test]
async fn deferred_calls_count_as_not_done() {
    let deferred = ToolResult { success: false, message: "Ask.".into(), data: json!({"needs_confirmation": true}) };
    let Part::ToolCall(deletion) = call(0, "delete_task", None) else { panic!() };
    let parts = vec![Part::ToolCall(ToolCall { result: Some(deferred), changes: vec![], ..deletion })];
    let llm = Arc::new(ScriptedLlm::new([Step::says("Shall I?")]));
    let answer = send(ports(failed_with(&Recorded::default(), parts), llm, idle())).await.unwrap();
    assert!(answer.tool_calls[0].result.as_ref().unwrap().message.contains("not done before"), "{answer:?}");
}

#[tokio::test]
async fn the_limit_of_rounds_covers_all_attempts_and_each_has_at_least_one() {
    let parts: Vec<_> = (0..7).map(|round| call(round, "add_task", Some("done"))).collect();
    let step = |n: u8| Step::calls("add_task", &json!({"title": n.to_string()}));
    let llm = Arc::new(ScriptedLlm::new((0..5).map(step)));
    let answer = send(ports(failed_with(&Recorded::default(), parts), llm.clone(), succeeding())).await.unwrap();
    assert_eq!(llm.requests().len(), 1);
    assert!(answer.response.contains("too many steps"), "{}", answer.response);
    let parts: Vec<_> = (0..20).map(|round| call(round, "add_task", Some("done"))).collect();
    let llm = Arc::new(ScriptedLlm::new([Step::says("Done.")]));
    assert_eq!(
        send(ports(failed_with(&Recorded::default(), parts), llm, succeeding())).await.unwrap().response,
        "Done."
    );
}

#[tokio::test]
async fn a_repeated_request_gets_the_stored_answer_without_a_model_call() {
    let stored = StoredAnswer {
        turn: Turn {
            id: Uuid::from_u128(1).into(),
            conversation: Uuid::from_u128(2).into(),
            user_message: Uuid::from_u128(3).into(),
            position: 1,
            assistant_message: Uuid::from_u128(4).into(),
            attempt: 1,
        },
        message: Message {
            id: Uuid::from_u128(4).into(),
            conversation: Uuid::from_u128(2).into(),
            position: 2,
            role: Role::Assistant,
            parts: vec![call(0, "add_task", Some("done")), Part::Text { round: 1, text: "Added.".into() }],
            status: TurnState::Complete,
            created_at: now(),
        },
        usage: Usage { tokens_in: 3, tokens_out: 4 },
        error_code: None,
    };
    let repeated = || {
        let (mut repo, stored) = (MockConversationRepo::new(), stored.clone());
        repo.expect_begin_turn().returning(move |_, _| Ok(TurnStart::AlreadyAnswered(Box::new(stored.clone()))));
        repo.expect_pending().returning(|_, _, _| Ok(None));
        ports(repo, Arc::new(ScriptedLlm::new([])), idle())
    };
    let answer = send(repeated()).await.unwrap();
    assert_eq!((answer.response.as_str(), answer.usage.tokens_out), ("Added.", 4));
    let events = service(repeated()).stream(&principal(), &"r".parse().unwrap(), message("Add milk")).await.unwrap();
    let events: Vec<_> = futures_util::StreamExt::collect(events).await;
    assert_eq!(events.len(), 9, "{events:?}");
    assert_eq!(events[8], TurnEvent::Finished(Box::new(TurnFinished { answer, failure: None })));
}

#[tokio::test]
async fn a_turn_of_another_process_is_followed_by_reading_storage_at_each_signal() {
    let mut repo = MockConversationRepo::new();
    let turn = Turn {
        id: Uuid::from_u128(1).into(),
        conversation: Uuid::from_u128(2).into(),
        user_message: Uuid::from_u128(3).into(),
        position: 1,
        assistant_message: Uuid::from_u128(4).into(),
        attempt: 1,
    };
    repo.expect_get().returning(|owner, id| {
        Ok(Conversation {
            id,
            user_id: owner,
            title: ConversationTitle::from_message("Add milk"),
            active_turn: Some(Uuid::from_u128(1).into()),
            message_count: 2,
            created_at: now(),
            updated_at: now(),
        })
    });
    repo.expect_pending().returning(|_, _, _| Ok(None));
    let mut polls = 0;
    repo.expect_answer().withf(|user, _| *user == owner()).times(3).returning(move |_, _| {
        polls += 1;
        let text = ["", "Add", "Added."][polls - 1];
        let message = Message {
            id: turn.assistant_message,
            conversation: turn.conversation,
            position: 2,
            role: Role::Assistant,
            parts: if text.is_empty() { vec![] } else { vec![Part::Text { round: 0, text: text.into() }] },
            status: if polls == 3 { TurnState::Complete } else { TurnState::Running },
            created_at: now(),
        };
        Ok(StoredAnswer { turn: turn.clone(), message, usage: Usage::default(), error_code: None })
    });
    let service = service(ports(repo, Arc::new(ScriptedLlm::new([])), idle()));
    let events = service.follow(&principal(), Uuid::from_u128(2).into()).await.unwrap().unwrap();
    let events: Vec<_> = futures_util::StreamExt::collect(events).await;
    let texts = events.iter().filter_map(|event| match event {
        TurnEvent::TextDelta(text) => Some(text.as_str()),
        _ => None,
    });
    assert_eq!(texts.collect::<Vec<_>>(), ["Add", "ed."]);
    assert!(matches!(events.last(), Some(TurnEvent::Finished(ended)) if ended.answer.response == "Added."));
}

#[tokio::test]
async fn a_resumed_turn_does_not_run_an_unfinished_confirmation() {
    let milk = crate::change::memory::task(1, "milk");
    let pending = PendingAction {
        id: Uuid::from_u128(500).into(),
        message: Uuid::from_u128(501).into(),
        items: vec![PendingItem::new(&milk, PendingItemAction::Delete)],
        expires_at: now() + PendingAction::TTL,
    };
    // A call beside another one and a call after text: neither was the only content of its reply.
    let text = Part::Text { round: 0, text: "The list says: ".into() };
    for parts in [
        vec![call(0, "confirm_pending", None), call(0, "list_tasks", None)],
        vec![text, call(0, "confirm_pending", None)],
    ] {
        let mut tools = idle();
        tools.expect_find_effect().returning(|_, _| Ok(None));
        tools.expect_run_pending().never();
        let recorded = Recorded::default();
        *recorded.earlier.lock().unwrap() = vec![(pending.message, vec![])];
        let repo = failed_with_pending(&recorded, parts, Some(pending.clone()));
        let llm = Arc::new(ScriptedLlm::new([Step::says("Shall I?")]));
        let answer = send(ports(repo, llm.clone(), tools)).await.unwrap();
        assert!(answer.tool_calls.iter().all(|call| !call.result.as_ref().unwrap().success), "{answer:?}");
        assert!(llm.requests()[0].tools.iter().all(|tool| tool.name != "confirm_pending"));
    }
}
