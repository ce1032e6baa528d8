//! Whole conversations with a model that is reached by network, as people have them.

use serde_json::{Value, json};
use tests::fake_provider::{Behaviour, FakeProvider, Gate, Reply};
use tests::{TestApp, on_both_databases};

fn calls(answer: &Value) -> Vec<(String, bool)> {
    let calls = answer["tool_calls"].as_array().cloned().unwrap_or_default();
    let told = |call: &Value| (call["tool"].as_str().unwrap_or_default().to_owned(), call["result"]["success"] == true);
    calls.iter().map(told).collect()
}

on_both_databases! {
    async fn an_ambiguous_name_is_asked_about_and_a_position_answers(app: TestApp, _provider: FakeProvider = Behaviour::assistant(), []) {
        let ada = app.register("ada").await?;
        for title in ["meeting with Bob", "prepare the meeting", "milk"] {
            ada.add(title).await?;
        }
        let asked = ada.say("Delete the meeting task", None).await?.expect(200)?;
        assert_eq!(calls(&asked), [("delete_task".to_owned(), false)]);
        let shown = asked["tool_calls"][0]["result"]["data"]["candidates"][1]["title"].clone();
        let gone = ada.say("the second", asked["conversation_id"].as_str()).await?.expect(200)?;
        assert_eq!(calls(&gone), [("delete_task".to_owned(), true)], "{gone}");
        let titles = ada.titles().await?;
        assert!(titles.len() == 2 && !titles.iter().any(|title| shown == title.as_str()), "{titles:?}, not {shown}");
    }
}

on_both_databases! {
    async fn three_steps_are_one_turn_whose_events_come_while_it_runs(app: TestApp, provider: FakeProvider = Behaviour::scripted(), []) {
        let ada = app.register("ada").await?;
        ada.add("buy milk").await?;
        let gate = Gate::new();
        provider.push(Reply::calls("list_tasks", &json!({})).plan("I will list the tasks first."));
        provider.push(Reply::calls("complete_task", &json!({"task_identifier": "1"})));
        provider.push(Reply::calls("add_task", &json!({"title": "call Bob"})).held(&gate));
        provider.push(Reply::pieces(["All ", "three ", "are done."]));
        let mut stream = ada.stream("List my tasks, complete buy milk and add call Bob", None).await?;
        for tool in ["list_tasks", "complete_task"] {
            let called = stream.until("tool-input-available").await?;
            assert_eq!(called["toolName"], tool);
            assert_eq!(stream.until("tool-output-available").await?["output"]["success"], true);
        }
        // The third answer is still held back: what was seen so far came while the turn ran.
        gate.open();
        stream.until("finish").await?;
        assert_eq!(ada.titles().await?, ["call Bob", "buy milk"]);
        let asked = provider.requests();
        assert_eq!(asked.len(), 4);
        let told = &asked[1].body["messages"];
        assert!(told.to_string().contains("I will list the tasks first."), "a plan is told again: {told}");
    }
}

on_both_databases! {
    async fn what_a_model_is_told_is_the_conversation_with_its_calls_and_results(app: TestApp, provider: FakeProvider = Behaviour::scripted(), []) {
        let ada = app.register("ada").await?;
        provider.push(Reply::calls("add_task", &json!({"title": "milk"})));
        provider.push(Reply::says("Added milk."));
        provider.push(Reply::says("You are welcome."));
        let first = ada.say("add milk", None).await?.expect(200)?;
        ada.say("thanks", first["conversation_id"].as_str()).await?.expect(200)?;
        let asked = &provider.requests()[2].body;
        let roles: Vec<_> = asked["messages"].as_array().into_iter().flatten().map(|message| message["role"].clone()).collect();
        assert_eq!(roles, ["system", "user", "assistant", "tool", "assistant", "user"], "{asked}");
        assert_eq!(asked["messages"][2]["tool_calls"][0]["id"], asked["messages"][3]["tool_call_id"]);
        assert!(asked["messages"][2].get("content").is_none_or(|content| !content.is_null()), "{asked}");
        assert_eq!(asked["tools"].as_array().map(Vec::len), Some(6));
        assert!(asked.get("tool_choice").is_none() && asked.get("strict_tools").is_none(), "{asked}");
    }
}
