//! Outages of a PostgreSQL server, simulated by a TCP proxy.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use domain::change::{ChangeRepo as _, ChangeRepoError, Seq, Write};
use domain::storage::StorageError;
use domain::task::{TaskRepo as _, TaskRepoError};
use futures_util::future::try_join_all;
use persistence::DatabaseOptions;
use test_database::{Kind, TestDatabase};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

use crate::fixture::{Fixture, at, call, effect, id, new_task};

/// Sizes of a pool that is one, and of a pool that is divided into connections for reads, batches and other statements.
const POOL_SIZES: [u32; 2] = [2, 5];

/// A COMMIT as both drivers send it, a query without parameters, and the command tag of its answer
/// (<https://www.postgresql.org/docs/current/protocol-message-formats.html>).
const COMMIT_QUERY: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";
const COMMIT: &[u8] = b"COMMIT\0";

/// Behaviour of the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Forwards everything.
    Forward,
    /// Keeps connections open and forwards nothing.
    Hang,
    /// Closes every connection.
    Disconnect,
    /// Closes a connection on which the client sends COMMIT, which is not forwarded.
    CutBeforeCommit,
    /// Closes a connection on which the client sends COMMIT after the server has answered it.
    CutAfterCommit,
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
            Mode::CutBeforeCommit | Mode::CutAfterCommit => tokio::select! {
                commit = forward_until_commit(&mut client, &mut server) => {
                    let commit = commit?;
                    if now == Mode::CutAfterCommit {
                        server.write_all(&commit).await?;
                        read_until_committed(&mut server).await?;
                    }
                    return Ok(());
                }
                changed = mode.changed() => changed?,
            },
        }
    }
}

/// Reads answers up to that of COMMIT.
async fn read_until_committed(server: &mut TcpStream) -> anyhow::Result<()> {
    let mut answers = Vec::new();
    while !answers.windows(COMMIT.len()).any(|bytes| bytes == COMMIT) {
        anyhow::ensure!(server.read_buf(&mut answers).await? > 0, "a connection was closed");
    }
    Ok(())
}

/// Forwards what the client sends before COMMIT. Returns what it sent from there on.
async fn forward_until_commit(client: &mut TcpStream, server: &mut TcpStream) -> anyhow::Result<Vec<u8>> {
    let (mut sent, mut answered) = ([0; 16 * 1024], [0; 16 * 1024]);
    loop {
        let (source, read) = tokio::select! {
            read = client.read(&mut sent) => (&mut *server, &sent[..read?]),
            read = server.read(&mut answered) => (&mut *client, &answered[..read?]),
        };
        anyhow::ensure!(!read.is_empty(), "a connection was closed");
        if let Some(end) = read.windows(COMMIT_QUERY.len()).position(|bytes| bytes == COMMIT_QUERY) {
            source.write_all(&read[..end]).await?;
            return Ok(read[end..].to_vec());
        }
        source.write_all(read).await?;
    }
}

/// Creates repositories behind a proxy, if a server is available.
async fn fixture(test: &str, max_connections: u32) -> anyhow::Result<Option<(Fixture, Proxy)>> {
    let Some(database) = TestDatabase::create_or_skip(Kind::Postgres, test).await? else { return Ok(None) };
    let mut url = Url::parse(database.url())?;
    let server = format!("{}:{}", url.host_str().unwrap_or("localhost"), url.port().unwrap_or(5432));
    let proxy = Proxy::start(server).await?;
    url.set_host(Some("127.0.0.1"))?;
    url.set_port(Some(proxy.address.port())).map_err(|()| anyhow::anyhow!("no port can be set"))?;
    let through_proxy = |options: &mut DatabaseOptions| {
        options.url = String::from(url).into();
        options.max_connections = max_connections;
        options.acquire_timeout = Duration::from_millis(500);
        options.statement_timeout = Duration::from_millis(100);
    };
    Ok(Some((Fixture::with(database, through_proxy).await?, proxy)))
}

fn assert_commit_unavailable<T: std::fmt::Debug>(outcome: &Result<T, ChangeRepoError>) -> anyhow::Result<()> {
    let unavailable = matches!(outcome, Err(ChangeRepoError::Storage(StorageError::Unavailable(_))));
    anyhow::ensure!(unavailable, "{outcome:?}");
    Ok(())
}

async fn assert_unavailable(fixture: &Fixture) -> anyhow::Result<()> {
    let outcome = fixture.tasks.get(id(), id()).await;
    let unavailable = matches!(outcome, Err(TaskRepoError::Storage(StorageError::Unavailable(_))));
    anyhow::ensure!(unavailable, "{outcome:?}");
    Ok(())
}

/// Runs `body` for each of [`POOL_SIZES`], if a server is available.
async fn for_each_pool(test: &str, body: impl AsyncFn(Fixture, Proxy) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let run = async |max_connections| {
        let Some((fixture, proxy)) = fixture(test, max_connections).await? else { return Ok(()) };
        body(fixture, proxy).await.with_context(|| format!("with {max_connections} connections"))
    };
    try_join_all(POOL_SIZES.map(run)).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_server_is_unavailable_until_it_recovers() -> anyhow::Result<()> {
    for_each_pool("a_hanging_server_is_unavailable_until_it_recovers", async |fixture, proxy| {
        let owner = fixture.user().await?;
        proxy.set_mode(Mode::Hang);
        // The first use hanging connections, the last cannot open one.
        for _ in 0..3 {
            assert_unavailable(&fixture).await?;
        }
        for _ in 0..3 {
            assert_commit_unavailable(&fixture.write(owner, Write::create(new_task(owner, "Bread")?)).await)?;
        }
        assert!(matches!(fixture.database.ping().await, Err(StorageError::Unavailable(_))));
        proxy.set_mode(Mode::Forward);
        fixture.task(owner, "Milk").await?;
        fixture.database.ping().await?;
        assert_eq!(fixture.tasks.counts(owner).await?.pending, 1);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disconnected_server_is_unavailable_until_it_recovers() -> anyhow::Result<()> {
    for_each_pool("a_disconnected_server_is_unavailable_until_it_recovers", async |fixture, proxy| {
        let owner = fixture.user().await?;
        proxy.set_mode(Mode::Disconnect);
        for _ in 0..3 {
            assert_unavailable(&fixture).await?;
        }
        proxy.set_mode(Mode::Forward);
        fixture.task(owner, "Milk").await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_dies_before_the_commit_leaves_nothing_done() -> anyhow::Result<()> {
    for_each_pool("a_connection_that_dies_before_the_commit_leaves_nothing_done", async |fixture, proxy| {
        let owner = fixture.user().await?;
        let (_, turn) = fixture.conversation(owner).await?;
        let change = effect(owner, call(&turn, 0), at(1));
        let write = Write::create(new_task(owner, "Milk")?);
        proxy.set_mode(Mode::CutBeforeCommit);
        assert_commit_unavailable(&fixture.changes.commit(owner, std::slice::from_ref(&write), &change).await)?;
        proxy.set_mode(Mode::Forward);
        assert_eq!(fixture.changes.find_effect(owner, call(&turn, 0).effect()).await?, []);
        assert_eq!(fixture.tasks.counts(owner).await?.pending, 0);
        // A retry is the first that is done.
        let done = fixture.changes.commit(owner, &[write], &change).await?;
        assert_eq!(done.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [Seq(1)]);
        Ok(())
    })
    .await
}

/// The client cannot know whether the commit happened; the ledger does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_without_an_answer_is_unavailable_and_its_retry_returns_the_recorded_effect() -> anyhow::Result<()> {
    let name = "a_commit_without_an_answer_is_unavailable_and_its_retry_returns_the_recorded_effect";
    for_each_pool(name, async |fixture, proxy| {
        let owner = fixture.user().await?;
        let (_, turn) = fixture.conversation(owner).await?;
        let change = effect(owner, call(&turn, 0), at(1));
        let write = || anyhow::Ok(Write::create(new_task(owner, "Milk")?));
        proxy.set_mode(Mode::CutAfterCommit);
        assert_commit_unavailable(&fixture.changes.commit(owner, &[write()?], &change).await)?;
        proxy.set_mode(Mode::Forward);
        let recorded = fixture.changes.find_effect(owner, call(&turn, 0).effect()).await?;
        assert_eq!(recorded.len(), 1);
        assert_eq!(fixture.changes.commit(owner, &[write()?], &change).await?, recorded);
        assert_eq!(fixture.tasks.counts(owner).await?.pending, 1);
        Ok(())
    })
    .await
}
