//! The server as a separate process, in an empty folder, on a free port of 127.0.0.1 and without rate limits.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::process_usage;

/// Maximum time until the server listens.
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// The server's settings. Of its log only the line with its address is read: logging is not measured.
const SETTINGS: [(&str, &str); 7] = [
    ("HOST", "127.0.0.1"),
    ("PORT", "0"),
    ("RUST_LOG", "warn,app::application=info"),
    ("JWT_SECRET", "a secret for benchmarks, of more than 32 bytes"),
    ("API_REQUESTS_PER_MINUTE", "0"),
    ("SIGN_IN_REQUESTS_PER_MINUTE", "0"),
    ("CHAT_REQUESTS_PER_MINUTE", "0"),
];

/// A running server. It is killed on drop.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    /// The address that it listens on.
    pub(crate) address: SocketAddr,
    /// Time from its start until it listened, migrations included.
    pub(crate) start_time: Duration,
    child: Child,
    _folder: TempDir,
}

impl ServerProcess {
    /// Starts the binary on a database, with additional settings.
    ///
    /// # Errors
    /// If it does not start.
    pub(crate) fn start(binary: &Path, database_url: &str, settings: &[(String, String)]) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("doable-bench-")?;
        let mut command = Command::new(binary);
        command.current_dir(folder.path()).env_clear().envs(SETTINGS).env("DATABASE_URL", database_url);
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn().with_context(|| binary.display().to_string())?;
        let lines = lines(child.stderr.take().context("stderr is not piped")?);
        let mut last = String::new();
        loop {
            let Ok(line) = lines.recv_timeout(START_TIMEOUT) else {
                drop(child.kill());
                drop(child.wait());
                bail!("the server did not start within {START_TIMEOUT:?}; its last line: {last}")
            };
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            if let Some(address) = event["fields"]["address"].as_str() {
                let start_time = started.elapsed();
                let address = address.trim_start_matches("http://").parse()?;
                return Ok(Self { address, start_time, child, _folder: folder });
            }
            last = line;
        }
    }

    /// CPU time since its start.
    pub(crate) fn cpu_time(&self) -> Option<Duration> {
        process_usage::cpu_time(self.child.id())
    }

    /// Resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        process_usage::resident_bytes(self.child.id())
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
