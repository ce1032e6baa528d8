//! `load-streams`: many streaming turns at once against a provider that takes two seconds, with a small pool of database
//! connections. It says how the task routes do meanwhile and what an open turn costs in memory, and fails if any turn or
//! request fails.
//!
//! The server is its own binary in a process of its own; provider and clients are in this one.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Parser;
use futures_util::future;
use reqwest::Method;
use serde_json::{Value, json};
use test_database::{Kind, TestDatabase};
use tests::TestUser;
use tests::fake_provider::{Behaviour, FakeProvider};
use tests::measure::{ServerProcess, Times, register, say, until_passed};
use tokio::sync::watch;

/// Opens many streaming turns at once and measures the server meanwhile.
#[derive(Parser)]
#[command(name = "load-streams")]
struct Arguments {
    /// The server's binary; the one beside this program if unset
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// How many turns are open at once
    #[arg(long, default_value_t = 200)]
    streams: usize,
    /// How long the provider takes before the first byte of each of its two answers in a turn
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = humantime::parse_duration)]
    latency: Duration,
    /// How many connections to the database the server may have
    #[arg(long, default_value_t = 5)]
    connections: u32,
    /// On a throwaway Postgres instead of SQLite
    #[arg(long)]
    postgres: bool,
}

/// So many turns one user has open, fewer than anybody may begin in a minute.
const TURNS_PER_USER: usize = 10;
/// So long the task routes are measured before the turns begin.
const BEFORE: Duration = Duration::from_secs(2);
/// How long the client rests between two requests to the task routes.
const REST: Duration = Duration::from_millis(5);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { server, streams, latency, connections, postgres } = Arguments::parse();
    let server = match server {
        Some(server) => server,
        None => std::env::current_exe()?.with_file_name("app"),
    };
    let kind = if postgres { Kind::Postgres } else { Kind::Sqlite };
    let database = TestDatabase::create(kind).await?;
    let provider = FakeProvider::start(Behaviour::assistant().latency(latency))?;
    let start = || start(&server, database.url(), &provider.url(), connections);
    // Hashing passwords takes much memory, which the process keeps and would use for the turns: another one does it.
    let (users, watcher) = sign_up(&start()?, streams.div_ceil(TURNS_PER_USER)).await?;
    let server = start()?;
    let users: Vec<_> = users.iter().map(|user| user.at(&server.address)).collect();
    let watcher = watcher.at(&server.address);

    // A first turn of everybody warms up what is made once and kept.
    future::try_join_all(users.iter().map(|user| turn(user, "warm-up".to_owned()))).await?;
    let warm_ups = provider.requests().len();
    let before = task_routes(&watcher, until_passed(BEFORE)).await?;
    let memory_before = server.resident_bytes();

    let (ended, end) = watch::channel(false);
    let began = Instant::now();
    let turns = (0..streams).map(|number| turn(&users[number / TURNS_PER_USER], format!("load-{number}")));
    let turns = async {
        let done = future::join_all(turns).await;
        ended.send_replace(true);
        done
    };
    let opened = async {
        provider.arrived(warm_ups + streams).await;
        (server.resident_bytes(), began.elapsed())
    };
    let (done, (memory_open, all_open_after), while_open) = tokio::join!(turns, opened, task_routes(&watcher, end));
    let took = began.elapsed();
    let (while_open, failures) = (while_open?, done.iter().filter_map(|turn| turn.as_ref().err()).collect::<Vec<_>>());

    say(&format!(
        "{kind:?}, {streams} streaming turns at once, {connections} connections, the provider takes {latency:?} twice"
    ))?;
    say(&format!("  all open after {all_open_after:.2?}, all ended after {took:.2?}, failed: {}", failures.len()))?;
    for failure in failures.iter().take(3) {
        say(&format!("  {failure:#}"))?;
    }
    say(&format!("  GET tasks   before {}", before.list.summary()))?;
    say(&format!("              during {} ({})", while_open.list.summary(), ratios(&while_open.list, &before.list)))?;
    say(&format!("  POST tasks  before {}", before.create.summary()))?;
    say(&format!(
        "              during {} ({})",
        while_open.create.summary(),
        ratios(&while_open.create, &before.create)
    ))?;
    if let (Some(before), Some(open)) = (memory_before, memory_open) {
        let each = open.saturating_sub(before) / u64::try_from(streams.max(1))?;
        say(&format!(
            "  memory: {} KiB before, {} KiB with all open, {} KiB for each",
            before / 1024,
            open / 1024,
            each / 1024
        ))?;
    }
    ensure!(failures.is_empty(), "{} of {streams} turns failed", failures.len());
    for user in &users {
        ensure!(user.titles().await?.len() == 1 + streams.min(TURNS_PER_USER), "a turn left no task behind");
    }
    Ok(())
}

fn start(binary: &Path, database_url: &str, provider_url: &str, connections: u32) -> anyhow::Result<ServerProcess> {
    let connections = connections.to_string();
    ServerProcess::start(
        binary,
        &[
            ("DATABASE_URL", database_url),
            ("JWT_SECRET", "a secret for benchmarks, of more than 32 bytes"),
            ("DATABASE_MAX_CONNECTIONS", &connections),
            ("CHAT_REQUESTS_PER_MINUTE", "0"),
            ("API_REQUESTS_PER_MINUTE", "0"),
            ("SIGN_IN_REQUESTS_PER_MINUTE", "0"),
            ("LLM_PROVIDER", "cohere"),
            ("COHERE_BASE_URL", provider_url),
            ("COHERE_API_KEY", "any"),
        ],
    )
}

async fn sign_up(server: &ServerProcess, users: usize) -> anyhow::Result<(Vec<TestUser>, TestUser)> {
    let mut signed_up = Vec::new();
    for number in 0..users {
        signed_up.push(register(&server.address, &format!("user{number}")).await?);
    }
    Ok((signed_up, register(&server.address, "watcher").await?))
}

/// One streaming turn from its beginning to its end.
async fn turn(user: &TestUser, marker: String) -> anyhow::Result<()> {
    let body = json!({"message": format!("Add a task to {marker}")});
    let accept = [("accept", "text/event-stream")];
    let answer =
        user.send_with(Method::POST, "/api/{me}/chat", Some(&body), &accept).await.context("the connection")?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text);
    let data: Vec<_> = answer.text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    ensure!(data.last() == Some(&"[DONE]"), "no [DONE] at the end: {:?}", data.last());
    let frames: Vec<Value> = data.iter().filter_map(|frame| serde_json::from_str(frame).ok()).collect();
    let has = |kind: &str| frames.iter().any(|frame| frame["type"] == kind);
    ensure!(has("finish") && has("tool-output-available") && !has("error"), "{marker}: {}", answer.text);
    Ok(())
}

/// How long the task routes take.
#[derive(Default)]
struct TaskRoutes {
    list: Times,
    create: Times,
}

/// Lists and creates until the end.
async fn task_routes(user: &TestUser, mut end: watch::Receiver<bool>) -> anyhow::Result<TaskRoutes> {
    let mut times = TaskRoutes::default();
    let is_over = |end: &mut watch::Receiver<bool>| *end.borrow_and_update();
    while !is_over(&mut end) {
        let began = Instant::now();
        user.get("/api/{me}/tasks?limit=20").await?.expect(200)?;
        times.list.push(began.elapsed());
        let began = Instant::now();
        user.add("measured").await?;
        times.create.push(began.elapsed());
        tokio::time::sleep(REST).await;
    }
    Ok(times)
}

fn ratios(during: &Times, before: &Times) -> String {
    let ratio = |percent| during.percentile(percent).as_secs_f64() / before.percentile(percent).as_secs_f64();
    format!("{:.1} and {:.1} times", ratio(50), ratio(99))
}
