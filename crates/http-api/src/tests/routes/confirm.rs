//! Confirmations of pending actions.

use std::sync::{Arc, Mutex};

use actix_web::http::Method;
use chrono::TimeDelta;
use domain::change::{Action, Entry, Seq, TaskRef, UndoLink};
use domain::conversation::message::{Message, Part, Role, ToolCall};
use domain::conversation::turn::TurnState;
use domain::conversation::{
    ConversationRepoError, MockConversationRepo, NewTurn, PendingAction, PendingItem, PendingItemAction, TurnStart,
};
use domain::llm::Step;
use domain::page::Page;
use domain::task::Version;
use domain::tool::{ResolvedCall, ToolOutcome};
use domain::user::TimeZone;
use serde_json::{Value, json};

use crate::tests::support::{
    CONVERSATION, MESSAGE, OPERATION, Ports, TASK, chat_request, conversation_repo, entry, now, ports_with_llm,
    receipt, signed_in, started_turn, task,
};

const PENDING: &str = "00000000-0000-7000-8000-0000000000ff";
const MESSAGES: &str = "/api/{user_id}/conversations/{id}/messages";

fn item(action: PendingItemAction) -> PendingItem {
    let task = TaskRef { id: TASK.parse().unwrap(), title: "milk".parse().unwrap() };
    PendingItem { task, version: Version::FIRST, action }
}

fn pending() -> PendingAction {
    let update = PendingItemAction::Update { new_title: "bread".parse().unwrap() };
    PendingAction {
        id: PENDING.parse().unwrap(),
        message: MESSAGE.parse().unwrap(),
        items: vec![item(PendingItemAction::Delete), item(update)],
        expires_at: now() + TimeDelta::hours(1),
    }
}

fn pending_body() -> Value {
    let task = json!({"id": TASK, "title": "milk"});
    json!({
        "id": PENDING, "expires_at": "2026-03-01T13:00:00.123456Z",
        "items": [{"action": "delete", "task": task}, {"action": "update", "task": task, "new_title": "bread"}],
    })
}

fn confirmation() -> String {
    json!({"confirm": PENDING, "conversation_id": CONVERSATION}).to_string()
}

/// Ports of a conversation with a pending action. The model has no script: a request to it fails.
fn with_pending(started_turns: &Arc<Mutex<Vec<NewTurn>>>) -> Ports {
    let mut ports = ports_with_llm([]);
    let recorded = Arc::clone(started_turns);
    let mut repo = MockConversationRepo::new();
    repo.expect_begin_turn().returning(move |_, new| {
        recorded.lock().unwrap().push(new.clone());
        Ok(TurnStart::New { turn: started_turn(&new), pending: Some(pending()), time_zone: TimeZone::default() })
    });
    repo.expect_save_progress().returning(|_, _, _| Ok(()));
    repo.expect_end_turn().returning(|_, _, _| Ok(()));
    ports.conversations = repo;
    ports.tools.expect_find_effect().returning(|_, _| Ok(None));
    ports.tools.expect_run_pending().withf(|_, confirmed| *confirmed == pending()).returning(|_, _| {
        let (message, changes) = ("Done.".to_owned(), vec![receipt(41, Action::Deleted)]);
        Ok(ToolOutcome::Done { message, data: json!({}), changes })
    });
    ports
}

#[actix_web::test]
async fn a_confirmation_runs_the_pending_action_without_the_model() {
    let turns = Arc::default();
    let whole = with_pending(&turns).send(chat_request(&confirmation())).await.ok(200);
    let change =
        json!({"seq": 41, "operation_id": OPERATION, "action": "deleted", "task": {"id": TASK, "title": "milk"}});
    assert_eq!(
        (&whole["changes"], &whole["undoable"], &whole["pending"]),
        (&json!([change]), &json!(true), &json!(null))
    );
    assert_eq!((&whole["status"], &whole["usage"]), (&json!("complete"), &json!({"tokens_in": 0, "tokens_out": 0})));

    let streamed = chat_request(&confirmation()).insert_header(("Accept", "text/event-stream"));
    let frames = with_pending(&turns).send(streamed).await.frames();
    let metadata = &frames.last().unwrap()["messageMetadata"];
    assert_eq!(
        (&metadata["changes"], &metadata["undoable"], metadata.get("pending")),
        (&json!([change]), &json!(true), None)
    );

    for turn in turns.lock().unwrap().iter() {
        assert_eq!(turn.confirms, Some(PENDING.parse().unwrap()));
        assert_eq!(turn.target, domain::conversation::ConversationTarget::Existing(CONVERSATION.parse().unwrap()));
        assert!(matches!(&turn.user_parts[..], [Part::Text { text, .. }] if text == "Confirmed."), "{turn:?}");
    }
}

#[actix_web::test]
async fn an_unknown_and_an_invalid_pending_id_get_the_same_response() {
    let mut responses = Vec::new();
    for id in [PENDING, "no-id", ""] {
        let mut ports = Ports::new();
        ports.conversations.expect_begin_turn().returning(|_, _| Err(ConversationRepoError::NotPending));
        let body = json!({"confirm": id, "conversation_id": CONVERSATION}).to_string();
        let response = ports.send(chat_request(&body)).await;
        response.problem(409, "NOT_PENDING", "");
        responses.push(response.without_request_id());
    }
    responses.dedup();
    assert_eq!(responses.len(), 1);

    let unknown = json!({"confirm": PENDING, "conversation_id": "no-id"}).to_string();
    Ports::new().send(chat_request(&unknown)).await.problem(404, "CONVERSATION_NOT_FOUND", "");
}

#[actix_web::test]
async fn a_request_has_either_a_message_or_a_confirmation() {
    let sdk = json!([{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "yes"}]}]);
    for (body, field, message) in [
        (
            json!({"message": "yes", "confirm": PENDING, "conversation_id": CONVERSATION}),
            "confirm",
            "confirm cannot be given with message",
        ),
        (json!({"message": "yes", "confirm": ""}), "confirm", "confirm cannot be given with message"),
        (json!({"messages": sdk, "confirm": PENDING}), "confirm", "confirm cannot be given with messages"),
        (json!({"confirm": PENDING}), "conversation_id", "conversation_id is required with confirm"),
        (
            json!({"confirm": PENDING, "conversation_id": null}),
            "conversation_id",
            "conversation_id is required with confirm",
        ),
        (json!({"confirm": 5, "conversation_id": CONVERSATION}), "confirm", "confirm must be a string"),
        (json!({"confirm": null, "conversation_id": CONVERSATION}), "message", "Message cannot be empty"),
    ] {
        let problem = Ports::new().send(chat_request(&body.to_string())).await.problem(400, "VALIDATION_ERROR", field);
        assert_eq!(problem["message"], message, "{body}");
    }
}

#[actix_web::test]
async fn a_confirmation_has_a_fingerprint_of_its_own() {
    let fingerprints = Arc::new(Mutex::new(Vec::new()));
    let mut ports = Ports::new();
    let recorded = Arc::clone(&fingerprints);
    ports.conversations.expect_begin_turn().returning(move |_, new| {
        recorded.lock().unwrap().push(new.idempotency.unwrap().fingerprint);
        Err(ConversationRepoError::NotPending)
    });
    let other = json!({"confirm": TASK, "conversation_id": CONVERSATION}).to_string();
    let other_conversation = json!({"confirm": PENDING, "conversation_id": MESSAGE}).to_string();
    let message = json!({"message": PENDING, "conversation_id": CONVERSATION}).to_string();
    let bodies = [confirmation(), confirmation(), other, other_conversation, message];
    ports.send_all(bodies.iter().map(|body| chat_request(body).insert_header(("Idempotency-Key", "k")))).await;
    let fingerprints = fingerprints.lock().unwrap();
    assert_eq!(fingerprints[0], fingerprints[1]);
    assert!(fingerprints[2..].iter().all(|other| *other != fingerprints[0]));
}

#[actix_web::test]
async fn a_pending_action_is_in_the_response_and_in_the_stream() {
    let deleting_ports = || {
        let calls = (0..4).map(|n| ("delete_task", format!(r#"{{"task_identifier":"{n}"}}"#))).collect::<Vec<_>>();
        let calls = Step::calls_raw(calls.iter().map(|(tool, arguments)| (*tool, arguments.as_str())));
        let mut ports = ports_with_llm([calls, Step::says("Shall I?")]);
        ports.conversations = conversation_repo();
        ports.tools.checkpoint();
        ports.tools.expect_tools().returning(Vec::new);
        ports.tools.expect_resolve().returning(|_, calls| {
            let item = |number: usize| {
                let id = uuid::Uuid::from_u128(number as u128 + 1).into();
                let task = TaskRef { id, title: "milk".parse().unwrap() };
                let item = PendingItem { task, version: Version::FIRST, action: PendingItemAction::Delete };
                ResolvedCall { overwrites: Some(item), target: None }
            };
            Ok((0..calls.len()).map(item).collect())
        });
        ports
    };
    let body = json!({"message": "clear my list", "conversation_id": CONVERSATION}).to_string();
    let whole = deleting_ports().send(chat_request(&body)).await.ok(200);
    assert_eq!((&whole["changes"], &whole["undoable"]), (&json!([]), &json!(false)));
    let items = whole["pending"]["items"].as_array().unwrap();
    assert_eq!(items.len(), 4, "{whole}");
    assert!(items.iter().all(|item| item["action"] == "delete" && item.get("new_title").is_none()), "{whole}");
    assert_eq!(whole["pending"]["expires_at"], "2026-03-01T13:00:00.123456Z");

    let frames =
        deleting_ports().send(chat_request(&body).insert_header(("Accept", "text/event-stream"))).await.frames();
    let metadata = &frames.last().unwrap()["messageMetadata"];
    assert_eq!((&metadata["pending"]["items"], &metadata["changes"]), (&whole["pending"]["items"], &json!([])));
}

fn message(id: &str) -> Message {
    let call = ToolCall {
        id: "call_0".into(),
        round: 0,
        tool: "update_task".into(),
        parameters: json!({}),
        result: None,
        changes: vec![receipt(41, Action::Completed), receipt(43, Action::Deleted)],
    };
    Message {
        id: id.parse().unwrap(),
        conversation: CONVERSATION.parse().unwrap(),
        position: 2,
        role: Role::Assistant,
        parts: vec![Part::ToolCall(call)],
        status: TurnState::Complete,
        created_at: now(),
    }
}

#[actix_web::test]
async fn a_stored_message_carries_undone_changes_and_the_pending_action() {
    let mut ports = Ports::new();
    let items = || vec![message(MESSAGE), message(TASK)];
    ports.conversations.expect_messages().returning(move |_, _, _, _| Ok(Page { items: items(), next: None }));
    ports.conversations.expect_pending().returning(|_, _, _| Ok(Some(pending())));
    ports.changes.expect_find().returning(|_, _| {
        let by_turn = |seq, action| Entry {
            message: Some(MESSAGE.parse().unwrap()),
            ..entry(seq, action, Some(task(1)), Some(task(2)))
        };
        Ok(vec![by_turn(41, Action::Completed), by_turn(43, Action::Deleted)])
    });
    ports.changes.expect_undo_links().returning(|_, _| Ok(vec![UndoLink { seq: Seq(50), undoes: Seq(43) }]));
    let messages = ports.send(signed_in(Method::GET, MESSAGES)).await.ok(200);
    let undone: Vec<_> =
        messages[0]["changes"].as_array().unwrap().iter().map(|change| change.get("undone_by")).collect();
    assert_eq!(undone, [None, Some(&json!(50))]);
    assert_eq!((&messages[0]["undoable"], &messages[0]["pending"]), (&json!(true), &pending_body()));
    assert_eq!((&messages[1]["undoable"], &messages[1]["pending"]), (&json!(false), &json!(null)));
}
