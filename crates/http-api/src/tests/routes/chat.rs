//! Messages to the assistant with a plain response.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::test::TestRequest;
use domain::change::Action;
use domain::conversation::message::{Message, Part, Role};
use domain::conversation::turn::{TurnState, Usage};
use domain::conversation::{ConversationRepoError, KeyReuse, MockConversationRepo, NewTurn, StoredAnswer, TurnStart};
use domain::llm::{LlmError, Step};
use domain::storage::StorageError;
use domain::tool::ToolOutcome;
use serde_json::json;

use crate::tests::support::{
    CONVERSATION, OPERATION, Ports, TASK, chat_request, now, ports_with_llm, receipt, repo_starting_turns, started_turn,
};

#[actix_web::test]
async fn a_response_carries_the_text_the_tool_calls_and_the_changes() {
    let mut ports = ports_with_llm([Step::calls("add_task", &json!({"title": "milk"})), Step::says("Done.")]);
    ports.tools.expect_run().returning(|_, _, _| {
        let (message, data) = ("Task 'milk' created".into(), json!({"id": 1}));
        Ok(ToolOutcome::Done { message, data, changes: vec![receipt(41, Action::Created)] })
    });
    let response =
        ports.send(chat_request(&format!(r#"{{"message":"add milk","conversation_id":"{CONVERSATION}"}}"#))).await;
    let turn = response.ok(200);
    assert_eq!((&turn["response"], &turn["conversation_id"]), (&json!("Done."), &json!(CONVERSATION)));
    assert!(turn["message_id"].is_string() && turn["created_at"] == "2026-03-01T12:00:00.123456Z", "{turn}");
    assert_eq!(turn["usage"], json!({"tokens_in": 20, "tokens_out": 10}));
    assert_eq!(
        (&turn["status"], &turn["undoable"], &turn["pending"]),
        (&json!("complete"), &json!(true), &json!(null))
    );
    let change =
        json!({"seq": 41, "operation_id": OPERATION, "action": "created", "task": {"id": TASK, "title": "milk"}});
    assert_eq!(turn["changes"], json!([change]));
    assert!(turn.get("grounded").is_none(), "{turn}");
    let call = &turn["tool_calls"][0];
    assert_eq!((&call["tool"], &call["parameters"]), (&json!("add_task"), &json!({"title": "milk"})));
    assert_eq!(call["result"], json!({"success": true, "message": "Task 'milk' created", "data": {"id": 1}}));
    assert_eq!((&call["success"], &call["error"]), (&json!(true), &json!(null)));
    assert!(call["id"].is_string() && call.get("round").is_none(), "{call}");
}

#[actix_web::test]
async fn a_message_has_1_to_4000_characters() {
    let long = format!(r#"{{"message":"{}"}}"#, "x".repeat(4001));
    for (body, field, message) in [
        ("{}", "message", "Message cannot be empty"),
        (r#"{"message":null}"#, "message", "Message cannot be empty"),
        (r#"{"message":" \n"}"#, "message", "Message cannot be empty"),
        (&long, "message", "Message cannot be longer than 4000 characters (this one has 4001)"),
        (r#"{"message":5}"#, "message", "message must be a string"),
        (
            r#"{"message":"a\u001b[31m"}"#,
            "message",
            "Message cannot contain control characters other than line breaks and tabs",
        ),
        (r#"{"message":"a","conversation_id":5}"#, "conversation_id", "conversation_id must be a string"),
        (r#"{"message":"a","user_id":"x"}"#, "user_id", "Unknown field: 'user_id'"),
    ] {
        let problem = Ports::new().send(chat_request(body)).await.problem(400, "VALIDATION_ERROR", field);
        assert_eq!(problem["message"], message, "{body}");
    }
}

#[actix_web::test]
async fn an_invalid_or_unknown_conversation_is_not_found_before_the_model_is_called() {
    let mut responses = Vec::new();
    for id in [CONVERSATION, "no-id", ""] {
        let mut ports = Ports::new();
        ports.conversations.expect_begin_turn().returning(|_, _| Err(ConversationRepoError::NotFound));
        let response = ports.send(chat_request(&format!(r#"{{"message":"a","conversation_id":"{id}"}}"#))).await;
        response.problem(404, "CONVERSATION_NOT_FOUND", "");
        responses.push(response.without_request_id());
    }
    responses.dedup();
    assert_eq!(responses.len(), 1);
}

#[actix_web::test]
async fn a_conversation_has_one_turn_at_a_time() {
    let mut ports = Ports::new();
    ports.conversations.expect_begin_turn().returning(|_, _| Err(ConversationRepoError::TurnInProgress));
    ports.send(chat_request(r#"{"message":"a"}"#)).await.problem(409, "TURN_IN_PROGRESS", "");
}

#[actix_web::test]
async fn a_model_failure_has_a_code_and_names_the_stored_message() {
    let cause = || "marked cause".into();
    let retry_after = Some(Duration::from_millis(6500));
    for (error, status, code, retry) in [
        (LlmError::Timeout(cause()), 504, "AI_TIMEOUT", ""),
        (LlmError::RateLimited { retry_after, source: cause() }, 503, "AI_UNAVAILABLE", "7"),
        (LlmError::RateLimited { retry_after: None, source: cause() }, 503, "AI_UNAVAILABLE", "30"),
        (LlmError::QuotaExhausted(cause()), 503, "AI_UNAVAILABLE", "3600"),
        (LlmError::Unauthorized(cause()), 502, "AI_ERROR", ""),
        (LlmError::Unavailable(cause()), 502, "AI_ERROR", ""),
        (LlmError::BadReply(cause()), 502, "AI_ERROR", ""),
        (LlmError::ModelRetired { model: "marked".into(), setting: "X", source: cause() }, 502, "AI_ERROR", ""),
    ] {
        let response = ports_with_llm([Step::Fail(error)]).send(chat_request(r#"{"message":"a"}"#)).await;
        let problem = response.problem(status, code, "");
        assert!(problem["conversation_id"].is_string() && problem["message_id"].is_string(), "{problem}");
        assert_eq!(response.header("retry-after"), retry, "{code}");
        assert!(!response.text.contains("marked"), "{}", response.text);
    }
}

#[actix_web::test]
async fn a_storage_failure_in_a_turn_names_the_stored_message() {
    let mut ports = ports_with_llm([Step::says("late")]);
    ports.conversations = repo_starting_turns();
    ports.conversations.expect_messages().returning(|_, _, _, _| Err(StorageError::Unavailable("x".into()).into()));
    ports.conversations.expect_end_turn().returning(|_, _, _| Ok(()));
    let in_conversation = format!(r#"{{"message":"a","conversation_id":"{CONVERSATION}"}}"#);
    let problem = ports.send(chat_request(&in_conversation)).await.problem(503, "DATABASE_UNAVAILABLE", "");
    assert_eq!(problem["conversation_id"], CONVERSATION);
}

#[actix_web::test]
async fn a_turn_that_lost_its_lease_is_a_conflict() {
    let mut ports = ports_with_llm([Step::says("late")]);
    ports.conversations = repo_starting_turns();
    ports.conversations.expect_messages().returning(|_, _, _, _| Err(ConversationRepoError::NotFound));
    ports.conversations.expect_answer().returning(|_, _| Err(ConversationRepoError::NoTurn));
    ports.send(chat_request(r#"{"message":"a"}"#)).await.problem(409, "NO_TURN", "");
}

#[actix_web::test]
async fn a_panicking_turn_is_an_internal_error() {
    let mut ports = ports_with_llm([]);
    ports.conversations = MockConversationRepo::new();
    ports.conversations.expect_begin_turn().returning(|_, _| panic!("marked"));
    let response = ports.send(chat_request(r#"{"message":"a"}"#)).await;
    response.problem(500, "INTERNAL_ERROR", "");
    assert!(!response.text.contains("marked"));
}

/// The stored answer of a turn with these parts.
fn stored_answer(new: &NewTurn, parts: Vec<Part>, status: TurnState) -> StoredAnswer {
    let turn = started_turn(new);
    let message = Message {
        id: turn.assistant_message,
        conversation: turn.conversation,
        position: 2,
        role: Role::Assistant,
        parts,
        status,
        created_at: now(),
    };
    StoredAnswer { turn, message, usage: Usage { tokens_in: 7, tokens_out: 5 }, error_code: None }
}

fn with_key(key: &str, body: &str) -> TestRequest {
    chat_request(body).insert_header(("Idempotency-Key", key))
}

#[actix_web::test]
async fn a_repeated_message_gets_the_stored_answer_in_the_requested_format() {
    let parts = || vec![Part::Text { round: 0, text: "Done.".into() }, Part::Notice { text: "Truly.".into() }];
    for status in [TurnState::Complete, TurnState::Stopped] {
        let mut ports = Ports::new();
        ports
            .conversations
            .expect_begin_turn()
            .returning(move |_, new| Ok(TurnStart::AlreadyAnswered(Box::new(stored_answer(&new, parts(), status)))));
        ports.conversations.expect_pending().returning(|_, _, _| Ok(None));
        let body = r#"{"message":"add milk"}"#;
        let streamed = with_key("k", body).insert_header(("Accept", "text/event-stream"));
        let responses = ports.send_all([with_key("k", body), streamed]).await;
        let whole = responses[0].ok(200);
        assert_eq!((&whole["response"], &whole["status"]), (&json!("Done.\n\nTruly."), &json!(status.as_str())));
        let frames = responses[1].frames();
        let metadata = frames.iter().rev().find_map(|frame| frame.get("messageMetadata")).unwrap();
        assert_eq!((&metadata["status"], &metadata["usage"]), (&whole["status"], &whole["usage"]));
        let texts: Vec<_> = frames.iter().filter_map(|frame| frame["delta"].as_str()).collect();
        assert_eq!(texts, ["Done.", "Truly."]);
        assert_eq!(frames.last().unwrap()["type"], if status == TurnState::Complete { "finish" } else { "abort" });
    }
}

#[actix_web::test]
async fn a_key_is_refused_while_its_request_runs_and_for_another_request() {
    for (error, status, code, field) in [
        (ConversationRepoError::IdempotencyInProgress, 409, "IDEMPOTENCY_IN_PROGRESS", ""),
        (ConversationRepoError::IdempotencyKeyReused, 422, "IDEMPOTENCY_KEY_REUSED", "Idempotency-Key"),
    ] {
        let mut ports = Ports::new();
        ports.conversations.expect_begin_turn().return_once(|_, _| Err(error));
        ports.send(with_key("k", r#"{"message":"a"}"#)).await.problem(status, code, field);
    }
    for key in ["", "\u{e9}"] {
        let response = Ports::new().send(with_key(key, r#"{"message":"a"}"#)).await;
        response.problem(400, "VALIDATION_ERROR", "Idempotency-Key");
    }
}

#[actix_web::test]
async fn the_fingerprint_covers_the_message_and_the_conversation_only() {
    let recorded_keys = Arc::new(Mutex::new(Vec::new()));
    let mut ports = Ports::new();
    let recorded = Arc::clone(&recorded_keys);
    ports.conversations.expect_begin_turn().returning(move |_, new| {
        recorded.lock().unwrap().push(new.idempotency);
        Err(ConversationRepoError::TurnInProgress)
    });
    let in_conversation = format!(r#"{{"message":"add milk","conversation_id":"{CONVERSATION}"}}"#);
    let requests = [
        with_key("k", r#"{"message":"add milk"}"#),
        with_key("k", r#"{ "message": " add milk " }"#).insert_header(("Accept", "text/event-stream")),
        with_key("k", r#"{"message":"add bread"}"#),
        with_key("k", &in_conversation),
        chat_request(r#"{"message":"add milk"}"#),
    ];
    ports.send_all(requests).await;
    let recorded_keys = recorded_keys.lock().unwrap();
    let key = |index: usize| recorded_keys[index].as_ref().unwrap();
    assert_eq!((key(0).key.as_str(), key(0).reuse), ("k", KeyReuse::Refuse));
    assert_eq!(key(0), key(1));
    assert_ne!(key(0), key(2));
    assert_ne!(key(0), key(3));
    assert_eq!(recorded_keys[4], None);
}

#[actix_web::test]
async fn used_up_tokens_are_reported_with_the_end_of_the_day_in_both_formats() {
    let mut ports = Ports::new();
    ports.chat_options.tokens_per_day = NonZeroU32::new(9_000);
    ports.conversations.expect_begin_turn().times(2).returning(|_, new| {
        assert_eq!(new.tokens_per_day, NonZeroU32::new(9_000));
        Ok(TurnStart::TokensUsedUp)
    });
    let streamed = chat_request(r#"{"message":"hello"}"#).insert_header(("Accept", "text/event-stream"));
    for response in ports.send_all([chat_request(r#"{"message":"hello"}"#), streamed]).await {
        let problem = response.problem(429, "RATE_LIMITED", "");
        assert!(problem["message"].as_str().unwrap().contains("midnight (UTC)"), "{problem}");
        // It is 0.123456 s after noon.
        assert_eq!(response.header("retry-after"), "43200");
        assert_eq!(response.header("ratelimit"), r#""chat-tokens";r=0;t=43200"#);
        assert_eq!(response.header("ratelimit-policy"), r#""chat-tokens";q=9000;qu="tokens";w=86400"#);
    }
}
