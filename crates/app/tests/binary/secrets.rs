//! No secret is told: not in the log at its lowest level, and not in an answer.
//!
//! The test walks what the server itself says that it serves, with secrets in every place of a request that has room for
//! one, well-formed and not, and signs in elsewhere with real codes.

mod document;
mod marks;
mod walk;

use std::net::TcpListener;

use anyhow::{Context as _, ensure};
use reqwest::Method;
use reqwest::header::COOKIE;
use serde_json::{Value, json};
use tempfile::TempDir;
use test_database::{Kind, TestDatabase};
use test_openid::{CLIENT_ID, CLIENT_SECRET, EndUser, Endpoint, Fault, OpenIdServer};
use url::{Position, Url};

use crate::server::{Server, run};
use document::operations;
use marks::{Marks, SIGN};
use walk::Walk;

/// An address where nobody listens.
fn nowhere() -> anyhow::Result<String> {
    Ok(format!("http://{}", TcpListener::bind("127.0.0.1:0")?.local_addr()?))
}

async fn nothing_is_told(database: &str, marks: Marks) -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let (provider, model) = (OpenIdServer::start().await?, nowhere()?);
    let secret = |what: &str| format!("{SIGN}-of-the-server-and-long-enough-{what}");
    let (jwt_secret, key, issuer) = (secret("jwt"), secret("key"), provider.issuer());
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
            // Each operation has an account of its own.
            ("API_REQUESTS_PER_MINUTE", "0"),
            ("CHAT_REQUESTS_PER_MINUTE", "0"),
            ("SIGN_IN_REQUESTS_PER_MINUTE", "0"),
        ],
    )?;
    let mut walk = Walk::new(&server.address, marks)?;
    walk.marks.add(CLIENT_SECRET);
    // What every hash of a password begins with.
    walk.marks.add("$argon2id$");
    let document = walk.send("document", walk.request(&Method::GET, "/openapi.json")).await?;
    let all = operations(&serde_json::from_str(&document.text)?)?;
    for operation in &all {
        walk.all_of(operation, &all).await?;
    }
    elsewhere(&mut walk, &provider).await?;
    server.terminate()?;
    server.ended().await?;
    let log = server.kill()?;

    ensure!(walk.told.is_empty(), "answers tell secrets:\n{}", walk.told.join("\n"));
    let everything = log.join("\n");
    let found: Vec<_> = walk.marks.found_in(&everything).collect();
    let lines: Vec<_> = log.iter().filter(|line| found.iter().any(|secret| line.contains(secret))).collect();
    ensure!(found.is_empty(), "the log tells {found:?}:\n{lines:#?}");
    // It was a log worth looking through, and a walk that came somewhere.
    there_was_something_to_find(&log, walk.answered)?;
    ensure!(walk.succeeded * 4 > all.len() * 3, "{} of {} operations succeeded", walk.succeeded, all.len());
    ensure!(walk.marks.known() > all.len(), "{} secrets were given out", walk.marks.known());
    Ok(())
}

fn there_was_something_to_find(log: &[String], requests: usize) -> anyhow::Result<()> {
    let lines = log.iter().map(|line| serde_json::from_str::<Value>(line).with_context(|| line.clone()));
    let lines = lines.collect::<anyhow::Result<Vec<_>>>()?;
    let completed = lines.iter().filter(|line| line["fields"]["message"] == "request completed").count();
    ensure!(completed == requests, "{completed} lines for {requests} requests");
    let statements =
        lines.iter().filter(|line| line["level"] == "TRACE" && line["target"] == "persistence::database::bounded_pool");
    ensure!(statements.count() > 500, "too few lines at TRACE");
    for target in ["app::application", "llm::resilience", "http_api::middleware::problem", "http_api::routes::oauth"] {
        let heard = |line: &Value| line["target"].as_str().is_some_and(|found| found.starts_with(target));
        ensure!(lines.iter().any(heard), "{target} says nothing");
    }
    Ok(())
}

/// Signs in at the provider, with what it gives and with what it refuses.
async fn elsewhere(walk: &mut Walk, provider: &OpenIdServer) -> anyhow::Result<()> {
    provider.sign_in_as(EndUser::with_email("1", "ada@elsewhere.example"));
    let landing = browse(walk, provider, "/auth/google").await?;
    let (_, code) = landing.query_pairs().find(|(name, _)| name == "code").with_context(|| landing.to_string())?;
    for status in [200, 400] {
        let request = walk.request(&Method::POST, "/auth/exchange").json(&json!({ "code": code }));
        ensure!(walk.send("exchange", request).await?.status == status);
    }
    let account = walk.register().await?;
    let link = walk.request(&Method::POST, "/auth/google/link").bearer_auth(&account.access);
    let link: Value = serde_json::from_str(&walk.send("link", link).await?.text)?;
    let link: Url = link["url"].as_str().context("an address")?.parse()?;
    browse(walk, provider, &link[Position::BeforePath..]).await?;

    // Whoever fails likes to tell what they were given, and what they make of it.
    let mark = walk.marks.make("provider");
    for body in [format!(r#"{{"id_token":"{mark}","access_token":"{mark}","token_type":"bearer"}}"#), mark] {
        for status in [200, 400] {
            provider.set_fault(Endpoint::Token, Fault::Body(status, body.clone()));
            let landing = browse(walk, provider, "/auth/google").await?;
            ensure!(landing.query().is_some_and(|query| query.starts_with("error=")), "{landing}");
        }
    }
    provider.clear_fault(Endpoint::Token);
    provider.forge(|token| token.claims["nonce"] = json!(format!("{SIGN}-nonce")));
    browse(walk, provider, "/auth/google").await?;
    Ok(())
}

/// Goes to the provider and comes back. Returns where the frontend is told about it.
async fn browse(walk: &mut Walk, provider: &OpenIdServer, path: &str) -> anyhow::Result<Url> {
    let begun = walk.send("begin", walk.request(&Method::GET, path)).await?;
    let back = provider.visit(&begun.location.parse().with_context(|| begun.text.clone())?)?;
    walk.marks.issued_in(back.as_str());
    let cookie = begun.cookie.split(';').next().unwrap_or_default();
    let request = walk.request(&Method::GET, &back[Position::BeforePath..]).header(COOKIE, cookie);
    let answer = walk.send("come back", request).await?;
    answer.location.parse().with_context(|| answer.text.clone())
}

#[tokio::test]
async fn no_secret_is_told_by_the_log_or_an_answer_on_sqlite() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let database = format!("sqlite://{}?mode=rwc", folder.path().join("doable.db").display());
    nothing_is_told(&database, Marks::new()?).await
}

#[tokio::test]
async fn no_secret_is_told_by_the_log_or_an_answer_on_postgres() -> anyhow::Result<()> {
    let name = "no_secret_is_told_by_the_log_or_an_answer_on_postgres";
    let Some(database) = TestDatabase::create_or_skip(Kind::Postgres, name).await? else { return Ok(()) };
    let (mut url, mut marks): (Url, _) = (database.url().parse()?, Marks::new()?);
    match url.password() {
        // A server that asks for none takes any.
        None => drop(url.set_password(Some(&marks.make("database")))),
        Some(password) if password.len() > 8 => marks.add(password),
        Some(_) => {} // a word that may stand in a line for another reason
    }
    let unknown = marks.make("database");
    url.query_pairs_mut().append_pair("channel_binding", &unknown);
    nothing_is_told(url.as_str(), marks).await
}

#[test]
fn a_database_that_cannot_be_reached_is_told_without_its_password() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let address = nowhere()?.replace("http://", "");
    for parameters in ["", "?password=mArKeD", "?options=mArKeD"] {
        let url = format!("postgres://ada:mArKeD%40word@{address}/todo{parameters}");
        let output = run(folder.path(), &["migrate", "up"], &[("DATABASE_URL", &url), ("RUST_LOG", "trace")])?;
        let said = String::from_utf8(output.stderr)?;
        ensure!(!output.status.success() && said.contains("DATABASE_URL"), "{said}");
        ensure!(!said.contains(SIGN), "{said}");
    }
    Ok(())
}
