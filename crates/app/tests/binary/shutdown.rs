//! `app healthcheck`, and what a balancer and clients see while a server stops.

use anyhow::{Context as _, ensure};
use reqwest::Method;
use tempfile::TempDir;

use crate::client::{Client, instance};
use crate::fake_server::{http, unused_address};
use crate::server::{Server, http_client, run, within_timeout};

/// Longer than any test needs for its requests; the second signal ends it.
const DRAIN: (&str, &str) = ("SHUTDOWN_DRAIN", "6s");

/// Runs the healthcheck with this port. Returns whether the exit status is 0, and the line.
fn healthcheck(folder: &TempDir, port: &str) -> anyhow::Result<(bool, String)> {
    // The address that a container listens on.
    let output = run(folder.path(), &["healthcheck"], &[("HOST", "0.0.0.0"), ("PORT", port)])?;
    let line = String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?;
    ensure!(line.lines().count() == 1, "not one line: {line}");
    Ok((output.status.success(), line))
}

fn port(address: &str) -> &str {
    address.rsplit(':').next().unwrap_or_default()
}

async fn status(url: &str) -> anyhow::Result<(u16, bool)> {
    let response = http_client().request(Method::GET, url).send().await?;
    let is_closed = response.headers().get("connection").is_some_and(|value| value == "close");
    Ok((response.status().as_u16(), is_closed))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_healthcheck_fails_unless_the_server_is_ready() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let server = Server::start(folder.path(), &[("HOST", "0.0.0.0"), DRAIN])?;
    let (is_ready, line) = healthcheck(&folder, port(&server.address))?;
    ensure!(is_ready && line.starts_with("ready: http://127.0.0.1:"), "{line}");
    server.terminate()?;
    wait_until_unready(&server).await?;
    let (is_ready, line) = healthcheck(&folder, port(&server.address))?;
    ensure!(!is_ready && line.contains("not ready: The server is shutting down"), "{line}");
    server.kill()?;

    let (is_ready, line) = healthcheck(&folder, port(&unused_address()?.to_string()))?;
    ensure!(!is_ready && line.contains("no answer from http://127.0.0.1:"), "{line}");
    let (is_ready, line) = healthcheck(&folder, port(&http("200 OK", r#"{"status": "fine"}"#)?))?;
    ensure!(!is_ready && line.contains("another program answers"), "{line}");
    let (is_ready, line) = healthcheck(&folder, "0")?;
    ensure!(!is_ready && line.contains("PORT: 0 is any free port"), "{line}");
    Ok(())
}

/// Waits until a server that was signalled is not ready.
async fn wait_until_unready(server: &Server) -> anyhow::Result<()> {
    let url = format!("{}/health/ready", server.address);
    let unready = async {
        while status(&url).await?.0 == 200 {}
        anyhow::Ok(())
    };
    within_timeout("the server to be unready", unready).await?
}

async fn drained(database: &str) -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let mut server = Server::start(folder.path(), &[instance(database, "only"), vec![DRAIN]].concat())?;
    let ada = Client::register(&server).await?;
    let request = http_client().get(format!("{}{}", server.address, ada.path("events"))).bearer_auth(&ada.token);
    let mut events = request.send().await?.error_for_status()?;
    let live = format!("{}/health/live", server.address);
    ensure!(status(&live).await? == (200, false));

    server.terminate()?;
    wait_until_unready(&server).await?;
    // It serves as before, on new connections too, and ends each with its response.
    for _ in 0..3 {
        ensure!(status(&live).await? == (200, true));
    }
    // A stream is still open: a client that reconnected now might come here again.
    server.post(&ada.path("tasks"), &ada.token, serde_json::json!({"title": "Buy milk"})).await?;
    let event = within_timeout("an event", events.chunk()).await??.context("the stream has ended")?;
    ensure!(event.starts_with(b"id: 1\nevent: change\n"), "{event:?}");

    // The second signal ends the drain; the stream ends without an error.
    server.terminate()?;
    let end = async {
        while let Some(bytes) = events.chunk().await? {
            ensure!(bytes.starts_with(b":"), "{bytes:?}");
        }
        Ok(())
    };
    within_timeout("the end of the events", end).await??;
    let status = server.wait_for_exit().await?;
    ensure!(status.success(), "{status}");
    let log = server.kill()?.join("\n");
    ensure!(log.contains("another signal ends the drain"), "{log}");
    Ok(())
}

on_both_databases! {
    a_server_serves_on_and_is_not_ready_until_its_drain_ends = drained;
}

#[tokio::test]
async fn ctrl_c_skips_the_drain() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let mut server = Server::start(folder.path(), &[DRAIN])?;
    server.signal("-INT")?;
    let status = server.wait_for_exit().await?;
    ensure!(status.success(), "{status}");
    let log = server.kill()?.join("\n");
    ensure!(log.contains("shutting down") && !log.contains("draining"), "{log}");
    Ok(())
}
