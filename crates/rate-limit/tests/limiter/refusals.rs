//! Servers that cannot be used: a wrong password, missing rights, a replica, and servers of something else. The log says
//! why, once, and never with the password.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::ensure;
use domain::runtime::rate_limit::RateDecision;
use rate_limit::RateLimitFallback;
use test_database::RedisServer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tracing_subscriber::fmt::MakeWriter;

use crate::server::{Connected, options, until};
use crate::subject::{limits, own_password};

/// The lines that are logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Records the events of the test's thread.
    fn record(&self) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt().with_writer(self.clone()).with_ansi(false).finish();
        tracing::subscriber::set_default(subscriber)
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Starts a limiter at `url`, which cannot be used. Returns the log after several attempts.
async fn refused(url: &str) -> anyhow::Result<String> {
    let log = Log::default();
    let _recording = log.record();
    let limiter = Connected::start(options(url, limits(20), RateLimitFallback::Allow)?).await?;
    for _ in 0..20 {
        ensure!(!limiter.limiter.is_connected(), "connected to {url}");
        assert_eq!(limiter.take(&own_password(1)).await, RateDecision::Unlimited);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let text = log.text();
    assert_eq!(text.lines().count(), 1, "{text:?}");
    assert!(text.contains("WARN") && text.contains("requests are not limited until it can"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    Ok(text)
}

#[tokio::test]
async fn the_log_says_what_is_wrong_with_a_server() -> anyhow::Result<()> {
    let rights =
        "user reader on >hunter2 ~doable:* +evalsha +script|load +get +time +client\nuser gone off >hunter2 ~* +@all";
    for (settings, user, expected) in [
        ("requirepass secret", "", "NOAUTH"),
        ("requirepass secret", ":hunter2@", "authentication failed"),
        (rights, "gone:hunter2@", "authentication failed"),
        (rights, "nobody:hunter2@", "authentication failed"),
        (rights, "reader:hunter2@", "can't run this command"),
        ("replicaof 127.0.0.1 1\nreplica-serve-stale-data yes", "", "ReadOnly"),
        ("replicaof 127.0.0.1 1\nreplica-serve-stale-data no", "", "MasterDown"),
        ("maxmemory 1\nmaxmemory-policy noeviction", "", "OOM"),
    ] {
        let Some(server) = RedisServer::start_or_skip("what_is_wrong", settings)? else { return Ok(()) };
        let text = refused(&format!("redis://{user}127.0.0.1:{}", server.port())).await?;
        assert!(text.contains(expected), "{settings}: {text}");
        assert!(text.contains(&format!("redis://127.0.0.1:{}/0", server.port())), "{text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_database_that_the_server_does_not_have_is_refused() -> anyhow::Result<()> {
    let Some(server) = RedisServer::start_or_skip("no_such_database", "databases 2")? else { return Ok(()) };
    refused(&format!("{}/2", server.url())).await?;
    let limiter =
        Connected::start(options(&format!("{}/1", server.url()), limits(20), RateLimitFallback::Allow)?).await?;
    assert!(limiter.take(&own_password(1)).await.is_counted());
    Ok(())
}

#[tokio::test]
async fn the_documented_rights_are_sufficient() -> anyhow::Result<()> {
    let rights = "user doable on >hunter2 ~doable:rate:* resetchannels +evalsha +script|load +time +get +set +del";
    let Some(server) = RedisServer::start_or_skip("documented_rights", rights)? else { return Ok(()) };
    let url = format!("redis://doable:hunter2@127.0.0.1:{}", server.port());
    let limiter = Connected::start(options(&url, limits(20), RateLimitFallback::Refuse)?).await?;
    assert!(limiter.take(&own_password(1)).await.is_counted());
    let socket = server.socket_url() + "?user=doable&pass=hunter2";
    let limiter = Connected::start(options(&socket, limits(20), RateLimitFallback::Refuse)?).await?;
    let decision = limiter.take(&own_password(1)).await;
    assert!(matches!(decision, RateDecision::Allowed { remaining: 8, .. }), "{decision:?}");
    Ok(())
}

#[tokio::test]
async fn one_line_is_logged_for_a_failure_and_one_when_the_server_is_back() -> anyhow::Result<()> {
    let Some(mut server) = RedisServer::start_or_skip("one_line", "")? else { return Ok(()) };
    let log = Log::default();
    let _recording = log.record();
    let limiter = Connected::start(options(&server.url(), limits(20), RateLimitFallback::Refuse)?).await?;
    assert_eq!(log.text(), "");
    server.stop()?;
    limiter.until_connected(false).await?;
    for _ in 0..100 {
        assert_eq!(limiter.take(&own_password(1)).await, RateDecision::Unavailable);
    }
    until(async || Ok(log.text().lines().count() == 1)).await?;
    server.start_again()?;
    limiter.until_connected(true).await?;
    let text = log.text();
    let lines: Vec<&str> = text.lines().collect();
    let [warning, back] = lines.as_slice() else { panic!("{text}") };
    assert!(warning.contains("WARN") && warning.contains("requests are refused until it can"), "{warning}");
    assert!(back.contains("INFO") && back.contains("rate limits are shared again"), "{back}");
    let undecided: u32 = ["undecided=100", "undecided=101"].map(|part| u32::from(text.contains(part))).iter().sum();
    assert_eq!(undecided, 1, "{text}");
    Ok(())
}

/// Answers every read of every connection with these bytes.
async fn answer(listener: TcpListener, bytes: Vec<u8>) {
    while let Ok((mut socket, _)) = listener.accept().await {
        let bytes = bytes.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while socket.read(&mut buffer).await.is_ok_and(|length| length > 0) {
                if socket.write_all(&bytes).await.is_err() {
                    break;
                }
            }
        });
    }
}

#[tokio::test]
async fn a_server_that_answers_nonsense_is_not_used() -> anyhow::Result<()> {
    // What is answered to the two commands of a new connection, and the script's result behind it.
    let after = |result: &str| format!("+OK\r\n+OK\r\n{result}").into_bytes();
    for bytes in [
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        b"\0\xff".repeat(1_000),
        b"$9999999999999\r\n".to_vec(),
        b"*-7\r\n".to_vec(),
        b"*1\r\n".repeat(100_000),
        after("+OK\r\n"),
        after(":1\r\n"),
        after("$-1\r\n"),
        after("*0\r\n"),
        after("*2\r\n:1\r\n:1\r\n"),
        after("*4\r\n:1\r\n:1\r\n:1\r\n:1\r\n"),
        after("*3\r\n:1\r\n:-1\r\n:1\r\n"),
        after("*3\r\n:1\r\n:1\r\n:-1\r\n"),
        after("*3\r\n:1\r\n:99999999999\r\n:1\r\n"),
        after("*3\r\n$1\r\nx\r\n:1\r\n:1\r\n"),
        after("-NOSCRIPT No matching script\r\n"),
        after("-ERR unknown command 'EVALSHA', with args beginning with: 'hunter2'\r\n"),
        after("-MOVED 1 127.0.0.1:1\r\n"),
    ] {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("redis://{}", listener.local_addr()?);
        let server = tokio::spawn(answer(listener, bytes));
        refused(&url).await.map_err(|error| error.context(shown))?;
        server.abort();
    }
    Ok(())
}
