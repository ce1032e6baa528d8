//! Opening a PostgreSQL database.

use std::time::Duration;

use sea_orm::SqlxPostgresConnector;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use url::Url;

use super::{BoundedPool, ConnectError, Database, DatabaseOptions};
use crate::error::sqlx_storage;

/// A connection that was idle for this long may have lost its server, and is asked before it is used.
const SUSPICIOUS_IDLE: Duration = Duration::from_secs(1);

/// The query parameters that the driver knows, of which `options[…]` is a family
/// (`PgConnectOptions::parse_from_url` of `SQLx` 0.9).
const KNOWN_PARAMETERS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

pub(super) async fn connect(options: &DatabaseOptions, url: &str) -> Result<Database, ConnectError> {
    let connect = connect_options(url)?;
    let size = options.max_connections.max(1);
    // The server's limit. It is set by a statement, because connection poolers refuse it as a start-up parameter.
    let limit = format!("SET statement_timeout = {}", options.statement_timeout.as_millis());
    let pool = PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(options.acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for >= SUSPICIOUS_IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_connect(move |connection, _| {
            let limit = sqlx::AssertSqlSafe(limit.clone());
            Box::pin(async move { connection.execute(limit).await.map(|_| ()) })
        })
        .connect_with(connect)
        .await
        .map_err(sqlx_storage)?;
    let connection = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
    let lane = BoundedPool::new(connection, size, options).shared();
    Ok(Database { reads: lane.clone(), writes: lane })
}

/// The driver's options for `url`, without the parameters that it does not know: it would print them with their values.
fn connect_options(url: &str) -> Result<PgConnectOptions, ConnectError> {
    let mut url = Url::parse(url).map_err(|error| ConnectError::Url(sqlx::Error::Configuration(error.into())))?;
    let (known, unknown): (Vec<_>, Vec<_>) = url.query_pairs().into_owned().partition(|(key, _)| is_known(key));
    url.set_query(None);
    if !known.is_empty() {
        url.query_pairs_mut().extend_pairs(known);
    }
    for (key, _) in unknown {
        tracing::warn!(parameter = key, "the database driver does not support this parameter of DATABASE_URL");
    }
    let options = PgConnectOptions::from_url(&url).map_err(ConnectError::Url)?.disable_statement_logging();
    Ok(if options.get_application_name().is_none() { options.application_name("doable") } else { options })
}

fn is_known(key: &str) -> bool {
    KNOWN_PARAMETERS.contains(&key) || key.starts_with("options[")
}

#[cfg(test)]
mod tests {
    use sqlx::postgres::PgSslMode;

    use super::*;

    #[test]
    fn a_url_of_neon_is_understood_without_channel_binding() {
        let url = "postgresql://ada:p%40ss@ep-x-pooler.eu-central-1.aws.neon.tech/doable\
                   ?sslmode=verify-full&channel_binding=require";
        let options = connect_options(url).unwrap();
        assert!(matches!(options.get_ssl_mode(), PgSslMode::VerifyFull));
        assert_eq!(options.get_host(), "ep-x-pooler.eu-central-1.aws.neon.tech");
        assert_eq!(options.get_database(), Some("doable"));
        assert_eq!(options.get_username(), "ada");
    }

    #[test]
    fn what_is_in_a_bad_url_is_not_in_the_error() {
        for url in ["postgres://ada:hunter2@:x/", "postgres://ada:hunter2@h/d?sslmode=hunter3"] {
            let error = connect_options(url).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
