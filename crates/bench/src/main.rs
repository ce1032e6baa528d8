//! `bench` measures the server: throughput and CPU time of its most frequent requests on each database, beside what
//! `pgbench` reaches with the same statements; concurrent logins; and open streams.
//!
//! The server is a process of its own, with an empty database and no rate limits. Load generator, server and database
//! share the machine, so only figures of the same run can be compared.

mod account;
mod binary;
mod client;
mod database;
mod load;
mod logins;
mod mode;
mod pgbench;
mod process_usage;
mod report;
mod server_process;
mod streams;
mod target;
mod throughput;

use std::time::SystemTime;

use clap::{Parser, Subcommand};

use report::print_line;

/// Measures the server. Without a command: `server`
#[derive(Parser)]
#[command(name = "bench", args_conflicts_with_subcommands = true, max_term_width = 120)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    server: throughput::Arguments,
}

#[derive(Subcommand)]
enum Command {
    /// Requests per second, latency and CPU time of frequent requests, and pgbench's rate of the same statements
    Server(throughput::Arguments),
    /// Many concurrent logins: their time, the server's memory, and the latency of /health meanwhile
    Logins(logins::Arguments),
    /// Many open streams of changes: the server's memory and CPU time, and the latency of a task route meanwhile
    Streams(streams::Arguments),
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    print_line(&format!(
        "{}, {}",
        humantime::format_rfc3339_seconds(SystemTime::now()),
        process_usage::machine().unwrap_or_else(|| "unknown machine".to_owned())
    ))?;
    if cfg!(debug_assertions) {
        print_line("This is a debug build: its figures are not meaningful.")?;
    }
    // One thread, because the server needs the other CPUs.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match arguments.command.unwrap_or(Command::Server(arguments.server)) {
            Command::Server(arguments) => throughput::run(arguments).await,
            Command::Logins(arguments) => logins::run(arguments).await,
            Command::Streams(arguments) => streams::run(arguments).await,
        }
    })
}
