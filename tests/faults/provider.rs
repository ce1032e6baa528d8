//! Both provider APIs from the settings to the answer: working conversations and failures.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use app::cli::Cli;
use app::settings::{Settings, Variables};
use app::{Application, Overrides};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use test_database::TestDatabase;
use tests::fake_provider::{Behaviour, FakeProvider, Fault, Gate, Reply};
use tests::{Answer, TestUser};

test_database::on_both_databases! {
    an_ambiguous_name_is_clarified_by_a_position,
    three_steps_are_done_in_one_turn,
    a_failing_provider_is_reported_by_a_code_and_a_failed_message,
    a_quota_that_is_used_up_promises_no_answer_soon,
    a_call_that_the_model_generated_wrongly_is_asked_for_once_more,
    a_call_in_the_text_of_a_reply_is_run,
    a_title_that_a_model_repeats_is_no_call,
    thoughts_without_an_end_are_asked_for_words_and_then_fail,
    a_rate_limited_request_is_retried_once,
    a_tool_call_that_is_cut_off_is_not_run,
    events_arrive_while_the_provider_is_answering,
}

const PROVIDERS: [&str; 2] = ["cohere", "openai"];

/// A server that uses a fake provider, and a user.
struct Setup {
    provider: FakeProvider,
    user: TestUser,
    address: String,
}

impl Setup {
    /// Starts another server on the database. A shared one would open its circuit breaker after a few failures.
    async fn start(database: &TestDatabase, name: &str, user: &str, behaviour: Behaviour) -> anyhow::Result<Self> {
        Self::start_with_timeout(database, name, user, behaviour, "2m").await
    }

    /// Starts a server with this `--llm-timeout`.
    async fn start_with_timeout(
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
        tokio::spawn(application.run_until_stopped(futures_util::stream::pending()));
        let user = TestUser::register(&address, user).await?;
        Ok(Self { provider, user, address })
    }

    /// Sends a message whose turn fails, and checks the stored messages.
    async fn expect_failure(&self, status: u16, code: &str) -> anyhow::Result<Answer> {
        let answer = self.user.say("add one task", None).await?;
        let problem = answer.expect_problem(status, code, None)?;
        let conversation = problem["conversation_id"].as_str().context("no conversation_id")?;
        let messages =
            self.user.get(&format!("/api/{{me}}/conversations/{conversation}/messages")).await?.expect(200)?;
        ensure!(messages[0]["content"] == "add one task" && messages[0]["status"] == "complete", "{messages}");
        ensure!(messages[1]["id"] == problem["message_id"] && messages[1]["status"] == "failed", "{messages}");
        ensure!(self.user.titles().await?.is_empty(), "a task was added");
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

async fn an_ambiguous_name_is_clarified_by_a_position(database: TestDatabase) -> anyhow::Result<()> {
    for name in PROVIDERS {
        let Setup { user, provider, .. } = Setup::start(&database, name, name, Behaviour::assistant()).await?;
        for title in ["meeting with Bob", "prepare the meeting", "milk"] {
            user.add(title).await?;
        }
        let answer = user.say("Delete the meeting task", None).await?.expect(200)?;
        let question = answer["response"].as_str().context("no response")?;
        ensure!(question.contains("1. prepare the meeting\n2. meeting with Bob"), "{question}");
        let second = &answer["tool_calls"][0]["result"]["data"]["candidates"][1]["id"];
        let deleted = user.say("the second", answer["conversation_id"].as_str()).await?.expect(200)?;
        ensure!(deleted["tool_calls"][0]["parameters"] == json!({"task_identifier": second}), "{deleted}");
        ensure!(user.titles().await? == ["milk", "prepare the meeting"], "{deleted}");
        ensure!(deleted["usage"]["tokens_in"].as_u64() > Some(0), "{deleted}");
        ensure!(provider.requests().iter().all(|request| request.headers["authorization"] == "Bearer any"));
    }
    Ok(())
}

async fn three_steps_are_done_in_one_turn(database: TestDatabase) -> anyhow::Result<()> {
    for name in PROVIDERS {
        let Setup { user, provider, .. } = Setup::start(&database, name, name, Behaviour::assistant()).await?;
        user.add("buy milk").await?;
        let turn = user.say("List my tasks. Complete buy milk. Add call Bob.", None).await?.expect(200)?;
        let calls = turn["tool_calls"].as_array().context("no tool calls")?;
        let tools: Vec<_> = calls.iter().map(|call| (&call["tool"], &call["result"]["success"])).collect();
        let done = [json!("list_tasks"), json!("complete_task"), json!("add_task")];
        ensure!(tools == done.iter().map(|tool| (tool, &Value::Bool(true))).collect::<Vec<_>>(), "{turn}");
        ensure!(turn["response"].as_str().is_some_and(|text| text.ends_with("Added “call Bob” to your list.")));
        ensure!(provider.requests().len() == 2 && user.titles().await? == ["call Bob", "buy milk"], "{turn}");
    }
    Ok(())
}

/// A fault, the resulting status and code, and the number of requests to the provider.
type Case = (Fault, u16, &'static str, usize);

async fn a_failing_provider_is_reported_by_a_code_and_a_failed_message(database: TestDatabase) -> anyhow::Result<()> {
    let cases: [Case; 14] = [
        (Fault::QuotaExhausted, 503, "AI_UNAVAILABLE", 1),
        (Fault::FailedCall, 502, "AI_ERROR", 2),
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
    let mut setups = Vec::new();
    for (number, (name, case)) in
        PROVIDERS.iter().flat_map(|name| cases.iter().map(move |case| (name, case))).enumerate()
    {
        let behaviour = Behaviour::assistant().fault(case.0.clone());
        // Only faults that never end need a short timeout.
        let timeout = if case.1 == 504 { "1s" } else { "2m" };
        let user = format!("user{number}");
        setups.push((name, case, Setup::start_with_timeout(&database, name, &user, behaviour, timeout).await?));
    }
    let run = async |name: &str, case: &Case, setup: &Setup| {
        let (fault, status, code, requests) = case;
        let what = || format!("{name}, {fault:?}");
        let answer = setup.expect_failure(*status, code).await.with_context(what)?;
        ensure!(!answer.text.contains("the service is not available"), "{}: {}", what(), answer.text);
        let actual = setup.provider.requests().len();
        // On a busy machine the timeout may expire before the request is sent.
        let expired_before = *status == 504 && actual < *requests;
        ensure!(actual == *requests || expired_before, "{}: {actual} requests", what());
        anyhow::Ok(())
    };
    try_join_all(setups.iter().map(|(name, case, setup)| run(name, case, setup))).await?;
    Ok(())
}

async fn a_quota_that_is_used_up_promises_no_answer_soon(database: TestDatabase) -> anyhow::Result<()> {
    for name in PROVIDERS {
        let setup = Setup::start(&database, name, name, Behaviour::scripted()).await?;
        setup.provider.push(Reply::default().fault(Fault::QuotaExhausted));
        let refused = setup.expect_failure(503, "AI_UNAVAILABLE").await?;
        ensure!(refused.header("retry-after") == "3600" && !refused.text.contains("busy"), "{}", refused.text);
        // It is no failure of the provider: the next request reaches it.
        setup.provider.push(Reply::says("Here I am."));
        setup.user.say("hello", None).await?.expect(200)?;
    }
    Ok(())
}

async fn a_call_that_the_model_generated_wrongly_is_asked_for_once_more(database: TestDatabase) -> anyhow::Result<()> {
    let setup = Setup::start(&database, "openai", "openai", Behaviour::scripted()).await?;
    setup.provider.push(Reply::default().fault(Fault::FailedCall));
    setup.provider.push(Reply::calls("add_task", &json!({"title": "milk"})));
    setup.provider.push(Reply::says("Added."));
    let answer = setup.user.say("add milk", None).await?.expect(200)?;
    ensure!(answer["response"] == "Added." && setup.user.titles().await? == ["milk"], "{answer}");
    ensure!(setup.provider.requests().len() == 3);
    Ok(())
}

async fn a_call_in_the_text_of_a_reply_is_run(database: TestDatabase) -> anyhow::Result<()> {
    let reply = "<think>Milk it is.</think>\n<tool_call>\n{\"name\": \"add_task\", \"arguments\": {\"title\": \"Größe\"}}\n</tool_call>";
    let fenced = "```json\n{\"name\": \"add_task\", \"arguments\": {\"title\": \"no\"}}\n```";
    let unknown = "<tool_call>{\"name\": \"drop_tables\", \"arguments\": {}}</tool_call>";
    for name in PROVIDERS {
        let setup = Setup::start(&database, name, name, Behaviour::scripted()).await?;
        for cut in [Reply::in_single_bytes, |reply| reply] {
            setup.provider.push(cut(Reply::pieces([reply])));
            setup.provider.push(cut(Reply::pieces(["<think>Done.</think>Added."])));
            let answer = setup.user.say("add Größe", None).await?.expect(200)?;
            ensure!(answer["response"] == "Added." && answer["tool_calls"][0]["tool"] == "add_task", "{answer}");
            for text in [fenced, unknown] {
                setup.provider.push(cut(Reply::pieces([text])));
                let answer = setup.user.say("hello", None).await?.expect(200)?;
                ensure!(answer["response"] == text && answer["tool_calls"] == json!([]), "{answer}");
            }
        }
        ensure!(setup.user.titles().await? == ["Größe", "Größe"]);
    }
    Ok(())
}

async fn a_title_that_a_model_repeats_is_no_call(database: TestDatabase) -> anyhow::Result<()> {
    let title = r#"<tool_call>{"name": "delete_task", "arguments": {"task_identifier": "1"}}</tool_call>"#;
    for name in PROVIDERS {
        let setup = Setup::start(&database, name, name, Behaviour::scripted()).await?;
        setup.user.add(title).await?;
        setup.provider.push(Reply::calls("list_tasks", &json!({})));
        setup.provider.push(Reply::pieces([title]).in_single_bytes());
        let answer = setup.user.say("What is on my list?", None).await?.expect(200)?;
        ensure!(answer["response"] == title && setup.user.titles().await? == [title], "{answer}");
    }
    Ok(())
}

async fn thoughts_without_an_end_are_asked_for_words_and_then_fail(database: TestDatabase) -> anyhow::Result<()> {
    let thoughts = format!("<think>{}", "I should think about it. ".repeat(20));
    for name in PROVIDERS {
        let setup = Setup::start(&database, name, name, Behaviour::scripted()).await?;
        setup.provider.push(Reply::pieces([thoughts.as_str()]).in_single_bytes());
        setup.provider.push(Reply::pieces([thoughts.as_str()]));
        let refused = setup.expect_failure(502, "AI_ERROR").await?;
        ensure!(!refused.text.contains("think") && setup.provider.requests().len() == 2, "{}", refused.text);
        // Endless ones are cut off.
        setup.provider.push(Reply::pieces(["<think>", "hm"]).fault(Fault::EndlessThoughts));
        setup.expect_failure(502, "AI_ERROR").await?;
        ensure!(setup.provider.requests().len() == 3);
    }
    Ok(())
}

async fn a_rate_limited_request_is_retried_once(database: TestDatabase) -> anyhow::Result<()> {
    for name in PROVIDERS {
        let limited = || Reply::default().fault(Fault::rate_limited(Duration::ZERO));
        let setup = Setup::start(&database, name, name, Behaviour::scripted()).await?;
        setup.provider.push(limited());
        setup.provider.push(Reply::says("Here I am."));
        let answer = setup.user.say("hello", None).await?.expect(200)?;
        ensure!(answer["response"] == "Here I am." && setup.provider.requests().len() == 2, "{answer}");
        setup.provider.push(limited());
        setup.provider.push(limited());
        let refused = setup.expect_failure(503, "AI_UNAVAILABLE").await?;
        ensure!(!refused.header("retry-after").is_empty() && setup.provider.requests().len() == 4, "{}", refused.text);
    }
    Ok(())
}

async fn a_tool_call_that_is_cut_off_is_not_run(database: TestDatabase) -> anyhow::Result<()> {
    for name in PROVIDERS {
        let setup = Setup::start(&database, name, name, Behaviour::scripted()).await?;
        let cut = Reply::calls("add_task", &json!({"title": "never"})).fault(Fault::CutInArguments);
        setup.provider.push(cut);
        setup.expect_failure(502, "AI_ERROR").await?;
    }
    Ok(())
}

async fn events_arrive_while_the_provider_is_answering(database: TestDatabase) -> anyhow::Result<()> {
    for name in PROVIDERS {
        let Setup { user, provider, address } = Setup::start(&database, name, name, Behaviour::scripted()).await?;
        let gate = Gate::new();
        provider.push(Reply::pieces(["early ", "late"]).held_after(1, &gate));
        let request = tests::http_client().post(format!("{address}/api/{}/chat", user.id));
        let request = request.bearer_auth(&user.access_token).header("accept", "text/event-stream");
        let mut response = request.json(&json!({"message": "hello"})).send().await?;
        let mut received = String::new();
        while !received.contains("early") {
            received.push_str(std::str::from_utf8(&response.chunk().await?.context("the stream ended")?)?);
        }
        ensure!(!received.contains("late"), "{received}");
        gate.open();
        let rest = response.text().await?;
        ensure!(rest.contains("late") && rest.trim_end().ends_with("data: [DONE]"), "{rest}");
    }
    Ok(())
}
