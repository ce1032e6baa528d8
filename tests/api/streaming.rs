//! Answers that stream: while they come, taken up again, stopped, failed, and read by nobody.

use std::time::Duration;

use domain::llm::{FinishReason, LlmError, LlmEvent, Step};
use futures_channel::oneshot;
use reqwest::Method;
use serde_json::{Value, json};
use tests::frames::{kinds, text};
use tests::{TestApp, TestUser, on_both_databases};

/// Says `words` and goes on when the gate opens.
fn held(words: &str) -> (oneshot::Sender<()>, Step) {
    let (open, gate) = oneshot::channel();
    let Step::Events(events) = Step::says(words) else { unreachable!() };
    (open, Step::Gated(gate, events))
}

async fn last_message(user: &TestUser, conversation: &str) -> anyhow::Result<Value> {
    let path = format!("/api/{{me}}/conversations/{conversation}/messages?order=desc&limit=1");
    Ok(user.get(&path).await?.expect(200)?[0].clone())
}

/// So long a test waits before it asks the server again: 600 requests a minute are allowed.
const AGAIN: Duration = Duration::from_millis(50);

/// Waits until no turn runs in the conversation.
async fn at_rest(user: &TestUser, conversation: &str) -> anyhow::Result<()> {
    let path = format!("/api/{{me}}/conversations/{conversation}");
    while user.get(&path).await?.expect(200)?["active_turn"] != Value::Null {
        tokio::time::sleep(AGAIN).await;
    }
    Ok(())
}

on_both_databases! {
    async fn a_turn_streams_the_facts_that_are_stored(app: TestApp) {
        let ada = app.register("ada").await?;
        let add = Step::calls("add_task", &json!({"title": "buy milk"}));
        app.script([Step::calls("list_tasks", &json!({})), add, Step::says("Added \u{201c}buy milk\u{201d}.")]);
        let stream = ada.stream("add milk", None).await?;
        assert_eq!(stream.headers["x-vercel-ai-ui-message-stream"], "v1");
        assert!(stream.headers["content-type"].to_str()?.starts_with("text/event-stream"));
        let frames = stream.rest().await?;
        let expected = [
            "start", "start-step", "tool-input-available", "tool-output-available", "finish-step",
            "start-step", "tool-input-available", "tool-output-available", "finish-step",
            "start-step", "text-start", "text-delta", "text-end", "finish-step", "finish",
        ];
        assert_eq!(kinds(&frames), expected, "{frames:#?}");
        let (start, finish) = (&frames[0]["messageMetadata"], &frames[14]["messageMetadata"]);
        assert_eq!((&finish["status"], &finish["undoable"]), (&json!("complete"), &json!(true)));
        assert_eq!(finish["usage"], json!({"tokens_in": 30, "tokens_out": 15}));
        let stored = last_message(&ada, start["conversation_id"].as_str().unwrap_or_default()).await?;
        assert_eq!((&stored["id"], &stored["content"]), (&frames[0]["messageId"], &json!(text(&frames))));
        let call = &stored["tool_calls"][1];
        assert_eq!((&call["id"], &call["parameters"]), (&frames[6]["toolCallId"], &frames[6]["input"]));
        assert_eq!(call["result"], frames[7]["output"]);
    }
}

on_both_databases! {
    async fn events_arrive_while_the_turn_runs_and_a_second_reader_gets_them_all(app: TestApp) {
        let ada = app.register("ada").await?;
        let (open, gated) = held("late");
        app.script([Step::calls("add_task", &json!({"title": "a"})), gated]);
        let mut first = ada.stream("add a", None).await?;
        let start = first.until("start").await?;
        let conversation = start["messageMetadata"]["conversation_id"].as_str().unwrap_or_default().to_owned();
        first.until("tool-output-available").await?;
        let path = format!("/api/{{me}}/conversations/{conversation}/stream");
        let mut second = ada.open(Method::GET, &path, None).await?;
        assert_eq!(second.until("start").await?["messageId"], start["messageId"]);
        second.until("tool-output-available").await?;
        open.send(()).map_err(|()| anyhow::anyhow!("the turn is gone"))?;
        let (first, second) = (first.rest().await?, second.rest().await?);
        assert_eq!((text(&first), &first), ("late".to_owned(), &second));
        at_rest(&ada, &conversation).await?;
        assert_eq!(ada.get(&path).await?.status, 204);
    }
}

on_both_databases! {
    async fn a_stopped_turn_keeps_what_was_written_and_the_next_message_works(app: TestApp) {
        let ada = app.register("ada").await?;
        let said = vec![LlmEvent::TextDelta("Half of".into())];
        let (_never, gate) = oneshot::channel::<()>();
        let call = Step::calls("add_task", &json!({"title": "a"}));
        app.script([call, Step::Then(said, Box::new(Step::Gated(gate, vec![])))]);
        let mut stream = ada.stream("add a", None).await?;
        let start = stream.until("start").await?;
        let conversation = start["messageMetadata"]["conversation_id"].as_str().unwrap_or_default().to_owned();
        assert_eq!(stream.until("text-delta").await?["delta"], "Half of");
        let path = format!("/api/{{me}}/conversations/{conversation}");
        ada.post(&format!("{path}/stop"), json!({})).await?.expect(202)?;
        let frames = stream.rest().await?;
        assert_eq!(kinds(&frames), ["text-end", "finish-step", "message-metadata", "abort"], "{frames:?}");
        assert_eq!(frames[2]["messageMetadata"]["status"], "stopped");
        at_rest(&ada, &conversation).await?;
        let stored = last_message(&ada, &conversation).await?;
        assert_eq!((&stored["status"], &stored["content"]), (&json!("stopped"), &json!("Half of")));
        assert_eq!(ada.titles().await?, ["a"], "what was done stays done");
        ada.post(&format!("{path}/stop"), json!({})).await?.expect_problem(409, "NO_TURN", None)?;
        app.script([Step::says("here")]);
        ada.say("still there?", Some(&conversation)).await?.expect(200)?;
    }
}

on_both_databases! {
    async fn who_waits_for_the_whole_answer_of_a_stopped_turn_gets_what_there_is(app: TestApp) {
        let ada = app.register("ada").await?;
        let first = ada.say("hello", None).await?.expect(200)?;
        let conversation = first["conversation_id"].as_str().unwrap_or_default().to_owned();
        let script = app.script([Step::Hang]);
        let waiting = tokio::spawn({
            let (ada, conversation) = (ada.clone(), conversation.clone());
            async move { ada.say("hang", Some(&conversation)).await }
        });
        while script.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        ada.post(&format!("/api/{{me}}/conversations/{conversation}/stop"), json!({})).await?.expect(202)?;
        let answer = waiting.await??.expect(200)?;
        assert_eq!((&answer["status"], &answer["response"]), (&json!("stopped"), &json!("")));
    }
}

on_both_databases! {
    async fn a_turn_that_fails_says_so_in_the_stream_and_in_the_conversation(app: TestApp) {
        let ada = app.register("ada").await?;
        let cut = Step::Cut(vec![LlmEvent::TextDelta("Well".into())], LlmError::Timeout("marked provider body".into()));
        app.script([cut]);
        let frames = ada.stream("hello", None).await?.rest().await?;
        let Some([metadata, error]) = frames.last_chunk::<2>() else { anyhow::bail!("{frames:?}") };
        assert_eq!((&metadata["type"], &metadata["messageMetadata"]["code"]), (&json!("message-metadata"), &json!("AI_TIMEOUT")));
        assert_eq!(error["type"], "error");
        assert!(!json!(frames).to_string().contains("marked"), "{frames:?}");
        let conversation = frames[0]["messageMetadata"]["conversation_id"].as_str().unwrap_or_default();
        at_rest(&ada, conversation).await?;
        let stored = last_message(&ada, conversation).await?;
        assert_eq!((&stored["status"], stored["content"].as_str()), (&json!("failed"), Some("Well\n\nThe assistant could not answer. Nothing was changed.")));
        assert_eq!(text(&frames), "WellThe assistant could not answer. Nothing was changed.");
    }
}

on_both_databases! {
    async fn a_client_that_goes_away_in_the_middle_loses_nothing(app: TestApp) {
        let ada = app.register("ada").await?;
        let (open, gated) = held("late");
        app.script([Step::calls("add_task", &json!({"title": "a"})), gated]);
        let mut stream = ada.stream("add a", None).await?;
        let start = stream.until("start").await?;
        let conversation = start["messageMetadata"]["conversation_id"].as_str().unwrap_or_default().to_owned();
        drop(stream);
        open.send(()).map_err(|()| anyhow::anyhow!("the turn died with its client"))?;
        at_rest(&ada, &conversation).await?;
        let stored = last_message(&ada, &conversation).await?;
        assert_eq!((&stored["status"], &stored["content"]), (&json!("complete"), &json!("late")));
    }
}

on_both_databases! {
    async fn a_reader_that_never_reads_does_not_hold_the_turn_up(app: TestApp) {
        let ada = app.register("ada").await?;
        let mut events: Vec<_> = (0..200).map(|_| LlmEvent::TextDelta("x".repeat(1024))).collect();
        events.push(LlmEvent::Finished { reason: FinishReason::Stop, usage: None });
        app.script([Step::Events(events)]);
        // The answer's head is read and nothing else, while much more comes than fits into the sockets' buffers.
        let stream = ada.stream("talk", None).await?;
        let chats = loop {
            let chats = ada.get("/api/{me}/conversations").await?.expect(200)?;
            if chats[0]["active_turn"] == Value::Null {
                break chats;
            }
            tokio::time::sleep(AGAIN).await;
        };
        let conversation = chats[0]["id"].as_str().unwrap_or_default();
        assert_eq!(last_message(&ada, conversation).await?["content"].as_str().map(str::len), Some(200 * 1024));
        assert_eq!(text(&stream.rest().await?).len(), 200 * 1024, "and it is all there once somebody reads");
    }
}

on_both_databases! {
    async fn escapes_and_line_ends_from_a_model_forge_no_frame(app: TestApp) {
        let ada = app.register("ada").await?;
        let evil = "a\n\ndata: [DONE]\r\n\r\ndata: {\"type\":\"finish\"}\u{2028}\u{1b}[31m";
        app.script([Step::says(evil)]);
        let frames = ada.stream("go", None).await?.rest().await?;
        assert_eq!(text(&frames), evil);
        assert_eq!(frames.last().map(|frame| &frame["type"]), Some(&json!("finish")));
    }
}

on_both_databases! {
    async fn the_conversation_of_somebody_else_can_neither_be_followed_nor_stopped(app: TestApp) {
        let (ada, eve) = (app.register("ada").await?, app.register("eve").await?);
        let (open, gated) = held("late");
        app.script([gated]);
        let mut stream = ada.stream("hello", None).await?;
        let start = stream.until("start").await?;
        let conversation = start["messageMetadata"]["conversation_id"].as_str().unwrap_or_default().to_owned();
        let path = format!("/api/{{me}}/conversations/{conversation}");
        eve.get(&format!("{path}/stream")).await?.expect_problem(404, "CONVERSATION_NOT_FOUND", None)?;
        eve.post(&format!("{path}/stop"), json!({})).await?.expect_problem(404, "CONVERSATION_NOT_FOUND", None)?;
        let refused = eve.stream("hello", Some(&conversation)).await;
        assert!(refused.is_err_and(|error| error.to_string().contains("CONVERSATION_NOT_FOUND")));
        open.send(()).map_err(|()| anyhow::anyhow!("the turn is gone"))?;
        assert_eq!(text(&stream.rest().await?), "late");
    }
}

on_both_databases! {
    async fn the_ai_sdks_form_begins_a_conversation_under_its_own_name(app: TestApp) {
        let (ada, eve) = (app.register("ada").await?, app.register("eve").await?);
        app.script([Step::says("one"), Step::says("two"), Step::says("three"), Step::says("four")]);
        let body = |id: &str, text: &str| json!({
            "id": "page-1", "trigger": "submit-message",
            "messages": [{"id": id, "role": "user", "parts": [{"type": "text", "text": text}]}],
        });
        let send = async |user: &TestUser, body: Value| -> anyhow::Result<(String, String)> {
            let frames = user.open(Method::POST, "/api/{me}/chat", Some(&body)).await?.rest().await?;
            let conversation = frames[0]["messageMetadata"]["conversation_id"].as_str().unwrap_or_default();
            Ok((conversation.to_owned(), text(&frames)))
        };
        let first = send(&ada, body("m1", "hello")).await?;
        let second = send(&ada, body("m2", "again")).await?;
        assert_eq!((first.1.as_str(), second.1.as_str(), &first.0), ("one", "two", &second.0));
        let again = send(&ada, body("m1", "hello")).await?;
        assert_eq!(again, first, "the same message again is the same turn");
        let other = send(&eve, body("m1", "hello")).await?;
        assert!(other.1 == "three" && other.0 != first.0, "one user's key is nobody else's");
        let by_id = json!({"id": first.0, "messages": [{"id": "m9", "role": "user", "parts": [{"type": "text", "text": "hi"}]}]});
        assert_eq!(send(&ada, by_id).await?, (first.0, "four".to_owned()), "the id of a conversation is a name of it too");
    }
}

on_both_databases! {
    async fn usage_is_told_by_day_and_model(app: TestApp) {
        let (ada, eve) = (app.register("ada").await?, app.register("eve").await?);
        app.script([Step::says("one"), Step::calls("list_tasks", &json!({})), Step::says("two")]);
        let first = ada.say("hello", None).await?.expect(200)?;
        assert_eq!(first["usage"], json!({"tokens_in": 10, "tokens_out": 5}));
        ada.say("hello", None).await?.expect(200)?;
        let usage = ada.get("/api/{me}/usage?days=2").await?.expect(200)?;
        let usage = &usage[0];
        assert_eq!((&usage["turns"], &usage["tokens_in"], &usage["tokens_out"]), (&json!(2), &json!(30), &json!(15)), "{usage}");
        assert_eq!((&usage["provider"], &usage["model"]), (&json!("switched"), &json!("switched")));
        assert_eq!(eve.get("/api/{me}/usage").await?.expect(200)?, json!([]));
    }
}
