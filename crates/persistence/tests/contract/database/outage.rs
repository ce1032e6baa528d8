//! A PostgreSQL server that hangs, goes away and comes back, played by a relay before a real one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::storage::StorageError;
use domain::task::{TaskRepo as _, TaskRepoError};
use persistence::DatabaseOptions;
use test_database::{Kind, TestDatabase};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

use crate::fixture::{Fixture, id};

/// What the relay does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// It passes everything on.
    Serves,
    /// It keeps connections and passes nothing on.
    Hangs,
    /// It cuts every connection.
    Away,
}

/// Stands between the repositories and a server.
struct Relay {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
}

impl Relay {
    async fn before(server: String) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (mode, watched) = watch::channel(Mode::Serves);
        let server: Arc<str> = server.into();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, Arc::clone(&server), watched.clone()));
            }
        });
        Ok(Self { address, mode })
    }

    fn turns(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn relay(mut client: TcpStream, server: Arc<str>, mut mode: watch::Receiver<Mode>) -> anyhow::Result<()> {
    let mut server = TcpStream::connect(&*server).await?;
    loop {
        let now = *mode.borrow_and_update();
        match now {
            Mode::Away => return Ok(()),
            Mode::Hangs => mode.changed().await?,
            Mode::Serves => tokio::select! {
                done = tokio::io::copy_bidirectional(&mut client, &mut server) => return Ok(done.map(|_| ())?),
                changed = mode.changed() => changed?,
            },
        }
    }
}

/// Repositories behind a relay, if there is a server at all.
async fn fixture(test: &str) -> anyhow::Result<Option<(Fixture, Relay)>> {
    let Some(database) = TestDatabase::create_or_skip(Kind::Postgres, test).await? else { return Ok(None) };
    let mut url = Url::parse(database.url())?;
    let server = format!("{}:{}", url.host_str().unwrap_or("localhost"), url.port().unwrap_or(5432));
    let relay = Relay::before(server).await?;
    url.set_host(Some("127.0.0.1"))?;
    url.set_port(Some(relay.address.port())).map_err(|()| anyhow::anyhow!("no port can be set"))?;
    let through_relay = |options: &mut DatabaseOptions| {
        options.url = String::from(url).into();
        options.max_connections = 2;
        options.acquire_timeout = Duration::from_millis(500);
        options.statement_timeout = Duration::from_millis(100);
    };
    Ok(Some((Fixture::with(database, through_relay).await?, relay)))
}

async fn is_unavailable(fixture: &Fixture) -> anyhow::Result<()> {
    let outcome = fixture.tasks.get(id(), id()).await;
    let unavailable = matches!(outcome, Err(TaskRepoError::Storage(StorageError::Unavailable(_))));
    anyhow::ensure!(unavailable, "{outcome:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_unavailable_and_serves_again() -> anyhow::Result<()> {
    let name = "a_server_that_hangs_is_unavailable_and_serves_again";
    let Some((fixture, relay)) = fixture(name).await? else { return Ok(()) };
    let owner = fixture.user().await?;
    relay.turns(Mode::Hangs);
    // The first two have connections that hang, the others get none.
    for _ in 0..3 {
        is_unavailable(&fixture).await?;
    }
    assert!(matches!(fixture.database.ping().await, Err(StorageError::Unavailable(_))));
    relay.turns(Mode::Serves);
    fixture.task(owner, "Milk").await?;
    fixture.database.ping().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_away_is_unavailable_and_serves_again() -> anyhow::Result<()> {
    let name = "a_server_that_goes_away_is_unavailable_and_serves_again";
    let Some((fixture, relay)) = fixture(name).await? else { return Ok(()) };
    let owner = fixture.user().await?;
    relay.turns(Mode::Away);
    for _ in 0..3 {
        is_unavailable(&fixture).await?;
    }
    relay.turns(Mode::Serves);
    fixture.task(owner, "Milk").await?;
    Ok(())
}
