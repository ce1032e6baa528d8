//! The database's URL, and a description of it that contains no secret.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use percent_encoding::percent_decode_str;
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
    /// The absolute path of an SQLite file.
    file: Option<PathBuf>,
    description: String,
}

impl FromStr for DatabaseUrl {
    type Err = ValueError;

    /// Fails with [`ValueError::Secret`], which contains no more of the text than the path of an SQLite file.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let text = text.trim();
        let (scheme, rest) = text.split_once(':').unwrap_or_default();
        // SQLAlchemy's URLs name its driver too: sqlite+aiosqlite, postgresql+asyncpg.
        let (scheme, driver) = scheme.split_once('+').map_or((scheme, None), |(scheme, driver)| (scheme, Some(driver)));
        match scheme {
            "sqlite" => sqlite(rest, driver.is_some(), &|path| path.exists()),
            "postgres" | "postgresql" => postgres(&format!("{scheme}:{rest}"), driver.is_some()),
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

    /// The absolute path of an SQLite file; `None` for any other database.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// A description for people, without user and password: "SQLite in /srv/data/doable.db", "Postgres at db:5432/todo".
    pub fn description(&self) -> &str {
        &self.description
    }
}

/// Parses what follows `sqlite:`. After two slashes, a path is as it is written. After three it is an absolute one for
/// this server's driver, and a relative one for `SQLAlchemy`, whose absolute paths have four.
fn sqlite(rest: &str, is_sqlalchemy: bool, exists: &dyn Fn(&Path) -> bool) -> Result<DatabaseUrl, ValueError> {
    let (file, parameters) = rest.split_once('?').map_or((rest, None), |(file, parameters)| (file, Some(parameters)));
    let is_in_memory = parameters.unwrap_or_default().split('&').any(|parameter| parameter == "mode=memory");
    let query = parameters.map(|parameters| format!("?{parameters}")).unwrap_or_default();
    if is_in_memory || [":memory:", "//:memory:", "///:memory:"].contains(&file) {
        let url = if is_in_memory { format!("sqlite:{rest}") } else { format!("sqlite::memory:{query}") };
        let description = "SQLite in memory".to_owned();
        return Ok(DatabaseUrl { url: url.into(), kind: DatabaseKind::Sqlite, file: None, description });
    }
    let path = match file.strip_prefix("//") {
        Some(path) => match path.strip_prefix('/') {
            Some(rest) if is_sqlalchemy || ["/", "./", "../"].iter().any(|start| rest.starts_with(start)) => rest,
            Some(relative) => three_slashes(path, relative, exists)?,
            None => path,
        },
        None => file,
    };
    let decoded = decoded(path)?;
    if decoded.file_name().is_none() || path.ends_with('/') || decoded.is_dir() {
        let problem = "names no file: write sqlite://data/doable.db or sqlite:////srv/doable.db for a file, or \
                       sqlite::memory: for a database that ends with the process";
        return Err(ValueError::Secret(problem.to_owned()));
    }
    // The driver makes the folder and the file if no mode says otherwise.
    let file = std::path::absolute(&decoded).unwrap_or(decoded);
    let description = format!("SQLite in {}", file.display());
    let url = format!("sqlite://{path}{query}");
    Ok(DatabaseUrl { url: url.into(), kind: DatabaseKind::Sqlite, file: Some(file), description })
}

/// The path of a URL with three slashes: absolute if this file exists, or if its folder does and no relative file.
fn three_slashes<'a>(path: &'a str, relative: &str, exists: &dyn Fn(&Path) -> bool) -> Result<&'a str, ValueError> {
    let absolute = decoded(path)?;
    let folder = absolute.parent().filter(|folder| folder.parent().is_some());
    let is_likely = folder.is_some_and(exists) && !exists(&decoded(relative)?);
    if relative.is_empty() || exists(&absolute) || is_likely {
        return Ok(path);
    }
    let problem = format!(
        "may be the file {path} or {relative}: write sqlite:///{path} for the absolute path, or \
         sqlite://{relative} for the one in the working directory"
    );
    Err(ValueError::Secret(problem))
}

/// The path of a percent-encoded one.
fn decoded(path: &str) -> Result<PathBuf, ValueError> {
    let decoded = percent_decode_str(path).decode_utf8();
    decoded.map(|path| PathBuf::from(&*path)).map_err(|error| ValueError::Secret(format!("is not in UTF-8: {error}")))
}

fn postgres(text: &str, is_sqlalchemy: bool) -> Result<DatabaseUrl, ValueError> {
    // A URL's parse error names a rule and does not contain the text.
    let url = Url::parse(text).map_err(|error| ValueError::Secret(format!("is not a URL: {error}")))?;
    // An unescaped `/`, `?` or `#` in the password ends the authority too early: the user is parsed as the host, and a part of
    // the password as the database's name, a parameter or a fragment, all of which the description contains.
    let after_host = &url[Position::BeforePath..];
    if after_host.contains(['@', '#']) {
        let problem = "has an @ or a # after the host: write / ? # @ in a password as %2F %3F %23 %40";
        return Err(ValueError::Secret(problem.to_owned()));
    }
    // Ignored, the connection might not be encrypted.
    if is_sqlalchemy && url.query_pairs().any(|(name, _)| name == "ssl") {
        return Err(ValueError::Secret("has asyncpg's parameter ssl: write sslmode=require instead".to_owned()));
    }
    let host = url.host_str().filter(|host| !host.is_empty()).unwrap_or("localhost");
    let description = format!("Postgres at {host}:{}{}", url.port().unwrap_or(5432), url.path());
    Ok(DatabaseUrl { url: String::from(url).into(), kind: DatabaseKind::Postgres, file: None, description })
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
            ("sqlite:////srv/doable.db", DatabaseKind::Sqlite, "SQLite in /srv/doable.db"),
            ("sqlite::memory:", DatabaseKind::Sqlite, "SQLite in memory"),
            ("sqlite://x?mode=memory", DatabaseKind::Sqlite, "SQLite in memory"),
            ("postgresql+asyncpg://me:hunter2@db/todo", DatabaseKind::Postgres, "Postgres at db:5432/todo"),
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

    /// The part of the driver's URL behind the slashes, where only these files and folders exist.
    fn path(text: &str, existing: &[&str]) -> Result<String, String> {
        let (scheme, rest) = text.split_once(':').unwrap();
        let url = sqlite(rest, scheme.contains('+'), &|path| existing.iter().any(|known| path == Path::new(known)));
        url.map(|url| url.expose().replacen("sqlite://", "", 1)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_path_of_sqlite_is_that_of_this_server_or_of_sqlalchemy_where_only_one_is_meant() {
        for (text, expected) in [
            ("sqlite://data/doable.db?mode=rwc", "data/doable.db?mode=rwc"),
            ("sqlite:doable.db", "doable.db"),
            ("sqlite:/srv/doable.db", "/srv/doable.db"),
            ("sqlite:///./todo.db", "./todo.db"),
            ("sqlite:///../todo.db?mode=ro", "../todo.db?mode=ro"),
            ("sqlite:////srv/todo.db", "/srv/todo.db"),
            ("sqlite+aiosqlite:///todo.db", "todo.db"),
            ("sqlite+aiosqlite:///./todo.db", "./todo.db"),
            ("sqlite+pysqlite:////srv/todo.db", "/srv/todo.db"),
        ] {
            assert_eq!(path(text, &[]).as_deref(), Ok(expected), "{text}");
        }
        for text in ["sqlite::memory:", "sqlite://:memory:", "sqlite:///:memory:", "sqlite+aiosqlite:///:memory:"] {
            assert_eq!(path(text, &[]).as_deref(), Ok("sqlite::memory:"), "{text}");
        }
    }

    #[test]
    fn a_path_after_three_slashes_is_absolute_where_that_creates_no_second_database() {
        let absolute = "/srv/todo/todo.db?mode=rwc";
        let relative = "srv/todo/todo.db";
        for (existing, is_absolute) in [
            (&["/srv/todo/todo.db"] as &[&str], true),
            (&["/srv/todo/todo.db", relative], true),
            (&["/srv/todo"], true),
            (&["/srv/todo", relative], false),
            (&[relative], false),
            (&[], false),
        ] {
            match path("sqlite:///srv/todo/todo.db?mode=rwc", existing) {
                Ok(path) => assert!(is_absolute && path == absolute, "{existing:?}"),
                Err(error) => assert!(
                    !is_absolute
                        && error.contains("sqlite:////srv/todo/todo.db")
                        && error.contains("sqlite://srv/todo/"),
                    "{existing:?}: {error}"
                ),
            }
        }
        assert!(path("sqlite:///todo.db", &["/"]).unwrap_err().contains("sqlite:////todo.db"));
        assert_eq!(path("sqlite:///todo.db", &["/todo.db"]).as_deref(), Ok("/todo.db"));
    }

    #[test]
    fn a_url_without_a_file_is_refused_with_the_right_form() {
        for text in [
            "sqlite:",
            "sqlite://",
            "sqlite:///",
            "sqlite:////",
            "sqlite://?mode=rwc",
            "sqlite://data/",
            "sqlite://.",
            "sqlite:///./",
            "sqlite+aiosqlite://",
            "sqlite+aiosqlite:///",
            "sqlite:////tmp",
        ] {
            let error = text.parse::<DatabaseUrl>().unwrap_err().to_string();
            assert!(error.contains("sqlite://data/doable.db") && error.contains("sqlite::memory:"), "{text}: {error}");
        }
    }

    #[test]
    fn the_description_has_the_whole_path_of_a_file() {
        let folder = std::env::current_dir().unwrap();
        for text in ["sqlite://some%20data/doable.db?mode=rwc", "sqlite:///./some%20data/doable.db"] {
            let expected = format!("SQLite in {}", folder.join("some data/doable.db").display());
            assert_eq!(url(text).description(), expected, "{text}");
        }
    }

    #[test]
    fn names_of_sqlalchemys_drivers_are_left_out() {
        for scheme in ["postgresql+asyncpg", "postgresql+psycopg2", "postgres+psycopg"] {
            let rest = "://me:p%40ss@db/todo?sslmode=require";
            let plain = scheme.split_once('+').unwrap().0;
            assert_eq!(url(&format!("{scheme}{rest}")).expose(), format!("{plain}{rest}"));
        }
        let error =
            "postgresql+asyncpg://me:hunter2@db/todo?ssl=require".parse::<DatabaseUrl>().unwrap_err().to_string();
        assert!(error.contains("sslmode=require") && !error.contains("hunter2"), "{error}");
        assert!("mysql+aiomysql://me@db/todo".parse::<DatabaseUrl>().is_err());
    }

    #[test]
    fn a_url_is_passed_to_the_driver_unchanged() {
        for text in ["postgres://me@db/todo?sslmode=require&host=%2Frun", "sqlite://a%20b.db?mode=ro&cache=shared"] {
            assert_eq!(url(text).expose(), text);
        }
    }
}
