//! Outages of a PostgreSQL server, simulated by a TCP proxy.

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

/// Behaviour of the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Forwards everything.
    Forward,
    /// Keeps connections open and forwards nothing.
    Hang,
    /// Closes every connection.
    Disconnect,
}

/// A TCP proxy between the repositories and a server.
struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
}

impl Proxy {
    async fn start(server: String) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (mode, receiver) = watch::channel(Mode::Forward);
        let server: Arc<str> = server.into();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, Arc::clone(&server), receiver.clone()));
            }
        });
        Ok(Self { address, mode })
    }

    fn set_mode(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn forward(mut client: TcpStream, server: Arc<str>, mut mode: watch::Receiver<Mode>) -> anyhow::Result<()> {
    let mut server = TcpStream::connect(&*server).await?;
    loop {
        let now = *mode.borrow_and_update();
        match now {
            Mode::Disconnect => return Ok(()),
            Mode::Hang => mode.changed().await?,
            Mode::Forward => tokio::select! {
                done = tokio::io::copy_bidirectional(&mut client, &mut server) => return Ok(done.map(|_| ())?),
                changed = mode.changed() => changed?,
            },
        }
    }
}

/// Creates repositories behind a proxy, if a server is available.
async fn fixture(test: &str) -> anyhow::Result<Option<(Fixture, Proxy)>> {
    let Some(database) = TestDatabase::create_or_skip(Kind::Postgres, test).await? else { return Ok(None) };
    let mut url = Url::parse(database.url())?;
    let server = format!("{}:{}", url.host_str().unwrap_or("localhost"), url.port().unwrap_or(5432));
    let proxy = Proxy::start(server).await?;
    url.set_host(Some("127.0.0.1"))?;
    url.set_port(Some(proxy.address.port())).map_err(|()| anyhow::anyhow!("no port can be set"))?;
    let through_proxy = |options: &mut DatabaseOptions| {
        options.url = String::from(url).into();
        options.max_connections = 2;
        options.acquire_timeout = Duration::from_millis(500);
        options.statement_timeout = Duration::from_millis(100);
    };
    Ok(Some((Fixture::with(database, through_proxy).await?, proxy)))
}

async fn assert_unavailable(fixture: &Fixture) -> anyhow::Result<()> {
    let outcome = fixture.tasks.get(id(), id()).await;
    let unavailable = matches!(outcome, Err(TaskRepoError::Storage(StorageError::Unavailable(_))));
    anyhow::ensure!(unavailable, "{outcome:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_server_is_unavailable_until_it_recovers() -> anyhow::Result<()> {
    let name = "a_hanging_server_is_unavailable_until_it_recovers";
    let Some((fixture, proxy)) = fixture(name).await? else { return Ok(()) };
    let owner = fixture.user().await?;
    proxy.set_mode(Mode::Hang);
    // The first two use hanging connections, the third cannot open one.
    for _ in 0..3 {
        assert_unavailable(&fixture).await?;
    }
    assert!(matches!(fixture.database.ping().await, Err(StorageError::Unavailable(_))));
    proxy.set_mode(Mode::Forward);
    fixture.task(owner, "Milk").await?;
    fixture.database.ping().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disconnected_server_is_unavailable_until_it_recovers() -> anyhow::Result<()> {
    let name = "a_disconnected_server_is_unavailable_until_it_recovers";
    let Some((fixture, proxy)) = fixture(name).await? else { return Ok(()) };
    let owner = fixture.user().await?;
    proxy.set_mode(Mode::Disconnect);
    for _ in 0..3 {
        assert_unavailable(&fixture).await?;
    }
    proxy.set_mode(Mode::Forward);
    fixture.task(owner, "Milk").await?;
    Ok(())
}
