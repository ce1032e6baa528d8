//! The command `logins`: many concurrent logins, the latency of `/health` meanwhile, and the memory. Each response has to
//! be a session, or `OVERLOADED` with `Retry-After`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use futures_util::future;
use hyper::{Method, StatusCode};

use crate::account::{self, Account};
use crate::client::Connection;
use crate::database::Host;
use crate::load::{Latencies, probe};
use crate::report::{database_name, mebibytes, milliseconds, print_line};
use crate::server_process::ServerProcess;
use crate::target::Target;

/// Number of accounts that sign in, each several times.
const ACCOUNTS: usize = 32;
/// Time that `/health` is measured before the logins.
const BASELINE_TIME: Duration = Duration::from_secs(1);

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Number of concurrent logins
    #[arg(long, value_name = "NUMBER", default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=2000))]
    count: u16,
    /// Number of rounds, one after the other
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
}

/// Measures and prints.
///
/// # Errors
/// If a server or database does not work, or a response is unexpected.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    for binary in crate::binary::find(&arguments.target.server)? {
        for kind in arguments.target.databases()? {
            print_line(&format!(
                "\n{}: {} concurrent logins at {}",
                database_name(kind),
                arguments.count,
                binary.display()
            ))?;
            let host = Host::start(kind, arguments.target.postgres.as_ref())?;
            let database = host.create_database().await?;
            let start = || ServerProcess::start(&binary, database.url(), &arguments.target.env);
            // Another process registers the accounts, so that its memory is not measured.
            Account::register(start()?.address, ACCOUNTS, 0).await?;
            measure(&start()?, &arguments).await?;
        }
    }
    Ok(())
}

async fn measure(server: &ServerProcess, arguments: &Arguments) -> anyhow::Result<()> {
    let health = || account::request(Method::GET, "/health", "");
    let ((), before) = probe(server.address, health()?, tokio::time::sleep(BASELINE_TIME)).await?;
    print_line(&format!("/health before: {}", before.summary()))?;
    let (idle, mut peak) = (server.resident_bytes(), None);
    for _ in 0..arguments.rounds {
        let started = Instant::now();
        let logins = (0..arguments.count).map(|number| login(server.address, usize::from(number) % ACCOUNTS));
        let (answers, during) = probe(server.address, health()?, future::try_join_all(logins)).await?;
        let elapsed = started.elapsed();
        let mut sessions = Latencies::new()?;
        for latency in answers?.into_iter().flatten() {
            sessions.record(latency)?;
        }
        peak = peak.max(server.resident_bytes());
        let overloaded = u64::from(arguments.count) - sessions.count();
        print_line(&format!("all answered after {} ms, {overloaded} OVERLOADED", milliseconds(elapsed)))?;
        print_line(&format!("  sessions:       {}", sessions.summary()))?;
        print_line(&format!("  /health during: {}", during.summary()))?;
    }
    print_line(&format!("memory: {} idle, {} at most after a round", mebibytes(idle), mebibytes(peak)))?;
    Ok(())
}

/// Signs in. Returns the latency; `None` if the server is overloaded.
async fn login(address: SocketAddr, number: usize) -> anyhow::Result<Option<Duration>> {
    let mut connection = Connection::open(address).await?;
    let request = account::sign_in_request("/auth/login", number)?;
    let started = Instant::now();
    match connection.send(request).await? {
        Ok(()) => Ok(Some(started.elapsed())),
        Err(refusal) => {
            let expected = refusal.status == StatusCode::SERVICE_UNAVAILABLE && refusal.retry_after;
            ensure!(expected && refusal.body.contains("OVERLOADED"), "unexpected response: {refusal:?}");
            Ok(None)
        }
    }
}
