//! No secret is in the log, at any level. This has a process of its own, because everything in it is logged.

use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use domain::change::Change;
use domain::principal::{Principal, Scopes, Via};
use domain::session::{NewSession, RefreshTokenHash, SessionRepo as _};
use domain::task::{NewTask, TaskRepo as _};
use domain::user::{NewUser, PasswordHash, UserRepo as _};
use persistence::{Database, DatabaseOptions, SeaSessionRepo, SeaTaskRepo, SeaUserRepo};
use test_database::{Kind, TestDatabase, on_both_databases};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;
use uuid::Uuid;

on_both_databases!(no_secret_is_in_the_log_at_any_level);

/// Where everything is logged to.
static LOG: LazyLock<anyhow::Result<Log>> = LazyLock::new(|| {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_writer(log.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber)?;
    Ok(log)
});

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
    let log = LOG.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?;
    let url = match test.kind() {
        Kind::Sqlite => test.url().to_owned(),
        // A server for tests trusts everybody, so any password will do; and a parameter that the driver does not know.
        Kind::Postgres => {
            let mut url = url::Url::parse(test.url())?;
            if url.password().is_none() {
                url.set_password(Some("hunter2")).map_err(|()| anyhow::anyhow!("no password can be set"))?;
            }
            url.query_pairs_mut().append_pair("sslmode", "prefer").append_pair("sslpassword", "hunter2");
            url.into()
        }
    };
    let database = Database::connect(&DatabaseOptions::new(url.into())).await?;
    migrations::up(database.connection_for_migrations()).await?;
    let id = Uuid::now_v7();
    let at = DateTime::<Utc>::UNIX_EPOCH;
    let owner = NewUser {
        id: id.into(),
        email: format!("{id}@secret.example").parse()?,
        name: "Hidden Person".parse()?,
        password_hash: Some(PasswordHash::new("$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA".into())),
        at,
    };
    let owner = SeaUserRepo::new(database.clone()).create(owner).await?.id;
    let actor = Principal { user: owner, session: None, via: Via::Http, scopes: Scopes::all() };
    let change = Change { actor, turn: None, call: None, request_id: Uuid::now_v7().into(), at };
    let task = NewTask { id: Uuid::now_v7().into(), title: "Hidden title".parse()?, completed: false };
    SeaTaskRepo::new(database.clone()).create(owner, task, &change).await?;
    let refresh = RefreshTokenHash::new([0xAB; 32]);
    let session = NewSession { id: Uuid::now_v7().into(), refresh, at, expires_at: at };
    SeaSessionRepo::new(database.clone()).create(owner, session).await?;
    database.close().await;

    let log = String::from_utf8_lossy(&log.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
    assert!(log.contains("INSERT INTO"), "statements are logged");
    for secret in ["hunter2", "argon2id", "secret.example", "Hidden", "abababab", "ABABABAB", "171, 171"] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
    Ok(())
}
