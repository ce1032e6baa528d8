//! Idempotency keys: a repeated message has one turn and one effect.

use domain::llm::{LlmError, Step};
use futures_channel::oneshot;
use serde_json::json;
use tests::{TestApp, on_both_databases, wait_until};

fn add_milk() -> Step {
    Step::calls("add_task", &json!({"title": "buy milk"}))
}

on_both_databases! {
    async fn a_message_with_the_same_key_gets_the_same_answer_and_no_second_effect(app: TestApp) {
        let ada = app.register("ada").await?;
        let script = app.script([add_milk(), Step::says("Added.")]);
        let first = ada.say_once("k1", "add milk", None).await?.expect(200)?;
        let repeated = ada.say_once("k1", "add milk", None).await?.expect(200)?;
        assert_eq!((&first, script.requests().len()), (&repeated, 2));
        assert_eq!(ada.titles().await?, ["buy milk"]);
        let response = ada.say_once("k1", "add bread", None).await?;
        response.expect_problem(422, "IDEMPOTENCY_KEY_REUSED", Some("Idempotency-Key"))?;
        let conversation = first["conversation_id"].as_str();
        let response = ada.say_once("k1", "add milk", conversation).await?;
        response.expect_problem(422, "IDEMPOTENCY_KEY_REUSED", Some("Idempotency-Key"))?;
    }
}

on_both_databases! {
    async fn a_failed_turn_resumes_after_its_tool_call(app: TestApp) {
        let ada = app.register("ada").await?;
        let fail = || Step::Fail(LlmError::Unavailable("down".into()));
        let script = app.script([add_milk(), fail(), fail(), Step::says("Added.")]);
        let failed = ada.say_once("k1", "add milk", None).await?;
        let problem = failed.expect_problem(502, "AI_ERROR", None)?;
        ada.say_once("k1", "add milk", None).await?.expect_problem(502, "AI_ERROR", None)?;
        let answer = ada.say_once("k1", "add milk", None).await?.expect(200)?;
        assert_eq!((&answer["response"], &answer["message_id"]), (&json!("Added."), &problem["message_id"]));
        assert_eq!(answer["tool_calls"].as_array().map(Vec::len), Some(1), "{answer}");
        assert_eq!((ada.titles().await?, script.requests().len()), (vec!["buy milk".to_owned()], 4));
        let path =
            format!("/api/{{me}}/conversations/{}/messages", answer["conversation_id"].as_str().unwrap_or_default());
        assert_eq!(ada.get(&path).await?.expect(200)?.as_array().map(Vec::len), Some(2), "one turn");
    }
}

on_both_databases! {
    async fn a_key_whose_turn_is_running_is_refused(app: TestApp) {
        let ada = app.register("ada").await?;
        let (open, gate) = oneshot::channel();
        let Step::Events(events) = Step::says("late") else { unreachable!() };
        let script = app.script([Step::Gated(gate, events)]);
        let first = tokio::spawn({
            let ada = ada.clone();
            async move { ada.say_once("k1", "hello", None).await }
        });
        wait_until("the request to the model", async || Ok(script.requests().len() == 1)).await?;
        ada.say_once("k1", "hello", None).await?.expect_problem(409, "IDEMPOTENCY_IN_PROGRESS", None)?;
        open.send(()).map_err(|()| anyhow::anyhow!("the turn has ended"))?;
        let first = first.await??.expect(200)?;
        assert_eq!(ada.say_once("k1", "hello", None).await?.expect(200)?, first);
    }
}

on_both_databases! {
    async fn keys_are_scoped_to_their_user(app: TestApp) {
        let (ada, eve) = (app.register("ada").await?, app.register("eve").await?);
        app.script([Step::says("to ada"), Step::says("to eve")]);
        let to_ada = ada.say_once("k1", "hello", None).await?.expect(200)?;
        let to_eve = eve.say_once("k1", "hello", None).await?.expect(200)?;
        assert_eq!((&to_ada["response"], &to_eve["response"]), (&json!("to ada"), &json!("to eve")));
    }
}
