//! Saying something to the assistant, and its answer as a whole.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use domain::change::{Action, Receipt, Seq, TaskRef};
use domain::conversation::{
    ConversationRepoError, ConversationTarget, KeyReuse, MockConversationRepo, NewTurn, StoredAnswer, TurnStart,
};
use domain::llm::{LlmError, ScriptedLlm, Step};
use domain::message::{Message, Part, Role};
use domain::page::Page;
use domain::storage::StorageError;
use domain::tool::ToolOutcome;
use domain::turn::{Turn, TurnState, Usage};
use serde_json::json;

use super::{CONVERSATION, OPERATION, Ports, TASK, ask, json as with_json, now, user};

pub(super) const CHAT: &str = "/api/{user_id}/chat";

pub(super) fn say(body: &str) -> TestRequest {
    with_json(ask(Method::POST, CHAT), body)
}

/// What is begun by beginning `new`.
pub(super) fn begun(new: &NewTurn) -> Turn {
    let (ConversationTarget::Existing(conversation)
    | ConversationTarget::New(conversation, _)
    | ConversationTarget::Keyed(_, conversation, _)) = new.target;
    Turn {
        id: new.id,
        conversation,
        user_message: new.user_message,
        position: 1,
        assistant_message: new.assistant_message,
        attempt: 1,
    }
}

/// The receipt of a change to the task "milk".
pub(super) fn receipt(seq: u64, action: Action) -> Receipt {
    Receipt {
        seq: Seq(seq),
        operation_id: OPERATION.parse().unwrap(),
        action,
        task: TaskRef { id: TASK.parse().unwrap(), title: "milk".parse().unwrap() },
        previous_title: None,
    }
}

/// A conversation in which every turn is begun.
fn beginning() -> MockConversationRepo {
    let mut repo = MockConversationRepo::new();
    repo.expect_begin_turn().returning(|_, new| Ok(TurnStart::New { turn: begun(&new), pending: None }));
    repo
}

/// A conversation that keeps what it must, and forgets it.
pub(super) fn conversations() -> MockConversationRepo {
    let mut repo = beginning();
    repo.expect_messages().returning(|_, _, _, _| Ok(Page { items: Vec::new(), next: None }));
    repo.expect_save_progress().returning(|_, _, _| Ok(()));
    repo.expect_end_turn().returning(|_, _, _| Ok(()));
    repo
}

pub(super) fn chatting(steps: impl IntoIterator<Item = Step>) -> Ports {
    let mut ports = Ports::new();
    ports.conversations = conversations();
    ports.users.expect_get().returning(|_| Ok(user()));
    ports.llm = ScriptedLlm::new(steps);
    ports.tools.expect_tools().returning(Vec::new);
    ports.tools.expect_overwrite_targets().returning(|_, calls| Ok(vec![None; calls.len()]));
    ports
}

#[actix_web::test]
async fn a_message_is_answered_with_what_the_assistant_did_and_said() {
    let mut ports = chatting([Step::calls("add_task", &json!({"title": "milk"})), Step::says("Done.")]);
    ports.tools.expect_run().returning(|_, _, _| {
        let (message, data) = ("Task 'milk' created".into(), json!({"id": 1}));
        Ok(ToolOutcome::Done { message, data, changes: vec![receipt(41, Action::Created)] })
    });
    let answer = ports.ask(say(&format!(r#"{{"message":"add milk","conversation_id":"{CONVERSATION}"}}"#))).await;
    let turn = answer.ok(200);
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
        let problem = Ports::new().ask(say(body)).await.problem(400, "VALIDATION_ERROR", field);
        assert_eq!(problem["message"], message, "{body}");
    }
}

#[actix_web::test]
async fn a_conversation_id_that_is_none_or_not_there_is_not_found_before_any_model_is_asked() {
    let mut answers = Vec::new();
    for id in [CONVERSATION, "no-id", ""] {
        let mut ports = Ports::new();
        ports.conversations.expect_begin_turn().returning(|_, _| Err(ConversationRepoError::NotFound));
        let answer = ports.ask(say(&format!(r#"{{"message":"a","conversation_id":"{id}"}}"#))).await;
        answer.problem(404, "CONVERSATION_NOT_FOUND", "");
        answers.push(answer.apart_from_id());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
}

#[actix_web::test]
async fn a_conversation_has_one_turn_at_a_time() {
    let mut ports = Ports::new();
    ports.conversations.expect_begin_turn().returning(|_, _| Err(ConversationRepoError::TurnInProgress));
    ports.ask(say(r#"{"message":"a"}"#)).await.problem(409, "TURN_IN_PROGRESS", "");
}

#[actix_web::test]
async fn a_model_that_fails_is_told_by_kind_and_says_where_the_message_is_kept() {
    let cause = || "marked cause".into();
    let retry_after = Some(Duration::from_millis(6500));
    for (error, status, code, retry) in [
        (LlmError::Timeout(cause()), 504, "AI_TIMEOUT", ""),
        (LlmError::RateLimited { retry_after, source: cause() }, 503, "AI_UNAVAILABLE", "7"),
        (LlmError::RateLimited { retry_after: None, source: cause() }, 503, "AI_UNAVAILABLE", "30"),
        (LlmError::Unauthorized(cause()), 502, "AI_ERROR", ""),
        (LlmError::Unavailable(cause()), 502, "AI_ERROR", ""),
        (LlmError::BadReply(cause()), 502, "AI_ERROR", ""),
        (LlmError::ModelRetired { model: "marked".into(), setting: "X", source: cause() }, 502, "AI_ERROR", ""),
    ] {
        let answer = chatting([Step::Fail(error)]).ask(say(r#"{"message":"a"}"#)).await;
        let problem = answer.problem(status, code, "");
        assert!(problem["conversation_id"].is_string() && problem["message_id"].is_string(), "{problem}");
        assert_eq!(answer.header("retry-after"), retry, "{code}");
        assert!(!answer.text.contains("marked"), "{}", answer.text);
    }
}

#[actix_web::test]
async fn storage_that_fails_in_a_turn_says_where_the_message_is_kept_too() {
    let mut ports = chatting([Step::says("late")]);
    ports.conversations = beginning();
    ports.conversations.expect_messages().returning(|_, _, _, _| Err(StorageError::Unavailable("x".into()).into()));
    ports.conversations.expect_end_turn().returning(|_, _, _| Ok(()));
    let there = format!(r#"{{"message":"a","conversation_id":"{CONVERSATION}"}}"#);
    let problem = ports.ask(say(&there)).await.problem(503, "DATABASE_UNAVAILABLE", "");
    assert_eq!(problem["conversation_id"], CONVERSATION);
}

#[actix_web::test]
async fn a_turn_that_was_taken_away_is_a_conflict() {
    let mut ports = chatting([Step::says("late")]);
    ports.conversations = beginning();
    ports.conversations.expect_messages().returning(|_, _, _, _| Err(ConversationRepoError::NotFound));
    ports.conversations.expect_answer().returning(|_, _| Err(ConversationRepoError::NoTurn));
    ports.ask(say(r#"{"message":"a"}"#)).await.problem(409, "NO_TURN", "");
}

#[actix_web::test]
async fn a_turn_that_panics_is_an_unexpected_error() {
    let mut ports = chatting([]);
    ports.conversations = MockConversationRepo::new();
    ports.conversations.expect_begin_turn().returning(|_, _| panic!("marked"));
    let answer = ports.ask(say(r#"{"message":"a"}"#)).await;
    answer.problem(500, "INTERNAL_ERROR", "");
    assert!(!answer.text.contains("marked"));
}

/// What is kept of a turn in which this was said.
fn kept(new: &NewTurn, parts: Vec<Part>, status: TurnState) -> StoredAnswer {
    let turn = begun(new);
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
    say(body).insert_header(("Idempotency-Key", key))
}

#[actix_web::test]
async fn a_message_that_was_answered_before_is_answered_the_same_in_the_form_that_is_asked_for_now() {
    let parts = || vec![Part::Text { round: 0, text: "Done.".into() }, Part::Notice { text: "Truly.".into() }];
    for status in [TurnState::Complete, TurnState::Stopped] {
        let mut ports = Ports::new();
        ports
            .conversations
            .expect_begin_turn()
            .returning(move |_, new| Ok(TurnStart::AlreadyAnswered(Box::new(kept(&new, parts(), status)))));
        ports.conversations.expect_pending().returning(|_, _, _| Ok(None));
        let body = r#"{"message":"add milk"}"#;
        let streamed = with_key("k", body).insert_header(("Accept", "text/event-stream"));
        let answers = ports.ask_all([with_key("k", body), streamed]).await;
        let whole = answers[0].ok(200);
        assert_eq!((&whole["response"], &whole["status"]), (&json!("Done.\n\nTruly."), &json!(status.as_str())));
        let frames = answers[1].frames();
        let told = frames.iter().rev().find_map(|frame| frame.get("messageMetadata")).unwrap();
        assert_eq!((&told["status"], &told["usage"]), (&whole["status"], &whole["usage"]));
        let said: Vec<_> = frames.iter().filter_map(|frame| frame["delta"].as_str()).collect();
        assert_eq!(said, ["Done.", "Truly."]);
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
        ports.ask(with_key("k", r#"{"message":"a"}"#)).await.problem(status, code, field);
    }
    for key in ["", "\u{e9}"] {
        let answer = Ports::new().ask(with_key(key, r#"{"message":"a"}"#)).await;
        answer.problem(400, "VALIDATION_ERROR", "Idempotency-Key");
    }
}

#[actix_web::test]
async fn what_is_asked_for_is_the_words_and_the_place_and_nothing_else() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let mut ports = Ports::new();
    let note = Arc::clone(&asked);
    ports.conversations.expect_begin_turn().returning(move |_, new| {
        note.lock().unwrap().push(new.idempotency);
        Err(ConversationRepoError::TurnInProgress)
    });
    let there = format!(r#"{{"message":"add milk","conversation_id":"{CONVERSATION}"}}"#);
    let requests = [
        with_key("k", r#"{"message":"add milk"}"#),
        with_key("k", r#"{ "message": " add milk " }"#).insert_header(("Accept", "text/event-stream")),
        with_key("k", r#"{"message":"add bread"}"#),
        with_key("k", &there),
        say(r#"{"message":"add milk"}"#),
    ];
    ports.ask_all(requests).await;
    let asked = asked.lock().unwrap();
    let one = |index: usize| asked[index].as_ref().unwrap();
    assert_eq!((one(0).key.as_str(), one(0).reuse), ("k", KeyReuse::Refuse));
    assert_eq!(one(0), one(1));
    assert_ne!(one(0), one(2));
    assert_ne!(one(0), one(3));
    assert_eq!(asked[4], None);
}
