//! The entry point: parses the command line and runs the command.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use app::cli::{Cli, CliCommand};
use app::settings::{Settings, Variables};
use app::telemetry::Traces;
use app::{Application, Overrides, StopSignal, assistant, doctor, healthcheck, migrate, telemetry};
use futures_util::{Stream, StreamExt as _, stream};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Number of files that may be open besides the connections of clients: those of the database, the model and the runtime.
const OTHER_FILES: u64 = 100;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(error) => {
            // The log may not be initialized yet, and may be filtered.
            #[expect(clippy::print_stderr, reason = "the reason for the exit is always printed")]
            {
                eprintln!("doable: {}", telemetry::redacted(&format!("{error:#}")));
            }
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<ExitCode> {
    let variables = Variables::load(&Cli::variable_names(), Path::new(".env"))?;
    let Cli { settings, command } = Cli::read(std::env::args_os(), &variables).unwrap_or_else(|error| error.exit());
    match command {
        None => {
            let traces = Traces::start(&settings.traces)?;
            telemetry::init(&settings.process.log_filter(), settings.monitoring.log_format, traces.as_ref())?;
            let served = serve(settings).await;
            if let Some(traces) = traces {
                traces.shut_down().await;
            }
            served?;
        }
        Some(CliCommand::Assistant(command)) => assistant(command).await?,
        Some(CliCommand::Doctor) => {
            return Ok(if doctor(&settings).await? { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Some(CliCommand::Healthcheck) => healthcheck(&settings.server).await?,
        Some(CliCommand::Migrate(command)) => {
            telemetry::init(&settings.process.log_filter(), settings.monitoring.log_format, None)?;
            migrate(&settings.database, command).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    raise_file_limit(settings.server.max_connections);
    let mut signals = Box::pin(stop_signals()?);
    let application = tokio::select! {
        built = Application::build(settings, Overrides::default()) => built?,
        // The start may wait for a migration that another instance runs.
        _ = signals.next() => return Ok(()),
    };
    application.run_until_stopped(signals).await
}

/// The signals to stop that the process receives from now on.
fn stop_signals() -> anyhow::Result<impl Stream<Item = StopSignal>> {
    let received = |kind: SignalKind, stop: StopSignal| {
        let signal = signal(kind).with_context(|| format!("cannot install the handler of {stop:?}"))?;
        let next = move |mut signal: Signal| async move { signal.recv().await.map(|()| (stop, signal)) };
        anyhow::Ok(stream::unfold(signal, next))
    };
    let terminate = received(SignalKind::terminate(), StopSignal::Terminate)?;
    Ok(stream::select(terminate, received(SignalKind::interrupt(), StopSignal::Interrupt)?))
}

/// Raises the limit of open files to the maximum that the system allows this process, because each connection is one.
fn raise_file_limit(max_connections: u32) {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) if limit < u64::from(max_connections) + OTHER_FILES => {
            tracing::warn!(
                limit,
                max_connections,
                "fewer files may be open than MAX_CONNECTIONS needs; raise `ulimit -Hn`"
            );
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "cannot raise the limit of open files"),
    }
}
