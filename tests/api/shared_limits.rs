//! Rate limits that servers share on Redis, and servers whose Redis is away.

use chrono::TimeDelta;
use serde_json::json;
use test_database::{Kind, RedisServer};
use tests::{Answer, TestApp, wait_until};

/// The rest of the quota of an answer; empty if no limit was applied.
fn limit(answer: &Answer) -> &str {
    answer.header("ratelimit").split(";t=").next().unwrap_or_default()
}

async fn guess(app: &TestApp) -> anyhow::Result<Answer> {
    app.anonymous().post("/auth/login", json!({"email": "ada@example.com", "password": "wrong password"})).await
}

/// A server with these flags on an empty database that counts on this Redis.
async fn spawn(redis: &RedisServer, test: &str, flags: &[&str]) -> anyhow::Result<TestApp> {
    let url = redis.url();
    let flags = [&["--redis-url", &url], flags].concat();
    let app = TestApp::spawn(Kind::Sqlite, test, &flags).await?;
    app.ok_or_else(|| anyhow::anyhow!("SQLite is always there"))
}

#[tokio::test]
async fn two_servers_share_their_limits_and_get_back_what_succeeds() -> anyhow::Result<()> {
    let test = "two_servers_share_their_limits";
    let Some(redis) = RedisServer::start_or_skip(test, "")? else { return Ok(()) };
    let first = spawn(&redis, test, &["--chat-requests-per-minute", "2"]).await?;
    let url = redis.url();
    let second = first.another(TimeDelta::zero(), &["--redis-url", &url, "--chat-requests-per-minute", "2"]).await?;
    let (here, there) = (first.register("ada").await?, second.login("ada").await?);
    assert_eq!(limit(&here.say("hello", None).await?), r#""chat";r=1"#);
    assert_eq!(limit(&there.say("hello", None).await?), r#""chat";r=0"#);
    for user in [&here, &there] {
        user.say("hello", None).await?.expect_problem(429, "RATE_LIMITED", None)?;
    }
    // Ten wrong passwords in all, however many right ones are between.
    for app in [&first, &second].iter().cycle().take(10) {
        app.login("ada").await?;
        guess(app).await?.expect_problem(401, "INVALID_CREDENTIALS", None)?;
    }
    for app in [&first, &second] {
        guess(app).await?.expect_problem(429, "RATE_LIMITED", None)?;
    }
    Ok(())
}

#[tokio::test]
async fn requests_are_not_limited_while_redis_is_away() -> anyhow::Result<()> {
    let test = "requests_are_not_limited_while_redis_is_away";
    let Some(mut redis) = RedisServer::start_or_skip(test, "")? else { return Ok(()) };
    let app = spawn(&redis, test, &["--chat-requests-per-minute", "2"]).await?;
    let ada = app.register("ada").await?;
    assert_eq!(limit(&ada.say("hello", None).await?), r#""chat";r=1"#);
    redis.stop()?;
    for _ in 0..5 {
        let answer = ada.say("hello", None).await?;
        answer.expect(200)?;
        assert_eq!(limit(&answer), "");
    }
    redis.start_again()?;
    wait_until("the limits", async || Ok(!limit(&ada.get("/auth/me").await?).is_empty())).await?;
    assert_eq!(limit(&ada.say("hello", None).await?), r#""chat";r=1"#);
    Ok(())
}

#[tokio::test]
async fn a_server_starts_without_redis_and_does_what_the_setting_says() -> anyhow::Result<()> {
    let test = "a_server_starts_without_redis";
    let Some(mut redis) = RedisServer::start_or_skip(test, "")? else { return Ok(()) };
    redis.stop()?;
    let limits = ["--chat-requests-per-minute", "2", "--rate-limit-fallback"];

    let refusing = spawn(&redis, test, &[&limits[..], &["refuse"]].concat()).await?;
    let refused = guess(&refusing).await?;
    refused.expect_problem(503, "OVERLOADED", None)?;
    assert_eq!((refused.header("retry-after"), limit(&refused)), ("1", ""));
    refusing.anonymous().get("/health/ready").await?.expect(200)?;

    let counting = spawn(&redis, test, &[&limits[..], &["local"]].concat()).await?;
    let ada = counting.register("ada").await?;
    for rest in [r#""chat";r=1"#, r#""chat";r=0"#] {
        assert_eq!(limit(&ada.say("hello", None).await?), rest);
    }
    ada.say("hello", None).await?.expect_problem(429, "RATE_LIMITED", None)?;

    let allowing = spawn(&redis, test, &[&limits[..], &["allow"]].concat()).await?;
    let ada = allowing.register("ada").await?;
    for _ in 0..5 {
        ada.say("hello", None).await?.expect(200)?;
    }
    for _ in 0..15 {
        guess(&allowing).await?.expect_problem(401, "INVALID_CREDENTIALS", None)?;
    }
    Ok(())
}
