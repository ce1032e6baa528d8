//! The command `doctor`: checks the settings and everything that they name, and says what is wrong and what to do.
//!
//! It changes nothing: it creates no file, applies no migration and stores nothing. It sends one short request to the provider.

mod database;
mod report;
mod server;
mod services;

use std::io::{self, Write as _};

use crate::settings::Settings;
use crate::telemetry::redacted;
use report::Report;

/// Prints the report to standard output. Returns whether there is no problem.
///
/// # Errors
/// If it cannot be printed.
pub async fn doctor(settings: &Settings) -> io::Result<bool> {
    let mut report = Report::default();
    let derived = match settings.derive() {
        Ok(derived) => {
            report.good("settings", "every value is valid");
            Some(derived)
        }
        Err(problems) => {
            for problem in problems.0 {
                report.problem(
                    "settings",
                    problem,
                    "Set it in the environment or in .env; docs/configuration.md explains it.",
                );
            }
            None
        }
    };
    if let Some(derived) = &derived {
        server::check_secret(&mut report, &derived.jwt_secret);
        server::check_urls(&mut report, settings, derived);
    }
    server::check_port(&mut report, &settings.server).await;
    database::check(&mut report, &settings.database).await;
    if let Some(derived) = &derived {
        services::check_provider(&mut report, &settings.assistant, &derived.assistant).await;
        services::check_sign_in(&mut report, derived).await;
        services::check_rate_limits(&mut report, &settings.limits).await;
    }
    // The types keep secrets out; this is the second line of defence, as in the log.
    io::stdout().write_all(redacted(&report.to_string()).as_bytes())?;
    Ok(report.is_good())
}
