//! The command `healthcheck`, and requests of this program to a server on this machine.

use std::io::{self, Write as _};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use url::Url;

use crate::settings::ServerSettings;

/// Maximum time for the answer. The server itself waits at most 2 s for its database.
const TIMEOUT: Duration = Duration::from_secs(4);
/// Maximum number of bytes of an answer. Another program may have taken the port.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// An answer of a server.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Null if it is not JSON, or too long.
    pub(crate) body: Value,
}

/// Asks the server with these settings whether it is ready, and prints the answer on one line.
///
/// # Errors
/// If it is not ready, does not answer in time, or its address does not follow from the settings.
pub async fn healthcheck(settings: &ServerSettings) -> anyhow::Result<()> {
    ensure!(settings.port != 0, "PORT: 0 is any free port: set the one that the server listens on");
    let url = settings.local_url().context("HOST: is not part of a URL")?.join("/health/ready")?;
    let answer = get(&url).await.with_context(|| format!("no answer from {url}"))?;
    let reason = answer.body["detail"].as_str().map_or_else(|| "this is another program".to_owned(), printable);
    ensure!(answer.status == 200, "not ready: {reason} ({url} answered {})", answer.status);
    ensure!(answer.body["status"] == "ready", "another program answers at {url}");
    writeln!(io::stdout(), "ready: {url}")?;
    Ok(())
}

/// Sends a GET request, past any proxy of the environment.
///
/// # Errors
/// If there is no answer in time.
pub(crate) async fn get(url: &Url) -> anyhow::Result<Answer> {
    // reqwest requires a provider of TLS even for plain HTTP. An error means that one is installed.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(TIMEOUT);
    let mut response = client.build()?.get(url.clone()).send().await.map_err(reqwest::Error::without_url)?;
    let mut bytes = Vec::new();
    while bytes.len() <= MAX_ANSWER_BYTES
        && let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)?
    {
        bytes.extend_from_slice(&chunk);
    }
    let body =
        if bytes.len() > MAX_ANSWER_BYTES { Value::Null } else { serde_json::from_slice(&bytes).unwrap_or_default() };
    Ok(Answer { status: response.status().as_u16(), body })
}

/// The beginning of a text of another program, without control characters.
fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_another_program_is_short_and_controls_no_terminal() {
        assert_eq!(printable("\u{1b}[31mnot\r\nready"), "[31mnotready");
        assert_eq!(printable(&"é".repeat(100_000)).chars().count(), 200);
    }
}
