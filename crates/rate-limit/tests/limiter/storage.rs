//! What is stored on the server, and who shares it.

use std::time::Duration;

use domain::runtime::rate_limit::{RateDecision, RateLimiter as _};
use rate_limit::{RateLimitFallback, RedisOptions};
use test_database::RedisServer;

use crate::server::{Connected, SharedLimiter, options, until};
use crate::subject::{account, account_from, chat, limits, own_password, peer, retry_after, take_all};

#[tokio::test]
async fn limiters_with_the_same_secret_share_their_counts() -> anyhow::Result<()> {
    let Some(first) = SharedLimiter::start_or_skip("limiters_share", limits(4)).await? else { return Ok(()) };
    let options = options(&first.server.url(), limits(4), RateLimitFallback::Refuse)?;
    let second = Connected::start(options.clone()).await?;
    let stranger = Connected::start(RedisOptions { key_secret: [8; 32], ..options }).await?;
    for remaining in [3, 2, 1, 0] {
        let limiter = if remaining % 2 == 0 { &first.limiter } else { &second.limiter };
        let decision = limiter.take(chat(1)).await;
        assert!(matches!(decision, RateDecision::Allowed { remaining: r, .. } if r == remaining), "{decision:?}");
    }
    assert_eq!(take_all(&first.limiter, &chat(1)).await, 0);
    assert_eq!(take_all(&second.limiter, &chat(1)).await, 0);
    // A try that is taken in one process can be given back in another.
    second.limiter.give_back(chat(1)).await;
    assert_eq!(take_all(&first.limiter, &chat(1)).await, 1);
    assert_eq!(take_all(&stranger.limiter, &chat(1)).await, 4);
    Ok(())
}

#[tokio::test]
async fn concurrent_actions_in_several_processes_do_not_exceed_the_quota() -> anyhow::Result<()> {
    let Some(first) = SharedLimiter::start_or_skip("several_processes", limits(1_000)).await? else { return Ok(()) };
    let options = options(&first.server.url(), limits(1_000), RateLimitFallback::Refuse)?;
    let (second, third) = (Connected::start(options.clone()).await?, Connected::start(options).await?);
    let key = own_password(1);
    let all = [&first.limiter, &second.limiter, &third.limiter].map(|limiter| take_all(limiter, &key));
    assert_eq!(futures_util::future::join_all(all).await.iter().sum::<u32>(), 10);
    Ok(())
}

#[tokio::test]
async fn limits_that_differ_are_applied_to_the_same_counts() -> anyhow::Result<()> {
    let Some(low) = SharedLimiter::start_or_skip("limits_that_differ", limits(3)).await? else { return Ok(()) };
    let high = Connected::start(options(&low.server.url(), limits(6), RateLimitFallback::Refuse)?).await?;
    assert_eq!(take_all(&low.limiter, &chat(1)).await, 3);
    assert_eq!(take_all(&high.limiter, &chat(1)).await, 3);
    let refused = low.take(&chat(1)).await;
    // Four have to be restored, one every 20 s.
    assert!(retry_after(refused) > Duration::from_mins(1), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn every_key_expires_by_the_time_that_its_quota_is_restored_and_names_nobody() -> anyhow::Result<()> {
    let Some(shared) = SharedLimiter::start_or_skip("every_key_expires", limits(20)).await? else { return Ok(()) };
    for key in [chat(1), account("ada@example.com"), account_from("ada@example.com", [192, 0, 2, 1]), peer(1)] {
        shared.take(&key).await.permitted()?;
    }
    take_all(&shared.limiter, &own_password(1)).await;
    let mut connection = shared.connect().await?;
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await?;
    let mut found = Vec::new();
    for key in keys.iter().filter(|key| *key != "doable:rate:check") {
        let (value, rest): (String, i64) =
            redis::pipe().get(key).cmd("PTTL").arg(key).query_async(&mut connection).await?;
        let most = if key.contains(":own-password:") { 600_000 } else { 60_000 };
        assert!((1..=most).contains(&rest), "{key} expires in {rest} ms");
        assert!(value.bytes().all(|byte| byte.is_ascii_digit() || byte == b' '), "{value}");
        assert!(!format!("{key}{value}").contains(['@', '.']), "{key}");
        found.push(key.rsplit_once(':').map(|(kind, _)| kind).unwrap_or_default());
    }
    found.sort_unstable();
    let kinds = ["chat", "own-password", "sign-in-account", "sign-in-account-peer", "sign-in-peer"];
    assert_eq!(found, kinds.map(|kind| format!("doable:rate:{kind}")));
    Ok(())
}

#[tokio::test]
async fn a_whole_quota_is_not_stored() -> anyhow::Result<()> {
    let Some(shared) = SharedLimiter::start_or_skip("a_whole_quota", limits(20)).await? else { return Ok(()) };
    shared.take(&own_password(1)).await.permitted()?;
    shared.limiter.give_back(own_password(1)).await;
    shared.limiter.give_back(own_password(2)).await;
    let mut connection = shared.connect().await?;
    let keys: Vec<String> = redis::cmd("KEYS").arg("*own-password*").query_async(&mut connection).await?;
    assert_eq!(keys, Vec::<String>::new());
    Ok(())
}

/// Sets the only key of the limit of own passwords by a command with `KEY` in it.
async fn store(shared: &SharedLimiter, command: &[&str]) -> anyhow::Result<()> {
    let mut connection = shared.connect().await?;
    let keys: Vec<String> = redis::cmd("KEYS").arg("*own-password*").query_async(&mut connection).await?;
    let [key] = keys.as_slice() else { anyhow::bail!("{keys:?}") };
    redis::cmd("DEL").arg(key).exec_async(&mut connection).await?;
    let mut stored = redis::Cmd::new();
    for part in command {
        stored.arg(if *part == "KEY" { key } else { *part });
    }
    Ok(stored.exec_async(&mut connection).await?)
}

#[tokio::test]
async fn a_clock_that_is_set_back_restores_nothing_and_locks_nobody_out() -> anyhow::Result<()> {
    let Some(shared) = SharedLimiter::start_or_skip("a_clock_set_back", limits(20)).await? else { return Ok(()) };
    assert_eq!(take_all(&shared.limiter, &own_password(1)).await, 10);
    // As if the quota was used up in the year 2100.
    store(&shared, &["SET", "KEY", "4102444800000000 600000000", "PX", "600000"]).await?;
    let refused = retry_after(shared.take(&own_password(1)).await);
    assert_eq!(refused, Duration::from_mins(1));
    shared.pass(Duration::from_secs(61)).await?;
    assert_eq!(take_all(&shared.limiter, &own_password(1)).await, 1);
    Ok(())
}

#[tokio::test]
async fn a_value_that_is_no_count_is_replaced() -> anyhow::Result<()> {
    let Some(shared) = SharedLimiter::start_or_skip("no_count", limits(20)).await? else { return Ok(()) };
    shared.take(&own_password(1)).await.permitted()?;
    for command in [
        &["SET", "KEY", "nonsense"][..],
        &["SET", "KEY", "-1 -1"],
        &["SET", "KEY", ""],
        &["RPUSH", "KEY", "1"],
        &["HSET", "KEY", "1", "2"],
    ] {
        store(&shared, command).await?;
        assert_eq!(take_all(&shared.limiter, &own_password(1)).await, 10, "{command:?}");
    }
    assert_eq!(shared.limiter.decisions_without_redis(), 0);
    Ok(())
}

#[tokio::test]
async fn a_script_that_the_server_has_lost_is_sent_again() -> anyhow::Result<()> {
    let Some(shared) = SharedLimiter::start_or_skip("a_lost_script", limits(20)).await? else { return Ok(()) };
    let mut connection = shared.connect().await?;
    for _ in 0..5 {
        redis::cmd("SCRIPT").arg("FLUSH").exec_async(&mut connection).await?;
        assert!(shared.take(&own_password(1)).await.is_counted());
    }
    assert_eq!(take_all(&shared.limiter, &own_password(1)).await, 5);
    assert_eq!(shared.limiter.decisions_without_redis(), 0);
    Ok(())
}

#[tokio::test]
async fn counts_that_the_server_has_evicted_begin_again() -> anyhow::Result<()> {
    let settings = "maxmemory 2mb\nmaxmemory-policy allkeys-random";
    let Some(server) = RedisServer::start_or_skip("evicted_counts", settings)? else { return Ok(()) };
    let limiter = Connected::start(options(&server.url(), limits(20), RateLimitFallback::Refuse)?).await?;
    for number in 0..12_000 {
        assert!(limiter.take(&peer(number)).await.is_counted());
    }
    let mut connection = crate::server::connect(&server).await?;
    let info: String = redis::cmd("INFO").arg("stats").query_async(&mut connection).await?;
    assert!(!info.contains("evicted_keys:0\r\n"), "{info}");
    assert_eq!(limiter.limiter.decisions_without_redis(), 0);
    Ok(())
}

#[tokio::test]
async fn an_idle_connection_is_checked_and_replaced_before_a_request_needs_it() -> anyhow::Result<()> {
    let Some(shared) = SharedLimiter::start_or_skip("an_idle_connection", limits(20)).await? else { return Ok(()) };
    let mut connection = shared.connect().await?;
    let mut clients = async || -> anyhow::Result<Vec<String>> {
        let list: String = redis::cmd("CLIENT").arg("LIST").query_async(&mut connection).await?;
        let ids = list.lines().filter(|line| !line.contains("cmd=client|list"));
        Ok(ids.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
    };
    let before = clients().await?;
    let [id] = before.as_slice() else { anyhow::bail!("{before:?}") };
    let mut killer = shared.connect().await?;
    redis::cmd("CLIENT").arg("KILL").arg("ID").arg(&id["id=".len()..]).exec_async(&mut killer).await?;
    drop(killer);
    until(async || {
        let now = clients().await?;
        Ok(now.len() == 1 && now != before && shared.limiter.is_connected())
    })
    .await?;
    assert!(shared.take(&own_password(1)).await.is_counted());
    assert_eq!(shared.limiter.decisions_without_redis(), 0);
    Ok(())
}
