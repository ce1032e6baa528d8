//! Opening a PostgreSQL database.

use std::time::Duration;

use sea_orm::SqlxPostgresConnector;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use url::Url;

use super::bounded_pool::{BoundedPool, Pools, RESPONSE_MARGIN};
use super::connect_error::ConnectError;
use super::direct::Direct;
use super::direct::connector::{Connector, set_timeout, set_timeout_locally};
use super::direct::driver_connection::{Timeouts, in_time};
use super::direct::postgres::PostgresClients;
use super::options::DatabaseOptions;
use crate::error::sqlx_storage;

/// A connection that was idle for longer is pinged before use.
const PING_AFTER_IDLE: Duration = Duration::from_millis(100);

const PGBOUNCER_VALUES: &str = "the parameter pgbouncer is true or false";

/// Number of connections for reads and for batches past the pool, for a maximum of all together. A pool that cannot be
/// divided keeps all of them. Batches and the pool have the same number of connections, because each keeps one while its
/// commit waits for the disk.
fn direct_connections(all: u32) -> Option<(u32, u32)> {
    let readers = (all / 5).max(1);
    (all >= 4).then_some((readers, (all - readers) / 2))
}

pub(super) async fn connect(options: &DatabaseOptions, url: &str) -> Result<(Pools, Direct), ConnectError> {
    let mut url = parse(url)?;
    let said = take_pooler(&mut url)?;
    let connect = connect_options(&url)?;
    let all = options.max_connections.max(1);
    let timeouts = Timeouts { acquire: options.acquire_timeout, response: options.statement_timeout + RESPONSE_MARGIN };
    let mut connector = Connector::new(&connect, &url, options.statement_timeout);
    let is_pooled = match (said, &mut connector) {
        (Some(said), connector) => {
            if let Some(connector) = connector {
                connector.is_pooled = said;
            }
            said
        }
        (None, Some(connector)) => in_time(options.acquire_timeout, Box::pin(connector.probe())).await??,
        (None, None) => false,
    };
    if is_pooled {
        tracing::info!(
            "the database is behind a connection pooler: statements are sent in transactions, without names"
        );
    }
    let (direct, size) = match connector.zip(direct_connections(all)) {
        Some((connector, (readers, writers))) => {
            let clients = PostgresClients::new(connector, (readers as usize, writers as usize), timeouts);
            (Direct::Postgres(Box::new(clients)), all - readers - writers)
        }
        None => (Direct::Pooled, all),
    };
    let pool = PgPoolOptions::new().max_connections(size).acquire_timeout(options.acquire_timeout);
    let pool = pool.test_before_acquire(false);
    if is_pooled {
        // Without a cache no statement is executed by a name that it has on another server.
        let pool = pool.connect_with(connect.statement_cache_capacity(0)).await.map_err(sqlx_storage)?;
        let begin = format!("BEGIN; {}", set_timeout_locally(options.statement_timeout));
        return Ok((Pools::single(BoundedPool::behind_pooler("pool", pool, begin, size, options)), direct));
    }
    let set_timeout = set_timeout(options.statement_timeout);
    let pool = pool
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for >= PING_AFTER_IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_connect(move |connection, _| {
            let set_timeout = sqlx::AssertSqlSafe(set_timeout.clone());
            Box::pin(async move { connection.execute(set_timeout).await.map(|_| ()) })
        })
        .connect_with(connect)
        .await
        .map_err(sqlx_storage)?;
    let connection = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
    Ok((Pools::single(BoundedPool::new("pool", connection, size, options)), direct))
}

/// Removes the parameter `pgbouncer`, which other clients of Postgres have too, and returns its value. Without it, a URL
/// that turns prepared statements off is for a pooler.
fn take_pooler(url: &mut Url) -> Result<Option<bool>, ConnectError> {
    let pairs: Vec<_> = url.query_pairs().into_owned().collect();
    let value = |key: &str| pairs.iter().rfind(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let said = match value("pgbouncer") {
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => return Err(ConnectError::Url(sqlx::Error::Configuration(PGBOUNCER_VALUES.into()))),
        None => (value("statement-cache-capacity") == Some("0")).then_some(true),
    };
    url.set_query(None);
    let others = pairs.iter().filter(|(name, _)| name != "pgbouncer");
    if others.clone().next().is_some() {
        url.query_pairs_mut().extend_pairs(others);
    }
    Ok(said)
}

/// Returns the driver's options for `url`. Parameters that the driver does not support are left out, because it would
/// log them with their values.
fn connect_options(url: &Url) -> Result<PgConnectOptions, ConnectError> {
    let mut url = url.clone();
    let mut supported = Vec::new();
    for (key, value) in url.query_pairs().into_owned() {
        if is_supported(&key)? {
            supported.push((key, value));
        }
    }
    url.set_query(None);
    if !supported.is_empty() {
        url.query_pairs_mut().extend_pairs(supported);
    }
    let options = PgConnectOptions::from_url(&url).map_err(ConnectError::Url)?.disable_statement_logging();
    // Poolers reject this startup parameter. It is about numbers that no table has.
    let options = options.extra_float_digits(None);
    Ok(if options.get_application_name().is_none() { options.application_name("doable") } else { options })
}

/// Whether the driver supports a query parameter: it rejects an empty value, or its options change. If neither, it has
/// logged a warning with the name and the empty value.
fn is_supported(key: &str) -> Result<bool, ConnectError> {
    // Every field that a parameter can change has a value other than the empty one.
    let without = parse("postgres://user:password@localhost:5432/database")?;
    let mut with = without.clone();
    with.query_pairs_mut().append_pair(key, "");
    let Ok(with) = PgConnectOptions::from_url(&with) else { return Ok(true) };
    let without = PgConnectOptions::from_url(&without).map_err(ConnectError::Url)?;
    Ok(format!("{with:?}") != format!("{without:?}"))
}

fn parse(url: &str) -> Result<Url, ConnectError> {
    Url::parse(url).map_err(|error| ConnectError::Url(sqlx::Error::Configuration(error.into())))
}

#[cfg(test)]
mod tests {
    use sqlx::postgres::PgSslMode;

    use super::*;

    #[test]
    fn unsupported_parameters_of_a_neon_url_are_ignored() {
        let url = "postgresql://ada:p%40ss@ep-x-pooler.eu-central-1.aws.neon.tech/doable\
                   ?sslmode=verify-full&channel_binding=require";
        let options = connect_options(&parse(url).unwrap()).unwrap();
        assert!(matches!(options.get_ssl_mode(), PgSslMode::VerifyFull));
        assert_eq!(options.get_host(), "ep-x-pooler.eu-central-1.aws.neon.tech");
        assert_eq!(options.get_database(), Some("doable"));
        assert_eq!(options.get_username(), "ada");
    }

    #[test]
    fn the_error_of_an_invalid_url_does_not_contain_the_password() {
        for url in ["postgres://ada:hunter2@:x/", "postgres://ada:hunter2@h/d?sslmode=hunter3"] {
            let error = parse(url).and_then(|url| connect_options(&url)).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn only_parameters_that_the_driver_supports_are_recognized() {
        let supported =
            ["sslmode", "ssl-ca", "sslkey", "statement-cache-capacity", "host", "hostaddr", "port", "dbname"];
        for key in supported.iter().chain(&["user", "password", "application_name", "options", "options[geqo]"]) {
            assert!(is_supported(key).unwrap(), "{key}");
        }
        for key in ["channel_binding", "sslpassword", "", "SSLMODE"] {
            assert!(!is_supported(key).unwrap(), "{key}");
        }
    }
    #[test]
    fn a_url_says_whether_it_is_a_poolers() {
        for (query, said, rest) in [
            ("", None, None),
            ("?pgbouncer=true", Some(true), None),
            ("?sslmode=require&pgbouncer=false", Some(false), Some("sslmode=require")),
            ("?statement-cache-capacity=0", Some(true), Some("statement-cache-capacity=0")),
            ("?statement-cache-capacity=0&pgbouncer=false", Some(false), Some("statement-cache-capacity=0")),
            ("?statement-cache-capacity=10", None, Some("statement-cache-capacity=10")),
        ] {
            let mut url = parse(&format!("postgres://ada@localhost/doable{query}")).unwrap();
            assert_eq!((take_pooler(&mut url).unwrap(), url.query()), (said, rest), "{query}");
        }
        let mut url = parse("postgres://ada:hunter2@localhost/doable?pgbouncer=hunter2").unwrap();
        let error = take_pooler(&mut url).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}
