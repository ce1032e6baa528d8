//! A server as a separate process.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use tokio::time::{sleep, timeout};

/// Maximum time of a wait, for example for the start or the exit of a process.
pub const WAIT_TIMEOUT: Duration = Duration::from_mins(1);
/// Time between two checks whether a process has exited.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Awaits `future` for at most [`WAIT_TIMEOUT`].
pub async fn within_timeout<T>(what: &str, future: impl Future<Output = T>) -> anyhow::Result<T> {
    timeout(WAIT_TIMEOUT, future).await.with_context(|| format!("timed out after {WAIT_TIMEOUT:?} waiting for {what}"))
}

pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_app"));
    // No balancer has to notice that a server of a test stops.
    command.current_dir(folder).env_clear().env("PORT", "0").env("SHUTDOWN_DRAIN", "0s").stdin(Stdio::null());
    command
}

pub fn http_client() -> reqwest::Client {
    http_client_builder().build().unwrap_or_default()
}

/// Builds a client that waits at most [`WAIT_TIMEOUT`] for a response and for each part of its body.
pub fn http_client_builder() -> reqwest::ClientBuilder {
    // `reqwest` is built without a TLS provider and requires one even for plain HTTP. An error means that one is set.
    let _already_set = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().read_timeout(WAIT_TIMEOUT)
}

pub fn run(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<Output> {
    Ok(command(folder).args(arguments).envs(variables.iter().copied()).output()?)
}

/// A running server. It is killed on drop.
pub struct Server {
    pub child: Child,
    pub address: String,
    /// Log lines until it listened.
    startup_log: Vec<String>,
    /// Later log lines.
    log: mpsc::Receiver<String>,
}

impl Server {
    pub fn start(folder: &Path, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut child =
            command(folder).envs(variables.iter().copied()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let stderr = child.stderr.take().context("stderr is not piped")?;
        let (sender, log) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut startup_log = Vec::new();
        loop {
            let Ok(line) = log.recv_timeout(WAIT_TIMEOUT) else {
                bail!("the server did not start; its last log line: {:?}", startup_log.last())
            };
            let address = serde_json::from_str::<Value>(&line)
                .ok()
                .and_then(|event| event["fields"]["address"].as_str().map(str::to_owned));
            startup_log.push(line);
            if let Some(address) = address {
                return Ok(Self { child, address, startup_log, log });
            }
        }
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> anyhow::Result<Value> {
        let request = http_client().post(format!("{}{path}", self.address)).json(&body);
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        ensure!(status.is_success(), "{path}: {status} {text}");
        Ok(serde_json::from_str(&text)?)
    }

    pub async fn get(&self, path: &str, token: &str) -> anyhow::Result<Value> {
        let response = http_client().get(format!("{}{path}", self.address)).bearer_auth(token).send().await?;
        Ok(serde_json::from_str(&response.error_for_status()?.text().await?)?)
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) -> anyhow::Result<()> {
        self.signal("-TERM")
    }

    /// Sends a signal, such as `-INT`.
    pub fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status()?;
        ensure!(sent.success(), "kill failed: {sent}");
        Ok(())
    }

    /// Waits until it has exited.
    pub async fn wait_for_exit(&mut self) -> anyhow::Result<ExitStatus> {
        let poll = async {
            loop {
                if let Some(status) = self.child.try_wait()? {
                    return Ok(status);
                }
                sleep(POLL_INTERVAL).await;
            }
        };
        within_timeout("the server to exit", poll).await?
    }

    /// Kills it unless it has exited, and returns its log.
    pub fn kill(mut self) -> anyhow::Result<Vec<String>> {
        self.child.kill()?;
        self.child.wait()?;
        let mut log = std::mem::take(&mut self.startup_log);
        log.extend(self.log.iter());
        Ok(log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails if the process has exited by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
