//! A language model provider over the wire, from the settings to the answer: what a conversation is like when it works,
//! and what is left of a turn when it does not.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use app::cli::Cli;
use app::settings::{Settings, Variables};
use app::{Application, Overrides};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use test_database::TestDatabase;
use tests::fake_provider::{Behaviour, FakeProvider, Fault, Gate, Reply};
use tests::measure::register;
use tests::{Answer, TestUser};

test_database::on_both_databases! {
    an_unclear_name_is_asked_about_and_the_second_is_deleted,
    three_steps_are_done_in_one_turn,
    a_failing_provider_is_a_typed_error_and_an_honest_message,
    a_provider_that_is_asked_to_wait_is_asked_once_more,
    a_call_that_is_cut_off_is_not_executed,
    events_arrive_while_the_provider_is_still_at_work,
}

const PROVIDERS: [&str; 2] = ["cohere", "openai"];

/// A server whose assistant is the fake provider, and somebody who uses it.
struct Scene {
    provider: FakeProvider,
    user: TestUser,
    address: String,
}

impl Scene {
    /// One more server on the database, since one that has seen many failures leaves its provider alone.
    async fn set(database: &TestDatabase, name: &str, user: &str, behaviour: Behaviour) -> anyhow::Result<Self> {
        Self::set_with(database, name, user, behaviour, "2m").await
    }

    /// With another time that one reply may take.
    async fn set_with(
        database: &TestDatabase,
        name: &str,
        user: &str,
        behaviour: Behaviour,
        timeout: &str,
    ) -> anyhow::Result<Self> {
        let provider = FakeProvider::start(behaviour)?;
        let settings = settings(database.url(), name, &provider, timeout)?;
        let overrides = Overrides { cheap_passwords: true, ..Overrides::default() };
        let application = Application::build(settings, overrides).await?;
        let address = application.address();
        tokio::spawn(application.run_until_stopped(std::future::pending()));
        let user = register(&address, user).await?;
        Ok(Self { provider, user, address })
    }

    /// Says something and expects what is left of a failed turn.
    async fn expect_failure(&self, status: u16, code: &str) -> anyhow::Result<Answer> {
        let answer = self.user.say("add one task", None).await?;
        let problem = answer.expect_problem(status, code, None)?;
        let conversation = problem["conversation_id"].as_str().context("a conversation")?;
        let messages =
            self.user.get(&format!("/api/{{me}}/conversations/{conversation}/messages")).await?.expect(200)?;
        ensure!(messages[0]["content"] == "add one task" && messages[0]["status"] == "complete", "{messages}");
        ensure!(messages[1]["id"] == problem["message_id"] && messages[1]["status"] == "failed", "{messages}");
        ensure!(self.user.titles().await?.is_empty(), "something was done");
        Ok(answer)
    }
}

fn settings(database_url: &str, name: &str, provider: &FakeProvider, timeout: &str) -> anyhow::Result<Settings> {
    let secret = "a secret for tests, of more than 32 bytes";
    let url = if name == "openai" { provider.openai_url() } else { provider.url() };
    let (url_flag, key_flag) = (format!("--{name}-base-url"), format!("--{name}-api-key"));
    let mut arguments = vec!["app", "--port", "0", "--database-url", database_url, "--jwt-secret", secret];
    arguments.extend(["--llm-provider", name, &url_flag, &url, &key_flag, "any", "--llm-timeout", timeout]);
    // Many of these servers share one database server.
    arguments.extend(["--database-max-connections", "2"]);
    if name == "openai" {
        arguments.extend(["--openai-model", "fake"]);
    }
    Ok(Cli::read(arguments, &Variables::default())?.settings)
}

async fn an_unclear_name_is_asked_about_and_the_second_is_deleted(database: TestDatabase) -> anyhow::Result<()> {
    for name in PROVIDERS {
        let Scene { user, provider, .. } = Scene::set(&database, name, name, Behaviour::assistant()).await?;
        for title in ["meeting with Bob", "prepare the meeting", "milk"] {
            user.add(title).await?;
        }
        let asked = user.say("Delete the meeting task", None).await?.expect(200)?;
        let question = asked["response"].as_str().context("a question")?;
        ensure!(question.contains("1. prepare the meeting\n2. meeting with Bob"), "{question}");
        let second = &asked["tool_calls"][0]["result"]["data"]["candidates"][1]["id"];
        let gone = user.say("the second", asked["conversation_id"].as_str()).await?.expect(200)?;
        ensure!(gone["tool_calls"][0]["parameters"] == json!({"task_identifier": second}), "{gone}");
        ensure!(user.titles().await? == ["milk", "prepare the meeting"], "{gone}");
        ensure!(gone["usage"]["tokens_in"].as_u64() > Some(0), "{gone}");
        ensure!(provider.requests().iter().all(|request| request.headers["authorization"] == "Bearer any"));
    }
    Ok(())
}

async fn three_steps_are_done_in_one_turn(database: TestDatabase) -> anyhow::Result<()> {
    for name in PROVIDERS {
        let Scene { user, provider, .. } = Scene::set(&database, name, name, Behaviour::assistant()).await?;
        user.add("buy milk").await?;
        let turn = user.say("List my tasks. Complete buy milk. Add call Bob.", None).await?.expect(200)?;
        let calls = turn["tool_calls"].as_array().context("calls")?;
        let tools: Vec<_> = calls.iter().map(|call| (&call["tool"], &call["result"]["success"])).collect();
        let done = [json!("list_tasks"), json!("complete_task"), json!("add_task")];
        ensure!(tools == done.iter().map(|tool| (tool, &Value::Bool(true))).collect::<Vec<_>>(), "{turn}");
        ensure!(turn["response"].as_str().is_some_and(|text| text.ends_with("Added “call Bob” to your list.")));
        ensure!(provider.requests().len() == 2 && user.titles().await? == ["call Bob", "buy milk"], "{turn}");
    }
    Ok(())
}

/// A fault, the status and the code that come of it, and how often the provider is asked.
type Case = (Fault, u16, &'static str, usize);

async fn a_failing_provider_is_a_typed_error_and_an_honest_message(database: TestDatabase) -> anyhow::Result<()> {
    let cases: [Case; 12] = [
        (Fault::status(401), 502, "AI_ERROR", 1),
        (Fault::status(404), 502, "AI_ERROR", 1),
        (Fault::status(503), 502, "AI_ERROR", 3),
        (Fault::Garbage, 502, "AI_ERROR", 1),
        (Fault::HtmlPage, 502, "AI_ERROR", 1),
        (Fault::CutAfter(1), 502, "AI_ERROR", 1),
        (Fault::EndsAfter(1), 502, "AI_ERROR", 1),
        (Fault::ErrorAfter(1), 502, "AI_ERROR", 1),
        (Fault::EndlessLines, 502, "AI_ERROR", 1),
        (Fault::EndlessLine, 502, "AI_ERROR", 1),
        (Fault::Silent, 504, "AI_TIMEOUT", 1),
        (Fault::HangsAfter(1), 504, "AI_TIMEOUT", 1),
    ];
    let mut scenes = Vec::new();
    for (number, (name, case)) in
        PROVIDERS.iter().flat_map(|name| cases.iter().map(move |case| (name, case))).enumerate()
    {
        let behaviour = Behaviour::assistant().fault(case.0.clone());
        // Only what never ends has to be waited for.
        let timeout = if case.1 == 504 { "1s" } else { "2m" };
        let user = format!("user{number}");
        scenes.push((name, case, Scene::set_with(&database, name, &user, behaviour, timeout).await?));
    }
    let run = async |name: &str, case: &Case, scene: &Scene| {
        let (fault, status, code, requests) = case;
        let what = || format!("{name}, {fault:?}");
        let answer = scene.expect_failure(*status, code).await.with_context(what)?;
        ensure!(!answer.text.contains("the service is not available"), "{}: {}", what(), answer.text);
        let asked = scene.provider.requests().len();
        // On a busy machine the time may be over before the provider has heard of it.
        let too_early = *status == 504 && asked < *requests;
        ensure!(asked == *requests || too_early, "{}: asked {asked} times", what());
        anyhow::Ok(())
    };
    try_join_all(scenes.iter().map(|(name, case, scene)| run(name, case, scene))).await?;
    Ok(())
}

async fn a_provider_that_is_asked_to_wait_is_asked_once_more(database: TestDatabase) -> anyhow::Result<()> {
    for name in PROVIDERS {
        let limited = || Reply::default().fault(Fault::rate_limited(Duration::ZERO));
        let scene = Scene::set(&database, name, name, Behaviour::scripted()).await?;
        scene.provider.push(limited());
        scene.provider.push(Reply::says("Here I am again."));
        let answer = scene.user.say("hello", None).await?.expect(200)?;
        ensure!(answer["response"] == "Here I am again." && scene.provider.requests().len() == 2, "{answer}");
        scene.provider.push(limited());
        scene.provider.push(limited());
        let refused = scene.expect_failure(503, "AI_UNAVAILABLE").await?;
        ensure!(!refused.header("retry-after").is_empty() && scene.provider.requests().len() == 4, "{}", refused.text);
    }
    Ok(())
}

async fn a_call_that_is_cut_off_is_not_executed(database: TestDatabase) -> anyhow::Result<()> {
    for name in PROVIDERS {
        let scene = Scene::set(&database, name, name, Behaviour::scripted()).await?;
        let cut = Reply::calls("add_task", &json!({"title": "never"})).fault(Fault::CutInArguments);
        scene.provider.push(cut);
        scene.expect_failure(502, "AI_ERROR").await?;
    }
    Ok(())
}

async fn events_arrive_while_the_provider_is_still_at_work(database: TestDatabase) -> anyhow::Result<()> {
    for name in PROVIDERS {
        let Scene { user, provider, address } = Scene::set(&database, name, name, Behaviour::scripted()).await?;
        let gate = Gate::new();
        provider.push(Reply::pieces(["early ", "late"]).held_after(1, &gate));
        let request = tests::http_client().post(format!("{address}/api/{}/chat", user.id));
        let request = request.bearer_auth(&user.access_token).header("accept", "text/event-stream");
        let mut response = request.json(&json!({"message": "hello"})).send().await?;
        let mut seen = String::new();
        while !seen.contains("early") {
            seen.push_str(std::str::from_utf8(&response.chunk().await?.context("more")?)?);
        }
        ensure!(!seen.contains("late"), "{seen}");
        gate.open();
        let rest = response.text().await?;
        ensure!(rest.contains("late") && rest.trim_end().ends_with("data: [DONE]"), "{rest}");
    }
    Ok(())
}
