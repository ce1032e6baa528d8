//! The server goes away, comes back, or stops answering.

use std::net::TcpListener;
use std::time::Duration;

use domain::runtime::rate_limit::{RateDecision, RateLimiter as _};
use rate_limit::{RateLimitFallback, RedisOptions};
use test_database::RedisServer;

use crate::server::{Connected, options, until};
use crate::subject::{limits, own_password, retry_after, take_all};

const FALLBACKS: [RateLimitFallback; 3] =
    [RateLimitFallback::Allow, RateLimitFallback::Local, RateLimitFallback::Refuse];

/// Takes and gives back twenty actions, of which ten are allowed where there is a limit.
async fn assert_fallback(limiter: &Connected, fallback: RateLimitFallback) {
    for number in 0..20 {
        let decision = limiter.take(&own_password(1)).await;
        match fallback {
            RateLimitFallback::Allow => assert_eq!(decision, RateDecision::Unlimited),
            RateLimitFallback::Refuse => assert_eq!(decision, RateDecision::Unavailable),
            RateLimitFallback::Local if number < 10 => assert!(decision.is_counted(), "{number}: {decision:?}"),
            RateLimitFallback::Local => assert_eq!(retry_after(decision), Duration::from_mins(1)),
        }
    }
    if fallback == RateLimitFallback::Local {
        limiter.limiter.give_back(own_password(1)).await;
        assert_eq!(take_all(&limiter.limiter, &own_password(1)).await, 1);
    }
}

#[tokio::test]
async fn a_server_that_is_down_at_the_start_is_used_when_it_comes_up() -> anyhow::Result<()> {
    for fallback in FALLBACKS {
        let Some(mut server) = RedisServer::start_or_skip("down_at_the_start", "")? else { return Ok(()) };
        server.stop()?;
        let limiter = Connected::start(options(&server.url(), limits(20), fallback)?).await?;
        assert!(!limiter.limiter.is_connected());
        assert_fallback(&limiter, fallback).await;
        assert!(limiter.limiter.decisions_without_redis() >= 20);
        server.start_again()?;
        limiter.until_connected(true).await?;
        assert_eq!(take_all(&limiter.limiter, &own_password(1)).await, 10, "{fallback:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_restarts_is_used_again_without_its_counts() -> anyhow::Result<()> {
    for fallback in FALLBACKS {
        let Some(mut server) = RedisServer::start_or_skip("restarts", "")? else { return Ok(()) };
        let limiter = Connected::start(options(&server.url(), limits(20), fallback)?).await?;
        assert_eq!(take_all(&limiter.limiter, &own_password(1)).await, 10);
        assert_eq!(limiter.limiter.decisions_without_redis(), 0);
        server.stop()?;
        assert_fallback(&limiter, fallback).await;
        assert!(!limiter.limiter.is_connected());
        server.start_again()?;
        limiter.until_connected(true).await?;
        assert_eq!(take_all(&limiter.limiter, &own_password(1)).await, 10, "{fallback:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_hangs_delays_only_the_requests_that_find_it_out() -> anyhow::Result<()> {
    let Some(mut server) = RedisServer::start_or_skip("hangs", "")? else { return Ok(()) };
    let options = options(&server.url(), limits(20), RateLimitFallback::Refuse)?;
    // Only a request can find it out.
    let never = Duration::from_hours(1);
    let options = RedisOptions { deadline: Duration::from_millis(500), check_interval: never, ..options };
    let limiter = Connected::start(options).await?;
    limiter.until_connected(true).await?;
    assert!(limiter.take(&own_password(1)).await.is_counted());
    server.pause()?;
    let first = (0..50).map(|_| limiter.limiter.take(own_password(1)));
    // Those that are sent together wait together. The last before the pause took effect may have been answered.
    let decisions = tokio::time::timeout(Duration::from_secs(20), futures_util::future::join_all(first)).await?;
    assert!(decisions.contains(&RateDecision::Unavailable), "{decisions:?}");
    assert!(!limiter.limiter.is_connected());
    // Each would wait for the deadline: 500 s in all.
    let others = async {
        for _ in 0..1_000 {
            assert_eq!(limiter.take(&own_password(1)).await, RateDecision::Unavailable);
        }
    };
    tokio::time::timeout(Duration::from_mins(1), others).await?;
    server.resume()?;
    limiter.until_connected(true).await?;
    assert!(!matches!(limiter.take(&own_password(1)).await, RateDecision::Unavailable));
    Ok(())
}

#[tokio::test]
async fn a_server_that_never_answers_ends_the_first_attempt() -> anyhow::Result<()> {
    // Connections are accepted by the system, and nobody reads from them.
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("redis://{}", listener.local_addr()?);
    let limiter = Connected::start(options(&url, limits(20), RateLimitFallback::Allow)?).await?;
    assert!(!limiter.limiter.is_connected());
    assert_eq!(limiter.take(&own_password(1)).await, RateDecision::Unlimited);
    Ok(())
}

#[tokio::test]
async fn a_server_without_memory_is_not_used_until_it_has_some() -> anyhow::Result<()> {
    let Some(server) = RedisServer::start_or_skip("without_memory", "maxmemory-policy noeviction")? else {
        return Ok(());
    };
    let limiter = Connected::start(options(&server.url(), limits(20), RateLimitFallback::Refuse)?).await?;
    assert!(limiter.take(&own_password(1)).await.is_counted());
    let mut connection = crate::server::connect(&server).await?;
    let mut set = async |bytes: u32| -> anyhow::Result<()> {
        let mut command = redis::cmd("CONFIG");
        Ok(command.arg("SET").arg("maxmemory").arg(bytes).exec_async(&mut connection).await?)
    };
    set(1).await?;
    until(async || Ok(limiter.take(&own_password(1)).await == RateDecision::Unavailable)).await?;
    set(0).await?;
    until(async || Ok(limiter.take(&own_password(2)).await.is_counted())).await?;
    Ok(())
}
