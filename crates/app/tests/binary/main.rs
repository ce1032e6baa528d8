//! Tests of the binary: started in an empty folder, used over HTTP, killed and restarted.

/// Defines two tests of each body, `<name>::sqlite` and `<name>::postgres`.
macro_rules! on_both_databases {
    ($($name:ident = $body:ident;)+) => {$(
        mod $name {
            use super::*;

            #[tokio::test]
            async fn sqlite() -> anyhow::Result<()> {
                let folder = tempfile::TempDir::new()?;
                $body(&format!("sqlite://{}?mode=rwc", folder.path().join("doable.db").display())).await
            }

            #[tokio::test]
            async fn postgres() -> anyhow::Result<()> {
                let kind = test_database::Kind::Postgres;
                match test_database::TestDatabase::create_or_skip(kind, stringify!($name)).await? {
                    Some(database) => $body(database.url()).await,
                    None => Ok(()),
                }
            }
        }
    )+};
}

mod assistant;
mod client;
mod doctor;
mod events;
mod fake_server;
mod restart;
mod secrets;
mod server;
mod shutdown;
mod traces;
mod turns;

use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use serde_json::json;
use tempfile::TempDir;
use test_database::{Kind, TestDatabase};

use server::{Server, command, http_client, run};

/// The README's session, with kill -9 and a restart between its requests.
async fn survives_kills(folder: &Path, variables: &[(&str, &str)]) -> anyhow::Result<()> {
    let server = Server::start(folder, variables)?;
    let account = json!({"email": "ada@example.com", "password": "correct horse"});
    let session = server.post("/auth/register", "", account).await?;
    let token = session["access_token"].as_str().context("no access_token")?;
    let user = session["user"]["id"].as_str().context("no user id")?;
    let chat = format!("/api/{user}/chat");
    server.kill()?;

    let server = Server::start(folder, variables)?;
    let added = server.post(&chat, token, json!({"message": "Add a task to buy groceries"})).await?;
    ensure!(added["tool_calls"][0]["tool"] == "add_task", "{added}");
    ensure!(added["tool_calls"][0]["result"]["success"] == true, "{added}");
    let conversation = added["conversation_id"].clone();
    server.kill()?;

    let server = Server::start(folder, variables)?;
    let tasks = server.get(&format!("/api/{user}/tasks"), token).await?;
    ensure!(tasks[0]["title"] == "buy groceries", "{tasks}");
    let say = |message: &str| json!({"message": message, "conversation_id": conversation});
    server.post(&chat, token, say("mark it as done")).await?;
    server.kill()?;

    let server = Server::start(folder, variables)?;
    let tasks = server.get(&format!("/api/{user}/tasks"), token).await?;
    ensure!(tasks[0]["completed"] == true, "{tasks}");
    let deleted = server.post(&chat, token, say("delete the groceries task")).await?;
    ensure!(deleted["tool_calls"][0]["tool"] == "delete_task", "{deleted}");
    server.kill()?;

    let server = Server::start(folder, variables)?;
    ensure!(server.get(&format!("/api/{user}/tasks"), token).await? == json!([]));
    Ok(())
}

#[tokio::test]
async fn acknowledged_writes_survive_kill_9_on_sqlite() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    survives_kills(folder.path(), &[]).await
}

#[tokio::test]
async fn acknowledged_writes_survive_kill_9_on_postgres() -> anyhow::Result<()> {
    let name = "acknowledged_writes_survive_kill_9_on_postgres";
    let Some(database) = TestDatabase::create_or_skip(Kind::Postgres, name).await? else { return Ok(()) };
    let folder = TempDir::new()?;
    survives_kills(folder.path(), &[("DATABASE_URL", database.url())]).await
}

#[tokio::test]
async fn a_termination_signal_stops_the_server_cleanly() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let mut server = Server::start(folder.path(), &[])?;
    server.terminate()?;
    let status = server.wait_for_exit().await?;
    ensure!(status.success(), "{status}");
    Ok(())
}

#[test]
fn an_invalid_setting_names_its_variable_and_prevents_the_start() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    for (name, value, secret) in [
        ("PORT", "abc", false),
        ("DATABASE_URL", "mysql://root:hunter2@localhost/x", true),
        ("JWT_SECRET", "hunter2", true),
        ("FRONTEND_URL", "https://ada:hunter2@example.com", true),
        ("GOOGLE_ISSUER_URL", "https://ada:hunter2@example.com", true),
        ("ACCESS_TOKEN_TTL", "soon", false),
        ("CORS_ORIGINS", "*", false),
        ("TRUSTED_PROXIES", "*", false),
        ("LLM_PROVIDER", "magic", false),
        ("ENVIRONMENT", "moon", false),
    ] {
        let output = run(folder.path(), &[], &[(name, value)])?;
        let error = String::from_utf8(output.stderr)?;
        ensure!(!output.status.success(), "{name}={value} is accepted");
        ensure!(error.contains(name), "{name} is not named: {error}");
        ensure!(!secret || !error.contains("hunter2"), "{name} is printed: {error}");
    }
    Ok(())
}

#[test]
fn production_requires_a_jwt_secret() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let output = run(folder.path(), &[], &[("ENVIRONMENT", "production")])?;
    ensure!(!output.status.success());
    ensure!(String::from_utf8(output.stderr)?.contains("JWT_SECRET"));
    Ok(())
}

#[test]
fn help_lists_settings_and_commands_without_secrets() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let output = run(folder.path(), &["--help"], &[("JWT_SECRET", "hunter2-hunter2-hunter2-hunter2-hunter2")])?;
    let help = String::from_utf8(output.stdout)?;
    ensure!(output.status.success(), "{help}");
    for name in [
        "DATABASE_URL",
        "JWT_SECRET",
        "PORT",
        "CORS_ORIGINS",
        "TRUSTED_PROXIES",
        "LLM_PROVIDER",
        "INSTANCE_ID",
        "migrate",
    ] {
        ensure!(help.contains(name), "{name} is missing: {help}");
    }
    ensure!(!help.contains("hunter2"));
    Ok(())
}

#[test]
fn the_migrate_command_applies_and_reverts_migrations() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let migrate = |what: &str| -> anyhow::Result<String> {
        let output = run(folder.path(), &["migrate", what], &[])?;
        ensure!(output.status.success(), "{}", String::from_utf8(output.stderr)?);
        Ok(String::from_utf8(output.stdout)?)
    };
    ensure!(!migrate("status")?.contains("applied "));
    migrate("up")?;
    let status = migrate("status")?;
    ensure!(status.contains("create_users") && !status.contains("pending "), "{status}");
    migrate("down")?;
    ensure!(migrate("status")?.contains("pending "));
    Ok(())
}

#[tokio::test]
async fn only_a_trusted_proxy_sets_the_client_address() -> anyhow::Result<()> {
    for (proxies, peer) in [("", "127.0.0.1"), ("10.0.0.0/8", "127.0.0.1"), ("127.0.0.0/8", "203.0.113.9")] {
        let folder = TempDir::new()?;
        let server = Server::start(folder.path(), &[("TRUSTED_PROXIES", proxies)])?;
        let request = http_client().get(format!("{}/about", server.address));
        request.header("X-Forwarded-For", "198.51.100.1, 203.0.113.9").send().await?.error_for_status()?;
        let log = server.kill()?;
        let lines = log.iter().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let peers: Vec<_> = lines.filter_map(|line| line["spans"][0]["peer"].as_str().map(str::to_owned)).collect();
        ensure!(peers == [peer], "{proxies:?}: {peers:?}");
    }
    Ok(())
}

#[test]
fn an_unknown_flag_is_refused() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let mut child = command(folder.path()).arg("--nonsense").stderr(Stdio::piped()).spawn()?;
    let mut error = String::new();
    child.stderr.take().context("stderr is not piped")?.read_to_string(&mut error)?;
    ensure!(!child.wait()?.success());
    ensure!(error.contains("--nonsense"), "{error}");
    Ok(())
}
