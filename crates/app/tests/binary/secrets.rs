//! No secret appears in the log, at any level, in a trace, or in a response.
//!
//! The test sends valid and invalid requests to every operation of the served OpenAPI document, with secrets in every
//! part of a request, and signs in at an OpenID provider.

mod document;
mod marks;
mod walk;

use std::net::TcpListener;

use actix_web::http::StatusCode;
use anyhow::{Context as _, ensure};
use reqwest::Method;
use reqwest::header::COOKIE;
use serde_json::{Value, json};
use tempfile::TempDir;
use test_database::{Kind, TestDatabase};
use test_openid::{CLIENT_ID, CLIENT_SECRET, EndUser, Endpoint, Fault, OpenIdServer};
use url::{Position, Url};

use crate::server::{Server, run};
use crate::traces::collector::Collector;
use document::operations;
use marks::{Marks, PREFIX};
use walk::Walk;

/// An address on which no server listens.
fn unused_address() -> anyhow::Result<String> {
    Ok(format!("http://{}", TcpListener::bind("127.0.0.1:0")?.local_addr()?))
}

async fn reveals_no_secret(database: &str, marks: Marks) -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let (provider, model) = (OpenIdServer::start().await?, unused_address()?);
    let secret = |what: &str| format!("{PREFIX}-of-the-server-and-long-enough-{what}");
    let (jwt_secret, key, issuer) = (secret("jwt"), secret("key"), provider.issuer());
    let redis = unused_address()?.replace("http://", &format!("redis://{}:{}@", secret("user"), secret("redis")));
    let collector = Collector::start(StatusCode::OK)?;
    let collector_headers = format!("api-key={}", secret("collector"));
    let mut server = Server::start(
        folder.path(),
        &[
            ("RUST_LOG", "trace"),
            ("DEBUG", "true"),
            ("DATABASE_URL", database),
            ("JWT_SECRET", &jwt_secret),
            ("LLM_PROVIDER", "cohere"),
            ("COHERE_API_KEY", &key),
            ("COHERE_BASE_URL", &model),
            ("OPENAI_API_KEY", &key),
            ("GOOGLE_CLIENT_ID", CLIENT_ID),
            ("GOOGLE_CLIENT_SECRET", CLIENT_SECRET),
            ("GOOGLE_ISSUER_URL", &issuer),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url),
            ("OTEL_EXPORTER_OTLP_HEADERS", &collector_headers),
            // The test registers an account per operation.
            ("API_REQUESTS_PER_MINUTE", "0"),
            ("CHAT_REQUESTS_PER_MINUTE", "0"),
            ("SIGN_IN_REQUESTS_PER_MINUTE", "0"),
            ("REDIS_URL", &redis),
        ],
    )?;
    let mut walk = Walk::new(&server.address, marks)?;
    walk.marks.add(CLIENT_SECRET);
    // Prefix of every password hash.
    walk.marks.add("$argon2id$");
    let document = walk.send("document", walk.request(&Method::GET, "/openapi.json")).await?;
    let operations = operations(&serde_json::from_str(&document.text)?)?;
    for operation in &operations {
        walk.send_all(operation, &operations).await?;
    }
    sign_in_externally(&mut walk, &provider).await?;
    server.terminate()?;
    server.wait_for_exit().await?;
    let log = server.kill()?;

    ensure!(walk.leaks.is_empty(), "responses contain secrets:\n{}", walk.leaks.join("\n"));
    let text = log.join("\n");
    let found: Vec<_> = walk.marks.found_in(&text).collect();
    let lines: Vec<_> = log.iter().filter(|line| found.iter().any(|secret| line.contains(secret))).collect();
    ensure!(found.is_empty(), "the log contains {found:?}:\n{lines:#?}");
    let exported: Vec<u8> = collector.received().iter().flat_map(|request| request.body.to_vec()).collect();
    let exported = String::from_utf8_lossy(&exported);
    let found: Vec<_> = walk.marks.found_in(&exported).collect();
    ensure!(found.is_empty() && exported.contains("/auth/tokens/{id}"), "the traces contain {found:?}");
    // The log is complete, and most operations succeeded.
    check_log(&log, walk.responses)?;
    ensure!(
        walk.succeeded * 4 > operations.len() * 3,
        "{} of {} operations succeeded",
        walk.succeeded,
        operations.len()
    );
    ensure!(walk.marks.known() > operations.len(), "only {} issued secrets", walk.marks.known());
    Ok(())
}

/// Checks that the log has a line for each request, statements at TRACE, and events of all crates.
fn check_log(log: &[String], requests: usize) -> anyhow::Result<()> {
    let lines = log.iter().map(|line| serde_json::from_str::<Value>(line).with_context(|| line.clone()));
    let lines = lines.collect::<anyhow::Result<Vec<_>>>()?;
    let completed = lines.iter().filter(|line| line["fields"]["message"] == "request completed").count();
    ensure!(completed == requests, "{completed} lines for {requests} requests");
    let from_database = |target: &str| target.starts_with("persistence::database");
    let statements =
        lines.iter().filter(|line| line["level"] == "TRACE" && line["target"].as_str().is_some_and(from_database));
    ensure!(statements.count() > 500, "too few lines at TRACE");
    for target in [
        "app::application",
        "llm::resilience",
        "http_api::middleware::problem",
        "http_api::routes::oauth",
        "rate_limit::shared",
    ] {
        let is_from = |line: &Value| line["target"].as_str().is_some_and(|found| found.starts_with(target));
        ensure!(lines.iter().any(is_from), "no log line of {target}");
    }
    Ok(())
}

/// Signs in at the provider, with valid and with invalid responses of it.
async fn sign_in_externally(walk: &mut Walk, provider: &OpenIdServer) -> anyhow::Result<()> {
    let end_user = |subject| EndUser::with_email(subject, "ada@elsewhere.example");
    provider.sign_in_as(end_user("1"));
    let landing = browse(walk, provider, "/auth/google").await?;
    let (_, code) = landing.query_pairs().find(|(name, _)| name == "code").with_context(|| landing.to_string())?;
    for status in [200, 400] {
        let request = walk.request(&Method::POST, "/auth/exchange").json(&json!({ "code": code }));
        ensure!(walk.send("exchange", request).await?.status == status);
    }
    let account = walk.register().await?;
    provider.sign_in_as(end_user("2"));
    let link = walk.request(&Method::POST, "/auth/google/link").bearer_auth(&account.access);
    let link: Value = serde_json::from_str(&walk.send("link", link).await?.text)?;
    let link: Url = link["url"].as_str().context("no url")?.parse()?;
    let landing = browse(walk, provider, &link[Position::BeforePath..]).await?;
    let (_, code) = landing.query_pairs().find(|(name, _)| name == "link_code").with_context(|| landing.to_string())?;
    for status in [204, 400] {
        let request = walk.request(&Method::POST, "/auth/google/link/complete").bearer_auth(&account.access);
        ensure!(walk.send("complete", request.json(&json!({ "code": code }))).await?.status == status);
    }

    // Error messages may quote what the provider sent.
    let mark = walk.marks.create("provider");
    for body in [format!(r#"{{"id_token":"{mark}","access_token":"{mark}","token_type":"bearer"}}"#), mark] {
        for status in [200, 400] {
            provider.set_fault(Endpoint::Token, Fault::Body(status, body.clone()));
            let landing = browse(walk, provider, "/auth/google").await?;
            ensure!(landing.query().is_some_and(|query| query.starts_with("error=")), "{landing}");
        }
    }
    provider.clear_fault(Endpoint::Token);
    provider.forge(|token| token.claims["nonce"] = json!(format!("{PREFIX}-nonce")));
    browse(walk, provider, "/auth/google").await?;
    Ok(())
}

/// Visits the provider and follows the callback. Returns the URL of the frontend.
async fn browse(walk: &mut Walk, provider: &OpenIdServer, path: &str) -> anyhow::Result<Url> {
    let start = walk.send("start", walk.request(&Method::GET, path)).await?;
    let callback = provider.visit(&start.location.parse().with_context(|| start.text.clone())?)?;
    walk.marks.record_issued(callback.as_str());
    let cookie = start.cookie.split(';').next().unwrap_or_default();
    let request = walk.request(&Method::GET, &callback[Position::BeforePath..]).header(COOKIE, cookie);
    let answer = walk.send("callback", request).await?;
    answer.location.parse().with_context(|| answer.text.clone())
}

#[tokio::test]
async fn the_log_and_the_responses_contain_no_secret_on_sqlite() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let database = format!("sqlite://{}?mode=rwc", folder.path().join("doable.db").display());
    reveals_no_secret(&database, Marks::new()?).await
}

#[tokio::test]
async fn the_log_and_the_responses_contain_no_secret_on_postgres() -> anyhow::Result<()> {
    let name = "the_log_and_the_responses_contain_no_secret_on_postgres";
    let Some(database) = TestDatabase::create_or_skip(Kind::Postgres, name).await? else { return Ok(()) };
    let (mut url, mut marks): (Url, _) = (database.url().parse()?, Marks::new()?);
    match url.password() {
        // A server without passwords accepts any.
        None => drop(url.set_password(Some(&marks.create("database")))),
        Some(password) if password.len() > 8 => marks.add(password),
        Some(_) => {} // a short password may be part of other words
    }
    let unknown = marks.create("database");
    url.query_pairs_mut().append_pair("channel_binding", &unknown);
    reveals_no_secret(url.as_str(), marks).await
}

#[test]
fn an_unreachable_database_is_reported_without_its_password() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let address = unused_address()?.replace("http://", "");
    for parameters in ["", "?password=mArKeD", "?options=mArKeD"] {
        let url = format!("postgres://ada:mArKeD%40word@{address}/todo{parameters}");
        let output = run(folder.path(), &["migrate", "up"], &[("DATABASE_URL", &url), ("RUST_LOG", "trace")])?;
        let error = String::from_utf8(output.stderr)?;
        ensure!(!output.status.success() && error.contains("DATABASE_URL"), "{error}");
        ensure!(!error.contains(PREFIX), "{error}");
    }
    Ok(())
}
