//! `test-database <command> [arguments]` starts a PostgreSQL server, runs the command with `TEST_DATABASE_URL` set to it
//! and stops the server when the command is done. It serves test runners that give each test a process of its own.

use std::process::{Command, ExitCode};

use anyhow::Context as _;
use test_database::Server;

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments.next().context("usage: test-database <command> [arguments]")?;
    let server = Server::start()?;
    let status = Command::new(&program)
        .args(arguments)
        .env("TEST_DATABASE_URL", server.url().as_str())
        .status()
        .with_context(|| program.display().to_string())?;
    drop(server);
    // A command that a signal ended has no code.
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}
