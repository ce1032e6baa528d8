//! Bodies of the AI SDK on the chat route.

use std::sync::{Arc, Mutex};

use actix_web::test::TestRequest;
use domain::conversation::message::Part;
use domain::conversation::{
    ConversationRepoError, ConversationTarget, Idempotency, KeyReuse, MockConversationRepo, TurnStart,
};
use domain::llm::Step;
use domain::user::TimeZone;
use serde_json::{Value, json};

use crate::tests::support::{
    CHAT, CONVERSATION, Ports, chat_request, conversation, json as with_json, ports_with_llm, signed_in, started_turn,
};

/// The body that `useChat` sends: the whole conversation and fields of the SDK.
fn sdk_body() -> Value {
    json!({
        "id": "chat-1",
        "messages": [
            {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Hello"}], "metadata": {"at": 1}},
            {"id": "m2", "role": "assistant", "metadata": {"status": "complete"}, "parts": [
                {"type": "step-start"},
                {"type": "tool-add_task", "toolCallId": "a", "state": "output-available", "input": {},
                    "output": {"text": 5}},
                {"type": "text", "text": "Hi", "state": "done"},
            ]},
            {"id": "m3", "role": "user", "parts": [
                {"type": "text", "text": "Add a task "},
                {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,"},
                {"type": "text", "text": "to buy milk"},
            ]},
        ],
        "trigger": "submit-message",
        "temperature": 1,
    })
}

fn with(change: impl FnOnce(&mut Value)) -> String {
    let mut body = sdk_body();
    change(&mut body);
    body.to_string()
}

type StartedTurns = Vec<(ConversationTarget, Vec<Part>, Option<Idempotency>)>;

/// The turns that these bodies start.
async fn turns_of(bodies: impl IntoIterator<Item = String>) -> StartedTurns {
    turns_of_requests(bodies.into_iter().map(|body| chat_request(&body))).await
}

/// The idempotency of these bodies, sent with `key`.
async fn idempotency_of(key: &str, bodies: [String; 2]) -> Vec<Idempotency> {
    let turns =
        turns_of_requests(bodies.iter().map(|body| chat_request(body).insert_header(("Idempotency-Key", key)))).await;
    turns.into_iter().filter_map(|(_, _, idempotency)| idempotency).collect()
}

async fn turns_of_requests(requests: impl Iterator<Item = TestRequest>) -> StartedTurns {
    let turns: Arc<Mutex<StartedTurns>> = Arc::default();
    let recorded = Arc::clone(&turns);
    let mut ports = Ports::new();
    ports.conversations.expect_get().returning(|_, id| {
        if id.to_string() == CONVERSATION { Ok(conversation()) } else { Err(ConversationRepoError::NotFound) }
    });
    ports.conversations.expect_begin_turn().returning(move |_, new| {
        recorded.lock().unwrap().push((new.target, new.user_parts, new.idempotency));
        Err(ConversationRepoError::TurnInProgress)
    });
    let responses = ports.send_all(requests).await;
    for response in &responses {
        response.problem(409, "TURN_IN_PROGRESS", "");
    }
    std::mem::take(&mut *turns.lock().unwrap())
}

#[actix_web::test]
async fn the_last_user_message_is_sent_and_the_answer_streamed() {
    let turns = turns_of([sdk_body().to_string()]).await;
    assert_eq!(turns[0].1, [Part::Text { round: 0, text: "Add a task to buy milk".into() }]);
    assert!(matches!(&turns[0].0, ConversationTarget::Keyed(key, _, title)
        if key.as_str() == "chat-1" && title.as_str() == "Add a task to buy milk"));

    let response = ports_with_llm([Step::says("Hello.")]).send(chat_request(&sdk_body().to_string())).await;
    assert_eq!(response.header("content-type"), "text/event-stream");
    assert_eq!(response.frames().last().unwrap()["type"], "finish");
    let wants_json = chat_request(&sdk_body().to_string()).insert_header(("Accept", "application/json"));
    ports_with_llm([Step::says("Hello.")]).send(wants_json).await.frames();
}

#[actix_web::test]
async fn the_body_selects_the_conversation() {
    let other = "00000000-0000-7000-8000-0000000000dd";
    let targets: Vec<_> = turns_of([
        with(|body| body["id"] = json!(CONVERSATION)),
        with(|body| body["id"] = json!(other)),
        with(|body| body["conversation_id"] = json!(CONVERSATION)),
        with(|body| drop(body.as_object_mut().unwrap().remove("id"))),
        with(|body| body["id"] = Value::Null),
    ])
    .await
    .into_iter()
    .map(|(target, _, _)| target)
    .collect();
    let existing = ConversationTarget::Existing(CONVERSATION.parse().unwrap());
    assert_eq!((&targets[0], &targets[2]), (&existing, &existing));
    assert!(matches!(&targets[1], ConversationTarget::Keyed(key, _, _) if key.as_str() == other));
    assert!(matches!((&targets[3], &targets[4]), (ConversationTarget::New(..), ConversationTarget::New(..))));
}

#[actix_web::test]
async fn a_message_sent_again_is_the_same_request() {
    let keys: Vec<_> = turns_of([
        sdk_body().to_string(),
        with(|body| body["trigger"] = json!("regenerate-message")),
        with(|body| body["messages"][2]["parts"][0]["text"] = json!("Add two tasks ")),
        with(|body| body["messages"][2]["id"] = json!("m4")),
        with(|body| body["id"] = json!("chat-2")),
        with(|body| drop(body["messages"][2].as_object_mut().unwrap().remove("id"))),
        with(|body| drop(body.as_object_mut().unwrap().remove("id"))),
    ])
    .await
    .into_iter()
    .map(|(_, _, key)| key)
    .collect();
    let key = |index: usize| keys[index].as_ref().unwrap();
    assert_eq!(key(0), key(1));
    assert_eq!((&key(2).key, key(2).reuse), (&key(0).key, KeyReuse::StartNew));
    assert_ne!(key(2).fingerprint, key(0).fingerprint);
    assert!(key(3).key != key(0).key && key(4).key != key(0).key);
    assert_eq!((&keys[5], &keys[6]), (&None, &None));
}

#[actix_web::test]
async fn the_conversation_id_is_accepted_in_either_field() {
    let as_id = with(|body| body["id"] = json!(CONVERSATION.to_uppercase()));
    let as_conversation = with(|body| body["conversation_id"] = json!(CONVERSATION));
    let keys: Vec<_> = turns_of([as_id.clone(), as_conversation]).await.into_iter().map(|(_, _, key)| key).collect();
    assert!(keys[0].is_some());
    assert_eq!(keys[0], keys[1]);

    let own = json!({"message": "Add a task to buy milk", "conversation_id": CONVERSATION}).to_string();
    let fingerprints: Vec<_> = idempotency_of("k", [as_id, own]).await.into_iter().map(|key| key.fingerprint).collect();
    assert_eq!(fingerprints[0], fingerprints[1]);
}

#[actix_web::test]
async fn an_idempotency_key_takes_precedence_over_the_message_id() {
    let chosen = Arc::new(Mutex::new(None));
    let recorded = Arc::clone(&chosen);
    let mut ports = ports_with_llm([Step::says("Done.")]);
    let mut repo = MockConversationRepo::new();
    repo.expect_begin_turn().returning(move |_, new| {
        *recorded.lock().unwrap() = new.idempotency.clone();
        Ok(TurnStart::New { turn: started_turn(&new), pending: None, time_zone: TimeZone::default() })
    });
    repo.expect_messages().returning(|_, _, _, _| Err(ConversationRepoError::NotFound));
    repo.expect_answer().returning(|_, _| Err(ConversationRepoError::NoTurn));
    ports.conversations = repo;
    let response = ports.send(chat_request(&sdk_body().to_string()).insert_header(("Idempotency-Key", "k"))).await;
    assert_eq!(response.frames().last().unwrap()["type"], "error");
    let chosen = chosen.lock().unwrap().clone().unwrap();
    assert_eq!((chosen.key.as_str(), chosen.reuse), ("k", KeyReuse::Refuse));
}

#[actix_web::test]
async fn a_body_without_a_user_message_names_the_field() {
    let empty = "Message cannot be empty";
    for (body, field, message) in [
        (with(|body| body["messages"] = json!([])), "messages", "messages must contain one of the role user"),
        (with(|body| body["messages"] = json!([5])), "messages", "messages must contain one of the role user"),
        (with(|body| body["messages"] = json!("a")), "messages", "messages must be a list"),
        (with(|body| body["messages"] = Value::Null), "messages", "messages must be a list"),
        (
            with(|body| body["messages"][2]["parts"] = json!("a")),
            "messages",
            "messages must have their parts in a list",
        ),
        (with(|body| body["messages"][2]["parts"] = json!([])), "messages", empty),
        (with(|body| body["messages"][2]["parts"] = json!([{"type": "file"}])), "messages", empty),
        (
            with(|body| body["messages"][2]["parts"][0]["text"] = json!(5)),
            "messages",
            "messages must have a string as the text of a text part",
        ),
        (
            sdk_body().to_string().replace(r#""role":"user""#, r#""role":"user","role":"user""#),
            "messages",
            "messages must contain one of the role user",
        ),
        (sdk_body().to_string().replacen('{', r#"{"messages":[],"#, 1), "messages", "messages is given more than once"),
        (with(|body| body["id"] = json!(5)), "id", "id must be a string"),
        (with(|body| body["id"] = json!("")), "id", "id must be 1 to 255 visible ASCII characters"),
        (with(|body| body["conversation_id"] = json!(5)), "conversation_id", "conversation_id must be a string"),
    ] {
        let problem = Ports::new().send(chat_request(&body)).await.problem(400, "VALIDATION_ERROR", field);
        assert_eq!(problem["message"], message, "{body}");
    }
    let unknown = with(|body| body["conversation_id"] = json!("no-id"));
    Ports::new().send(chat_request(&unknown)).await.problem(404, "CONVERSATION_NOT_FOUND", "");
}

#[actix_web::test]
async fn a_long_conversation_is_accepted_and_a_long_message_refused() {
    let long = |length: usize| with(|body| body["messages"][0]["parts"][0]["text"] = json!("x".repeat(length)));
    assert_eq!(turns_of([long(900 * 1024)]).await.len(), 1);
    let response = Ports::new().send(chat_request(&long(1024 * 1024))).await;
    assert_eq!(response.problem(413, "PAYLOAD_TOO_LARGE", "")["message"], "The body is larger than 1024 KiB");
    for body in [format!(r#"{{"message":"{}"}}"#, "x".repeat(64 * 1024)), "[".repeat(65 * 1024)] {
        let response = Ports::new().send(with_json(signed_in(actix_web::http::Method::POST, CHAT), body)).await;
        assert_eq!(response.problem(413, "PAYLOAD_TOO_LARGE", "")["message"], "The body is larger than 64 KiB");
    }
}
