//! What a database is opened with: bad URLs, and secrets that stay secret.

use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use domain::session::SessionRepo as _;
use persistence::{ConnectError, Database, DatabaseOptions};
use test_database::{TestDatabase, on_both_databases};
use tracing::Dispatch;
use tracing::instrument::WithSubscriber as _;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::fixture::{Fixture, at, new_session};

on_both_databases!(no_secret_is_in_the_log_at_any_level);

#[tokio::test]
async fn a_url_of_another_database_or_of_none_is_refused() {
    for url in ["", "mysql://ada:hunter2@localhost/x", "data/doable.db", "http://x", "Postgres://x"] {
        let outcome = Database::connect(&DatabaseOptions::new(url.into())).await.map(|_| ());
        assert!(matches!(outcome, Err(ConnectError::Scheme)), "{url}: {outcome:?}");
    }
    for url in ["postgres://ada:hunter2@:x/", "sqlite://x.db?mode=hunter2", "postgres://ada@h/?sslmode=hunter2"] {
        let outcome = Database::connect(&DatabaseOptions::new(url.into())).await.map(|_| ());
        assert!(matches!(outcome, Err(ConnectError::Url(_))), "{url}: {outcome:?}");
    }
}

#[test]
fn options_do_not_print_the_password() {
    let options = DatabaseOptions::new("postgres://ada:hunter2@localhost/doable".into());
    let printed = format!("{options:?}");
    assert!(!printed.contains("hunter2") && printed.contains("max_connections: 10"), "{printed}");
}

/// Where everything is logged to.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

async fn no_secret_is_in_the_log_at_any_level(test: TestDatabase) -> anyhow::Result<()> {
    // Made once and kept: while a subscriber comes or goes, other threads may miss that somebody listens.
    static LISTENER: LazyLock<(Dispatch, Log)> = LazyLock::new(|| {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(FmtSpan::FULL)
            .with_writer(log.clone())
            .finish();
        (Dispatch::new(subscriber), log)
    });
    let (dispatch, log) = &*LISTENER;
    let work = async {
        let fixture = Fixture::with(test, |options| {
            let url = secrecy::ExposeSecret::expose_secret(&options.url).to_owned();
            if url.starts_with("postgres") {
                // The server trusts everybody, so any password will do; and a parameter that nobody knows.
                let url = url.replace("postgres@", "postgres:hunter2@");
                options.url = format!("{url}?channel_binding=hunter2&sslmode=prefer").into();
            }
        })
        .await?;
        let ada = fixture.known_user("ada@example.com").await?;
        fixture.task(ada.id, "hunter2").await?;
        let session = new_session(at(9));
        fixture.sessions.create(ada.id, session).await?;
        anyhow::Ok(fixture)
    };
    let fixture = work.with_subscriber(dispatch.clone()).await?;
    let log = String::from_utf8_lossy(&log.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
    assert!(log.contains("INSERT INTO"), "statements are logged");
    for secret in ["hunter2", "argon2id", "ada@example.com"] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
    drop(fixture);
    Ok(())
}
