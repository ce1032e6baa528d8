//! Turns: with the built-in assistant, and with a scripted one for failures.

use std::time::Duration;

use domain::llm::{LlmError, Step};
use futures_channel::oneshot;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{TestApp, on_both_databases, wait_until};

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

on_both_databases! {
    async fn a_task_is_added_completed_listed_and_deleted_in_plain_words(app: TestApp) {
        let ada = app.register("ada").await?;
        let added = ada.say("Add a task to buy groceries", None).await?.expect(200)?;
        let call = &added["tool_calls"][0];
        assert_eq!((&call["tool"], &call["result"]["success"]), (&json!("add_task"), &json!(true)), "{added}");
        assert_eq!(call["parameters"], json!({"title": "buy groceries"}));
        assert_eq!(call["result"]["message"], "Task 'buy groceries' created successfully");
        assert!(added["usage"]["tokens_in"].is_u64() && added["created_at"].is_string(), "{added}");
        assert_eq!(ada.titles().await?, ["buy groceries"]);
        let conversation = text(&added, "conversation_id").to_owned();
        let done = ada.say("mark it as done", Some(&conversation)).await?.expect(200)?;
        assert_eq!(done["tool_calls"][0]["tool"], "complete_task", "{done}");
        let tasks = ada.get("/api/{me}/tasks").await?.expect(200)?;
        assert_eq!(tasks[0]["completed"], true);
        let left = ada.say("what's left?", Some(&conversation)).await?.expect(200)?;
        assert_eq!(left["tool_calls"][0]["parameters"], json!({"status": "pending"}), "{left}");
        let deleted = ada.say("delete the groceries task", Some(&conversation)).await?.expect(200)?;
        assert_eq!(deleted["tool_calls"][0]["tool"], "delete_task", "{deleted}");
        assert!(ada.titles().await?.is_empty());
        let messages = ada.get(&format!("/api/{{me}}/conversations/{conversation}/messages")).await?.expect(200)?;
        assert_eq!(messages.as_array().map(Vec::len), Some(8));
        assert_eq!(
            (&messages[0]["role"], &messages[0]["content"]),
            (&json!("user"), &json!("Add a task to buy groceries"))
        );
        assert_eq!((&messages[1]["id"], &messages[1]["tool_calls"]), (&added["message_id"], &added["tool_calls"]));
        assert_eq!((&messages[1]["status"], &messages[1]["changes"]), (&json!("complete"), &added["changes"]));
    }
}

on_both_databases! {
    async fn an_ambiguous_name_is_clarified_by_a_position(app: TestApp) {
        let ada = app.register("ada").await?;
        for title in ["meeting with Bob", "prepare the meeting", "milk"] {
            ada.add(title).await?;
        }
        let question = ada.say("Delete the meeting task", None).await?.expect(200)?;
        assert_eq!(question["tool_calls"][0]["result"]["success"], false, "{question}");
        assert_eq!(ada.titles().await?.len(), 3);
        let conversation = text(&question, "conversation_id");
        let deleted = ada.say("the second", Some(conversation)).await?.expect(200)?;
        assert_eq!(deleted["tool_calls"][0]["result"]["success"], true, "{deleted}");
        assert_eq!(ada.titles().await?, ["milk", "prepare the meeting"]);
    }
}

on_both_databases! {
    async fn a_foreign_or_missing_conversation_is_not_found_before_the_model_is_called(app: TestApp) {
        let (ada, eve) = (app.register("ada").await?, app.register("eve").await?);
        let chat = ada.say("hello", None).await?.expect(200)?;
        let script = app.script([Step::says("unused")]);
        for id in [text(&chat, "conversation_id"), "0198c0de-0000-7000-8000-000000000001", "no-id"] {
            eve.say("hello", Some(id)).await?.expect_problem(404, "CONVERSATION_NOT_FOUND", None)?;
        }
        assert!(script.requests().is_empty());
    }
}

on_both_databases! {
    async fn a_message_has_1_to_4000_characters(app: TestApp) {
        let ada = app.register("ada").await?;
        for body in [json!({"message": " "}), json!({}), json!({"message": "x".repeat(4001)}), json!({"message": 5})] {
            ada.post("/api/{me}/chat", body).await?.expect_problem(400, "VALIDATION_ERROR", Some("message"))?;
        }
        let unknown_field = json!({"message": "hi", "user_id": ada.id});
        ada.post("/api/{me}/chat", unknown_field).await?.expect_problem(400, "VALIDATION_ERROR", Some("user_id"))?;
    }
}

on_both_databases! {
    async fn of_two_concurrent_messages_in_a_conversation_one_runs(app: TestApp) {
        let ada = app.register("ada").await?;
        let first = ada.say("hello", None).await?.expect(200)?;
        let conversation = text(&first, "conversation_id").to_owned();
        let (open, gate) = oneshot::channel();
        let Step::Events(events) = Step::says("late") else { unreachable!() };
        let script = app.script([Step::Gated(gate, events)]);
        let running = tokio::spawn({
            let (ada, conversation) = (ada.clone(), conversation.clone());
            async move { ada.say("one", Some(&conversation)).await }
        });
        wait_until("the request to the model", async || Ok(script.requests().len() == 1)).await?;
        ada.say("two", Some(&conversation)).await?.expect_problem(409, "TURN_IN_PROGRESS", None)?;
        let path = format!("/api/{{me}}/conversations/{conversation}");
        assert!(ada.get(&path).await?.expect(200)?["active_turn"].is_string());
        open.send(()).map_err(|()| anyhow::anyhow!("the turn has ended"))?;
        assert_eq!(running.await??.expect(200)?["response"], "late");
        assert_eq!(ada.get(&path).await?.expect(200)?["active_turn"], Value::Null);
        app.script([Step::says("here")]);
        ada.say("three", Some(&conversation)).await?.expect(200)?;
    }
}

on_both_databases! {
    async fn a_failing_model_is_reported_by_a_code_and_a_failed_message(app: TestApp) {
        let ada = app.register("ada").await?;
        let marked = || "marked provider body".into();
        for (error, status, code) in [
            (LlmError::Timeout(marked()), 504, "AI_TIMEOUT"),
            (
                LlmError::RateLimited { retry_after: Some(Duration::from_secs(7)), source: marked() },
                503,
                "AI_UNAVAILABLE",
            ),
            (LlmError::Unauthorized(marked()), 502, "AI_ERROR"),
            (LlmError::Unavailable(marked()), 502, "AI_ERROR"),
            (LlmError::BadReply(marked()), 502, "AI_ERROR"),
        ] {
            app.script([Step::Fail(error)]);
            let answer = ada.say("hello", None).await?;
            let problem = answer.expect_problem(status, code, None)?;
            assert!(!answer.text.contains("marked"), "{problem}");
            if status == 503 {
                assert_eq!(answer.header("retry-after"), "7");
            }
            let path = format!("/api/{{me}}/conversations/{}/messages", text(&problem, "conversation_id"));
            let messages = ada.get(&path).await?.expect(200)?;
            assert_eq!((&messages[0]["content"], &messages[0]["status"]), (&json!("hello"), &json!("complete")));
            assert_eq!((&messages[1]["id"], &messages[1]["status"]), (&problem["message_id"], &json!("failed")));
            assert!(!messages.to_string().contains("marked"), "{messages}");
        }
    }
}

on_both_databases! {
    async fn unknown_tools_and_foreign_ids_from_a_model_are_refused(app: TestApp) {
        let (ada, eve) = (app.register("ada").await?, app.register("eve").await?);
        let secret = ada.add("secret").await?;
        app.script([
            Step::calls("add_task", &json!({"title": "mine", "user_id": ada.id})),
            Step::calls("delete_task", &json!({"task_identifier": secret["id"]})),
            Step::calls("drop_tables", &json!({})),
            Step::says("I could not do that."),
        ]);
        let answer = eve.say("be evil", None).await?.expect(200)?;
        let calls = answer["tool_calls"].as_array().cloned().unwrap_or_default();
        assert_eq!(calls.len(), 3, "{answer}");
        assert!(calls.iter().all(|call| call["result"]["success"] == false), "{answer}");
        assert_eq!((ada.titles().await?, eve.titles().await?), (vec!["secret".to_owned()], vec![]));
    }
}

on_both_databases! {
    async fn nul_from_a_model_is_removed_and_escapes_are_kept(app: TestApp) {
        let ada = app.register("ada").await?;
        let nul = Step::calls_raw([("add_task", r#"{"title":"a\u0000b"}"#)]);
        app.script([nul, Step::says("d\0one\r\n\u{1b}[31m<script>")]);
        let answer = ada.say("go", None).await?.expect(200)?;
        assert_eq!(answer["response"], "done\r\n\u{1b}[31m<script>");
        assert_eq!(ada.titles().await?, ["ab"]);
    }
}

on_both_databases! {
    async fn a_turn_completes_after_its_client_disconnects(app: TestApp) {
        let ada = app.register("ada").await?;
        let first = ada.say("hello", None).await?.expect(200)?;
        let conversation = text(&first, "conversation_id").to_owned();
        let (open, gate) = oneshot::channel();
        let Step::Events(events) = Step::says("late") else { unreachable!() };
        let script = app.script([Step::Gated(gate, events)]);
        let client = tokio::spawn({
            let (ada, conversation) = (ada.clone(), conversation.clone());
            async move { ada.say("one", Some(&conversation)).await }
        });
        wait_until("the request to the model", async || Ok(script.requests().len() == 1)).await?;
        client.abort();
        open.send(()).map_err(|()| anyhow::anyhow!("the turn ended with its client"))?;
        ada.wait_for_turn_end(&conversation).await?;
        let answer = ada.last_message(&conversation).await?;
        assert_eq!((&answer["content"], &answer["status"]), (&json!("late"), &json!("complete")));
    }
}

on_both_databases! {
    async fn stalled_turns_hold_no_database_connection(app: TestApp) {
        let ada = app.register("ada").await?;
        let script = app.script((0..10).map(|_| Step::Hang));
        for _ in 0..10 {
            let ada = ada.clone();
            tokio::spawn(async move { ada.say("hello", None).await });
        }
        wait_until("ten requests to the model", async || Ok(script.requests().len() == 10)).await?;
        for n in 0..20 {
            ada.add(&format!("task {n}")).await?;
        }
        assert_eq!(ada.titles().await?.len(), 20);
        let chats = ada.send(Method::GET, "/api/{me}/conversations", None).await?.expect(200)?;
        assert_eq!(chats.as_array().map(Vec::len), Some(10));
    }
}

on_both_databases! {
    async fn task_names_of_any_length_and_script_are_handled(app: TestApp) {
        let ada = app.register("ada").await?;
        for n in 0..3 {
            ada.add(&format!("{n}{}", "\u{FDFA}".repeat(499))).await?;
        }
        for name in ["\u{FDFA}".repeat(3900), "bc".repeat(1950), format!("x{}", "\u{FDFA}".repeat(400))] {
            let script = app.script([
                Step::calls("delete_task", &json!({"task_identifier": name})),
                Step::says("There is no such task."),
            ]);
            let answer = ada.say("delete it", None).await?.expect(200)?;
            assert_eq!(answer["tool_calls"][0]["result"]["success"], false, "{answer}");
            assert_eq!(script.requests().len(), 2);
        }
        assert_eq!(ada.titles().await?.len(), 3);
    }
}

on_both_databases! {
    async fn wildcards_in_a_task_identifier_are_literal(app: TestApp) {
        let ada = app.register("ada").await?;
        ada.add("milk").await?;
        for name in ["%", "_", "m_lk", "%lk", "\\", "m\\ilk"] {
            app.script([
                Step::calls("complete_task", &json!({"task_identifier": name})),
                Step::says("There is no such task."),
            ]);
            let answer = ada.say("it is done", None).await?.expect(200)?;
            assert_eq!(answer["tool_calls"][0]["result"]["success"], false, "{name}: {answer}");
        }
        for (title, name) in [("100% wool", "%"), ("a_b", "_"), ("back\\slash", "\\")] {
            ada.add(title).await?;
            app.script([Step::calls("complete_task", &json!({"task_identifier": name})), Step::says("Done.")]);
            let answer = ada.say("it is done", None).await?.expect(200)?;
            assert_eq!(answer["tool_calls"][0]["result"]["data"]["task"]["title"], title, "{name}: {answer}");
        }
    }
}
