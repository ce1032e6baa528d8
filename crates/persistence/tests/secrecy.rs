//! No secret is logged at any level. A test binary of its own, because it installs a global subscriber at TRACE.

use std::io;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use domain::api_token::{ApiTokenRepo as _, NewApiToken};
use domain::change::{Change, ChangeRepo as _, Write};
use domain::id::UserId;
use domain::principal::{Principal, Scopes, Via};
use domain::secret::SecretHash;
use domain::session::{Client, CodePurpose, Device, NewCode, NewSession, SessionRepo as _};
use domain::system::SystemRepo as _;
use domain::task::Task;
use domain::user::{ExternalAccount, NewUser, PasswordHash, UserRepo as _};
use persistence::{
    Database, DatabaseOptions, SeaApiTokenRepo, SeaChangeRepo, SeaSessionRepo, SeaSystemRepo, SeaUserRepo,
};
use test_database::{Kind, TestDatabase, on_both_databases};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;
use uuid::Uuid;

on_both_databases!(no_secret_is_logged_at_any_level);

/// The log of this process.
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

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Stores every kind of secret, each with the same bytes.
async fn account(database: &Database, owner: UserId, at: DateTime<Utc>) -> anyhow::Result<()> {
    let (hash, expires_at) = (SecretHash::new([0xAB; 32]), at + TimeDelta::days(1));
    let client = Client { device: Device::new("Hidden device"), peer: Some("192.0.2.77".parse()?) };
    let (id, refresh) = (Uuid::now_v7().into(), hash.clone());
    let sessions = SeaSessionRepo::new(database.clone());
    sessions.create(owner, NewSession { id, refresh, client, token_version: 0, at, expires_at }).await?;
    let (code, purpose) = (hash.clone(), CodePurpose::Link);
    sessions.create_code(owner, NewCode { hash: code, purpose, session: Some(id), at, expires_at }).await?;
    let (name, scopes) = ("Hidden token".parse()?, Scopes::granted(["chat"])?);
    let token = NewApiToken { id: Uuid::now_v7().into(), name, scopes, hash: hash.clone(), at, expires_at: None };
    SeaApiTokenRepo::new(database.clone()).create(owner, id, token).await?;
    let account = ExternalAccount::new("https://hidden.example", "Hidden subject")?;
    SeaUserRepo::new(database.clone()).link(owner, id, account, at).await?;
    let system = SeaSystemRepo::new(database.clone());
    system.spend_state(&hash, expires_at).await?;
    anyhow::ensure!(system.redeem_code(&hash, purpose, at).await?.is_some());
    // Covers the log of a failure: the code exists already.
    sessions.create_code(owner, NewCode { hash: hash.clone(), purpose, session: None, at, expires_at }).await?;
    let again = sessions.create_code(owner, NewCode { hash, purpose, session: None, at, expires_at }).await;
    anyhow::ensure!(again.is_err());
    Ok(())
}

async fn no_secret_is_logged_at_any_level(test: TestDatabase) -> anyhow::Result<()> {
    let log = LOG.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?;
    let url = match test.kind() {
        Kind::Sqlite => test.url().to_owned(),
        // The test server uses trust authentication, so that any password is accepted. The driver does not support
        // `sslpassword`.
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
    let actor = Principal { user: owner, session: None, api_token: None, via: Via::Http, scopes: Scopes::all() };
    let (operation, request_id) = (Uuid::now_v7().into(), Uuid::now_v7().into());
    let change =
        Change { operation, actor, call: None, message_parts: None, request_id, confirms: None, keyed: None, at };
    let task = Task::new(Uuid::now_v7().into(), owner, "Hidden title".parse()?, false, at);
    let (changes, renamed) = (SeaChangeRepo::new(database.clone()), task.toggle(at));
    changes.commit(owner, &[Write::create(task.clone())], &change).await?;
    let purge = [Write::replace(task.clone(), renamed.clone()), Write::purge(renamed)];
    changes.commit(owner, &purge, &change).await?;
    // Covers the log of a failure: the row does not exist.
    anyhow::ensure!(changes.commit(owner, &[Write::purge(task)], &change).await.is_err());
    account(&database, owner, at).await?;
    database.close().await;

    let log = String::from_utf8_lossy(&log.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
    assert!(log.contains("INSERT INTO"), "statements are logged");
    for secret in
        ["hunter2", "argon2id", "secret.example", "Hidden", "hidden.", "192.0.2.77", "abababab", "ABABABAB", "171, 171"]
    {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
    Ok(())
}
