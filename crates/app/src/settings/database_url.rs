//! The database's URL: which kind it is, and what may be told of it.
//!
//! Deliberately not here: connecting, which is `persistence`'s.

use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret as _, SecretString};
use url::{Position, Url};

use super::ValueError;

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseKind {
    /// SQLite, in a file or in memory.
    Sqlite,
    /// Postgres.
    Postgres,
}

/// The URL of a database, often with a password in it. It never prints itself; [`description`](Self::description)
/// is for people.
#[derive(Clone)]
pub struct DatabaseUrl {
    url: SecretString,
    kind: DatabaseKind,
    description: String,
}

impl FromStr for DatabaseUrl {
    type Err = ValueError;

    /// Fails with [`ValueError::Secret`], which does not quote the text.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let text = text.trim();
        match text.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") => Ok(sqlite(text)),
            Some("postgres" | "postgresql") => postgres(text),
            _ => Err(ValueError::Secret("is not a sqlite:, postgres: or postgresql: URL".to_owned())),
        }
    }
}

impl DatabaseUrl {
    /// The URL, for the driver alone.
    pub fn expose(&self) -> &str {
        self.url.expose_secret()
    }

    /// Which kind of database it is.
    pub fn kind(&self) -> DatabaseKind {
        self.kind
    }

    /// The database in words, without user and password: "SQLite in data/doable.db", "Postgres at db:5432/todo".
    pub fn description(&self) -> &str {
        &self.description
    }
}

fn sqlite(text: &str) -> DatabaseUrl {
    let file = sqlite_file(text);
    let in_memory = file == ":memory:" || sqlite_parameters(text).any(|parameter| parameter == "mode=memory");
    let description = if in_memory { "SQLite in memory".to_owned() } else { format!("SQLite in {file}") };
    DatabaseUrl { url: text.into(), kind: DatabaseKind::Sqlite, description }
}

/// What stands between the scheme and the parameters: a file's name, percent-encoded, or `:memory:`.
fn sqlite_file(text: &str) -> &str {
    let rest = text.trim_start_matches("sqlite:");
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    rest.split_once('?').map_or(rest, |(file, _)| file)
}

fn sqlite_parameters(text: &str) -> impl Iterator<Item = &str> {
    text.split_once('?').map_or("", |(_, parameters)| parameters).split('&')
}

fn postgres(text: &str) -> Result<DatabaseUrl, ValueError> {
    // A URL's parse error names a rule and quotes nothing.
    let url = Url::parse(text).map_err(|error| ValueError::Secret(format!("is not a URL: {error}")))?;
    // A bare `/`, `?` or `#` in a password ends the host too early: the user would be taken for the host, and a part of
    // the password for the database's name, a parameter or a fragment, all of which may be told.
    let after_host = &url[Position::BeforePath..];
    if after_host.contains(['@', '#']) {
        let problem = "has an @ or a # after the host: in a password, / ? # @ are written %2F %3F %23 %40";
        return Err(ValueError::Secret(problem.to_owned()));
    }
    let host = url.host_str().filter(|host| !host.is_empty()).unwrap_or("localhost");
    let description = format!("Postgres at {host}:{}{}", url.port().unwrap_or(5432), url.path());
    Ok(DatabaseUrl { url: String::from(url).into(), kind: DatabaseKind::Postgres, description })
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DatabaseUrl").field(&self.description).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> DatabaseUrl {
        text.parse().unwrap()
    }

    #[test]
    fn a_database_is_described_without_user_and_password() {
        for (text, kind, description) in [
            ("sqlite://data/doable.db?mode=rwc", DatabaseKind::Sqlite, "SQLite in data/doable.db"),
            ("sqlite:///srv/doable.db", DatabaseKind::Sqlite, "SQLite in /srv/doable.db"),
            ("sqlite:doable.db", DatabaseKind::Sqlite, "SQLite in doable.db"),
            ("sqlite::memory:", DatabaseKind::Sqlite, "SQLite in memory"),
            ("sqlite://x?mode=memory", DatabaseKind::Sqlite, "SQLite in memory"),
            ("postgres://me:hunter2@db/todo", DatabaseKind::Postgres, "Postgres at db:5432/todo"),
            (
                "postgresql://me:hunter2@[::1]:6543/todo?password=hunter2",
                DatabaseKind::Postgres,
                "Postgres at [::1]:6543/todo",
            ),
            ("postgres:///todo?host=/run/postgresql", DatabaseKind::Postgres, "Postgres at localhost:5432/todo"),
            ("  postgres://me:p%40ss%2Fword@db  ", DatabaseKind::Postgres, "Postgres at db:5432"),
        ] {
            let url = url(text);
            assert_eq!((url.kind(), url.description()), (kind, description), "{text}");
            assert_eq!(format!("{url:?}"), format!("DatabaseUrl({description:?})"));
        }
    }

    #[test]
    fn a_url_stays_as_it_is() {
        for text in ["postgres://me@db/todo?sslmode=require&host=%2Frun", "sqlite://a%20b.db?mode=ro&cache=shared"] {
            assert_eq!(url(text).expose(), text);
        }
    }
}
