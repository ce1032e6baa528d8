//! `bench-writes`: task writes per second over HTTP and the time of a write, with one user and with many concurrent
//! users. A third of the writes create a task, a third complete it and a third rename it.
//!
//! The server is a separate process, so that another version of it can be measured the same way.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use futures_util::future::try_join_all;
use reqwest::Method;
use serde_json::json;
use test_database::{Kind, TestDatabase};
use tests::TestUser;
use tests::measure::{ServerProcess, Times, print_line, register};

/// Measures writes of tasks. Build it, and the server, with --release.
#[derive(Parser)]
#[command(name = "bench-writes")]
struct Arguments {
    /// The server's binary; by default the one next to this program
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Number of concurrent users in the second scenario, each with one request at a time
    #[arg(long, default_value_t = 100)]
    users: usize,
    /// Measured time of each scenario
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = humantime::parse_duration)]
    time: Duration,
    /// Use a temporary Postgres database instead of SQLite
    #[arg(long)]
    postgres: bool,
}

/// Time that each scenario runs before it is measured.
const WARM_UP: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { server, users, time, postgres } = Arguments::parse();
    if cfg!(debug_assertions) {
        print_line("This is a debug build: its figures are not meaningful.")?;
    }
    let server = match server {
        Some(server) => server,
        None => std::env::current_exe()?.with_file_name("app"),
    };
    let kind = if postgres { Kind::Postgres } else { Kind::Sqlite };
    for users in [1, users] {
        measure(kind, &server, users, time).await?;
    }
    Ok(())
}

/// Measures one scenario on a database of its own.
async fn measure(kind: Kind, server: &Path, users: usize, time: Duration) -> anyhow::Result<()> {
    let database = TestDatabase::create(kind).await?;
    let server = ServerProcess::start(
        server,
        &[
            ("DATABASE_URL", database.url()),
            ("JWT_SECRET", "a secret for benchmarks, of more than 32 bytes"),
            ("API_REQUESTS_PER_MINUTE", "0"),
            ("SIGN_IN_REQUESTS_PER_MINUTE", "0"),
        ],
    )?;
    let mut writers = Vec::new();
    for number in 0..users {
        writers.push(register(&server.address, &format!("user{number}")).await?);
    }
    write_until(&writers, Instant::now() + WARM_UP).await?;
    let started = Instant::now();
    let times = write_until(&writers, started + time).await?;
    let elapsed = started.elapsed();
    #[expect(clippy::cast_precision_loss, reason = "a count of writes is far below 2^52")]
    let rate = times.count() as f64 / elapsed.as_secs_f64();
    let plural = if users == 1 { "" } else { "s" };
    print_line(&format!("{kind:?}, {users} user{plural}: {rate:.0} writes/s, {}", times.summary()))?;
    Ok(())
}

/// Lets all `users` write concurrently until `end`, each with one request at a time.
async fn write_until(users: &[TestUser], end: Instant) -> anyhow::Result<Times> {
    let mut all = Times::default();
    for times in try_join_all(users.iter().map(|user| write(user, end))).await? {
        all.extend(times);
    }
    Ok(all)
}

/// Creates, completes and renames tasks until `end`. Returns the time of each write.
async fn write(user: &TestUser, end: Instant) -> anyhow::Result<Vec<Duration>> {
    let mut times = Vec::new();
    while Instant::now() < end {
        let started = Instant::now();
        let task = user.post("/api/{me}/tasks", json!({"title": "write it down"})).await?;
        times.push(started.elapsed());
        let task = task.expect(201)?;
        let path = format!("/api/{{me}}/tasks/{}", task["id"].as_str().context("no id")?);
        for (path, body) in
            [(format!("{path}/complete"), json!({"completed": true})), (path, json!({"title": "write it down again"}))]
        {
            let started = Instant::now();
            let answer = user.send(Method::PATCH, &path, Some(&body)).await?;
            times.push(started.elapsed());
            answer.expect(200)?;
        }
    }
    Ok(times)
}
