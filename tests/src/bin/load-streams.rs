//! `load-streams`: many concurrent streamed turns with a slow provider and a small pool of database connections. It
//! reports the response times of the task routes meanwhile and the memory of an open turn, and fails if a turn or a
//! request fails.
//!
//! The server is a separate process; provider and clients are in this one.

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
use tests::measure::{ServerProcess, Times, print_line, register, until_passed};
use tokio::sync::watch;

/// Runs many concurrent streamed turns and measures the server meanwhile.
#[derive(Parser)]
#[command(name = "load-streams")]
struct Arguments {
    /// The server's binary; by default the one next to this program
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Number of concurrent turns
    #[arg(long, default_value_t = 200)]
    streams: usize,
    /// Delay before the first byte of each of the provider's two answers in a turn
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = humantime::parse_duration)]
    latency: Duration,
    /// Maximum number of the server's connections to the database
    #[arg(long, default_value_t = 5)]
    connections: u32,
    /// Use a temporary Postgres database instead of SQLite
    #[arg(long)]
    postgres: bool,
}

/// Number of concurrent turns per user.
const TURNS_PER_USER: usize = 10;
/// Time that the task routes are measured before the turns start.
const BASELINE_TIME: Duration = Duration::from_secs(2);
/// Pause between two rounds of the task routes.
const REQUEST_INTERVAL: Duration = Duration::from_millis(5);

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
    // Another process signs up the users: memory that hashing leaves behind would distort the measurement.
    let (users, watcher) = sign_up(&start()?, streams.div_ceil(TURNS_PER_USER)).await?;
    let server = start()?;
    let users: Vec<_> = users.iter().map(|user| user.at(&server.address)).collect();
    let watcher = watcher.at(&server.address);

    // Warms up connections and caches.
    future::try_join_all(users.iter().map(|user| turn(user, "warm-up".to_owned()))).await?;
    let warm_ups = provider.requests().len();
    let before = task_routes(&watcher, until_passed(BASELINE_TIME)).await?;
    let memory_before = server.resident_bytes();

    let (done_sender, done_receiver) = watch::channel(false);
    let started = Instant::now();
    let turns = (0..streams).map(|number| turn(&users[number / TURNS_PER_USER], format!("load-{number}")));
    let turns = async {
        let done = future::join_all(turns).await;
        done_sender.send_replace(true);
        done
    };
    let opened = async {
        provider.wait_for_requests(warm_ups + streams).await?;
        anyhow::Ok((server.resident_bytes(), started.elapsed()))
    };
    let (done, opened, while_open) = tokio::join!(turns, opened, task_routes(&watcher, done_receiver));
    let (elapsed, (memory_open, all_open_after)) = (started.elapsed(), opened?);
    let (while_open, failures) = (while_open?, done.iter().filter_map(|turn| turn.as_ref().err()).collect::<Vec<_>>());

    print_line(&format!(
        "{kind:?}, {streams} concurrent turns, {connections} database connections, provider latency 2 × {latency:?}"
    ))?;
    print_line(&format!(
        "  all open after {all_open_after:.2?}, all completed after {elapsed:.2?}, failed: {}",
        failures.len()
    ))?;
    for failure in failures.iter().take(3) {
        print_line(&format!("  {failure:#}"))?;
    }
    print_line(&format!("  GET tasks   before {}", before.list.summary()))?;
    print_line(&format!(
        "              during {} ({})",
        while_open.list.summary(),
        ratios(&while_open.list, &before.list)
    ))?;
    print_line(&format!("  POST tasks  before {}", before.create.summary()))?;
    print_line(&format!(
        "              during {} ({})",
        while_open.create.summary(),
        ratios(&while_open.create, &before.create)
    ))?;
    if let (Some(before), Some(open)) = (memory_before, memory_open) {
        let each = open.saturating_sub(before) / u64::try_from(streams.max(1))?;
        print_line(&format!(
            "  memory: {} KiB before, {} KiB with all open, {} KiB for each",
            before / 1024,
            open / 1024,
            each / 1024
        ))?;
    }
    ensure!(failures.is_empty(), "{} of {streams} turns failed", failures.len());
    for user in &users {
        ensure!(user.titles().await?.len() == 1 + streams.min(TURNS_PER_USER), "a turn added no task");
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

/// Runs one streamed turn.
async fn turn(user: &TestUser, marker: String) -> anyhow::Result<()> {
    let body = json!({"message": format!("Add a task to {marker}")});
    let accept = [("accept", "text/event-stream")];
    let answer = user.send_with(Method::POST, "/api/{me}/chat", Some(&body), &accept).await.context("no response")?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text);
    let data: Vec<_> = answer.text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    ensure!(data.last() == Some(&"[DONE]"), "no [DONE] at the end: {:?}", data.last());
    let frames: Vec<Value> = data.iter().filter_map(|frame| serde_json::from_str(frame).ok()).collect();
    let has = |kind: &str| frames.iter().any(|frame| frame["type"] == kind);
    ensure!(has("finish") && has("tool-output-available") && !has("error"), "{marker}: {}", answer.text);
    Ok(())
}

/// Response times of the task routes.
#[derive(Default)]
struct TaskRoutes {
    list: Times,
    create: Times,
}

/// Lists and creates tasks until `end`.
async fn task_routes(user: &TestUser, mut end: watch::Receiver<bool>) -> anyhow::Result<TaskRoutes> {
    let mut times = TaskRoutes::default();
    while !*end.borrow_and_update() {
        let started = Instant::now();
        user.get("/api/{me}/tasks?limit=20").await?.expect(200)?;
        times.list.push(started.elapsed());
        let started = Instant::now();
        user.add("measured").await?;
        times.create.push(started.elapsed());
        tokio::time::sleep(REQUEST_INTERVAL).await;
    }
    Ok(times)
}

fn ratios(during: &Times, before: &Times) -> String {
    let ratio = |percent| during.percentile(percent).as_secs_f64() / before.percentile(percent).as_secs_f64();
    format!("{:.1} and {:.1} times", ratio(50), ratio(99))
}
