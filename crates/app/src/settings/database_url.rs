//! The database's URL, and a description of it that contains no secret.

use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret as _, SecretString};
use url::{Position, Url};

use super::value::ValueError;

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseKind {
    /// In a file or in memory.
    Sqlite,
    /// Through TCP or a Unix socket.
    Postgres,
}

/// The URL of a database, which may contain a password. Its `Debug` prints only the
/// [`description`](Self::description).
#[derive(Clone)]
pub struct DatabaseUrl {
    url: SecretString,
    kind: DatabaseKind,
    description: String,
}

impl FromStr for DatabaseUrl {
    type Err = ValueError;

    /// Fails with [`ValueError::Secret`], which does not contain the text.
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
    /// The URL with its password, for the database driver.
    pub fn expose(&self) -> &str {
        self.url.expose_secret()
    }

    /// The kind of database, as the URL's scheme says.
    pub fn kind(&self) -> DatabaseKind {
        self.kind
    }

    /// A description for people, without user and password: "SQLite in data/doable.db", "Postgres at db:5432/todo".
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

/// The part between the scheme and the parameters: a percent-encoded file name, or `:memory:`.
fn sqlite_file(text: &str) -> &str {
    let rest = text.trim_start_matches("sqlite:");
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    rest.split_once('?').map_or(rest, |(file, _)| file)
}

fn sqlite_parameters(text: &str) -> impl Iterator<Item = &str> {
    text.split_once('?').map_or("", |(_, parameters)| parameters).split('&')
}

fn postgres(text: &str) -> Result<DatabaseUrl, ValueError> {
    // A URL's parse error names a rule and does not contain the text.
    let url = Url::parse(text).map_err(|error| ValueError::Secret(format!("is not a URL: {error}")))?;
    // An unescaped `/`, `?` or `#` in the password ends the authority too early: the user is parsed as the host, and a part of
    // the password as the database's name, a parameter or a fragment, all of which the description contains.
    let after_host = &url[Position::BeforePath..];
    if after_host.contains(['@', '#']) {
        let problem = "has an @ or a # after the host: write / ? # @ in a password as %2F %3F %23 %40";
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
    fn a_url_is_passed_to_the_driver_unchanged() {
        for text in ["postgres://me@db/todo?sslmode=require&host=%2Frun", "sqlite://a%20b.db?mode=ro&cache=shared"] {
            assert_eq!(url(text).expose(), text);
        }
    }
}
