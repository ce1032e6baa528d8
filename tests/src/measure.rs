//! Support for the benchmarks: percentiles of durations, a server as a separate process, and its users.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::TestUser;

/// Maximum time until the server listens.
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// Durations of repetitions of one operation.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// The percentile by nearest rank, from 0 to 100; zero if there are no times.
    pub fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default()
    }

    /// Number of repetitions.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Adds a repetition.
    pub fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// `p50 1.23 ms, p99 4.56 ms, n 300`.
    pub fn summary(&self) -> String {
        let (p50, p99) = (milliseconds(self.percentile(50)), milliseconds(self.percentile(99)));
        format!("p50 {p50:>8}, p99 {p99:>8}, n {}", self.count())
    }
}

impl Extend<Duration> for Times {
    fn extend<I: IntoIterator<Item = Duration>>(&mut self, times: I) {
        self.0.extend(times);
    }
}

/// Formats a time like `1.23 ms`.
pub fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

/// Prints a line.
///
/// # Errors
/// If standard output is closed.
pub fn print_line(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}

/// The server's binary as a process, in an empty folder and with the given variables only. It is killed on drop.
#[derive(Debug)]
pub struct ServerProcess {
    /// Base URL without a path.
    pub address: String,
    child: Child,
    _folder: TempDir,
}

impl ServerProcess {
    /// Starts the binary on a free port.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(binary: &Path, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        let binary = binary.canonicalize().with_context(|| format!("there is no server at {}", binary.display()))?;
        let folder = TempDir::with_prefix("doable-benchmark-")?;
        let mut command = Command::new(binary);
        command.current_dir(folder.path()).env_clear().env("PORT", "0").env("RUST_LOG", "info");
        command.envs(variables.iter().copied()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let lines = lines(child.stderr.take().context("stderr is not piped")?);
        let mut server = Self { address: String::new(), child, _folder: folder };
        let mut last = String::new();
        loop {
            let Ok(line) = lines.recv_timeout(START_TIMEOUT) else {
                bail!("the server did not start within {START_TIMEOUT:?}; its last line: {last}")
            };
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            if let Some(address) = event["fields"]["address"].as_str() {
                address.clone_into(&mut server.address);
                return Ok(server);
            }
            last = line;
        }
    }

    /// Resident memory in bytes (`VmRSS` of `/proc/<pid>/status`, `proc_pid_status(5)`); `None` where the system has no
    /// such file.
    pub fn resident_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Fails if the process has exited by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Passes on the lines. Reading continues after the receiver is dropped, so that the process never blocks.
fn lines(stderr: ChildStderr) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            drop(sender.send(line));
        }
    });
    receiver
}

/// Registers `<name>@example.com` at the server with this address.
///
/// # Errors
/// If the server refuses.
pub async fn register(address: &str, name: &str) -> anyhow::Result<TestUser> {
    let anonymous = TestUser {
        client: crate::http_client(),
        address: address.to_owned(),
        id: String::new(),
        email: format!("{name}@example.com"),
        access_token: String::new(),
        refresh_token: String::new(),
    };
    let account = json!({"email": anonymous.email, "password": "correct horse battery"});
    let session = anonymous.post("/auth/register", account).await?.expect(201)?;
    let text = |value: &Value| value.as_str().map(str::to_owned).context("the session lacks a field");
    Ok(TestUser {
        id: text(&session["user"]["id"])?,
        access_token: text(&session["access_token"])?,
        refresh_token: text(&session["refresh_token"])?,
        ..anonymous
    })
}

impl TestUser {
    /// The same user at another server on the same database.
    #[must_use]
    pub fn at(&self, address: &str) -> Self {
        Self { address: address.to_owned(), ..self.clone() }
    }
}

/// Receives `true` after `time`.
pub fn until_passed(time: Duration) -> watch::Receiver<bool> {
    let (passed, end) = watch::channel(false);
    tokio::spawn(async move {
        tokio::time::sleep(time).await;
        passed.send_replace(true);
    });
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_times() {
        let mut times = Times::default();
        assert_eq!(times.percentile(50), Duration::ZERO);
        times.extend((1..=200).rev().map(Duration::from_millis));
        let of = |percent| times.percentile(percent).as_millis();
        assert_eq!((of(0), of(50), of(99), of(100)), (1, 100, 198, 200));
    }
}
