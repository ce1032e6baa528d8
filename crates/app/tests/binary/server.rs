//! A server of its own process.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

/// Maximum time that a process may take to start or to end.
pub const PATIENCE: Duration = Duration::from_mins(1);

pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_app"));
    command.current_dir(folder).env_clear().env("PORT", "0").stdin(Stdio::null());
    command
}

pub fn http_client() -> reqwest::Client {
    tls();
    reqwest::Client::new()
}

pub fn http_client_builder() -> reqwest::ClientBuilder {
    tls();
    reqwest::Client::builder()
}

/// `reqwest` is built without a TLS provider, and wants one even where there is nothing to encrypt.
fn tls() {
    let _same = rustls::crypto::ring::default_provider().install_default();
}

pub fn run(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<Output> {
    Ok(command(folder).args(arguments).envs(variables.iter().copied()).output()?)
}

/// A server that runs, and what it logs.
pub struct Server {
    pub child: Child,
    pub address: String,
    /// What it said until it listened.
    began: Vec<String>,
    log: mpsc::Receiver<String>,
}

impl Server {
    pub fn start(folder: &Path, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut child =
            command(folder).envs(variables.iter().copied()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let stderr = child.stderr.take().context("a pipe")?;
        let (sender, log) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut seen = Vec::new();
        loop {
            let Ok(line) = log.recv_timeout(PATIENCE) else {
                bail!("it does not start; it said last: {:?}", seen.last())
            };
            let address = serde_json::from_str::<Value>(&line)
                .ok()
                .and_then(|event| event["fields"]["address"].as_str().map(str::to_owned));
            seen.push(line);
            if let Some(address) = address {
                return Ok(Self { child, address, began: seen, log });
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

    /// Asks it to end, as a service manager does.
    pub fn terminate(&self) -> anyhow::Result<()> {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        ensure!(sent.success());
        Ok(())
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        let mut waited = Duration::ZERO;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(waited < PATIENCE, "it does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
            waited += Duration::from_millis(20);
        }
    }

    /// Kills it, if it has not ended yet, and returns what it has logged.
    pub fn kill(mut self) -> anyhow::Result<Vec<String>> {
        self.child.kill()?;
        self.child.wait()?;
        let mut log = std::mem::take(&mut self.began);
        log.extend(self.log.iter());
        Ok(log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
