//! Traces: what a collector gets of requests and turns, and what happens if there is none.

pub mod collector;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::StatusCode;
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context as _, bail, ensure};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Client, instance};
use crate::server::{Server, http_client};
use collector::{Collector, Spans, attribute, hex, is_number};

/// The span of a caller, and its trace.
const CALLER: &str = "b7ad6b7169203331";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// A word of the user, which stands in everything that a user can send.
const WORD: &str = "mArKeD";

const CHAT: &str = "POST /api/{user_id}/chat";

/// The variables of a server that exports to `endpoint`.
fn exporting<'a>(database: &'a str, endpoint: &'a str) -> Vec<(&'a str, &'a str)> {
    let traces = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hunter2%20hunter2"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
    ];
    [instance(database, "only"), traces.to_vec()].concat()
}

/// Stops the server, which sends the last spans, and returns its log.
async fn stop(mut server: Server) -> anyhow::Result<Vec<String>> {
    server.terminate()?;
    let status = server.wait_for_exit().await?;
    ensure!(status.success(), "{status}");
    server.kill()
}

/// Lets the assistant add a task, in the trace of a caller.
async fn chat(server: &Server, ada: &Client, accept: &str) -> anyhow::Result<String> {
    let request = http_client()
        .post(format!("{}{}", server.address, ada.path("chat")))
        .bearer_auth(&ada.token)
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"))
        .header("tracestate", format!("vendor={WORD}"))
        .header("accept", accept)
        .json(&json!({"message": format!("Add a task to buy {WORD}")}));
    Ok(request.send().await?.error_for_status()?.text().await?)
}

fn parent<'s>(spans: &'s Spans, span: &Span) -> Option<&'s Span> {
    spans.0.iter().find(|other| other.span_id == span.parent_span_id)
}

fn expect_attributes(span: &Span, expected: &[(&str, &str)]) -> anyhow::Result<()> {
    for (key, value) in expected {
        ensure!(attribute(span, key).as_deref() == Some(*value), "{key} is not {value:?}: {span:?}");
    }
    Ok(())
}

/// The line about the end of a turn has the request that began it, although the turn runs apart from it.
fn expect_request_in_line(log: &[String]) -> anyhow::Result<()> {
    let lines: Vec<_> = log.iter().filter(|line| line.contains("turn ended")).collect();
    let [line] = *lines else { bail!("{log:?}") };
    let line: Value = serde_json::from_str(line)?;
    let spans = line["spans"].as_array().context("no spans")?;
    ensure!(spans.iter().any(|span| span["request_id"].is_string()), "{line}");
    Ok(())
}

#[tokio::test]
async fn without_traces_the_line_of_a_turn_has_its_request_too() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let server = Server::start(folder.path(), &[])?;
    let ada = Client::register(&server).await?;
    chat(&server, &ada, "application/json").await?;
    expect_request_in_line(&stop(server).await?)
}

async fn one_turn(database: &str) -> anyhow::Result<()> {
    let (folder, collector) = (TempDir::new()?, Collector::start(StatusCode::OK)?);
    let server = Server::start(folder.path(), &exporting(database, &collector.url))?;
    let ada = Client::register(&server).await?;
    let answer: Value = serde_json::from_str(&chat(&server, &ada, "application/json").await?)?;
    ensure!(answer["tool_calls"][0]["result"]["success"] == true, "{answer}");
    expect_request_in_line(&stop(server).await?)?;
    // On an existing database, whose notices the filter refuses, the start is logged too.
    stop(Server::start(folder.path(), &exporting(database, &collector.url))?).await?;

    let spans = collector.spans()?.of_trace(TRACE);
    let request = spans.only(CHAT)?;
    ensure!(hex(&request.parent_span_id) == CALLER && request.kind() == SpanKind::Server, "{request:?}");
    expect_attributes(
        request,
        &[
            ("http.request.method", "POST"),
            ("http.route", "/api/{user_id}/chat"),
            ("http.response.status_code", "200"),
            ("url.scheme", "http"),
        ],
    )?;
    ensure!(is_number(request, "http.response.status_code"), "{request:?}");
    let turn = spans.only("turn")?;
    ensure!(turn.parent_span_id == request.span_id, "{turn:?}");

    let calls = spans.named("chat doable-offline-1");
    ensure!(!calls.is_empty(), "{:?}", spans.names());
    for call in calls {
        ensure!(call.parent_span_id == turn.span_id && call.kind() == SpanKind::Client, "{call:?}");
        let expected = [
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.provider.name", "offline"),
            ("gen_ai.request.model", "doable-offline-1"),
        ];
        expect_attributes(call, &expected)?;
    }
    let tool = spans.only("execute_tool add_task")?;
    ensure!(tool.parent_span_id == turn.span_id, "{tool:?}");
    expect_attributes(tool, &[("gen_ai.operation.name", "execute_tool"), ("gen_ai.tool.name", "add_task")])?;

    let statements: Vec<&Span> = spans.0.iter().filter(|span| attribute(span, "db.query.text").is_some()).collect();
    let system = if database.starts_with("sqlite") { "sqlite" } else { "postgresql" };
    for statement in &statements {
        ensure!(statement.kind() == SpanKind::Client && parent(&spans, statement).is_some(), "{statement:?}");
        let text = attribute(statement, "db.query.text").context("no text")?;
        // Names of states and the time until a lease expires are constants of the program.
        let mut constants = text.split('\'').skip(1).step_by(2);
        let is_name = |constant: &str| constant.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let of_lease = ["%Y-%m-%dT%H:%M:%f+00:00", "+15.000 seconds", "15.000 seconds"];
        let is_known = |constant: &str| is_name(constant) || of_lease.contains(&constant);
        ensure!(!text.is_empty() && constants.all(is_known), "{text} has a value");
        let summary = attribute(statement, "db.query.summary");
        ensure!(summary.as_deref() == Some(&statement.name), "{statement:?}");
        expect_attributes(statement, &[("db.system.name", system)])?;
    }
    for parent in [request, turn, tool] {
        ensure!(spans.children(parent).any(|child| statements.contains(&child)), "{parent:?} has no statement");
    }
    ensure!(spans.0.iter().all(|span| span.trace_state.is_empty()));
    Ok(())
}

async fn no_text(database: &str) -> anyhow::Result<()> {
    let (folder, collector) = (TempDir::new()?, Collector::start(StatusCode::OK)?);
    let server = Server::start(folder.path(), &exporting(database, &collector.url))?;
    let ada = Client::register(&server).await?;
    let answer: Value = serde_json::from_str(&chat(&server, &ada, "application/json").await?)?;
    let conversation = answer["conversation_id"].as_str().context("no conversation")?;
    let task = server.post(&ada.path("tasks"), &ada.token, json!({"title": WORD})).await?;
    let task = task["id"].as_str().context("no task")?;
    ada.get(&server, &format!("tasks?search={WORD}")).await?;
    ada.get(&server, &format!("tasks/{task}")).await?;
    ada.get(&server, &format!("conversations/{conversation}/messages")).await?;
    // A failure, whose cause would name the value.
    let twice = json!({"email": "ada@example.com", "password": "correct horse"});
    ensure!(server.post("/auth/register", "", twice).await.is_err());
    let unknown = http_client().get(format!("{}/{WORD}/?{WORD}={WORD}", server.address));
    ensure!(unknown.header("user-agent", WORD).send().await?.status() == 404);
    let brewed = http_client().request(WORD.parse()?, format!("{}/health", server.address)).send().await?;
    ensure!(brewed.status() == 405, "{brewed:?}");
    let log = stop(server).await?.join("\n");

    let spans = collector.spans()?;
    let made_up = spans.only("HTTP /health")?;
    expect_attributes(made_up, &[("http.request.method", "_OTHER"), ("http.response.status_code", "405")])?;
    let unmatched = spans.named("GET");
    ensure!(unmatched.len() == 1 && attribute(unmatched[0], "http.route").is_none(), "{unmatched:?}");
    ensure!(spans.named("GET /api/{user_id}/tasks").len() == 1, "{:?}", spans.names());
    for span in &spans.0 {
        let root = std::iter::successors(Some(span), |span| parent(&spans, span)).last();
        ensure!(root.is_some_and(|root| root.kind() == SpanKind::Server), "not within a request: {span:?}");
    }
    let mut expected = vec![];
    for request in collector.received() {
        ensure!(request.api_key.as_deref() == Some("hunter2 hunter2"));
        let bytes = String::from_utf8_lossy(&request.body).into_owned();
        for text in [WORD, "ada@", "horse", &ada.user, &ada.token, conversation, task, "127.0.0.1"] {
            ensure!(!bytes.contains(text), "{text} is exported");
        }
        expected.extend(["doable", "deployment.environment.name"].map(|text| bytes.contains(text)));
    }
    ensure!(!expected.is_empty() && expected.iter().all(|is_contained| *is_contained), "{expected:?}");
    ensure!(!log.contains("hunter2") && !log.contains("otel") && !log.contains("db.query"), "{log}");
    Ok(())
}

on_both_databases! {
    a_turn_is_one_trace_with_its_request_model_calls_tools_and_statements = one_turn;
    traces_contain_no_text_and_no_ids_of_users = no_text;
}

#[tokio::test]
async fn the_span_of_a_request_ends_with_its_stream() -> anyhow::Result<()> {
    let (folder, collector) = (TempDir::new()?, Collector::start(StatusCode::OK)?);
    let server = Server::start(folder.path(), &exporting("", &collector.url))?;
    let ada = Client::register(&server).await?;
    ensure!(chat(&server, &ada, "text/event-stream").await?.contains("[DONE]"));
    stop(server).await?;

    let spans = collector.spans()?.of_trace(TRACE);
    let (request, turn) = (spans.only(CHAT)?, spans.only("turn")?);
    let first = spans.children(turn).map(|child| child.end_time_unix_nano).min().context("no statement")?;
    let last = spans.children(turn).map(|child| child.end_time_unix_nano).max().context("no statement")?;
    ensure!(first < last && request.end_time_unix_nano > last, "{request:?} {turn:?}");
    Ok(())
}

#[tokio::test]
async fn a_valid_traceparent_names_the_parent_and_decides_whether_a_request_is_traced() -> anyhow::Result<()> {
    let (folder, collector) = (TempDir::new()?, Collector::start(StatusCode::OK)?);
    let server = Server::start(folder.path(), &exporting("", &collector.url))?;
    let valid = format!("00-{TRACE}-{CALLER}-01");
    let other = "00-11111111111111111111111111111111-2222222222222222-01";
    let unsampled = "00-33333333333333333333333333333333-2222222222222222-00";
    let long = valid.repeat(500);
    for headers in [&[&*valid][..], &[unsampled], &[other, other], &["00-zz"], &[&long], &[]] {
        let request = http_client().get(format!("{}/health", server.address));
        let request = headers.iter().fold(request, |request, header| request.header("traceparent", *header));
        request.send().await?.error_for_status()?;
    }
    stop(server).await?;

    let spans = collector.spans()?;
    let of_trace = |trace: &str| spans.of_trace(trace).0.len();
    ensure!(of_trace(TRACE) == 1 && of_trace(&"1".repeat(32)) == 0 && of_trace(&"3".repeat(32)) == 0);
    let roots = spans.0.iter().filter(|span| span.parent_span_id.is_empty()).count();
    ensure!(roots == 4 && spans.0.len() == 5, "{:?}", spans.0);
    Ok(())
}

/// A server of OpenAI's API that answers one message and refuses the key of all later ones.
fn start_model() -> anyhow::Result<String> {
    let is_used = Arc::new(AtomicBool::new(false));
    let reply = || {
        let text = json!({"choices": [{"index": 0, "delta": {"content": WORD}, "finish_reason": null}]});
        let end = json!({
            "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 120, "completion_tokens": 7},
        });
        let events = format!("data: {text}\n\ndata: {end}\n\ndata: [DONE]\n\n");
        HttpResponse::Ok().content_type("text/event-stream").body(events)
    };
    let app = move || {
        let is_used = is_used.clone();
        App::new().default_service(web::to(move || {
            let is_first = !is_used.swap(true, Ordering::Relaxed);
            async move { if is_first { reply() } else { HttpResponse::Unauthorized().finish() } }
        }))
    };
    let server = HttpServer::new(app).workers(1).disable_signals().bind("127.0.0.1:0")?;
    let url = format!("http://{}/v1", server.addrs().first().context("not bound")?);
    tokio::spawn(server.run());
    Ok(url)
}

#[tokio::test]
async fn the_call_of_a_model_has_its_usage_and_the_reason_of_a_failure() -> anyhow::Result<()> {
    let (folder, collector, model) = (TempDir::new()?, Collector::start(StatusCode::OK)?, start_model()?);
    let openai = [("OPENAI_BASE_URL", &*model), ("OPENAI_MODEL", "small"), ("OPENAI_API_KEY", "hunter4")];
    let server = Server::start(folder.path(), &[exporting("", &collector.url), openai.to_vec()].concat())?;
    let ada = Client::register(&server).await?;
    ensure!(chat(&server, &ada, "application/json").await?.contains(WORD));
    ensure!(chat(&server, &ada, "application/json").await.is_err());
    stop(server).await?;

    let spans = collector.spans()?.of_trace(TRACE);
    let calls = spans.named("chat small");
    let [answered, refused] = *calls else { bail!("{:?}", spans.names()) };
    let usage = [("gen_ai.usage.input_tokens", "120"), ("gen_ai.usage.output_tokens", "7")];
    expect_attributes(answered, &usage)?;
    expect_attributes(answered, &[("gen_ai.provider.name", "openai"), ("gen_ai.request.model", "small")])?;
    ensure!(is_number(answered, usage[0].0) && attribute(answered, "error.type").is_none(), "{answered:?}");
    expect_attributes(refused, &[("error.type", "unauthorized")])?;
    let is_error = |span: &Span| span.status.as_ref().is_some_and(|status| status.code() == SpanStatus::Error);
    ensure!(is_error(refused) && !is_error(answered), "{refused:?}");
    let turns = spans.named("turn");
    let [answered, failed] = *turns else { bail!("{:?}", spans.names()) };
    ensure!(is_error(failed) && !is_error(answered), "{turns:?}");
    expect_attributes(failed, &[("error.type", "unauthorized")])?;
    let failed = spans.named(CHAT).into_iter().find(|span| is_error(span)).context("no failed request")?;
    expect_attributes(failed, &[("http.response.status_code", "502"), ("error.type", "502")])?;
    for request in collector.received() {
        ensure!(!String::from_utf8_lossy(&request.body).contains("hunter"));
    }
    Ok(())
}

/// The lines about the collector.
fn warnings(log: &[String]) -> Vec<&String> {
    log.iter().filter(|line| line.contains("OTEL_EXPORTER_OTLP_ENDPOINT")).collect()
}

#[tokio::test]
async fn a_collector_that_fails_is_reported_once() -> anyhow::Result<()> {
    let (folder, collector) = (TempDir::new()?, Collector::start(StatusCode::INTERNAL_SERVER_ERROR)?);
    let at_once = [exporting("", &collector.url), vec![("OTEL_BSP_SCHEDULE_DELAY", "10")]].concat();
    let server = Server::start(folder.path(), &at_once)?;
    for exports in 1..=3 {
        server.get("/health", "").await?;
        collector.wait_for_requests(exports).await?;
    }
    let log = stop(server).await?;
    let warnings = warnings(&log);
    ensure!(warnings.len() == 1 && warnings[0].contains("status 500") && warnings[0].contains("WARN"), "{warnings:?}");
    Ok(())
}

#[tokio::test]
async fn a_collector_that_is_not_there_does_not_affect_requests() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let server = Server::start(folder.path(), &exporting("", &format!("http://{free}/hunter3")))?;
    let ada = Client::register(&server).await?;
    ensure!(chat(&server, &ada, "application/json").await?.contains(WORD));
    let log = stop(server).await?;
    let warnings = warnings(&log);
    ensure!(warnings.len() == 1 && warnings[0].contains("onnection refused"), "{log:?}");
    ensure!(!log.iter().any(|line| line.contains("hunter")), "{log:?}");
    Ok(())
}

#[tokio::test]
async fn a_collector_that_never_answers_delays_neither_requests_nor_the_end() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    // Connections are established by the system and never accepted.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let endpoint = format!("http://{}", silent.local_addr()?);
    // A queue that is full at once, and is sent at once.
    let small =
        [("OTEL_BSP_SCHEDULE_DELAY", "1"), ("OTEL_BSP_MAX_QUEUE_SIZE", "2"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")];
    let server = Server::start(folder.path(), &[exporting("", &endpoint), small.to_vec()].concat())?;
    let ada = Client::register(&server).await?;
    ensure!(chat(&server, &ada, "application/json").await?.contains(WORD));
    ensure!(ada.get(&server, "tasks").await?[0]["title"].as_str().is_some_and(|title| title.contains(WORD)));
    let log = stop(server).await?;
    let last = log.iter().filter(|line| line.contains("the last spans were not sent")).count();
    ensure!(last == 1 && warnings(&log).len() <= 1, "{log:?}");
    Ok(())
}
