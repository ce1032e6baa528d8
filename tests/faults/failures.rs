//! Provider faults through the real client of Cohere: an error code, a failed message, and no partial effect.

use std::time::Duration;

use serde_json::{Value, json};
use tests::fake_provider::{Behaviour, FakeProvider, Fault, Reply};
use tests::frames::text;
use tests::{TestApp, TestUser, on_both_databases};

/// Sends a message whose turn fails, and checks the stored messages.
async fn expect_failure(user: &TestUser, status: u16, code: &str) -> anyhow::Result<Value> {
    let answer = user.say("add milk", None).await?;
    let problem = answer.expect_problem(status, code, None)?;
    let conversation = problem["conversation_id"].as_str().unwrap_or_default();
    let path = format!("/api/{{me}}/conversations/{conversation}/messages");
    let messages = user.get(&path).await?.expect(200)?;
    assert_eq!((&messages[0]["content"], &messages[0]["status"]), (&json!("add milk"), &json!("complete")));
    assert_eq!((&messages[1]["id"], &messages[1]["status"]), (&problem["message_id"], &json!("failed")));
    assert!(messages[1]["content"].as_str().is_some_and(|text| text.contains("Nothing was changed.")), "{messages}");
    assert_eq!(user.titles().await?, Vec::<String>::new());
    Ok(problem)
}

/// The built-in assistant with this fault in every answer.
fn with(fault: Fault) -> Behaviour {
    Behaviour::assistant().fault(fault)
}

fn add_milk() -> Reply {
    Reply::calls("add_task", &json!({"title": "milk"}))
}

on_both_databases! {
    async fn a_rate_limited_request_is_retried_once_and_then_reported(
        app: TestApp,
        provider: FakeProvider = with(Fault::rate_limited(Duration::ZERO)),
    ) {
        let ada = app.register("ada").await?;
        expect_failure(&ada, 503, "AI_UNAVAILABLE").await?;
        assert_eq!(provider.requests().len(), 2);
        assert!(!ada.say("hello", None).await?.header("retry-after").is_empty());
    }
}

on_both_databases! {
    async fn a_long_retry_after_is_passed_to_the_client(
        app: TestApp,
        provider: FakeProvider = with(Fault::rate_limited(Duration::from_secs(47))),
    ) {
        let ada = app.register("ada").await?;
        let answer = ada.say("hello", None).await?;
        answer.expect_problem(503, "AI_UNAVAILABLE", None)?;
        assert_eq!((answer.header("retry-after"), provider.requests().len()), ("47", 1));
    }
}

on_both_databases! {
    async fn a_rejected_key_is_not_retried_and_not_shown(
        app: TestApp,
        provider: FakeProvider = with(Fault::status(401)),
    ) {
        let problem = expect_failure(&app.register("ada").await?, 502, "AI_ERROR").await?;
        assert_eq!(provider.requests().len(), 1);
        assert!(!problem.to_string().contains("a-key-for-tests"), "{problem}");
        assert_eq!(provider.requests()[0].headers["authorization"], "Bearer a-key-for-tests");
    }
}

on_both_databases! {
    async fn a_missing_model_names_the_setting(app: TestApp, _provider: FakeProvider = with(Fault::status(404))) {
        let problem = expect_failure(&app.register("ada").await?, 502, "AI_ERROR").await?;
        assert!(problem["message"].as_str().is_some_and(|text| text.contains("COHERE_MODEL")), "{problem}");
    }
}

on_both_databases! {
    async fn a_silent_provider_times_out(
        app: TestApp,
        _provider: FakeProvider = with(Fault::Silent),
        ["--llm-timeout", "1s"]
    ) {
        expect_failure(&app.register("ada").await?, 504, "AI_TIMEOUT").await?;
    }
}

on_both_databases! {
    async fn a_provider_that_stalls_within_an_answer_times_out(
        app: TestApp,
        _provider: FakeProvider = with(Fault::HangsAfter(1)),
        ["--llm-timeout", "1s"]
    ) {
        expect_failure(&app.register("ada").await?, 504, "AI_TIMEOUT").await?;
    }
}

on_both_databases! {
    async fn a_tool_call_that_is_cut_off_is_not_run(app: TestApp, provider: FakeProvider = Behaviour::scripted()) {
        let ada = app.register("ada").await?;
        for fault in [Fault::CutInArguments, Fault::CutAfter(1), Fault::EndsAfter(1)] {
            for _ in 0..4 {
                provider.push(add_milk().fault(fault.clone()));
            }
            expect_failure(&ada, 502, "AI_ERROR").await?;
        }
    }
}

on_both_databases! {
    async fn an_invalid_answer_is_an_error(app: TestApp, provider: FakeProvider = Behaviour::scripted()) {
        let ada = app.register("ada").await?;
        for fault in [Fault::Garbage, Fault::HtmlPage, Fault::ErrorAfter(1), Fault::status(400), Fault::status(422)] {
            for _ in 0..4 {
                provider.push(add_milk().fault(fault.clone()));
            }
            expect_failure(&ada, 502, "AI_ERROR").await?;
        }
    }
}

on_both_databases! {
    async fn endless_output_is_cut_off(app: TestApp, _provider: FakeProvider = with(Fault::EndlessLines)) {
        let ada = app.register("ada").await?;
        let answer = ada.say("talk", None).await?;
        let problem = answer.expect_problem(502, "AI_ERROR", None)?;
        let conversation = problem["conversation_id"].as_str().unwrap_or_default();
        let path = format!("/api/{{me}}/conversations/{conversation}/messages?order=desc&limit=1");
        let stored = ada.get(&path).await?.expect(200)?;
        assert!(stored[0]["content"].as_str().is_some_and(|text| text.len() < 300 * 1024), "bounded");
    }
}

on_both_databases! {
    async fn an_endless_line_is_cut_off(app: TestApp, _provider: FakeProvider = with(Fault::EndlessLine)) {
        expect_failure(&app.register("ada").await?, 502, "AI_ERROR").await?;
    }
}

on_both_databases! {
    async fn the_built_in_assistant_answers_as_the_fallback_and_says_so(
        app: TestApp,
        provider: FakeProvider = with(Fault::status(503)),
        ["--llm-fallback", "offline"]
    ) {
        let ada = app.register("ada").await?;
        let answer = ada.say("Add a task to buy milk", None).await?.expect(200)?;
        assert!(answer["response"].as_str().is_some_and(|text| text.contains("in its place")), "{answer}");
        assert_eq!(ada.titles().await?, ["buy milk"]);
        assert!(!provider.requests().is_empty());
        let usage = ada.get("/api/{me}/usage").await?.expect(200)?;
        assert_eq!(usage[0]["provider"], "offline", "usage is attributed to the fallback: {usage}");
    }
}

on_both_databases! {
    async fn a_failure_within_a_stream_is_its_last_frame(app: TestApp, provider: FakeProvider = Behaviour::scripted()) {
        let ada = app.register("ada").await?;
        provider.push(add_milk());
        provider.push(Reply::pieces(["Half", " of", " it"]).fault(Fault::CutAfter(2)));
        let frames = ada.stream("add milk", None).await?.rest().await?;
        let last = frames.last().map(|frame| frame["type"].clone());
        assert_eq!((last, text(&frames).starts_with("Half of")), (Some(json!("error")), true), "{frames:?}");
        assert_eq!(ada.titles().await?, ["milk"], "earlier changes are kept");
    }
}

on_both_databases! {
    async fn ten_stalled_turns_leave_a_pool_of_one_connection_usable(
        app: TestApp,
        provider: FakeProvider = with(Fault::Silent),
        ["--database-max-connections", "1"]
    ) {
        let ada = app.register("ada").await?;
        let chats: Vec<_> = (0..10)
            .map(|_| {
                let ada = ada.clone();
                tokio::spawn(async move { ada.say("hello", None).await })
            })
            .collect();
        provider.wait_for_requests(10).await?;
        for n in 0..20 {
            ada.add(&format!("task {n}")).await?;
        }
        assert_eq!(ada.titles().await?.len(), 20);
        assert!(chats.iter().all(|chat| !chat.is_finished()), "the turns are still running");
    }
}
