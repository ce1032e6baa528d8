//! `load-logins`: many people sign in at once. It says how they are answered, how `/health` does meanwhile, and what it
//! costs in memory, and fails if an answer is anything but a session or "try again".
//!
//! The server is its own binary in a process of its own. Each login comes from an address of its own, as through a
//! proxy, because those from one address are limited.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Parser;
use futures_util::future;
use reqwest::Method;
use serde_json::json;
use test_database::{Kind, TestDatabase};
use tests::TestUser;
use tests::measure::{ServerProcess, Times, milliseconds, register, say, until_passed};
use tokio::sync::watch;

/// Signs many people in at once and measures the server meanwhile.
#[derive(Parser)]
#[command(name = "load-logins")]
struct Arguments {
    /// The server's binary; the one beside this program if unset
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// How many sign in at once
    #[arg(long, default_value_t = 200)]
    logins: u16,
    /// How often all of them do, one time after the other
    #[arg(long, default_value_t = 3)]
    rounds: u16,
    /// On a throwaway Postgres instead of SQLite
    #[arg(long)]
    postgres: bool,
}

/// So many accounts the logins are of, each more often than once, but not more often than it may be tried.
const ACCOUNTS: u16 = 100;
/// How long the client rests between two questions for the health.
const REST: Duration = Duration::from_millis(2);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { server, logins, rounds, postgres } = Arguments::parse();
    ensure!(u32::from(logins) * u32::from(rounds) <= 10 * u32::from(ACCOUNTS), "more than the accounts' limits allow");
    let server = match server {
        Some(server) => server,
        None => std::env::current_exe()?.with_file_name("app"),
    };
    let kind = if postgres { Kind::Postgres } else { Kind::Sqlite };
    let database = TestDatabase::create(kind).await?;
    let variables = [
        ("DATABASE_URL", database.url()),
        ("JWT_SECRET", "a secret for benchmarks, of more than 32 bytes"),
        ("TRUSTED_PROXIES", "127.0.0.1"),
    ];
    let unlimited = [&variables[..], &[("SIGN_IN_REQUESTS_PER_MINUTE", "0")]].concat();
    let people = sign_up(&ServerProcess::start(&server, &unlimited)?).await?;
    let server = ServerProcess::start(&server, &variables)?;
    let people: Vec<_> = people.iter().map(|person| person.at(&server.address)).collect();

    let idle = health(&people[0], until_passed(Duration::from_secs(1))).await?;
    let memory = server.resident_bytes();
    say(&format!("{kind:?}, {logins} logins at once"))?;
    say(&format!("  /health before {}", idle.summary()))?;
    let mut peak = memory;
    for round in 0..rounds {
        let (ended, end) = watch::channel(false);
        let began = Instant::now();
        let work = async {
            let all = (0..logins).map(|number| login(&people[usize::from(number % ACCOUNTS)], round, number));
            let answers = future::join_all(all).await;
            ended.send_replace(true);
            answers
        };
        let (answers, healthy) = tokio::join!(work, health(&people[0], end));
        let (took, healthy) = (began.elapsed(), healthy?);
        let (mut statuses, mut times) = (BTreeMap::<u16, usize>::new(), Times::default());
        for answer in answers {
            let (status, time) = answer?;
            *statuses.entry(status).or_default() += 1;
            if status == 200 {
                times.push(time);
            }
        }
        peak = peak.max(server.resident_bytes());
        let spread: Vec<_> = statuses.iter().map(|(status, count)| format!("{count} times {status}")).collect();
        say(&format!("  all answered after {}: {}", milliseconds(took), spread.join(", ")))?;
        say(&format!("    sessions       {}", times.summary()))?;
        say(&format!("    /health during {}", healthy.summary()))?;
        let bad = statuses.keys().find(|status| ![200, 503].contains(*status));
        ensure!(bad.is_none(), "an answer of {bad:?}");
    }
    if let (Some(before), Some(peak)) = (memory, peak) {
        say(&format!("  memory: {} KiB before, {} KiB at the most after a round", before / 1024, peak / 1024))?;
    }
    Ok(())
}

async fn sign_up(server: &ServerProcess) -> anyhow::Result<Vec<TestUser>> {
    let mut people = Vec::new();
    for number in 0..ACCOUNTS {
        people.push(register(&server.address, &format!("user{number}")).await?);
    }
    Ok(people)
}

/// One login from an address of its own, with the status of its answer. "Try again" has to say when.
async fn login(person: &TestUser, round: u16, number: u16) -> anyhow::Result<(u16, Duration)> {
    let [high, low] = number.to_be_bytes();
    let peer = format!("198.{}.{high}.{low}", 18 + round % 2);
    let body = json!({"email": person.email, "password": "correct horse battery"});
    let began = Instant::now();
    let forwarded = [("x-forwarded-for", peer.as_str())];
    let answer = person.with_token("").send_with(Method::POST, "/auth/login", Some(&body), &forwarded).await;
    let answer = answer.context("the connection")?;
    let status = answer.status.as_u16();
    if status == 503 {
        answer.expect_problem(503, "OVERLOADED", None)?;
        ensure!(answer.header("retry-after").parse::<u32>().is_ok(), "no Retry-After");
    }
    Ok((status, began.elapsed()))
}

/// Asks for the health until the end.
async fn health(somebody: &TestUser, mut end: watch::Receiver<bool>) -> anyhow::Result<Times> {
    let mut times = Times::default();
    while !*end.borrow_and_update() {
        let began = Instant::now();
        somebody.get("/health").await?.expect(200)?;
        times.push(began.elapsed());
        tokio::time::sleep(REST).await;
    }
    Ok(times)
}
