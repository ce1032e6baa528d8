//! The URL of a Redis or Valkey server, and a description of it that contains no secret.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use redis::{ConnectionInfo, IntoConnectionInfo as _, RedisError};
use url::{Position, Url};

/// The port of a URL without one.
const DEFAULT_PORT: u16 = 6379;

/// Where a server is reached, and by which user. `Debug` prints only the [`description`](Self::description).
///
/// `redis://user:password@host:6379/0`, `rediss:` for TLS, `redis+unix:///path/to.sock?db=0&user=…&pass=…` for a Unix
/// socket. `valkey:`, `valkeys:` and `valkey+unix:` mean the same. With TLS, `?ssl_ca_certs=/path/to.pem` names the
/// authorities that are trusted instead of the public ones.
#[derive(Clone)]
pub struct RedisUrl {
    connection: ConnectionInfo,
    authorities: Option<PathBuf>,
    description: String,
}

/// Reasons why a text is not a [`RedisUrl`]. None contains a part of the text.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RedisUrlError {
    /// It is not a URL.
    #[error("is not a URL: {0}")]
    Malformed(#[from] url::ParseError),
    /// It is a URL of something else.
    #[error("is not a redis:, rediss:, valkey:, valkeys: or redis+unix: URL")]
    Scheme,
    /// It has no host.
    #[error("names no host")]
    Host,
    /// A password ends the address too early.
    #[error("has an @ or a # after the host: write / ? # @ in a password as %2F %3F %23 %40")]
    Unescaped,
    /// The path, or `db`, is not the number of a database.
    #[error("does not end in a number of a database, such as /0")]
    Database,
    /// It has an unknown parameter.
    #[error(
        "has a parameter that is not supported: ssl_ca_certs is with TLS, and db, user and pass with a Unix socket"
    )]
    Parameter,
    /// The client does not accept it.
    #[error("cannot be used: {0}")]
    Client(#[source] RedisError),
}

impl FromStr for RedisUrl {
    type Err = RedisUrlError;

    fn from_str(text: &str) -> Result<Self, RedisUrlError> {
        let url = Url::parse(text.trim())?;
        let (is_unix, is_encrypted) = match url.scheme() {
            "redis" | "valkey" => (false, false),
            "rediss" | "valkeys" => (false, true),
            "unix" | "redis+unix" | "valkey+unix" => (true, false),
            _ => return Err(RedisUrlError::Scheme),
        };
        let host = url.host_str().filter(|host| !host.is_empty());
        if !is_unix && host.is_none() {
            return Err(RedisUrlError::Host);
        }
        // As in the URL of a database, the rest of a password may be parsed as the path, which the description contains.
        if url[Position::BeforePath..].contains(['@', '#']) {
            return Err(RedisUrlError::Unescaped);
        }
        let parameter = |name: &str| url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value);
        let database = match parameter("db") {
            Some(number) if is_unix => number.into_owned(),
            _ if is_unix => String::new(),
            _ => url.path().trim_matches('/').to_owned(),
        };
        let database = if database.is_empty() { Some(0) } else { database.parse::<u32>().ok() };
        let database = database.ok_or(RedisUrlError::Database)?;
        let known: &[&str] = match (is_unix, is_encrypted) {
            (true, _) => &["db", "user", "pass"],
            (_, true) => &["ssl_ca_certs"],
            _ => &[],
        };
        if url.query_pairs().any(|(name, _)| !known.contains(&&*name)) {
            return Err(RedisUrlError::Parameter);
        }
        let description = match host {
            Some(host) => format!("{}://{host}:{}/{database}", url.scheme(), url.port().unwrap_or(DEFAULT_PORT)),
            None => format!("{}:{}, database {database}", url.scheme(), url.path()),
        };
        let authorities = parameter("ssl_ca_certs").map(|path| PathBuf::from(&*path));
        let connection = url.clone().into_connection_info().map_err(RedisUrlError::Client)?;
        Ok(Self { connection, authorities, description })
    }
}

impl RedisUrl {
    /// A description for people, without user and password, such as `redis://cache:6379/0`.
    pub fn description(&self) -> &str {
        &self.description
    }

    pub(super) fn connection_info(&self) -> ConnectionInfo {
        self.connection.clone()
    }

    /// The file with the trusted authorities.
    pub(super) fn authorities(&self) -> Option<&Path> {
        self.authorities.as_deref()
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisUrl").field(&self.description).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_described_without_user_password_and_parameters() {
        for (text, description) in [
            ("redis://cache", "redis://cache:6379/0"),
            (" redis://me:hunter2@cache:6380/3 ", "redis://cache:6380/3"),
            ("redis://:hunter2@127.0.0.1/", "redis://127.0.0.1:6379/0"),
            ("redis://hunter2@cache", "redis://cache:6379/0"),
            ("rediss://me:h%2Funter2@[::1]:1/0", "rediss://[::1]:1/0"),
            ("rediss://cache?ssl_ca_certs=/hunter2.pem", "rediss://cache:6379/0"),
            ("valkeys://cache", "valkeys://cache:6379/0"),
            ("redis+unix:///run/redis.sock?db=2&user=me&pass=hunter2", "redis+unix:/run/redis.sock, database 2"),
            ("unix:///run/redis.sock", "unix:/run/redis.sock, database 0"),
        ] {
            let url: RedisUrl = text.parse().unwrap();
            assert_eq!(url.description(), description, "{text}");
            assert_eq!(format!("{url:?}"), format!("RedisUrl({description:?})"));
        }
    }

    #[test]
    fn the_client_gets_the_user_the_password_and_the_database() {
        for text in ["redis://me:hunt%2Fer@cache/7", "redis+unix:///run/redis.sock?db=7&user=me&pass=hunt%2Fer"] {
            let settings = text.parse::<RedisUrl>().unwrap().connection_info().redis_settings().clone();
            assert_eq!((settings.username(), settings.password(), settings.db()), (Some("me"), Some("hunt/er"), 7));
        }
    }

    #[test]
    fn a_text_that_is_no_url_of_a_server_is_refused_without_its_secret() {
        for (text, expected) in [
            ("hunter2", "is not a URL: "),
            ("cache:6379", "is not a redis:, rediss:"),
            ("http://me:hunter2@cache", "is not a redis:, rediss:"),
            ("redis://", "names no host"),
            ("redis:hunter2", "names no host"),
            ("redis:///hunter2", "names no host"),
            ("redis://me:x/hunter2@cache", "is not a URL: "),
            ("redis://me:12/hunter2@cache", "has an @ or a # after the host"),
            ("redis://me:12?hunter2@cache", "has an @ or a # after the host"),
            ("redis://me:12#hunter2@cache", "has an @ or a # after the host"),
            ("redis://me:hunter2@[cache", "is not a URL: "),
            ("redis://cache:65536/0", "is not a URL: "),
            ("redis://cache/hunter2", "number of a database"),
            ("redis://cache/-1", "number of a database"),
            ("redis://cache?password=hunter2", "has a parameter"),
            ("redis://cache?db=1", "has a parameter"),
            ("redis://cache?protocol=hunter2", "has a parameter"),
            ("redis://cache?ssl_ca_certs=/ca.pem", "has a parameter"),
            ("rediss://cache/#insecure", "has an @ or a # after the host"),
            ("rediss://cache?ssl_cert_reqs=none", "has a parameter"),
            ("redis+unix:///run/redis.sock?db=hunter2", "number of a database"),
            ("redis+unix://cache/run/redis.sock", "cannot be used: "),
            ("redis://0.0.0.0", "cannot be used: "),
            ("redis://me:%FF@cache", "cannot be used: "),
        ] {
            let error = text.parse::<RedisUrl>().map_err(|error| error.to_string()).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
