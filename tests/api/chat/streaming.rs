//! Streamed answers: followed, stopped, failed, and without a reader.

use chrono::TimeDelta;
use domain::llm::{FinishReason, LlmError, LlmEvent, Step};
use futures_channel::oneshot;
use reqwest::Method;
use serde_json::{Value, json};
use tests::frames::{kinds, text};
use tests::{TestApp, TestUser, on_both_databases, wait_until};

/// An answer that is held until the sender is used.
fn held(text: &str) -> (oneshot::Sender<()>, Step) {
    let (open, gate) = oneshot::channel();
    let Step::Events(events) = Step::says(text) else { unreachable!() };
    (open, Step::Gated(gate, events))
}

fn conversation_of(start: &Value) -> String {
    start["messageMetadata"]["conversation_id"].as_str().unwrap_or_default().to_owned()
}

on_both_databases! {
    async fn a_stream_carries_the_facts_that_are_stored(app: TestApp) {
        let ada = app.register("ada").await?;
        let add = Step::calls("add_task", &json!({"title": "buy milk"}));
        app.script([Step::calls("list_tasks", &json!({})), add, Step::says("Added \u{201c}buy milk\u{201d}.")]);
        let stream = ada.stream("add milk", None).await?;
        assert_eq!(stream.headers["x-vercel-ai-ui-message-stream"], "v1");
        assert!(stream.headers["content-type"].to_str()?.starts_with("text/event-stream"));
        let frames = stream.rest().await?;
        let expected = [
            "start",
            "start-step",
            "tool-input-available",
            "tool-output-available",
            "finish-step",
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
        ];
        assert_eq!(kinds(&frames), expected, "{frames:#?}");
        let (start, finish) = (&frames[0]["messageMetadata"], &frames[14]["messageMetadata"]);
        assert_eq!((&finish["status"], &finish["undoable"]), (&json!("complete"), &json!(true)));
        assert_eq!(finish["usage"], json!({"tokens_in": 30, "tokens_out": 15}));
        let stored = ada.last_message(start["conversation_id"].as_str().unwrap_or_default()).await?;
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
        let conversation = conversation_of(&start);
        first.until("tool-output-available").await?;
        let path = format!("/api/{{me}}/conversations/{conversation}/stream");
        let mut second = ada.open(Method::GET, &path, None).await?;
        assert_eq!(second.until("start").await?["messageId"], start["messageId"]);
        second.until("tool-output-available").await?;
        open.send(()).map_err(|()| anyhow::anyhow!("the turn has ended"))?;
        let (first, second) = (first.rest().await?, second.rest().await?);
        assert_eq!((text(&first), &first), ("late".to_owned(), &second));
        ada.wait_for_turn_end(&conversation).await?;
        assert_eq!(ada.get(&path).await?.status, 204);
    }
}

on_both_databases! {
    async fn a_turn_is_followed_from_another_server(app: TestApp) {
        let ada = app.register("ada").await?;
        let other = app.another(TimeDelta::zero(), &[]).await?;
        let (open, gated) = held("late");
        let (open_later, gated_later) = held("later");
        app.script([Step::calls("add_task", &json!({"title": "a"})), gated, gated_later]);
        let mut here = ada.stream("add a", None).await?;
        let start = here.until("start").await?;
        here.until("tool-output-available").await?;
        let path = format!("/api/{{me}}/conversations/{}/stream", conversation_of(&start));
        let mut elsewhere = ada.at(other.address()).open(Method::GET, &path, None).await?;
        assert_eq!(elsewhere.until("start").await?["messageId"], start["messageId"]);
        elsewhere.until("tool-output-available").await?;
        open.send(()).map_err(|()| anyhow::anyhow!("the turn has ended"))?;
        let (here, elsewhere) = (here.rest().await?, elsewhere.rest().await?);
        assert_eq!((text(&here), text(&elsewhere)), ("late".to_owned(), "late".to_owned()));
        assert_eq!(here.last(), elsewhere.last());
        // A follower whose conversation is deleted does not wait for ever.
        let mut here = ada.stream("again", Some(&conversation_of(&start))).await?;
        here.until("start").await?;
        let mut elsewhere = ada.at(other.address()).open(Method::GET, &path, None).await?;
        elsewhere.until("start").await?;
        ada.delete(&format!("/api/{{me}}/conversations/{}", conversation_of(&start))).await?.expect(204)?;
        let rest = elsewhere.rest().await?;
        assert_eq!(kinds(&rest), ["message-metadata", "error"], "{rest:?}");
        drop(open_later);
    }
}

on_both_databases! {
    async fn a_stopped_turn_keeps_its_partial_answer_and_the_next_message_is_answered(app: TestApp) {
        let ada = app.register("ada").await?;
        let partial = vec![LlmEvent::TextDelta("Half of".into())];
        let (_never, gate) = oneshot::channel::<()>();
        let call = Step::calls("add_task", &json!({"title": "a"}));
        app.script([call, Step::Then(partial, Box::new(Step::Gated(gate, vec![])))]);
        let mut stream = ada.stream("add a", None).await?;
        let start = stream.until("start").await?;
        let conversation = conversation_of(&start);
        assert_eq!(stream.until("text-delta").await?["delta"], "Half of");
        let path = format!("/api/{{me}}/conversations/{conversation}");
        ada.post(&format!("{path}/stop"), json!({})).await?.expect(202)?;
        let frames = stream.rest().await?;
        assert_eq!(kinds(&frames), ["text-end", "finish-step", "message-metadata", "abort"], "{frames:?}");
        assert_eq!(frames[2]["messageMetadata"]["status"], "stopped");
        ada.wait_for_turn_end(&conversation).await?;
        let stored = ada.last_message(&conversation).await?;
        assert_eq!((&stored["status"], &stored["content"]), (&json!("stopped"), &json!("Half of")));
        assert_eq!(ada.titles().await?, ["a"], "changes are kept");
        ada.post(&format!("{path}/stop"), json!({})).await?.expect_problem(409, "NO_TURN", None)?;
        app.script([Step::says("here")]);
        ada.say("are you there?", Some(&conversation)).await?.expect(200)?;
    }
}

on_both_databases! {
    async fn a_plain_request_whose_turn_is_stopped_gets_the_partial_answer(app: TestApp) {
        let ada = app.register("ada").await?;
        let first = ada.say("hello", None).await?.expect(200)?;
        let conversation = first["conversation_id"].as_str().unwrap_or_default().to_owned();
        let script = app.script([Step::Hang]);
        let waiting = tokio::spawn({
            let (ada, conversation) = (ada.clone(), conversation.clone());
            async move { ada.say("hang", Some(&conversation)).await }
        });
        wait_until("the request to the model", async || Ok(script.requests().len() == 1)).await?;
        ada.post(&format!("/api/{{me}}/conversations/{conversation}/stop"), json!({})).await?.expect(202)?;
        let answer = waiting.await??.expect(200)?;
        assert_eq!((&answer["status"], &answer["response"]), (&json!("stopped"), &json!("")));
    }
}

on_both_databases! {
    async fn a_failed_turn_is_reported_in_the_stream_and_in_the_conversation(app: TestApp) {
        let ada = app.register("ada").await?;
        let cut = Step::Cut(vec![LlmEvent::TextDelta("Well".into())], LlmError::Timeout("marked provider body".into()));
        app.script([cut]);
        let frames = ada.stream("hello", None).await?.rest().await?;
        let Some([metadata, error]) = frames.last_chunk::<2>() else { anyhow::bail!("{frames:?}") };
        assert_eq!(
            (&metadata["type"], &metadata["messageMetadata"]["code"]),
            (&json!("message-metadata"), &json!("AI_TIMEOUT"))
        );
        assert_eq!(error["type"], "error");
        assert!(!json!(frames).to_string().contains("marked"), "{frames:?}");
        let conversation = conversation_of(&frames[0]);
        ada.wait_for_turn_end(&conversation).await?;
        let stored = ada.last_message(&conversation).await?;
        assert_eq!(
            (&stored["status"], stored["content"].as_str()),
            (&json!("failed"), Some("Well\n\nThe assistant could not answer. Nothing was changed."))
        );
        assert_eq!(text(&frames), "WellThe assistant could not answer. Nothing was changed.");
    }
}

on_both_databases! {
    async fn a_turn_completes_after_its_reader_disconnects(app: TestApp) {
        let ada = app.register("ada").await?;
        let (open, gated) = held("late");
        app.script([Step::calls("add_task", &json!({"title": "a"})), gated]);
        let mut stream = ada.stream("add a", None).await?;
        let start = stream.until("start").await?;
        let conversation = conversation_of(&start);
        drop(stream);
        open.send(()).map_err(|()| anyhow::anyhow!("the turn ended with its client"))?;
        ada.wait_for_turn_end(&conversation).await?;
        let stored = ada.last_message(&conversation).await?;
        assert_eq!((&stored["status"], &stored["content"]), (&json!("complete"), &json!("late")));
    }
}

on_both_databases! {
    async fn a_client_that_does_not_read_does_not_delay_the_turn(app: TestApp) {
        let ada = app.register("ada").await?;
        let mut events: Vec<_> = (0..200).map(|_| LlmEvent::TextDelta("x".repeat(1024))).collect();
        events.push(LlmEvent::Finished { reason: FinishReason::Stop, usage: None });
        app.script([Step::Events(events)]);
        // Only the response head is read, while the answer exceeds the buffers of the sockets.
        let stream = ada.stream("talk", None).await?;
        let conversations = ada.get("/api/{me}/conversations").await?.expect(200)?;
        let conversation = conversations[0]["id"].as_str().unwrap_or_default();
        ada.wait_for_turn_end(conversation).await?;
        assert_eq!(ada.last_message(conversation).await?["content"].as_str().map(str::len), Some(200 * 1024));
        assert_eq!(text(&stream.rest().await?).len(), 200 * 1024, "the stream is complete when it is read");
    }
}

on_both_databases! {
    async fn escapes_and_line_breaks_from_a_model_cannot_forge_a_frame(app: TestApp) {
        let ada = app.register("ada").await?;
        let text_of_model = "a\n\ndata: [DONE]\r\n\r\ndata: {\"type\":\"finish\"}\u{2028}\u{1b}[31m";
        app.script([Step::says(text_of_model)]);
        let frames = ada.stream("go", None).await?.rest().await?;
        assert_eq!(text(&frames), text_of_model);
        assert_eq!(frames.last().map(|frame| &frame["type"]), Some(&json!("finish")));
    }
}

on_both_databases! {
    async fn a_conversation_of_another_user_can_neither_be_followed_nor_stopped(app: TestApp) {
        let (ada, eve) = (app.register("ada").await?, app.register("eve").await?);
        let (open, gated) = held("late");
        app.script([gated]);
        let mut stream = ada.stream("hello", None).await?;
        let start = stream.until("start").await?;
        let conversation = conversation_of(&start);
        let path = format!("/api/{{me}}/conversations/{conversation}");
        eve.get(&format!("{path}/stream")).await?.expect_problem(404, "CONVERSATION_NOT_FOUND", None)?;
        eve.post(&format!("{path}/stop"), json!({})).await?.expect_problem(404, "CONVERSATION_NOT_FOUND", None)?;
        let refused = eve.stream("hello", Some(&conversation)).await;
        assert!(refused.is_err_and(|error| error.to_string().contains("CONVERSATION_NOT_FOUND")));
        open.send(()).map_err(|()| anyhow::anyhow!("the turn has ended"))?;
        assert_eq!(text(&stream.rest().await?), "late");
    }
}

on_both_databases! {
    async fn an_ai_sdk_request_starts_a_conversation_under_its_chat_id(app: TestApp) {
        let (ada, eve) = (app.register("ada").await?, app.register("eve").await?);
        app.script([Step::says("one"), Step::says("two"), Step::says("three"), Step::says("four")]);
        let body = |id: &str, text: &str| {
            json!({
                "id": "page-1", "trigger": "submit-message",
                "messages": [{"id": id, "role": "user", "parts": [{"type": "text", "text": text}]}],
            })
        };
        let send = async |user: &TestUser, body: Value| -> anyhow::Result<(String, String)> {
            let frames = user.open(Method::POST, "/api/{me}/chat", Some(&body)).await?.rest().await?;
            Ok((conversation_of(&frames[0]), text(&frames)))
        };
        let first = send(&ada, body("m1", "hello")).await?;
        let second = send(&ada, body("m2", "again")).await?;
        assert_eq!((first.1.as_str(), second.1.as_str(), &first.0), ("one", "two", &second.0));
        let repeated = send(&ada, body("m1", "hello")).await?;
        assert_eq!(repeated, first, "a repeated message has one turn");
        let other = send(&eve, body("m1", "hello")).await?;
        assert!(other.1 == "three" && other.0 != first.0, "keys are scoped to their user");
        let mut by_id = body("m9", "hi");
        by_id["id"] = json!(first.0);
        assert_eq!(send(&ada, by_id).await?, (first.0, "four".to_owned()), "the id may be that of a conversation");
    }
}

on_both_databases! {
    async fn usage_is_reported_by_day_and_model(app: TestApp) {
        let (ada, eve) = (app.register("ada").await?, app.register("eve").await?);
        app.script([Step::says("one"), Step::calls("list_tasks", &json!({})), Step::says("two")]);
        let first = ada.say("hello", None).await?.expect(200)?;
        assert_eq!(first["usage"], json!({"tokens_in": 10, "tokens_out": 5}));
        ada.say("hello", None).await?.expect(200)?;
        let usage = ada.get("/api/{me}/usage?days=2").await?.expect(200)?;
        let usage = &usage[0];
        assert_eq!(
            (&usage["turns"], &usage["tokens_in"], &usage["tokens_out"]),
            (&json!(2), &json!(30), &json!(15)),
            "{usage}"
        );
        assert_eq!((&usage["provider"], &usage["model"]), (&json!("switched"), &json!("switched")));
        assert_eq!(eve.get("/api/{me}/usage").await?.expect(200)?, json!([]));
    }
}
