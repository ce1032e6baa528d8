//! Limiters on a server of the test, and direct access to what they store there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use domain::runtime::ManualClock;
use domain::runtime::rate_limit::{RateDecision, RateKey, RateLimiter as _};
use rate_limit::{RateLimitFallback, RateLimits, RedisOptions, RedisRateLimiter};
use redis::aio::MultiplexedConnection;
use test_database::RedisServer;
use tokio::task::JoinHandle;

/// Maximum time until something happens that does.
const PATIENCE: Duration = Duration::from_mins(1);

/// A secret that the limiters of a test share.
pub const SECRET: [u8; 32] = [7; 32];

/// Options with short intervals. The deadline is long enough for a busy machine.
pub fn options(url: &str, limits: RateLimits, fallback: RateLimitFallback) -> anyhow::Result<RedisOptions> {
    Ok(RedisOptions {
        url: url.parse()?,
        limits,
        fallback,
        key_secret: SECRET,
        deadline: Duration::from_secs(5),
        retry_interval: Duration::from_millis(20),
        check_interval: Duration::from_millis(50),
    })
}

/// A limiter that is being connected until it is dropped.
pub struct Connected {
    pub limiter: RedisRateLimiter,
    task: JoinHandle<()>,
}

impl Connected {
    /// Starts a limiter, and waits until its first attempt to connect has ended.
    pub async fn start(options: RedisOptions) -> anyhow::Result<Self> {
        let limiter = RedisRateLimiter::new(&options, &(Arc::<ManualClock>::default() as Arc<_>))?;
        let task = tokio::spawn(limiter.clone().stay_connected());
        tokio::time::timeout(PATIENCE, limiter.attempted()).await?;
        Ok(Self { limiter, task })
    }

    /// Waits until it is connected, or no longer is.
    pub async fn until_connected(&self, connected: bool) -> anyhow::Result<()> {
        until(async || Ok(self.limiter.is_connected() == connected)).await
    }

    pub async fn take(&self, key: &RateKey) -> RateDecision {
        self.limiter.take(key.clone()).await
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Waits until `condition` holds.
pub async fn until(mut condition: impl AsyncFnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await? {
        ensure!(Instant::now() < deadline, "nothing happened");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// A limiter with a server of its own.
pub struct SharedLimiter {
    pub limiter: RedisRateLimiter,
    connected: Connected,
    pub server: RedisServer,
}

impl SharedLimiter {
    pub async fn start_or_skip(test: &str, limits: RateLimits) -> anyhow::Result<Option<Self>> {
        let Some(server) = RedisServer::start_or_skip(test, "")? else { return Ok(None) };
        let connected = Connected::start(options(&server.url(), limits, RateLimitFallback::Refuse)?).await?;
        ensure!(connected.limiter.is_connected(), "not connected");
        Ok(Some(Self { limiter: connected.limiter.clone(), connected, server }))
    }

    pub async fn take(&self, key: &RateKey) -> RateDecision {
        self.connected.take(key).await
    }

    /// Lets time pass for all that is stored.
    pub async fn pass(&self, time: Duration) -> anyhow::Result<()> {
        let script = redis::Script::new(
            r"
            for _, key in ipairs(redis.call('KEYS', '*')) do
                local at, used = string.match(redis.call('GET', key), '^(%d+) (%d+)$')
                local rest = redis.call('PTTL', key) - ARGV[1] / 1000
                if rest >= 1 then
                    local value = string.format('%.0f %s', at - ARGV[1], used)
                    redis.call('SET', key, value, 'PX', string.format('%.0f', rest))
                else
                    redis.call('DEL', key)
                end
            end",
        );
        let mut connection = connect(&self.server).await?;
        Ok(script.arg(u64::try_from(time.as_micros())?).invoke_async(&mut connection).await?)
    }

    pub async fn connect(&self) -> anyhow::Result<MultiplexedConnection> {
        connect(&self.server).await
    }
}

/// A connection past the limiter.
pub async fn connect(server: &RedisServer) -> anyhow::Result<MultiplexedConnection> {
    let client = redis::Client::open(server.url())?;
    client.get_multiplexed_async_connection().await.context("the test's own connection")
}
