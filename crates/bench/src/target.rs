//! What is measured: the options that all commands share.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use test_database::{Kind, postgres_is_missing};
use url::Url;

use crate::report::print_line;

/// Binaries, their settings and the databases.
#[derive(Args)]
pub(crate) struct Target {
    /// Binary of the server; by default the one of this profile, built if cargo runs this program
    #[arg(long, value_name = "FILE")]
    pub(crate) server: Vec<PathBuf>,
    /// Setting of the server, in addition to the database and the limits
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_variable)]
    pub(crate) env: Vec<(String, String)>,
    /// Databases, separated by commas
    #[arg(long, value_name = "NAMES", value_enum, value_delimiter = ',', default_values_t = [DatabaseName::Sqlite, DatabaseName::Postgres])]
    database: Vec<DatabaseName>,
    /// Postgres server whose role may create databases. Without it a temporary one is started, if its programs are
    /// installed, and its CPU time is measured too
    #[arg(long, value_name = "URL", env = "TEST_DATABASE_URL", hide_env_values = true)]
    pub(crate) postgres: Option<Url>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DatabaseName {
    Sqlite,
    Postgres,
}

impl Target {
    /// Returns the databases that are available. Prints a line if Postgres is not.
    pub(crate) fn databases(&self) -> anyhow::Result<Vec<Kind>> {
        let mut kinds = Vec::new();
        for name in &self.database {
            match name {
                DatabaseName::Sqlite => kinds.push(Kind::Sqlite),
                DatabaseName::Postgres if self.postgres.is_none() && postgres_is_missing() => {
                    print_line("Postgres: not measured. Give --postgres URL, or install the server programs.")?;
                }
                DatabaseName::Postgres => kinds.push(Kind::Postgres),
            }
        }
        Ok(kinds)
    }
}

fn parse_variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_split_at_its_first_equals_sign() {
        assert_eq!(parse_variable("A=b=c"), Ok(("A".to_owned(), "b=c".to_owned())));
        assert!(parse_variable("A").is_err());
    }
}
