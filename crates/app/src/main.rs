//! The program: reads the command line and does what it says.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use app::cli::{Cli, CliCommand};
use app::settings::{DatabaseSettings, Settings, Variables};
use app::telemetry::{self, LogFilter};
use app::{Application, Overrides, assistant, migrate};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Before there is a log, and where it may be filtered: the reason why the program ends is always told.
            #[expect(clippy::print_stderr, reason = "the last word of a program that fails")]
            {
                eprintln!(
                    "app: {}",
                    telemetry::redacted(&format!("{error:#}")).unwrap_or_else(|error| error.to_string())
                );
            }
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let variables = Variables::load(&Cli::variable_names(), Path::new(".env"))?;
    let cli = Cli::read(std::env::args_os(), &variables).unwrap_or_else(|error| error.exit());
    match cli.command {
        None => serve(cli.settings.try_into()?).await,
        Some(CliCommand::Assistant(command)) => assistant(command).await,
        Some(CliCommand::Migrate(command)) => {
            telemetry::init(&LogFilter::try_from(&cli.settings.process)?)?;
            migrate(&DatabaseSettings::try_from(cli.settings.database)?, command).await
        }
    }
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    telemetry::init(&settings.log)?;
    let mut terminated = signal(SignalKind::terminate()).context("signals cannot be listened for")?;
    let application = tokio::select! {
        built = Application::build(settings, Overrides::default()) => built?,
        // A start may wait long, for a migration that another instance runs.
        _ = terminated.recv() => return Ok(()),
    };
    let stop = async move {
        tokio::select! {
            _ = terminated.recv() => {}
            // Where Ctrl-C cannot be listened for, SIGTERM still ends the program.
            Ok(()) = tokio::signal::ctrl_c() => {}
        }
    };
    application.run_until_stopped(stop).await
}
