//! Conversations, their messages and their usage.

use std::sync::{Arc, Mutex};

use actix_web::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::change::Action;
use domain::conversation::message::{Message, Part, Role, ToolCall, ToolResult};
use domain::conversation::turn::{TurnState, Usage};
use domain::conversation::{Conversation, ConversationCursor, DailyUsage, MessageCursor, MessageOrder};
use domain::page::{Page, PageRequest};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::tests::support::{
    CONVERSATION, OPERATION, Ports, TASK, conversation, json as with_json, now, receipt, signed_in,
};

const LIST: &str = "/api/{user_id}/conversations";
const ONE: &str = "/api/{user_id}/conversations/{id}";
const MESSAGES: &str = "/api/{user_id}/conversations/{id}/messages";
const USAGE: &str = "/api/{user_id}/usage";

#[actix_web::test]
async fn conversations_are_listed_in_pages() {
    let requested: Arc<Mutex<Vec<PageRequest<ConversationCursor>>>> = Arc::default();
    let key = ConversationCursor { updated_at: now(), id: CONVERSATION.parse().unwrap() };
    let listing = || {
        let mut ports = Ports::new();
        let requested = Arc::clone(&requested);
        ports.conversations.expect_list().returning(move |_, page| {
            requested.lock().unwrap().push(page);
            Ok(Page { items: vec![conversation()], next: Some(key) })
        });
        ports
    };
    let first = listing().send(signed_in(Method::GET, LIST)).await;
    let time = "2026-03-01T12:00:00.123456Z";
    assert_eq!(
        first.ok(200),
        json!([{
            "id": CONVERSATION, "title": "Groceries", "active_turn": null, "message_count": 2,
            "created_at": time, "updated_at": time,
        }])
    );
    let next = first.header("link").split(['<', '>']).nth(1).unwrap().to_owned();
    listing().send(signed_in(Method::GET, &format!("{next}&limit=100"))).await.ok(200);
    let requested = requested.lock().unwrap();
    assert_eq!((requested[0].limit.get(), requested[0].after), (50, None));
    assert_eq!((requested[1].limit.get(), requested[1].after), (100, Some(key)));
}

#[actix_web::test]
async fn invalid_queries_name_their_parameter() {
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
        (USAGE, "days=0", "days"),
        (USAGE, "days=367", "days"),
        (USAGE, "days=a", "days"),
        (USAGE, "limit=1", "limit"),
    ] {
        let response = Ports::new().send(signed_in(Method::GET, &format!("{path}?{query}"))).await;
        response.problem(400, "VALIDATION_ERROR", field);
    }
}

#[actix_web::test]
async fn a_conversation_is_read_renamed_and_deleted() {
    let mut ports = Ports::new();
    let running = Conversation { active_turn: Some(Uuid::from_u128(5).into()), ..conversation() };
    ports.conversations.expect_get().returning(move |_, _| Ok(running.clone()));
    ports.conversations.expect_rename().times(1).returning(|_, _, title| Ok(Conversation { title, ..conversation() }));
    ports.conversations.expect_delete().times(1).returning(|_, _| Ok(()));
    let responses = ports
        .send_all([
            signed_in(Method::GET, ONE),
            with_json(signed_in(Method::PATCH, ONE), r#"{"title":" Shopping "}"#),
            with_json(signed_in(Method::PATCH, ONE), r#"{"title":null}"#),
            with_json(signed_in(Method::PATCH, ONE), "{}"),
            signed_in(Method::DELETE, ONE),
        ])
        .await;
    assert_eq!(responses[0].ok(200)["active_turn"], "00000000-0000-0000-0000-000000000005");
    assert_eq!(responses[1].ok(200)["title"], "Shopping");
    assert_eq!(responses[2].ok(200)["title"], "Groceries");
    assert_eq!(responses[3].ok(200)["title"], "Groceries");
    assert_eq!((responses[4].status.as_u16(), responses[4].text.as_str()), (204, ""));
    for (body, field) in [(r#"{"title":" "}"#, "title"), (r#"{"title":5}"#, "title"), (r#"{"name":"x"}"#, "name")] {
        Ports::new().send(with_json(signed_in(Method::PATCH, ONE), body)).await.problem(400, "VALIDATION_ERROR", field);
    }
}

fn message() -> Message {
    let call = |result| ToolCall {
        id: "call_0".into(),
        round: 0,
        tool: "add_task".into(),
        parameters: json!({"title": "milk"}),
        result,
        changes: Vec::new(),
    };
    let result = ToolResult { success: true, message: "created".into(), data: Value::Null };
    Message {
        id: Uuid::from_u128(6).into(),
        conversation: CONVERSATION.parse().unwrap(),
        position: 2,
        role: Role::Assistant,
        parts: vec![
            Part::Plan { round: 0, text: "I add it".into() },
            Part::ProviderData { round: 0, source: "openai https://one.example m".into(), data: "{}".into() },
            Part::ToolCall(ToolCall { changes: vec![receipt(41, Action::Created)], ..call(Some(result)) }),
            Part::ToolCall(call(None)),
            Part::Text { round: 1, text: "<script>\u{1b}[31m".into() },
            Part::Notice { text: "Nothing was changed.".into() },
        ],
        status: TurnState::Failed,
        created_at: now(),
    }
}

#[actix_web::test]
async fn messages_are_listed_with_the_parts_for_the_user_in_the_requested_order() {
    type Requested = Vec<(MessageOrder, PageRequest<MessageCursor>)>;
    let requested: Arc<Mutex<Requested>> = Arc::default();
    let mut ports = Ports::new();
    let recorded = Arc::clone(&requested);
    ports.conversations.expect_pending().returning(|_, _, _| Ok(None));
    ports.conversations.expect_messages().returning(move |_, _, order, page| {
        recorded.lock().unwrap().push((order, page));
        Ok(Page { items: vec![message()], next: Some(MessageCursor(2)) })
    });
    let cursor = URL_SAFE_NO_PAD.encode("7");
    let responses = ports
        .send_all([
            signed_in(Method::GET, MESSAGES),
            signed_in(Method::GET, &format!("{MESSAGES}?order=desc&limit=2&cursor={cursor}")),
        ])
        .await;
    let message = &responses[0].ok(200)[0];
    assert_eq!(message["content"], "<script>\u{1b}[31m\n\nNothing was changed.");
    assert_eq!((&message["role"], &message["status"]), (&json!("assistant"), &json!("failed")));
    let change =
        json!({"seq": 41, "operation_id": OPERATION, "action": "created", "task": {"id": TASK, "title": "milk"}});
    assert_eq!((&message["changes"], &message["parts"][1]["changes"]), (&json!([change]), &json!([change])));
    assert_eq!((&message["undoable"], &message["pending"]), (&json!(false), &json!(null)), "the entry is pruned");
    assert_eq!(message["tool_calls"].as_array().map(Vec::len), Some(2));
    assert_eq!(message["tool_calls"][1]["result"], Value::Null);
    assert_eq!(
        (&message["tool_calls"][1]["success"], &message["tool_calls"][1]["error"]),
        (&Value::Null, &Value::Null)
    );
    let kinds: Vec<_> = message["parts"].as_array().unwrap().iter().map(|part| part["type"].clone()).collect();
    assert_eq!(kinds, ["plan", "tool_call", "tool_call", "text", "notice"]);
    let requested = requested.lock().unwrap();
    assert_eq!((requested[0].0, requested[0].1.limit.get(), requested[0].1.after), (MessageOrder::Ascending, 50, None));
    assert_eq!((requested[1].0, requested[1].1.limit.get()), (MessageOrder::Descending, 2));
    assert_eq!(requested[1].1.after, Some(MessageCursor(7)));
    assert!(responses[1].header("link").contains("order=desc&limit=2&cursor="), "{}", responses[1].header("link"));
}

#[actix_web::test]
async fn usage_is_reported_per_day_and_model() {
    let requested = Arc::new(Mutex::new(Vec::new()));
    let mut ports = Ports::new();
    let recorded = Arc::clone(&requested);
    ports.conversations.expect_usage().returning(move |_, since| {
        recorded.lock().unwrap().push(since);
        Ok(vec![DailyUsage {
            day: now().date_naive(),
            provider: "cohere".into(),
            model: "command-a-03-2025".into(),
            turns: 3,
            usage: Usage { tokens_in: 700, tokens_out: 50 },
        }])
    });
    let days = |days: &str| signed_in(Method::GET, &format!("{USAGE}{days}"));
    let responses = ports.send_all([days(""), days("?days=1"), days("?days=366")]).await;
    assert_eq!(
        responses[0].ok(200),
        json!([{
            "day": "2026-03-01", "provider": "cohere", "model": "command-a-03-2025", "turns": 3,
            "tokens_in": 700, "tokens_out": 50,
        }])
    );
    let requested: Vec<String> = requested.lock().unwrap().iter().map(chrono::DateTime::to_rfc3339).collect();
    assert_eq!(requested, ["2026-01-31T00:00:00+00:00", "2026-03-01T00:00:00+00:00", "2025-03-01T00:00:00+00:00"]);
}
