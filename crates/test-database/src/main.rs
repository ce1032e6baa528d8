//! `test-database <command> [arguments]` starts a PostgreSQL server, runs the command with `TEST_DATABASE_URL` set, and
//! stops the server when the command exits. It is for test runners that run each test in a process of its own. With
//! `TEST_PGBOUNCER=1` it starts a pooler too, and sets `TEST_POOLER_URL`.

use std::process::{Command, ExitCode};

use anyhow::Context as _;
use test_database::{Pooler, Server};

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments.next().context("usage: test-database <command> [arguments]")?;
    let server = Server::start()?;
    let pooler = test_database::wants_pooler().then(|| Pooler::start(server.url())).transpose()?;
    let mut command = Command::new(&program);
    command.args(arguments).env("TEST_DATABASE_URL", server.url().as_str());
    if let Some(pooler) = &pooler {
        command.env("TEST_POOLER_URL", pooler.url().as_str());
    }
    let status = command.status().with_context(|| program.display().to_string())?;
    drop(pooler);
    drop(server);
    // A command that was killed by a signal has no exit code.
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}
