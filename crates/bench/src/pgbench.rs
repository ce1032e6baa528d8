//! `pgbench` with the statements that the server sends, on the server's database: what Postgres and this machine reach
//! without an HTTP server.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::mode::Mode;

/// Finds each client's user and task. It runs once, after the accounts are registered.
pub(crate) const SETUP: &str = include_str!("pgbench/setup.sql");

/// Values of the scripts' variables, besides those that a client reads once.
const VARIABLES: [(&str, &str); 5] = [
    ("known", "0"),
    ("rows", "21"),
    ("title", "write it down"),
    ("session", "01a22043-41a8-7236-8828-d2d2fcf0e2ea"),
    // A task in the form of the ledger.
    (
        "row",
        r#"{"v":1,"id":"01a22043-432c-7371-b755-c46c9420953d","title":"write it down","completed_at":null,"deleted_at":null,"version":1,"created_at":1795837608748198,"updated_at":1795837608748198}"#,
    ),
];

/// Returns the script of a mode; `None` if its requests are more than one transaction.
pub(crate) fn script(mode: Mode) -> Option<&'static str> {
    match mode {
        Mode::List => Some(include_str!("pgbench/list.sql")),
        Mode::Update => Some(include_str!("pgbench/update.sql")),
        Mode::Create => Some(include_str!("pgbench/create.sql")),
        Mode::Get | Mode::Chat => None,
    }
}

/// Returns whether `pgbench` is in the `PATH`.
pub(crate) fn is_installed() -> bool {
    let version = Command::new("pgbench").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// Runs a script with prepared statements. Returns the transactions per second.
///
/// # Errors
/// If a transaction fails.
pub(crate) fn run(database_url: &str, script: &str, clients: usize, time: Duration) -> anyhow::Result<f64> {
    let (clients, seconds) = (clients.to_string(), time.as_secs().max(1).to_string());
    let mut command = Command::new("pgbench");
    command.args(["--no-vacuum", "--protocol=prepared", "--jobs=1", "--client", &clients, "--time", &seconds]);
    for (name, value) in VARIABLES {
        command.arg(format!("--define={name}={value}"));
    }
    command.args(["--file=-", database_url]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // Closing the input ends the script.
    child.stdin.take().context("stdin is not piped")?.write_all(script.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "pgbench: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    rate(&text).with_context(|| format!("pgbench printed no rate: {text}"))
}

/// Returns the rate in the output of `pgbench`.
fn rate(output: &str) -> Option<f64> {
    let line = output.lines().find_map(|line| line.strip_prefix("tps = "))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_found_in_the_output() {
        let output = "latency average = 1.7 ms\ntps = 36314.250000 (without initial connection time)\n";
        assert_eq!(rate(output), Some(36314.25));
        assert_eq!(rate("pgbench (15.18)\n"), None);
    }
}
