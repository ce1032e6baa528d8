//! Receipts: what a turn changed, as the server tells it. No words of a model are in them.

use chrono::TimeDelta;
use domain::llm::Step;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{TestApp, TestUser, on_both_databases};

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// The newest message of an answer's conversation.
async fn stored(user: &TestUser, answer: &Value) -> anyhow::Result<Value> {
    let path = format!("/api/{{me}}/conversations/{}/messages?order=desc&limit=1", text(answer, "conversation_id"));
    Ok(user.get(&path).await?.expect(200)?[0].take())
}

on_both_databases! {
    async fn an_answer_a_stream_and_the_stored_message_tell_the_same_changes(app: TestApp) {
        let ada = app.register("ada").await?;
        ada.add("call Bob").await?;
        let steps = || [
            Step::calls_raw([
                ("update_task", r#"{"task_identifier":"call Bob","new_title":"call Robert"}"#),
                ("add_task", r#"{"title":"call Bob"}"#),
            ]),
            Step::calls("delete_task", &json!({"task_identifier": "call Robert"})),
            Step::says("Done."),
        ];
        app.script(steps());
        let answer = ada.say("go", None).await?.expect(200)?;
        let brief = |changes: &Value| -> Vec<(Value, Value, Value)> {
            let brief = |change: &Value| (change["action"].clone(), change["task"]["title"].clone(), change["previous_title"].clone());
            changes.as_array().into_iter().flatten().map(brief).collect()
        };
        let expected = [
            (json!("updated"), json!("call Robert"), json!("call Bob")),
            (json!("created"), json!("call Bob"), Value::Null),
            (json!("deleted"), json!("call Robert"), Value::Null),
        ];
        assert_eq!((brief(&answer["changes"]), &answer["undoable"], &answer["pending"]), (expected.to_vec(), &json!(true), &Value::Null), "{answer}");
        assert!(answer.get("grounded").is_none(), "{answer}");
        for (change, entry) in answer["changes"].as_array().into_iter().flatten().zip(ada.changes(1).await?) {
            assert_eq!((&change["seq"], &change["operation_id"], &change["task"]["id"]), (&entry["seq"], &entry["operation_id"], &entry["entity_id"]));
        }
        let message = stored(&ada, &answer).await?;
        assert_eq!((&message["changes"], &message["undoable"]), (&answer["changes"], &json!(true)), "{message}");

        app.script(steps());
        let frames = ada.stream("go", None).await?.rest().await?;
        let metadata = frames.iter().filter(|frame| frame["type"] == "finish").map(|frame| &frame["messageMetadata"]).next().cloned().unwrap_or_default();
        assert_eq!((brief(&metadata["changes"]), &metadata["undoable"]), (expected.to_vec(), &json!(true)), "{frames:#?}");
        assert!(metadata["pending"].is_null(), "{metadata}");
    }
}

on_both_databases! {
    async fn what_a_model_claims_is_no_receipt(app: TestApp) {
        let ada = app.register("ada").await?;
        ada.add("buy milk").await?;
        let lie = "Done! I've deleted \u{201c}buy milk\u{201d}.";
        app.script([Step::says(lie)]);
        let answer = ada.say("delete milk", None).await?.expect(200)?;
        assert_eq!((&answer["response"], &answer["changes"], &answer["undoable"]), (&json!(lie), &json!([]), &json!(false)));
        let message = stored(&ada, &answer).await?;
        assert_eq!((&message["content"], &message["changes"]), (&json!(lie), &json!([])));
        // Nor is what changed nothing: a list, a task that is done already, a name of no task.
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
    async fn a_receipt_tells_what_undid_it_until_that_is_undone(app: TestApp) {
        let ada = app.register("ada").await?;
        let answer = ada.say("add milk. add eggs.", None).await?.expect(200)?;
        let undone_by = |message: &Value| message["changes"].as_array().into_iter().flatten().map(|change| change["undone_by"].clone()).collect::<Vec<_>>();
        assert_eq!(undone_by(&answer), [Value::Null, Value::Null]);
        let first = ada.send(Method::POST, "/api/{me}/changes/1/undo", None).await?.expect(200)?;
        let message = stored(&ada, &answer).await?;
        assert_eq!((undone_by(&message), &message["undoable"]), (vec![json!(3), Value::Null], &json!(true)), "{message}");
        ada.send(Method::POST, "/api/{me}/changes/2/undo", None).await?.expect(200)?;
        let message = stored(&ada, &answer).await?;
        assert_eq!((undone_by(&message), &message["undoable"]), (vec![json!(3), json!(4)], &json!(false)), "{message}");
        let redo = format!("/api/{{me}}/operations/{}/undo", text(&first, "operation_id"));
        ada.send(Method::POST, &redo, None).await?.expect(200)?;
        let message = stored(&ada, &answer).await?;
        assert_eq!((undone_by(&message), &message["undoable"]), (vec![Value::Null, json!(4)], &json!(true)), "{message}");
    }
}

on_both_databases! {
    async fn a_receipt_outlives_its_entry_and_is_not_undoable_then(app: TestApp) {
        let ada = app.register("ada").await?;
        let answer = ada.say("Add a task to buy milk", None).await?.expect(200)?;
        let _strict = app.another(TimeDelta::hours(1), &["--change-retention", "30m"]).await?;
        let mut message = stored(&ada, &answer).await?;
        for _ in 0..200 {
            if message["undoable"] == false {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            message = stored(&ada, &answer).await?;
        }
        assert_eq!((&message["undoable"], &message["changes"]), (&json!(false), &answer["changes"]), "{message}");
        let undo = format!("/api/{{me}}/conversations/{}/messages/{}/undo", text(&answer, "conversation_id"), text(&answer, "message_id"));
        ada.send(Method::POST, &undo, None).await?.expect(404)?;
    }
}

on_both_databases! {
    async fn a_repeated_message_gets_its_receipts_again(app: TestApp) {
        let ada = app.register("ada").await?;
        let first = ada.say_once("k1", "Add a task to buy milk", None).await?.expect(200)?;
        let again = ada.say_once("k1", "Add a task to buy milk", None).await?.expect(200)?;
        assert_eq!((&again, again["changes"].as_array().map(Vec::len)), (&first, Some(1)));
        ada.send(Method::POST, "/api/{me}/changes/1/undo", None).await?.expect(200)?;
        let undone = ada.say_once("k1", "Add a task to buy milk", None).await?.expect(200)?;
        assert_eq!((&undone["undoable"], &undone["changes"][0]["undone_by"]), (&json!(false), &json!(2)), "computed on read");
    }
}

on_both_databases! {
    async fn a_title_that_was_slow_to_read_is_answered(app: TestApp) {
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
