//! The command `streams`: many open streams of changes. It measures the server's memory and CPU time, the latency of a
//! task route meanwhile, and the time until every stream has received a change.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Args;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{Method, Response};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::account::Account;
use crate::client::Connection;
use crate::database::Host;
use crate::load::probe;
use crate::mode::Mode;
use crate::report::{database_name, mebibytes, milliseconds, print_line};
use crate::server_process::ServerProcess;
use crate::target::Target;

/// Number of streams of each account: the server's limit.
const STREAMS_PER_ACCOUNT: usize = 8;
/// Number of streams that are opened concurrently.
const CONCURRENT_OPENINGS: usize = 64;
/// Maximum time to open all streams, and for all of them to receive a change.
const TIMEOUT: Duration = Duration::from_mins(1);
/// Time of each measurement of latency.
const PROBE_TIME: Duration = Duration::from_secs(2);
/// Time of the measurement of CPU time while nothing changes.
const IDLE_TIME: Duration = Duration::from_secs(10);

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Number of streams, 8 for each account
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000, value_parser = clap::value_parser!(u16).range(1..=25_000))]
    count: u16,
}

/// Measures and prints.
///
/// # Errors
/// If a server or database does not work, or a stream does not open or ends.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    // The server inherits the limit.
    let files = rlimit::increase_nofile_limit(u64::MAX)?;
    ensure!(files > u64::from(arguments.count) + 100, "this process may open {files} files only: raise `ulimit -n`");
    for binary in crate::binary::find(&arguments.target.server)? {
        for kind in arguments.target.databases()? {
            print_line(&format!(
                "\n{}: {} open streams at {}",
                database_name(kind),
                arguments.count,
                binary.display()
            ))?;
            let host = Host::start(kind, arguments.target.postgres.as_ref())?;
            measure(&host, &binary, &arguments).await?;
        }
    }
    Ok(())
}

async fn measure(host: &Host, binary: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    let database = host.create_database().await?;
    let start = || ServerProcess::start(binary, database.url(), &arguments.target.env);
    let count = usize::from(arguments.count);
    // Another process registers the accounts, so that its memory is not measured.
    let accounts = Account::register(start()?.address, count.div_ceil(STREAMS_PER_ACCOUNT), 1).await?;
    let server = start()?;
    let list = || Mode::List.request(&accounts[0]);

    let ((), before) = probe(server.address, list()?, sleep(PROBE_TIME)).await?;
    let idle_memory = server.resident_bytes();
    let started = Instant::now();
    let mut streams = open(server.address, &accounts, count).await?;
    print_line(&format!("all open after {} ms", milliseconds(started.elapsed())))?;
    let memory = server.resident_bytes();
    let cpu_before = server.cpu_time();
    sleep(IDLE_TIME).await;
    let cpu = server.cpu_time().zip(cpu_before).map(|(after, before)| after.saturating_sub(before));
    let ((), during) = probe(server.address, list()?, sleep(PROBE_TIME)).await?;

    let started = Instant::now();
    let mut connection = Connection::open(server.address).await?;
    for account in &accounts {
        let answer = connection.send(Mode::Create.request(account)?).await?;
        ensure!(answer.is_ok(), "a change was refused: {answer:?}");
    }
    let changed = started.elapsed();
    timeout(TIMEOUT, streams.all_have_received(count)).await.context("a stream has not received its change")??;
    let received = started.elapsed();

    let each = memory.zip(idle_memory).map(|(open, idle)| open.saturating_sub(idle) / u64::from(arguments.count));
    print_line(&format!(
        "memory: {} before, {} with all open, {} KiB for each, {} after the changes",
        mebibytes(idle_memory),
        mebibytes(memory),
        each.map_or_else(|| "?".to_owned(), |bytes| (bytes >> 10).to_string()),
        mebibytes(server.resident_bytes())
    ))?;
    if let Some(cpu) = cpu {
        let percent = cpu.as_secs_f64() / IDLE_TIME.as_secs_f64() * 100.0;
        print_line(&format!("CPU time while nothing changes: {percent:.1} % of one CPU"))?;
    }
    print_line(&format!("list of tasks before: {}", before.summary()))?;
    print_line(&format!("list of tasks during: {}", during.summary()))?;
    print_line(&format!(
        "a change for each of {} accounts took {} ms; all streams had received one after {} ms",
        accounts.len(),
        milliseconds(changed),
        milliseconds(received)
    ))?;
    Ok(())
}

/// Open streams, each read by a task.
struct Streams {
    /// One message for each stream: that it has received a change, or why it ended.
    received: mpsc::UnboundedReceiver<anyhow::Result<()>>,
}

impl Streams {
    async fn all_have_received(&mut self, count: usize) -> anyhow::Result<()> {
        for _ in 0..count {
            self.received.recv().await.context("the streams have ended")??;
        }
        Ok(())
    }
}

async fn open(address: SocketAddr, accounts: &[Account], count: usize) -> anyhow::Result<Streams> {
    let (sender, received) = mpsc::unbounded_channel();
    let mut openings = stream::iter((0..count).map(|number| {
        let account = &accounts[number / STREAMS_PER_ACCOUNT];
        async move {
            let mut connection = Connection::open(address).await?;
            let response = connection.start(account.request(Method::GET, "events", "")?).await?;
            ensure!(response.status().is_success(), "a stream was refused: {}", response.status());
            anyhow::Ok((connection, response))
        }
    }))
    .buffer_unordered(CONCURRENT_OPENINGS);
    let mut opened = 0;
    let all = async {
        while let Some((connection, response)) = openings.try_next().await? {
            opened += 1;
            tokio::spawn(follow(connection, response, sender.clone()));
        }
        anyhow::Ok(())
    };
    match timeout(TIMEOUT, all).await {
        Ok(result) => result?,
        Err(_) => anyhow::bail!("{opened} of {count} streams were opened: the server may limit its connections"),
    }
    Ok(Streams { received })
}

/// Reads a stream until the server ends it, and reports its first change.
async fn follow(
    connection: Connection,
    mut response: Response<Incoming>,
    received: mpsc::UnboundedSender<anyhow::Result<()>>,
) {
    let mut has_received = false;
    while let Some(Ok(frame)) = response.frame().await {
        let is_change = frame.data_ref().is_some_and(|data| data.windows(5).any(|bytes| bytes == b"data:"));
        if is_change && !has_received {
            has_received = true;
            drop(received.send(Ok(())));
        }
    }
    if !has_received {
        drop(received.send(Err(anyhow::anyhow!("a stream ended"))));
    }
    drop(connection);
}
