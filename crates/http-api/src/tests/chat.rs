//! Chat, conversations and messages.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::conversation::{
    Conversation, ConversationCursor, ConversationRepoError, ConversationTarget, MessageCursor, MessageOrder,
    MockConversationRepo,
};
use domain::llm::{LlmError, ScriptedLlm, Step};
use domain::message::{Message, Part, Role, ToolCall, ToolResult};
use domain::page::{Page, PageRequest};
use domain::storage::StorageError;
use domain::tool::ToolOutcome;
use domain::turn::{Turn, TurnState};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{CONVERSATION, Ports, ask, json as with_json, me, now, user};

const CHAT: &str = "/api/{user_id}/chat";
const LIST: &str = "/api/{user_id}/conversations";
const ONE: &str = "/api/{user_id}/conversations/{id}";
const MESSAGES: &str = "/api/{user_id}/conversations/{id}/messages";

fn conversation() -> Conversation {
    Conversation {
        id: CONVERSATION.parse().unwrap(),
        user_id: me(),
        title: "Groceries".parse().unwrap(),
        active_turn: None,
        message_count: 2,
        created_at: now(),
        updated_at: now(),
    }
}

fn say(body: &str) -> actix_web::test::TestRequest {
    with_json(ask(Method::POST, CHAT), body)
}

/// A conversation that keeps what it must, and forgets it.
fn conversations() -> MockConversationRepo {
    let mut repo = MockConversationRepo::new();
    repo.expect_begin_turn().returning(|_, new| {
        let (ConversationTarget::Existing(conversation) | ConversationTarget::New(conversation, _)) = new.target;
        Ok(Turn { id: new.id, conversation, user_message: new.user_message, assistant_message: new.assistant_message })
    });
    repo.expect_messages().returning(|_, _, _, _| Ok(Page { items: Vec::new(), next: None }));
    repo.expect_save_progress().returning(|_, _, _| Ok(()));
    repo.expect_end_turn().returning(|_, _, _| Ok(()));
    repo
}

fn chatting(steps: impl IntoIterator<Item = Step>) -> Ports {
    let mut ports = Ports::new();
    ports.conversations = conversations();
    ports.users.expect_get().returning(|_| Ok(user()));
    ports.llm = ScriptedLlm::new(steps);
    ports.tools.expect_tools().returning(Vec::new);
    ports
}

#[actix_web::test]
async fn a_message_is_answered_with_what_the_assistant_did_and_said() {
    let mut ports = chatting([Step::calls("add_task", &json!({"title": "milk"})), Step::says("Done.")]);
    ports.tools.expect_run().returning(|_, _, _| {
        Ok(ToolOutcome::Done { message: "Task 'milk' created".into(), data: json!({"id": 1}), changed: true })
    });
    let answer = ports.ask(say(&format!(r#"{{"message":"add milk","conversation_id":"{CONVERSATION}"}}"#))).await;
    let turn = answer.ok(200);
    assert_eq!((&turn["response"], &turn["conversation_id"]), (&json!("Done."), &json!(CONVERSATION)));
    assert!(turn["message_id"].is_string() && turn["created_at"] == "2026-03-01T12:00:00.123456Z", "{turn}");
    assert_eq!(turn["usage"], json!({"tokens_in": 20, "tokens_out": 10}));
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
    ports.conversations.checkpoint();
    ports.conversations = MockConversationRepo::new();
    ports.conversations.expect_begin_turn().returning(|_, new| {
        Ok(Turn {
            id: new.id,
            conversation: CONVERSATION.parse().unwrap(),
            user_message: new.user_message,
            assistant_message: new.assistant_message,
        })
    });
    ports.conversations.expect_messages().returning(|_, _, _, _| Err(StorageError::Unavailable("x".into()).into()));
    ports.conversations.expect_end_turn().returning(|_, _, _| Ok(()));
    let problem = ports.ask(say(r#"{"message":"a"}"#)).await.problem(503, "DATABASE_UNAVAILABLE", "");
    assert_eq!(problem["conversation_id"], CONVERSATION);
}

#[actix_web::test]
async fn a_turn_that_was_taken_away_is_a_conflict() {
    let mut ports = chatting([Step::says("late")]);
    ports.conversations = MockConversationRepo::new();
    ports.conversations.expect_begin_turn().returning(|_, new| {
        Ok(Turn {
            id: new.id,
            conversation: CONVERSATION.parse().unwrap(),
            user_message: new.user_message,
            assistant_message: new.assistant_message,
        })
    });
    ports.conversations.expect_messages().returning(|_, _, _, _| Err(ConversationRepoError::NotFound));
    ports.conversations.expect_end_turn().returning(|_, _, _| Err(ConversationRepoError::NoTurn));
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

#[actix_web::test]
async fn conversations_are_listed_in_pages() {
    let asked: Arc<Mutex<Vec<PageRequest<ConversationCursor>>>> = Arc::default();
    let key = ConversationCursor { updated_at: now(), id: CONVERSATION.parse().unwrap() };
    let listing = || {
        let mut ports = Ports::new();
        let asked = Arc::clone(&asked);
        ports.conversations.expect_list().returning(move |_, page| {
            asked.lock().unwrap().push(page);
            Ok(Page { items: vec![conversation()], next: Some(key) })
        });
        ports
    };
    let first = listing().ask(ask(Method::GET, LIST)).await;
    let time = "2026-03-01T12:00:00.123456Z";
    assert_eq!(
        first.ok(200),
        json!([{
            "id": CONVERSATION, "title": "Groceries", "active_turn": null, "message_count": 2,
            "created_at": time, "updated_at": time,
        }])
    );
    let next = first.header("link").split(['<', '>']).nth(1).unwrap().to_owned();
    listing().ask(ask(Method::GET, &format!("{next}&limit=100"))).await.ok(200);
    let asked = asked.lock().unwrap();
    assert_eq!((asked[0].limit.get(), asked[0].after), (50, None));
    assert_eq!((asked[1].limit.get(), asked[1].after), (100, Some(key)));
}

#[actix_web::test]
async fn queries_that_make_no_sense_name_their_parameter() {
    let cursor = |value: &Value| format!("cursor={}", URL_SAFE_NO_PAD.encode(value.to_string()));
    let ancient = cursor(&json!({"updated_at": "-9000-01-01T00:00:00Z", "id": CONVERSATION}));
    let remote = cursor(&json!({"updated_at": "+200000-01-01T00:00:00Z", "id": CONVERSATION}));
    let large = cursor(&json!(u32::MAX));
    for (path, query, field) in [
        (LIST, "limit=101", "limit"),
        (LIST, "limit=0", "limit"),
        (LIST, "order=asc", "order"),
        (LIST, "cursor=x", "cursor"),
        (LIST, &ancient, "cursor"),
        (LIST, &remote, "cursor"),
        (MESSAGES, "limit=101", "limit"),
        (MESSAGES, "order=up", "order"),
        (MESSAGES, "cursor=%C3%A9", "cursor"),
        (MESSAGES, &large, "cursor"),
        (MESSAGES, "page=1", "page"),
    ] {
        let answer = Ports::new().ask(ask(Method::GET, &format!("{path}?{query}"))).await;
        answer.problem(400, "VALIDATION_ERROR", field);
    }
}

#[actix_web::test]
async fn a_conversation_is_read_renamed_and_deleted() {
    let mut ports = Ports::new();
    let running = Conversation { active_turn: Some(Uuid::from_u128(5).into()), ..conversation() };
    ports.conversations.expect_get().returning(move |_, _| Ok(running.clone()));
    ports.conversations.expect_rename().times(1).returning(|_, _, title| Ok(Conversation { title, ..conversation() }));
    ports.conversations.expect_delete().times(1).returning(|_, _| Ok(()));
    let answers = ports
        .ask_all([
            ask(Method::GET, ONE),
            with_json(ask(Method::PATCH, ONE), r#"{"title":" Shopping "}"#),
            with_json(ask(Method::PATCH, ONE), r#"{"title":null}"#),
            with_json(ask(Method::PATCH, ONE), "{}"),
            ask(Method::DELETE, ONE),
        ])
        .await;
    assert_eq!(answers[0].ok(200)["active_turn"], "00000000-0000-0000-0000-000000000005");
    assert_eq!(answers[1].ok(200)["title"], "Shopping");
    assert_eq!(answers[2].ok(200)["title"], "Groceries");
    assert_eq!(answers[3].ok(200)["title"], "Groceries");
    assert_eq!((answers[4].status.as_u16(), answers[4].text.as_str()), (204, ""));
    for (body, field) in [(r#"{"title":" "}"#, "title"), (r#"{"title":5}"#, "title"), (r#"{"name":"x"}"#, "name")] {
        Ports::new().ask(with_json(ask(Method::PATCH, ONE), body)).await.problem(400, "VALIDATION_ERROR", field);
    }
}

fn message() -> Message {
    let call = |result| ToolCall {
        id: "call_0".into(),
        round: 0,
        tool: "add_task".into(),
        parameters: json!({"title": "milk"}),
        result,
    };
    let result = ToolResult { success: true, message: "created".into(), data: Value::Null };
    Message {
        id: Uuid::from_u128(6).into(),
        conversation: CONVERSATION.parse().unwrap(),
        position: 2,
        role: Role::Assistant,
        parts: vec![
            Part::Plan { round: 0, text: "I add it".into() },
            Part::ToolCall(call(Some(result))),
            Part::ToolCall(call(None)),
            Part::Text { round: 1, text: "<script>\u{1b}[31m".into() },
            Part::Notice { text: "Nothing was changed.".into() },
        ],
        status: TurnState::Failed,
        grounded: false,
        created_at: now(),
    }
}

#[actix_web::test]
async fn messages_come_with_every_part_in_the_order_that_is_asked_for() {
    type Asked = Vec<(MessageOrder, PageRequest<MessageCursor>)>;
    let asked: Arc<Mutex<Asked>> = Arc::default();
    let mut ports = Ports::new();
    let note = Arc::clone(&asked);
    ports.conversations.expect_messages().returning(move |_, _, order, page| {
        note.lock().unwrap().push((order, page));
        Ok(Page { items: vec![message()], next: Some(MessageCursor(2)) })
    });
    let cursor = URL_SAFE_NO_PAD.encode("7");
    let answers = ports
        .ask_all([
            ask(Method::GET, MESSAGES),
            ask(Method::GET, &format!("{MESSAGES}?order=desc&limit=2&cursor={cursor}")),
        ])
        .await;
    let message = &answers[0].ok(200)[0];
    assert_eq!(message["content"], "<script>\u{1b}[31m\n\nNothing was changed.");
    assert_eq!((&message["role"], &message["status"]), (&json!("assistant"), &json!("failed")));
    assert_eq!(message["grounded"], false);
    assert_eq!(message["tool_calls"].as_array().map(Vec::len), Some(2));
    assert_eq!(message["tool_calls"][1]["result"], Value::Null);
    let kinds: Vec<_> = message["parts"].as_array().unwrap().iter().map(|part| part["type"].clone()).collect();
    assert_eq!(kinds, ["plan", "tool_call", "tool_call", "text", "notice"]);
    let asked = asked.lock().unwrap();
    assert_eq!((asked[0].0, asked[0].1.limit.get(), asked[0].1.after), (MessageOrder::Ascending, 50, None));
    assert_eq!((asked[1].0, asked[1].1.limit.get()), (MessageOrder::Descending, 2));
    assert_eq!(asked[1].1.after, Some(MessageCursor(7)));
    assert!(answers[1].header("link").contains("order=desc&limit=2&cursor="), "{}", answers[1].header("link"));
}
