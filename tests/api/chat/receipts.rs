//! Receipts: the changes of a turn as the server committed them, independent of what a model says.

use chrono::TimeDelta;
use domain::llm::Step;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{TestApp, TestUser, on_both_databases, wait_until};

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// The newest message of an answer's conversation.
async fn stored(user: &TestUser, answer: &Value) -> anyhow::Result<Value> {
    user.last_message(text(answer, "conversation_id")).await
}

on_both_databases! {
    async fn the_response_the_stream_and_the_stored_message_carry_the_same_changes(app: TestApp) {
        let ada = app.register("ada").await?;
        ada.add("call Bob").await?;
        let steps = || {
            [
                Step::calls_raw([
                    ("update_task", r#"{"task_identifier":"call Bob","new_title":"call Robert"}"#),
                    ("add_task", r#"{"title":"call Bob"}"#),
                ]),
                Step::calls("delete_task", &json!({"task_identifier": "call Robert"})),
                Step::says("Done."),
            ]
        };
        app.script(steps());
        let answer = ada.say("go", None).await?.expect(200)?;
        let brief = |changes: &Value| -> Vec<(Value, Value, Value)> {
            let brief = |change: &Value| {
                (change["action"].clone(), change["task"]["title"].clone(), change["previous_title"].clone())
            };
            changes.as_array().into_iter().flatten().map(brief).collect()
        };
        let expected = [
            (json!("updated"), json!("call Robert"), json!("call Bob")),
            (json!("created"), json!("call Bob"), Value::Null),
            (json!("deleted"), json!("call Robert"), Value::Null),
        ];
        assert_eq!(
            (brief(&answer["changes"]), &answer["undoable"], &answer["pending"]),
            (expected.to_vec(), &json!(true), &Value::Null),
            "{answer}"
        );
        assert!(answer.get("grounded").is_none(), "{answer}");
        for (change, entry) in answer["changes"].as_array().into_iter().flatten().zip(ada.changes(1).await?) {
            assert_eq!(
                (&change["seq"], &change["operation_id"], &change["task"]["id"]),
                (&entry["seq"], &entry["operation_id"], &entry["entity_id"])
            );
        }
        let message = stored(&ada, &answer).await?;
        assert_eq!((&message["changes"], &message["undoable"]), (&answer["changes"], &json!(true)), "{message}");

        app.script(steps());
        let frames = ada.stream("go", None).await?.rest().await?;
        let metadata = frames
            .iter()
            .filter(|frame| frame["type"] == "finish")
            .map(|frame| &frame["messageMetadata"])
            .next()
            .cloned()
            .unwrap_or_default();
        assert_eq!(
            (brief(&metadata["changes"]), &metadata["undoable"]),
            (expected.to_vec(), &json!(true)),
            "{frames:#?}"
        );
        assert!(metadata["pending"].is_null(), "{metadata}");
    }
}

on_both_databases! {
    async fn claims_of_a_model_are_not_receipts(app: TestApp) {
        let ada = app.register("ada").await?;
        ada.add("buy milk").await?;
        let claim = "Done! I've deleted \u{201c}buy milk\u{201d}.";
        app.script([Step::says(claim)]);
        let answer = ada.say("delete milk", None).await?.expect(200)?;
        assert_eq!(
            (&answer["response"], &answer["changes"], &answer["undoable"]),
            (&json!(claim), &json!([]), &json!(false))
        );
        let message = stored(&ada, &answer).await?;
        assert_eq!((&message["content"], &message["changes"]), (&json!(claim), &json!([])));
        // Calls without an effect have no receipt: listing, completing a completed task, an unknown name.
        app.script([
            Step::calls("complete_task", &json!({"task_identifier": "milk"})),
            Step::calls("complete_task", &json!({"task_identifier": "buy milk"})),
            Step::calls("delete_task", &json!({"task_identifier": "bread"})),
            Step::calls("list_tasks", &json!({})),
            Step::says("Done."),
        ]);
        let answer = ada.say("go", None).await?.expect(200)?;
        assert_eq!(answer["changes"].as_array().map(Vec::len), Some(1), "{answer}");
        assert_eq!(ada.changes(1).await?.len(), 1);
    }
}

on_both_databases! {
    async fn a_receipt_names_its_undo_until_that_is_undone(app: TestApp) {
        let ada = app.register("ada").await?;
        let answer = ada.say("add milk. add eggs.", None).await?.expect(200)?;
        let undone_by = |message: &Value| {
            message["changes"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|change| change["undone_by"].clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(undone_by(&answer), [Value::Null, Value::Null]);
        let first = ada.send(Method::POST, "/api/{me}/changes/1/undo", None).await?.expect(200)?;
        let message = stored(&ada, &answer).await?;
        assert_eq!(
            (undone_by(&message), &message["undoable"]),
            (vec![json!(3), Value::Null], &json!(true)),
            "{message}"
        );
        ada.send(Method::POST, "/api/{me}/changes/2/undo", None).await?.expect(200)?;
        let message = stored(&ada, &answer).await?;
        assert_eq!((undone_by(&message), &message["undoable"]), (vec![json!(3), json!(4)], &json!(false)), "{message}");
        let redo = format!("/api/{{me}}/operations/{}/undo", text(&first, "operation_id"));
        ada.send(Method::POST, &redo, None).await?.expect(200)?;
        let message = stored(&ada, &answer).await?;
        assert_eq!(
            (undone_by(&message), &message["undoable"]),
            (vec![Value::Null, json!(4)], &json!(true)),
            "{message}"
        );
    }
}

on_both_databases! {
    async fn a_receipt_outlives_its_entry_and_is_then_not_undoable(app: TestApp) {
        let ada = app.register("ada").await?;
        let answer = ada.say("Add a task to buy milk", None).await?.expect(200)?;
        let _other = app.another(TimeDelta::hours(1), &["--change-retention", "30m"]).await?;
        let is_pruned = async || Ok(stored(&ada, &answer).await?["undoable"] == false);
        wait_until("upkeep to prune the ledger", is_pruned).await?;
        assert_eq!(stored(&ada, &answer).await?["changes"], answer["changes"]);
        let undo = format!(
            "/api/{{me}}/conversations/{}/messages/{}/undo",
            text(&answer, "conversation_id"),
            text(&answer, "message_id")
        );
        ada.send(Method::POST, &undo, None).await?.expect(404)?;
    }
}

on_both_databases! {
    async fn a_repeated_message_returns_the_same_receipts(app: TestApp) {
        let ada = app.register("ada").await?;
        let first = ada.say_once("k1", "Add a task to buy milk", None).await?.expect(200)?;
        let repeated = ada.say_once("k1", "Add a task to buy milk", None).await?.expect(200)?;
        assert_eq!((&repeated, repeated["changes"].as_array().map(Vec::len)), (&first, Some(1)));
        ada.send(Method::POST, "/api/{me}/changes/1/undo", None).await?.expect(200)?;
        let undone = ada.say_once("k1", "Add a task to buy milk", None).await?.expect(200)?;
        assert_eq!(
            (&undone["undoable"], &undone["changes"][0]["undone_by"]),
            (&json!(false), &json!(2)),
            "computed on read"
        );
    }
}

on_both_databases! {
    async fn titles_and_messages_built_to_be_slow_are_answered(app: TestApp) {
        let ada = app.register("ada").await?;
        for repeats in [24, 37] {
            ada.add(&format!("Shall I {}sing?", "go ahead and ".repeat(repeats))).await?;
        }
        let answer = ada.say("what's left?", None).await?.expect(200)?;
        assert_eq!(answer["tool_calls"][0]["result"]["data"]["total"], 2, "{answer}");
        assert!(text(&answer, "response").matches("Shall I go ahead and").count() == 2, "{answer}");
        let list = "go ahead and ".repeat(4000 / 13);
        for message in [list.as_str(), &"yes ".repeat(1000), &"undo ".repeat(800), &"x".repeat(4000)] {
            ada.say(message, None).await?.expect(200)?;
        }
        assert_eq!(ada.titles().await?.len(), 2);
    }
}
