//! The command `migrate`.

use std::io::{self, Write as _};

use crate::application::connect;
use crate::cli::Migrate;
use crate::settings::DatabaseSettings;

/// Runs a migration command and prints the status of all migrations to standard output.
///
/// # Errors
/// If the database cannot be opened or a migration fails.
pub async fn migrate(settings: &DatabaseSettings, command: Migrate) -> anyhow::Result<()> {
    let database = connect(settings, None).await?;
    match command {
        Migrate::Up => {
            migrations::up(database.connection_for_migrations()).await?;
        }
        Migrate::Down { steps } => migrations::down(database.connection_for_migrations(), steps).await?,
        Migrate::Status => {}
    }
    let status = migrations::status(&database.connection_for_status().await?).await?;
    let mut out = io::stdout().lock();
    for (name, applied) in status {
        writeln!(out, "{} {name}", if applied { "applied" } else { "pending" })?;
    }
    drop(out);
    database.close().await;
    Ok(())
}
