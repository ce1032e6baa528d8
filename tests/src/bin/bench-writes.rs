//! `bench-writes`: how many tasks are written per second over HTTP, and how long a write takes, with one user and with
//! many at once. A third of the writes create a task, a third complete it and a third rename it.
//!
//! The server is its own binary in a process of its own, so that another version of it can be measured the same way.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use futures_util::future::try_join_all;
use reqwest::Method;
use serde_json::json;
use test_database::{Kind, TestDatabase};
use tests::TestUser;
use tests::measure::{ServerProcess, Times, register, say};

/// Measures writes of tasks. Build it, and the server, with --release.
#[derive(Parser)]
#[command(name = "bench-writes")]
struct Arguments {
    /// The server's binary; the one beside this program if unset
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// How many users write at once in the second scenario, each one request after the other
    #[arg(long, default_value_t = 100)]
    users: usize,
    /// How long a scenario is measured
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = humantime::parse_duration)]
    time: Duration,
    /// On a throwaway Postgres instead of SQLite
    #[arg(long)]
    postgres: bool,
}

/// Time that each scenario runs before it is measured.
const WARM_UP: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { server, users, time, postgres } = Arguments::parse();
    if cfg!(debug_assertions) {
        say("This is a debug build: the figures mean nothing.")?;
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
    let mut people = Vec::new();
    for number in 0..users {
        people.push(register(&server.address, &format!("user{number}")).await?);
    }
    write_until(&people, Instant::now() + WARM_UP).await?;
    let began = Instant::now();
    let times = write_until(&people, began + time).await?;
    let took = began.elapsed();
    #[expect(clippy::cast_precision_loss, reason = "a count of writes is far below 2^52")]
    let rate = times.count() as f64 / took.as_secs_f64();
    let plural = if users == 1 { "" } else { "s" };
    say(&format!("{kind:?}, {users} user{plural}: {rate:.0} writes/s, {}", times.summary()))?;
    Ok(())
}

/// Lets all of `people` write at once, each one request after the other, until `end`.
async fn write_until(people: &[TestUser], end: Instant) -> anyhow::Result<Times> {
    let mut all = Times::default();
    for times in try_join_all(people.iter().map(|person| write(person, end))).await? {
        all.extend(times);
    }
    Ok(all)
}

/// Creates, completes and renames tasks until `end`. Returns how long each write took.
async fn write(person: &TestUser, end: Instant) -> anyhow::Result<Vec<Duration>> {
    let mut times = Vec::new();
    while Instant::now() < end {
        let began = Instant::now();
        let task = person.post("/api/{me}/tasks", json!({"title": "write it down"})).await?;
        times.push(began.elapsed());
        let task = task.expect(201)?;
        let path = format!("/api/{{me}}/tasks/{}", task["id"].as_str().context("an id")?);
        for (path, body) in
            [(format!("{path}/complete"), json!({"completed": true})), (path, json!({"title": "write it down again"}))]
        {
            let began = Instant::now();
            let answer = person.send(Method::PATCH, &path, Some(&body)).await?;
            times.push(began.elapsed());
            answer.expect(200)?;
        }
    }
    Ok(times)
}
