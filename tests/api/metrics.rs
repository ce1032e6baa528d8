//! The metrics: their names, types and labels, who may read them, and the dashboard and alerts that are made of them.

mod exposition;
mod names;

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use domain::llm::Step;
use reqwest::Method;
use serde_json::{Value, json};
use tests::fake_provider::{Behaviour, FakeProvider, Reply};
use tests::{Kind, TestApp, TestUser, on_both_databases, wait_until};

use exposition::Exposition;

/// Text that must not be in any metric.
const MARK: &str = "marked";

async fn scrape(user: &TestUser) -> anyhow::Result<Exposition> {
    let answer = user.get("/metrics").await?;
    ensure!(answer.status == 200, "{}", answer.text);
    Exposition::parse(&answer.text)
}

/// Makes every family appear.
async fn use_everything(app: &TestApp, provider: &FakeProvider) -> anyhow::Result<()> {
    let ada = app.register("ada").await?;
    ada.add("milk").await?;
    provider.push(Reply::calls("list_tasks", &json!({})));
    ada.say("Show my tasks", None).await?.expect(200)?;
    ada.say("Show them again", None).await?.expect_problem(429, "RATE_LIMITED", None)?;
    let wrong = json!({"email": ada.email, "password": "wrong password"});
    app.anonymous().post("/auth/login", wrong).await?.expect_problem(401, "INVALID_CREDENTIALS", None)?;
    drop(ada.events("", None).await?);
    let closed = async || Ok(scrape(&ada).await?.value("doable_http_streams_open", &[]) == Some(0.0));
    wait_until("the stream is closed", closed).await
}

/// One message a minute, counted here because nothing listens at the URL.
const ONE_MESSAGE: [&str; 6] =
    ["--chat-requests-per-minute", "1", "--redis-url", "redis://127.0.0.1:1", "--rate-limit-fallback", "local"];

on_both_databases! {
    async fn families_have_the_listed_names_and_types(
        app: TestApp, provider: FakeProvider = Behaviour::assistant(), ONE_MESSAGE
    ) {
        use_everything(&app, &provider).await?;
        let metrics = scrape(&app.anonymous()).await?;
        assert_eq!(metrics.types(), names::expected());
        for (family, labels) in metrics.labels() {
            let known = names::labels_of(&family);
            ensure!(labels.iter().map(String::as_str).eq(known.iter().copied()), "{family}: {labels:?}");
        }
    }
}

on_both_databases! {
    async fn the_text_passes_the_checks_of_prometheus(
        app: TestApp, provider: FakeProvider = Behaviour::assistant(), ONE_MESSAGE
    ) {
        use_everything(&app, &provider).await?;
        let text = app.anonymous().get("/metrics").await?.text;
        promtool(&["check", "metrics"], Some(&text))?;
    }
}

/// Runs Debian's `promtool`, which must have nothing to complain about. Prints `SKIPPED` if it is not installed.
fn promtool(arguments: &[&str], input: Option<&str>) -> anyhow::Result<()> {
    let child = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            writeln!(std::io::stderr(), "SKIPPED (no promtool): {arguments:?}")?;
            return Ok(());
        }
        child => child?,
    };
    let mut stdin = child.stdin.take().context("no stdin")?;
    stdin.write_all(input.unwrap_or_default().as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && errors.trim().is_empty(), "{arguments:?}: {errors}");
    Ok(())
}

on_both_databases! {
    async fn values_are_those_of_what_happened(
        app: TestApp, provider: FakeProvider = Behaviour::assistant(), ONE_MESSAGE
    ) {
        use_everything(&app, &provider).await?;
        let metrics = scrape(&app.anonymous()).await?;
        let model = metrics.only("doable_model_tokens_total", "model")?;
        let tasks = "/api/{user_id}/tasks";
        for (family, labels, value) in [
            ("doable_http_requests_total", vec![("route", tasks), ("status", "201"), ("code", "")], 1.0),
            ("doable_http_request_duration_seconds_count", vec![("route", tasks), ("method", "POST")], 1.0),
            ("doable_http_requests_total", vec![("route", "/auth/login"), ("code", "INVALID_CREDENTIALS")], 1.0),
            ("doable_http_requests_total", vec![("status", "429"), ("code", "RATE_LIMITED")], 1.0),
            // The scrape itself.
            ("doable_http_requests_in_flight", vec![], 1.0),
            ("doable_http_streams_total", vec![("route", "/api/{user_id}/events"), ("ending", "disconnected")], 1.0),
            ("doable_turns_total", vec![("provider", "cohere"), ("state", "complete"), ("failure", "")], 1.0),
            ("doable_turn_duration_seconds_count", vec![("provider", "cohere")], 1.0),
            ("doable_turns_running", vec![], 0.0),
            ("doable_tool_calls_total", vec![("tool", "list_tasks"), ("result", "done")], 1.0),
            ("doable_model_calls_total", vec![("provider", "cohere"), ("model", &model), ("result", "success")], 2.0),
            ("doable_model_breaker_state", vec![("provider", "cohere"), ("state", "closed")], 1.0),
            ("doable_model_breaker_state", vec![("provider", "cohere"), ("state", "open")], 0.0),
            ("doable_rate_limit_refusals_total", vec![("policy", "chat")], 1.0),
            ("doable_sign_in_failures_total", vec![("way", "password"), ("reason", "invalid_credentials")], 1.0),
            ("doable_change_readers", vec![], 0.0),
        ] {
            assert_eq!(metrics.value(family, &labels), Some(value), "{family} {labels:?}");
        }
        for direction in ["input", "output"] {
            let tokens = metrics.value("doable_model_tokens_total", &[("direction", direction)]);
            ensure!(tokens > Some(0.0), "{direction}: {tokens:?}");
        }
        for pool in ["direct_reads", "direct_writes"] {
            let acquired = metrics.value("doable_database_connection_acquisitions_total", &[("pool", pool)]);
            ensure!(acquired > Some(0.0), "{pool}: {acquired:?}");
        }
        for process in ["process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"] {
            ensure!(metrics.value(process, &[]) > Some(1.0), "{process}");
        }
    }
}

/// Sends what a hostile client and a confused model make up. `round` makes the texts differ.
async fn make_up_labels(app: &TestApp, user: &TestUser, round: usize) -> anyhow::Result<()> {
    let anonymous = app.anonymous();
    for number in 0..10 {
        let text = format!("{MARK}{round}x{number}");
        for path in [
            format!("/{text}"),
            format!("/api/{text}/tasks"),
            format!("/api/{{me}}/tasks/{text}"),
            format!("/metrics/{text}"),
            format!("/auth/sessions/{text}?{text}={text}"),
            format!("/docs/{text}"),
        ] {
            for method in ["GET", "POST", "PROPFIND", &text.to_uppercase()] {
                let method: Method = method.parse()?;
                let headers = [("accept", text.as_str()), ("x-request-id", &text), ("user-agent", &text)];
                let answer = user.send_with(method, &path, None, &headers).await?;
                ensure!(answer.status.is_client_error(), "{path}: {}", answer.status);
            }
        }
        let (email, password) = (format!("{text}@{text}.example"), format!("{text} {text}"));
        anonymous.post("/auth/login", json!({"email": email, "password": password})).await?;
        app.script([Step::calls(&text, &json!({ "title": text })), Step::says(&text)]);
        user.say(&text, None).await?.expect(200)?;
    }
    Ok(())
}

const UNLIMITED: [&str; 6] =
    ["--api-requests-per-minute", "0", "--chat-requests-per-minute", "0", "--sign-in-requests-per-minute", "0"];

on_both_databases! {
    async fn no_label_is_made_of_a_text_of_a_client_or_a_model(app: TestApp, UNLIMITED) {
        let ada = app.register("ada").await?;
        make_up_labels(&app, &ada, 0).await?;
        // The first scrape is a series, too.
        scrape(&ada).await?;
        let before = scrape(&ada).await?.series();
        make_up_labels(&app, &ada, 1).await?;
        let text = ada.get("/metrics").await?.text;
        let after = Exposition::parse(&text)?.series();
        assert_eq!(after.difference(&before).collect::<Vec<_>>(), Vec::<&String>::new());
        ensure!(!text.to_lowercase().contains(MARK), "{text}");
        ensure!(!text.contains(&ada.id) && !text.contains("example.com"), "{text}");
        ensure!(text.contains(r#"doable_tool_calls_total{result="unknown_tool",tool="unknown"} 20"#), "{text}");
        ensure!(text.contains(r#"method="other""#) && text.contains(r#"route="unmatched""#), "{text}");
    }
}

#[tokio::test]
async fn an_address_of_their_own_serves_the_metrics_alone_and_the_api_does_not() -> anyhow::Result<()> {
    for token in [None, Some("a-token-for-metrics")] {
        let mut flags = vec!["--metrics-addr", "127.0.0.1:0"];
        flags.extend(token.into_iter().flat_map(|token| ["--metrics-token", token]));
        let app = TestApp::spawn(Kind::Sqlite, "metrics_address", &flags).await?.context("SQLite is always there")?;
        let ada = app.register("ada").await?;
        // With a user's token, without one, and with the right one.
        for user in [&ada, &app.anonymous(), &ada.with_token(token.unwrap_or("any"))] {
            user.get("/metrics").await?.expect_problem(404, "NOT_FOUND", None)?;
        }
        let address = app.metrics_address().context("no address")?;
        let there = app.anonymous().at(&address);
        if let Some(token) = token {
            for user in [&there, &ada.at(&address)] {
                user.get("/metrics").await?.expect_problem(401, "UNAUTHORIZED", None)?;
            }
            scrape(&there.with_token(token)).await?;
        } else {
            let metrics = scrape(&there).await?;
            let registered = metrics.value("doable_http_requests_total", &[("route", "/auth/register")]);
            assert_eq!(registered, Some(1.0), "the metrics are those of the API");
        }
        for path in ["/health", "/api/{me}/tasks", "/openapi.json", "/docs", "/auth/me"] {
            ada.at(&address).get(path).await?.expect_problem(404, "NOT_FOUND", None)?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_api_serves_the_metrics_to_bearers_of_the_token_or_else_only_outside_production() -> anyhow::Result<()> {
    let token = "a-token-for-metrics";
    for (flags, without, with) in [
        (&[][..], 200, 200),
        (&["--metrics-token", token], 401, 200),
        (&["--environment", "production"], 404, 404),
        (&["--environment", "production", "--metrics-token", token], 401, 200),
    ] {
        let app = TestApp::spawn(Kind::Sqlite, "metrics_access", flags).await?.context("SQLite is always there")?;
        let ada = app.register("ada").await?;
        let statuses = [
            app.anonymous().get("/metrics").await?.status.as_u16(),
            ada.get("/metrics").await?.status.as_u16(),
            app.anonymous().with_token(token).get("/metrics").await?.status.as_u16(),
        ];
        assert_eq!(statuses, [without, without, with], "{flags:?}");
    }
    Ok(())
}

#[test]
fn the_dashboard_and_the_alerts_use_metrics_that_exist() -> anyhow::Result<()> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations");
    let alerts = std::fs::read_to_string(format!("{folder}/alerts.yml"))?;
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(format!("{folder}/dashboard.json"))?)?;
    let readme = std::fs::read_to_string(format!("{folder}/README.md"))?;
    let queries = names::queries(&dashboard);
    ensure!(queries.len() > 10, "{queries:?}");
    for text in queries.iter().chain([&alerts, &readme]) {
        for name in names::used_in(text) {
            ensure!(names::exists(&name), "there is no metric {name}, in: {text}");
        }
    }
    for name in names::expected().keys() {
        ensure!(readme.contains(&format!("`{name}`")), "docs/operations/README.md does not explain {name}");
    }
    promtool(&["check", "rules", &format!("{folder}/alerts.yml")], None)
}
