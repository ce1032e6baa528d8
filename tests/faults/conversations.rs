//! Conversations with a model over the network.

use serde_json::{Value, json};
use tests::fake_provider::{Behaviour, FakeProvider, Gate, Reply};
use tests::{TestApp, on_both_databases};

fn calls(answer: &Value) -> Vec<(String, bool)> {
    let calls = answer["tool_calls"].as_array().cloned().unwrap_or_default();
    let call = |call: &Value| (call["tool"].as_str().unwrap_or_default().to_owned(), call["result"]["success"] == true);
    calls.iter().map(call).collect()
}

on_both_databases! {
    async fn an_ambiguous_name_is_clarified_by_a_position(
        app: TestApp,
        _provider: FakeProvider = Behaviour::assistant(),
    ) {
        let ada = app.register("ada").await?;
        for title in ["meeting with Bob", "prepare the meeting", "milk"] {
            ada.add(title).await?;
        }
        let question = ada.say("Delete the meeting task", None).await?.expect(200)?;
        assert_eq!(calls(&question), [("delete_task".to_owned(), false)]);
        let second = question["tool_calls"][0]["result"]["data"]["candidates"][1]["title"].clone();
        let deleted = ada.say("the second", question["conversation_id"].as_str()).await?.expect(200)?;
        assert_eq!(calls(&deleted), [("delete_task".to_owned(), true)], "{deleted}");
        let titles = ada.titles().await?;
        assert!(
            titles.len() == 2 && !titles.iter().any(|title| second == title.as_str()),
            "{titles:?}, without {second}"
        );
    }
}

on_both_databases! {
    async fn three_steps_run_in_one_turn_and_stream_their_events(
        app: TestApp,
        provider: FakeProvider = Behaviour::scripted(),
    ) {
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
        // The third answer is held: the events above arrived while the turn was running.
        gate.open();
        stream.until("finish").await?;
        assert_eq!(ada.titles().await?, ["call Bob", "buy milk"]);
        let requests = provider.requests();
        assert_eq!(requests.len(), 4);
        let messages = &requests[1].body["messages"];
        assert!(messages.to_string().contains("I will list the tasks first."), "the plan is sent back: {messages}");
    }
}

on_both_databases! {
    async fn the_model_receives_the_conversation_with_calls_and_results(
        app: TestApp,
        provider: FakeProvider = Behaviour::scripted(),
    ) {
        let ada = app.register("ada").await?;
        provider.push(Reply::calls("add_task", &json!({"title": "milk"})));
        provider.push(Reply::says("Added milk."));
        provider.push(Reply::says("You are welcome."));
        let first = ada.say("add milk", None).await?.expect(200)?;
        ada.say("thanks", first["conversation_id"].as_str()).await?.expect(200)?;
        let request = &provider.requests()[2].body;
        let roles: Vec<_> =
            request["messages"].as_array().into_iter().flatten().map(|message| message["role"].clone()).collect();
        assert_eq!(roles, ["system", "user", "assistant", "tool", "assistant", "user"], "{request}");
        assert_eq!(request["messages"][2]["tool_calls"][0]["id"], request["messages"][3]["tool_call_id"]);
        assert!(request["messages"][2].get("content").is_none_or(|content| !content.is_null()), "{request}");
        assert_eq!(request["tools"].as_array().map(Vec::len), Some(6));
        assert!(request.get("tool_choice").is_none() && request.get("strict_tools").is_none(), "{request}");
    }
}
