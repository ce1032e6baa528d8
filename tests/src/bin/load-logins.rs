//! `load-logins`: many concurrent logins. It reports their responses, the response times of `/health` meanwhile and the
//! memory, and fails if a response is neither a session nor `OVERLOADED`.
//!
//! The server is a separate process. Each login has a forwarded address of its own, because logins per network are
//! limited.

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
use tests::measure::{ServerProcess, Times, milliseconds, print_line, register, until_passed};
use tokio::sync::watch;

/// Runs many concurrent logins and measures the server meanwhile.
#[derive(Parser)]
#[command(name = "load-logins")]
struct Arguments {
    /// The server's binary; by default the one next to this program
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Number of concurrent logins
    #[arg(long, default_value_t = 200)]
    logins: u16,
    /// Number of rounds, one after the other
    #[arg(long, default_value_t = 3)]
    rounds: u16,
    /// Use a temporary Postgres database instead of SQLite
    #[arg(long)]
    postgres: bool,
}

/// Number of accounts. Each is used several times, within the limit of an account.
const ACCOUNTS: u16 = 100;
/// Pause between two requests for `/health`.
const HEALTH_INTERVAL: Duration = Duration::from_millis(2);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { server, logins, rounds, postgres } = Arguments::parse();
    ensure!(
        u32::from(logins) * u32::from(rounds) <= 10 * u32::from(ACCOUNTS),
        "the sign-in limits of the accounts do not allow that many logins"
    );
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
    let users = sign_up(&ServerProcess::start(&server, &unlimited)?).await?;
    let server = ServerProcess::start(&server, &variables)?;
    let users: Vec<_> = users.iter().map(|user| user.at(&server.address)).collect();

    let idle = health(&users[0], until_passed(Duration::from_secs(1))).await?;
    let memory = server.resident_bytes();
    print_line(&format!("{kind:?}, {logins} concurrent logins"))?;
    print_line(&format!("  /health before {}", idle.summary()))?;
    let mut peak = memory;
    for round in 0..rounds {
        let (done_sender, done_receiver) = watch::channel(false);
        let started = Instant::now();
        let work = async {
            let all = (0..logins).map(|number| login(&users[usize::from(number % ACCOUNTS)], round, number));
            let answers = future::join_all(all).await;
            done_sender.send_replace(true);
            answers
        };
        let (answers, healthy) = tokio::join!(work, health(&users[0], done_receiver));
        let (elapsed, healthy) = (started.elapsed(), healthy?);
        let (mut statuses, mut times) = (BTreeMap::<u16, usize>::new(), Times::default());
        for answer in answers {
            let (status, time) = answer?;
            *statuses.entry(status).or_default() += 1;
            if status == 200 {
                times.push(time);
            }
        }
        peak = peak.max(server.resident_bytes());
        let spread: Vec<_> = statuses.iter().map(|(status, count)| format!("{count} × {status}")).collect();
        print_line(&format!("  all completed after {}: {}", milliseconds(elapsed), spread.join(", ")))?;
        print_line(&format!("    sessions       {}", times.summary()))?;
        print_line(&format!("    /health during {}", healthy.summary()))?;
        let unexpected = statuses.keys().find(|status| ![200, 503].contains(*status));
        ensure!(unexpected.is_none(), "unexpected status: {unexpected:?}");
    }
    if let (Some(before), Some(peak)) = (memory, peak) {
        print_line(&format!("  memory: {} KiB before, {} KiB at most after a round", before / 1024, peak / 1024))?;
    }
    Ok(())
}

async fn sign_up(server: &ServerProcess) -> anyhow::Result<Vec<TestUser>> {
    let mut users = Vec::new();
    for number in 0..ACCOUNTS {
        users.push(register(&server.address, &format!("user{number}")).await?);
    }
    Ok(users)
}

/// Signs in from an address of its own. Returns the status and the time. `OVERLOADED` must have a `Retry-After`.
async fn login(user: &TestUser, round: u16, number: u16) -> anyhow::Result<(u16, Duration)> {
    let [high, low] = number.to_be_bytes();
    let peer = format!("198.{}.{high}.{low}", 18 + round % 2);
    let body = json!({"email": user.email, "password": "correct horse battery"});
    let started = Instant::now();
    let forwarded = [("x-forwarded-for", peer.as_str())];
    let answer = user.with_token("").send_with(Method::POST, "/auth/login", Some(&body), &forwarded).await;
    let answer = answer.context("no response")?;
    let status = answer.status.as_u16();
    if status == 503 {
        answer.expect_problem(503, "OVERLOADED", None)?;
        ensure!(answer.header("retry-after").parse::<u32>().is_ok(), "no Retry-After");
    }
    Ok((status, started.elapsed()))
}

/// Requests `/health` until `end`.
async fn health(user: &TestUser, mut end: watch::Receiver<bool>) -> anyhow::Result<Times> {
    let mut times = Times::default();
    while !*end.borrow_and_update() {
        let started = Instant::now();
        user.get("/health").await?.expect(200)?;
        times.push(started.elapsed());
        tokio::time::sleep(HEALTH_INTERVAL).await;
    }
    Ok(times)
}
