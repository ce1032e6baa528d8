//! Streamed turns: started, followed and stopped.

use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::http::Method;
use actix_web::rt;
use actix_web::test::{self, TestRequest};
use domain::change::Action;
use domain::conversation::message::Part;
use domain::conversation::turn::TurnState;
use domain::conversation::{Conversation, ConversationRepoError, MockConversationRepo, TurnStart};
use domain::id::TurnId;
use domain::llm::{FinishReason, LlmError, LlmEvent, Step};
use domain::page::Page;
use domain::tool::ToolOutcome;
use domain::user::TimeZone;
use futures_channel::oneshot;
use futures_util::future;
use serde_json::{Value, json};

use crate::stream_limit::{MAX_STREAMS, StreamLimit};
use crate::tests::support::{
    CONVERSATION, FakeLedger, Ports, StreamReader, TestResponse, chat_request, conversation, ports_with_llm, receipt,
    signed_in, started_turn,
};

const STREAM: &str = "/api/{user_id}/conversations/{id}/stream";
/// The page's key for the conversation.
const KEY: &str = "page 1/%41";
const STOP: &str = "/api/{user_id}/conversations/{id}/stop";
/// Maximum time of a wait.
const WAIT_TIMEOUT: Duration = Duration::from_secs(20);

fn streamed(body: &str) -> TestRequest {
    chat_request(body).insert_header(("Accept", "text/event-stream"))
}

fn message() -> String {
    format!(r#"{{"message":"add milk","conversation_id":"{CONVERSATION}"}}"#)
}

fn kinds(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame["type"].as_str().unwrap()).collect()
}

/// The merged metadata of the message in `frames`.
fn metadata(frames: &[Value]) -> Value {
    let mut merged = json!({});
    for part in frames.iter().filter_map(|frame| frame["messageMetadata"].as_object()) {
        merged.as_object_mut().unwrap().extend(part.clone());
    }
    merged
}

/// A repository that knows the active turn. Also returns the states in which turns end.
fn tracking_repo() -> (MockConversationRepo, Arc<Mutex<Vec<TurnState>>>) {
    let active: Arc<Mutex<Option<TurnId>>> = Arc::default();
    let ended: Arc<Mutex<Vec<TurnState>>> = Arc::default();
    let mut repo = MockConversationRepo::new();
    let turn = Arc::clone(&active);
    repo.expect_begin_turn().returning(move |_, new| {
        *turn.lock().unwrap() = Some(new.id);
        Ok(TurnStart::New { turn: started_turn(&new), pending: None, time_zone: TimeZone::default() })
    });
    let turn = Arc::clone(&active);
    repo.expect_get().returning(move |_, _| Ok(Conversation { active_turn: *turn.lock().unwrap(), ..conversation() }));
    let turn = Arc::clone(&active);
    repo.expect_find_by_key().returning(move |_, key| {
        let found = || Conversation { active_turn: *turn.lock().unwrap(), ..conversation() };
        Ok((key.as_str() == KEY).then(found))
    });
    repo.expect_messages().returning(|_, _, _, _| Ok(Page { items: Vec::new(), next: None }));
    repo.expect_save_progress().returning(|_, _, _| Ok(()));
    let end = Arc::clone(&ended);
    repo.expect_end_turn().returning(move |_, _, turn| {
        *active.lock().unwrap() = None;
        end.lock().unwrap().push(turn.state);
        Ok(())
    });
    (repo, ended)
}

fn ports_tracking_turns(steps: impl IntoIterator<Item = Step>) -> (Ports, Arc<Mutex<Vec<TurnState>>>) {
    let mut ports = ports_with_llm(steps);
    let (repo, ended) = tracking_repo();
    ports.conversations = repo;
    (ports, ended)
}

fn adding_milk() -> Ports {
    let calls = Step::calls("add_task", &json!({"title": "milk"}));
    let mut ports = ports_with_llm([calls, Step::says("I added <b>milk</b>\r\n\u{1b}[31m")]);
    ports.tools.expect_run().returning(|_, _, _| {
        let (message, data) = ("Task 'milk' created".into(), json!({"id": 1}));
        Ok(ToolOutcome::Done { message, data, changes: vec![receipt(41, Action::Created)] })
    });
    ports
}

#[actix_web::test]
async fn a_turn_is_streamed_if_requested() {
    let response = adding_milk().send(streamed(&message())).await;
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("x-vercel-ai-ui-message-stream", "v1"),
        ("cache-control", "no-store, no-transform"),
        ("x-accel-buffering", "no"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(response.header(name), value, "{name}");
    }
    let frames = response.frames();
    assert_eq!(
        kinds(&frames),
        [
            "start",
            "start-step",
            "tool-input-available",
            "tool-output-available",
            "finish-step",
            "start-step",
            "text-start",
            "text-delta",
            "text-end",
            "finish-step",
            "finish",
        ]
    );
    assert_eq!(frames[0]["messageMetadata"]["conversation_id"], CONVERSATION);
}

#[actix_web::test]
async fn the_stream_and_the_plain_response_carry_the_same_facts() {
    let whole = adding_milk().send(chat_request(&message())).await.ok(200);
    let frames = adding_milk().send(streamed(&message())).await.frames();
    let metadata = metadata(&frames);
    for name in ["conversation_id", "message_id", "usage", "status", "changes", "undoable", "pending", "created_at"] {
        assert_eq!(metadata[name], whole[name], "{name}");
    }
    assert_eq!((metadata["changes"][0]["seq"].clone(), metadata["undoable"].clone()), (json!(41), json!(true)));
    let text: String = frames.iter().filter_map(|frame| frame["delta"].as_str()).collect();
    assert_eq!(text, whole["response"]);
    let call = &whole["tool_calls"][0];
    let (called, answered) = (&frames[2], &frames[3]);
    assert_eq!((&called["toolCallId"], &answered["toolCallId"]), (&call["id"], &call["id"]));
    assert_eq!((&called["toolName"], &called["input"]), (&call["tool"], &call["parameters"]));
    assert_eq!(answered["output"], call["result"]);
}

#[actix_web::test]
async fn an_error_before_the_first_byte_is_a_problem() {
    for (error, status, code) in [
        (ConversationRepoError::NotFound, 404, "CONVERSATION_NOT_FOUND"),
        (ConversationRepoError::TurnInProgress, 409, "TURN_IN_PROGRESS"),
        (ConversationRepoError::IdempotencyInProgress, 409, "IDEMPOTENCY_IN_PROGRESS"),
    ] {
        let mut ports = Ports::new();
        ports.conversations.expect_begin_turn().return_once(|_, _| Err(error));
        ports.send(streamed(&message())).await.problem(status, code, "");
    }
    Ports::new().send(streamed(r#"{"message":""}"#)).await.problem(400, "VALIDATION_ERROR", "message");
    Ports::new().send(streamed("{")).await.problem(400, "MALFORMED_JSON", "");
}

#[actix_web::test]
async fn a_failed_turn_ends_its_stream_with_the_code_and_the_error() {
    let cut = vec![LlmEvent::TextDelta("Wel".into())];
    let (ports, ended) = ports_tracking_turns([Step::Cut(cut, LlmError::Timeout("marked".into()))]);
    let response = ports.send(streamed(&message())).await;
    let frames = response.frames();
    assert_eq!(kinds(&frames)[frames.len() - 3..], ["finish-step", "message-metadata", "error"]);
    let metadata = metadata(&frames);
    assert_eq!((&metadata["status"], &metadata["code"]), (&json!("failed"), &json!("AI_TIMEOUT")));
    assert_eq!(frames.last().unwrap()["errorText"], "The assistant did not answer in time");
    assert_eq!(frames.iter().find_map(|frame| frame["delta"].as_str()), Some("Wel"));
    assert!(!response.text.contains("marked"), "{}", response.text);
    assert_eq!(*ended.lock().unwrap(), [TurnState::Failed]);
}

#[actix_web::test]
async fn a_running_turn_is_followed_from_its_beginning_and_stopped() {
    let (ports, ended) = ports_tracking_turns([Step::Hang]);
    let follow = || signed_in(Method::GET, STREAM);
    let requests = [streamed(&message()), follow(), signed_in(Method::POST, STOP), follow()];
    let responses = ports.send_concurrently(requests).await;
    assert_eq!((responses[2].status.as_u16(), responses[2].text.as_str()), (202, ""));
    let frames = responses[0].frames();
    assert_eq!((kinds(&frames)[0], *kinds(&frames).last().unwrap()), ("start", "abort"));
    assert_eq!(metadata(&frames)["status"], "stopped");
    assert_eq!(responses[1].frames(), frames);
    assert_eq!(responses[3].frames(), frames);
    assert_eq!(*ended.lock().unwrap(), [TurnState::Stopped]);
}

#[actix_web::test]
async fn a_stopped_plain_response_has_the_status_stopped() {
    let (ports, _) = ports_tracking_turns([Step::Hang]);
    let (services, options) = ports.services();
    let app = Rc::new(
        test::init_service(crate::app::app(crate::routes::table(), services, &options, StreamLimit::default())).await,
    );
    let shared_app = Rc::clone(&app);
    let whole = rt::spawn(async move {
        TestResponse::read(test::call_service(&*shared_app, chat_request(&message()).to_request()).await).await
    });
    // A turn cannot be stopped before it has started.
    let stop = async {
        while test::call_service(&*app, signed_in(Method::POST, STOP).to_request()).await.status() != 202 {
            rt::task::yield_now().await;
        }
        whole.await.unwrap()
    };
    let whole = rt::time::timeout(WAIT_TIMEOUT, stop).await.expect("the turn is not stopped");
    assert_eq!(whole.ok(200)["status"], "stopped");
}

#[actix_web::test]
async fn without_a_running_turn_nothing_is_followed_or_stopped() {
    let mut ports = Ports::new();
    ports.conversations.expect_get().returning(|_, _| Ok(conversation()));
    let requests = [signed_in(Method::GET, STREAM), signed_in(Method::HEAD, STREAM), signed_in(Method::POST, STOP)];
    let responses = ports.send_all(requests).await;
    assert_eq!((responses[0].status.as_u16(), responses[1].status.as_u16()), (204, 204));
    responses[2].problem(409, "NO_TURN", "");

    for (method, path) in [(Method::GET, STREAM), (Method::POST, STOP)] {
        let mut ports = Ports::new();
        ports.conversations.expect_get().returning(|_, _| Err(ConversationRepoError::NotFound));
        ports.send(signed_in(method, path)).await.problem(404, "CONVERSATION_NOT_FOUND", "");
    }
}

#[actix_web::test]
async fn a_chat_is_resumed_by_the_id_or_the_key_of_its_conversation() {
    let resume = |key: &str| signed_in(Method::GET, &format!("/api/{{user_id}}/chat/{key}/stream"));
    let (ports, _) = ports_tracking_turns([Step::Hang]);
    let encoded = "page%201%2F%2541";
    let unknown = ["page%201%2FA", "%FF", "%00", &"x".repeat(256), "no-id"].map(resume);
    let requests = [streamed(&message()), resume(CONVERSATION), resume(encoded)].into_iter().chain(unknown);
    let stop_and_resume = [signed_in(Method::POST, STOP), resume(encoded)];
    let responses = Box::pin(ports.send_concurrently(requests.chain(stop_and_resume))).await;
    assert_eq!((&responses[1].text, &responses[2].text), (&responses[0].text, &responses[0].text));
    let statuses: Vec<u16> = responses[3..9].iter().map(|response| response.status.as_u16()).collect();
    assert_eq!(statuses, [204, 204, 204, 204, 204, 202]);
    assert_eq!(responses[0].frames().last().unwrap()["type"], "abort");
}

#[actix_web::test]
async fn head_of_a_running_turn_has_the_headers_and_no_stream() {
    let (ports, _) = ports_tracking_turns([Step::Hang]);
    let requests = [streamed(&message()), signed_in(Method::HEAD, STREAM), signed_in(Method::POST, STOP)];
    let responses = ports.send_concurrently(requests).await;
    assert_eq!((responses[1].status.as_u16(), responses[1].text.as_str()), (200, ""));
    assert_eq!(responses[1].header("x-vercel-ai-ui-message-stream"), "v1");
}

#[actix_web::test]
async fn streams_of_all_kinds_share_one_limit_and_plain_responses_have_none() {
    let (mut ports, _) = ports_tracking_turns([Step::Hang]);
    FakeLedger::default().install(&mut ports);
    let (services, options) = ports.services();
    let app =
        test::init_service(crate::app::app(crate::routes::table(), services, &options, StreamLimit::default())).await;
    let events = || signed_in(Method::GET, "/api/{user_id}/events");
    let mut open = Vec::new();
    for request in [streamed(&message()), signed_in(Method::GET, STREAM), signed_in(Method::GET, STREAM)] {
        open.push(StreamReader::open(&app, request).await);
    }
    while open.len() < usize::from(MAX_STREAMS) {
        open.push(StreamReader::open(&app, events()).await);
    }
    for request in [streamed(&message()), signed_in(Method::GET, STREAM), events()] {
        let refused = StreamReader::refused(&app, request).await;
        refused.problem(429, "RATE_LIMITED", "");
        assert_eq!(refused.header("retry-after"), "15");
    }
    // The turn runs on without its readers.
    open.truncate(1);
    assert_eq!(test::call_service(&app, signed_in(Method::POST, STOP).to_request()).await.status(), 202);
    StreamReader::open(&app, events()).await;
}

#[actix_web::test]
async fn a_message_whose_stream_is_refused_is_not_stored() {
    let mut ports = ports_with_llm([Step::says("Hello.")]);
    FakeLedger::default().install(&mut ports);
    let (services, options) = ports.services();
    let app =
        test::init_service(crate::app::app(crate::routes::table(), services, &options, StreamLimit::default())).await;
    let mut open = Vec::new();
    for _ in 0..MAX_STREAMS {
        open.push(StreamReader::open(&app, signed_in(Method::GET, "/api/{user_id}/events")).await);
    }
    for (request, status) in [(streamed(&message()), 429), (chat_request(&message()), 200)] {
        assert_eq!(test::call_service(&app, request.to_request()).await.status(), status);
    }
}

#[actix_web::test]
async fn a_turn_is_completed_and_stored_after_its_reader_disconnects() {
    let (gate, opened) = oneshot::channel();
    let finished = LlmEvent::Finished { reason: FinishReason::Stop, usage: None };
    let mut ports = ports_with_llm([Step::Gated(opened, vec![LlmEvent::TextDelta("Hello.".into()), finished])]);
    let (stored, is_stored) = oneshot::channel();
    let mut stored = Some(stored);
    let mut repo = MockConversationRepo::new();
    repo.expect_begin_turn().returning(|_, new| {
        Ok(TurnStart::New { turn: started_turn(&new), pending: None, time_zone: TimeZone::default() })
    });
    repo.expect_messages().returning(|_, _, _, _| Ok(Page { items: Vec::new(), next: None }));
    repo.expect_save_progress().returning(|_, _, _| Ok(()));
    repo.expect_end_turn().returning(move |_, _, turn| {
        stored.take().unwrap().send((turn.state, turn.parts)).unwrap();
        Ok(())
    });
    ports.conversations = repo;
    let (services, options) = ports.services();
    let app =
        test::init_service(crate::app::app(crate::routes::table(), services, &options, StreamLimit::default())).await;
    let response = test::call_service(&app, streamed(&message()).to_request()).await;
    let mut body = Box::pin(response.into_body());
    let first = future::poll_fn(|context| body.as_mut().poll_next(context)).await;
    assert!(first.unwrap().is_ok_and(|bytes| bytes.starts_with(b"data: {\"type\":\"start\"")));
    drop(body);
    gate.send(()).unwrap();
    let parts = vec![Part::Text { round: 0, text: "Hello.".into() }];
    let stored = rt::time::timeout(WAIT_TIMEOUT, is_stored).await.expect("the turn is not stored");
    assert_eq!(stored.unwrap(), (TurnState::Complete, parts));
}
