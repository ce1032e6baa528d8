//! The command `server`: each kind of request as fast as the server answers, on each database. Several binaries take
//! turns, each with a database of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use test_database::{Kind, TestDatabase};

use crate::account::Account;
use crate::database::{self, Host};
use crate::load::{Generator, Load};
use crate::mode::Mode;
use crate::pgbench;
use crate::process_usage;
use crate::report::{database_name, mebibytes, milliseconds, per_second, print_line, print_table};
use crate::server_process::ServerProcess;
use crate::target::Target;

/// Number of tasks of each account at the start.
const TASKS: usize = 20;

/// Number of clients in the second run of `pgbench`: on few CPUs, fewer processes reach more.
const FEW_CLIENTS: usize = 6;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Measured time of each kind of request, after a second of warm-up
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Number of keep-alive connections, each with an account of its own
    #[arg(long, value_name = "NUMBER", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=500))]
    connections: u16,
    /// Kinds of requests in their order, separated by commas
    #[arg(long, value_name = "NAMES", value_enum, value_delimiter = ',',
          default_values_t = [Mode::List, Mode::Get, Mode::Update, Mode::Chat, Mode::Create])]
    modes: Vec<Mode>,
}

/// Measures and prints.
///
/// # Errors
/// If a server or database does not work, or any response is not 2xx.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let binaries = crate::binary::find(&arguments.target.server)?;
    let mut refused = 0;
    for kind in arguments.target.databases()? {
        refused += measure(kind, &binaries, &arguments).await?;
    }
    ensure!(refused == 0, "{refused} responses were not successful");
    Ok(())
}

/// Measures all binaries on one kind of database. Returns the number of responses that are not 2xx.
async fn measure(kind: Kind, binaries: &[PathBuf], arguments: &Arguments) -> anyhow::Result<u64> {
    let host = Host::start(kind, arguments.target.postgres.as_ref())?;
    let mut subjects = Vec::new();
    for binary in binaries {
        subjects.push(Subject::start(binary, &host, arguments).await?);
    }
    let pgbench = kind == Kind::Postgres && pgbench::is_installed();
    let (seconds, connections) = (arguments.seconds, arguments.connections);
    let name = database_name(kind);
    print_line(&format!("\n{name}: {connections} accounts, a connection for each, {seconds} s of each request"))?;
    if pgbench {
        database::execute(&subjects[0].database, pgbench::SETUP).await?;
    }
    for subject in &subjects {
        database::execute(&subject.database, "VACUUM ANALYZE").await?;
    }
    let mut measurements: Vec<Measurement> = Vec::new();
    for mode in &arguments.modes {
        let first = measurements.len();
        for subject in &subjects {
            let mut measurement = subject.measure(*mode, &host, arguments).await?;
            if let Some(refusal) = &measurement.load.refusal {
                print_line(&format!("{} {}: {refusal}", subject.name, mode.name()))?;
            }
            measurement.ratio = measurements.get(first).map(|first| measurement.rate() / first.rate());
            measurements.push(measurement);
        }
        if let (true, Some(script)) = (pgbench, pgbench::script(*mode)) {
            let time = Duration::from_secs(seconds);
            let run = |clients| pgbench::run(subjects[0].database.url(), script, clients, time);
            measurements[first].pgbench = Some([run(connections.into())?, run(FEW_CLIENTS)?]);
        }
    }
    let rows: Vec<_> = measurements.iter().map(|measurement| measurement.cells(subjects.len() > 1)).collect();
    print_table(&header(connections), &rows)?;
    for subject in &subjects {
        subject.print_memory(connections)?;
    }
    Ok(measurements.iter().map(|measurement| measurement.load.refused).sum())
}

/// A server with its database and accounts.
struct Subject {
    name: String,
    process: ServerProcess,
    accounts: Vec<Account>,
    idle_memory: Option<u64>,
    registered_memory: Option<u64>,
    // Dropped after the process, which has connections to it.
    database: TestDatabase,
}

impl Subject {
    async fn start(binary: &Path, host: &Host, arguments: &Arguments) -> anyhow::Result<Self> {
        let database = host.create_database().await?;
        let process = ServerProcess::start(binary, database.url(), &arguments.target.env)?;
        let idle_memory = process.resident_bytes();
        let accounts = Account::register(process.address, arguments.connections.into(), TASKS).await?;
        let registered_memory = process.resident_bytes();
        let name = binary.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, process, accounts, idle_memory, registered_memory, database })
    }

    async fn measure(&self, mode: Mode, host: &Host, arguments: &Arguments) -> anyhow::Result<Measurement> {
        let mut generator = Generator::warm_up(self.process.address, mode, &self.accounts).await?;
        let cpu_times = || [self.process.cpu_time(), host.cpu_time(), process_usage::cpu_time(std::process::id())];
        let before = cpu_times();
        let load = generator.run(Duration::from_secs(arguments.seconds)).await?;
        let mut cpu_times = cpu_times();
        for (time, before) in cpu_times.iter_mut().zip(before) {
            *time = time.zip(before).map(|(after, before)| after.saturating_sub(before));
        }
        Ok(Measurement { mode, server: self.name.clone(), load, cpu_times, ratio: None, pgbench: None })
    }

    fn print_memory(&self, connections: u16) -> std::io::Result<()> {
        print_line(&format!(
            "{}: listening after {} ms; memory {} idle, {} after {connections} registrations, {} at the end",
            self.name,
            self.process.start_time.as_millis(),
            mebibytes(self.idle_memory),
            mebibytes(self.registered_memory),
            mebibytes(self.process.resident_bytes())
        ))
    }
}

/// One kind of request on one server.
struct Measurement {
    mode: Mode,
    server: String,
    load: Load,
    /// CPU time of the server, of Postgres, and of this process.
    cpu_times: [Option<Duration>; 3],
    /// Its rate as a multiple of the first server's.
    ratio: Option<f64>,
    /// Transactions per second of `pgbench` with as many clients as connections, and with [`FEW_CLIENTS`].
    pgbench: Option<[f64; 2]>,
}

fn header(connections: u16) -> Vec<String> {
    let names = ["request", "server", "requests/s", "ratio", "p50 ms", "p99 ms", "refused"];
    let cpu_times = ["server µs", "Postgres µs", "client µs"];
    let ceiling = [format!("pgbench {connections}"), format!("pgbench {FEW_CLIENTS}"), "of pgbench".to_owned()];
    names.into_iter().chain(cpu_times).map(str::to_owned).chain(ceiling).collect()
}

impl Measurement {
    fn rate(&self) -> f64 {
        per_second(self.load.latencies.count(), self.load.elapsed)
    }

    /// Returns the cells below [`header`]; the server's name only if there are several.
    fn cells(&self, several: bool) -> Vec<String> {
        let requests = u128::from(self.load.latencies.count()).max(1);
        let per_request = |time: Option<Duration>| match time {
            Some(time) => (time.as_micros() / requests).to_string(),
            None => String::new(),
        };
        let [server_cpu, database_cpu, client_cpu] = self.cpu_times.map(per_request);
        let ratio = |ratio: Option<f64>| ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let rate = |rate: Option<f64>| rate.map(|rate| format!("{rate:.0}")).unwrap_or_default();
        let latency = |quantile| milliseconds(self.load.latencies.quantile(quantile));
        vec![
            self.mode.name().to_owned(),
            if several { self.server.clone() } else { String::new() },
            rate(Some(self.rate())),
            ratio(self.ratio),
            latency(0.5),
            latency(0.99),
            self.load.refused.to_string(),
            server_cpu,
            database_cpu,
            client_cpu,
            rate(self.pgbench.map(|[many, _]| many)),
            rate(self.pgbench.map(|[_, few]| few)),
            ratio(self.pgbench.map(|[many, few]| self.rate() / many.max(few))),
        ]
    }
}
