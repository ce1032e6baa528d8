//! Checks of the database: that it is there, can be written to, has the schema, and the time.

use std::io;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use domain::runtime::{Clock as _, with_causes};
use persistence::{Database, DatabaseFault};

use crate::application::connect;
use crate::runtime::SystemClock;
use crate::settings::{DatabaseKind, DatabaseSettings};

use super::report::Report;

/// Maximum difference between the clocks of two machines: the tolerance in the times of access tokens.
const MAX_CLOCK_DIFFERENCE: TimeDelta = TimeDelta::seconds(5);

pub(super) async fn check(report: &mut Report, settings: &DatabaseSettings) {
    let (url, description) = (&settings.database_url, settings.database_url.description());
    if let Some(file) = url.file()
        && !file.exists()
        && (url.expose().contains("mode=rwc") || !url.expose().contains("mode="))
    {
        return check_new_file(report, file);
    }
    let database = match connect(settings, None).await {
        Ok(database) => database,
        Err(error) => {
            let fault = DatabaseFault::of(error.as_ref());
            let text = format!("{description}: {}", what(fault, error.root_cause()));
            return report.problem("database", text, advice(fault, url.kind()));
        }
    };
    let sent = SystemClock.now();
    let found = async { Ok::<_, domain::storage::StorageError>((database.version().await?, database.time().await?)) };
    match found.await {
        Ok((version, time)) => {
            report.good("database", format!("{description} answers ({version})"));
            check_schema(report, settings, &database).await;
            check_clock(report, time, sent, SystemClock.now());
        }
        Err(error) => failed(report, settings, &error, "does not answer a query"),
    }
    database.close().await;
}

/// A file that the server will create: its folder, or the nearest one that exists, must be writable.
fn check_new_file(report: &mut Report, file: &Path) {
    let folder = file.ancestors().skip(1).find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    match tempfile::tempfile_in(folder) {
        Ok(_) => {
            let text = format!("{} does not exist; the server creates it at its start", file.display());
            report.good("database", text);
        }
        Err(error) => {
            let text =
                format!("{} does not exist, and {} cannot be written to: {error}", file.display(), folder.display());
            let advice = advice(DatabaseFault::CannotOpen, DatabaseKind::Sqlite);
            report.problem("database", text, advice);
        }
    }
}

async fn check_schema(report: &mut Report, settings: &DatabaseSettings, database: &Database) {
    let found = async {
        let connection = database.connection_for_status().await?;
        anyhow::Ok((migrations::pending(&connection).await?, migrations::unknown(&connection).await?))
    };
    let (pending, unknown) = match found.await {
        Ok(found) => found,
        Err(error) => return failed(report, settings, error.as_ref(), "does not tell its migrations"),
    };
    let is_newer = !unknown.is_empty();
    if let Some(newest) = unknown.last() {
        let text = format!("a newer version of this program has migrated the database ({newest})");
        let advice = "Run that version, or let it revert with `app migrate down --steps N`, or restore a backup.";
        if settings.migrate_on_start {
            report.problem("migrations", text, advice);
        } else {
            report.warning("migrations", text, advice);
        }
    }
    match (pending, settings.migrate_on_start) {
        (0, _) if is_newer => {}
        (0, _) => report.good("migrations", "all are applied"),
        (_, true) if is_newer => {}
        (count, true) => {
            report.good("migrations", format!("{count} are pending; the server applies them at its start"));
        }
        (count, false) => {
            let text = format!("{count} are pending, and MIGRATE_ON_START is false");
            report.problem("migrations", text, "Run `app migrate up` before the server starts.");
        }
    }
    match database.check_writable(pending == 0).await {
        Ok(()) => report.good("writes", "the database can be written to"),
        Err(error) => failed(report, settings, &error, "cannot be written to"),
    }
}

/// Compares the time of the database's server with this machine's before and after the query.
fn check_clock(report: &mut Report, time: Option<DateTime<Utc>>, sent: DateTime<Utc>, received: DateTime<Utc>) {
    let Some(time) = time else { return report.good("clock", "the database uses this machine's") };
    let ahead = if time > received { time - received } else { (time - sent).min(TimeDelta::zero()) };
    if ahead.abs() <= MAX_CLOCK_DIFFERENCE {
        return report.good("clock", "agrees with the database's");
    }
    let direction = if ahead > TimeDelta::zero() { "behind" } else { "ahead of" };
    let seconds = ahead.abs().num_seconds();
    let text = format!(
        "this machine's clock is {seconds} s {direction} the database's: servers would refuse each other's tokens"
    );
    report.problem("clock", text, "Synchronize the clocks of both machines (chrony, systemd-timesyncd).");
}

fn failed(report: &mut Report, settings: &DatabaseSettings, error: &(dyn std::error::Error + 'static), what: &str) {
    let (fault, kind) = (DatabaseFault::of(error), settings.database_url.kind());
    let text = format!("{} {what}: {}", settings.database_url.description(), with_causes(error));
    report.problem("database", text, advice(fault, kind));
}

/// What is wrong, in words; in the driver's if they say more.
fn what(fault: DatabaseFault, cause: &(dyn std::error::Error + 'static)) -> String {
    match fault {
        DatabaseFault::NotADatabase => "the file is not an SQLite database, or is damaged".to_owned(),
        DatabaseFault::Unreachable if cause.downcast_ref::<io::Error>().is_none() => {
            format!("does not answer in time ({cause})")
        }
        _ => cause.to_string(),
    }
}

fn advice(fault: DatabaseFault, kind: DatabaseKind) -> &'static str {
    match (fault, kind) {
        (DatabaseFault::Credentials, _) => {
            "Correct the user and the password in DATABASE_URL; / ? # @ in a password are %2F %3F %23 %40."
        }
        (DatabaseFault::NoSuchDatabase, _) => {
            "Create the database (`createdb NAME`), or correct its name in DATABASE_URL."
        }
        (DatabaseFault::Forbidden, DatabaseKind::Postgres) => {
            "Grant the user of DATABASE_URL the rights on the schema: it creates and changes tables."
        }
        (DatabaseFault::TooManyConnections, _) => {
            "Lower DATABASE_MAX_CONNECTIONS, or raise max_connections of the server."
        }
        (DatabaseFault::NotADatabase, _) => {
            "Correct the path in DATABASE_URL, or restore a backup in place of the file."
        }
        (DatabaseFault::ReadOnly, DatabaseKind::Postgres) => {
            "Set DATABASE_URL to the primary server: this one is a read-only standby."
        }
        (DatabaseFault::CannotOpen | DatabaseFault::ReadOnly | DatabaseFault::Forbidden, DatabaseKind::Sqlite) => {
            "Let the user of the server own the file and its folder (SQLite writes beside the file too), or correct DATABASE_URL."
        }
        (DatabaseFault::Full, _) => "Free space on the disk of the database.",
        (DatabaseFault::Locked, _) => "Stop the other process that uses the file; SQLite is for one server.",
        (_, DatabaseKind::Postgres) => "Start Postgres, open the way to it, or correct host and port in DATABASE_URL.",
        (_, DatabaseKind::Sqlite) => "Correct DATABASE_URL.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_wrong_if_no_delay_explains_it() {
        let at = |seconds| Some(DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds));
        for (database, expected) in [
            (None, "ok       clock       the database uses"),
            (at(100), "ok       clock       agrees"),
            // The query took from 100 to 130.
            (at(115), "ok       clock       agrees"),
            (at(135), "ok       clock       agrees"),
            (at(136), "PROBLEM  clock       this machine's clock is 6 s behind"),
            (at(95), "ok       clock       agrees"),
            (at(40), "PROBLEM  clock       this machine's clock is 60 s ahead of"),
        ] {
            let mut report = Report::default();
            let [sent, received] = [100, 130].map(|seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds));
            check_clock(&mut report, database, sent, received);
            assert!(report.to_string().starts_with(expected), "{report}");
        }
    }
}
