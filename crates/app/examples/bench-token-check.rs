//! `bench-token-check`: what it costs to tell who shows a token, on SQLite and on Postgres: the signature alone, with the
//! check that nothing has voided it as every request does it, and with that check asked from the database each time.
//!
//! It calls what a request calls, without HTTP. Compare figures of one run with each other.

use std::future::Future;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};
use domain::account::{AccountPorts, AccountService, ApiTokenRequest, Registration, TokenIssuer as _, TokenLifetimes};
use domain::principal::Scopes;
use domain::rate_limit::{RateDecision, RateKey, RateLimiter};
use domain::runtime::{Background, FailureLog, IdGenerator, ManualClock};
use domain::session::Client;
use domain::user::Password;
use futures_util::future::BoxFuture;
use identity::{Argon2Cost, Argon2Hasher, HashingLimits, JwtIssuer, JwtSecret};
use persistence::{Database, DatabaseOptions, SeaApiTokenRepo, SeaSessionRepo, SeaSystemRepo, SeaUserRepo};
use secrecy::ExposeSecret as _;
use test_database::{Kind, TestDatabase, postgres_is_missing};
use uuid::Uuid;

/// How often each check is made.
const CHECKS: u32 = 20_000;

struct Ids;

impl IdGenerator for Ids {
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}

struct Unlimited;

#[async_trait]
impl RateLimiter for Unlimited {
    async fn take(&self, _: RateKey) -> RateDecision {
        RateDecision::Unlimited
    }
}

/// Notes of use are not what is measured.
struct Nothing;

impl Background for Nothing {
    fn spawn(&self, _: BoxFuture<'static, ()>) {}
}

impl FailureLog for Nothing {
    fn record(&self, _: &'static str, _: &dyn std::error::Error) {}
}

fn say(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}

/// How long one of them takes on average.
async fn each<F: Future<Output = anyhow::Result<()>>>(mut work: impl FnMut() -> F) -> anyhow::Result<Duration> {
    for _ in 0..CHECKS / 10 {
        work().await?;
    }
    let began = Instant::now();
    for _ in 0..CHECKS {
        work().await?;
    }
    Ok(began.elapsed() / CHECKS)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    if cfg!(debug_assertions) {
        say("This is a debug build: the figures mean nothing.")?;
    }
    for kind in [Kind::Sqlite, Kind::Postgres] {
        if kind == Kind::Postgres && postgres_is_missing() {
            say("Postgres: not measured, there is no server (TEST_DATABASE_URL, or the server's programs)")?;
            continue;
        }
        measure(kind).await?;
    }
    Ok(())
}

async fn measure(kind: Kind) -> anyhow::Result<()> {
    let test_database = TestDatabase::create(kind).await?;
    let database = Database::connect(&DatabaseOptions::new(test_database.url().to_owned().into())).await?;
    migrations::up(database.connection_for_migrations()).await?;
    let clock = Arc::new(ManualClock::at(DateTime::UNIX_EPOCH + TimeDelta::days(20_000)));
    let secret = JwtSecret::new("a secret for benchmarks, of more than 32 bytes".into())?;
    let issuer = Arc::new(JwtIssuer::new(&secret, clock.clone(), Arc::new(Ids)));
    let ports = AccountPorts {
        users: Arc::new(SeaUserRepo::new(database.clone())),
        sessions: Arc::new(SeaSessionRepo::new(database.clone())),
        api_tokens: Arc::new(SeaApiTokenRepo::new(database.clone())),
        system: Arc::new(SeaSystemRepo::new(database.clone())),
        hasher: Arc::new(Argon2Hasher::new(Argon2Cost::CHEAPEST, HashingLimits::default())?),
        tokens: issuer.clone(),
        provider: None,
        limiter: Arc::new(Unlimited),
        background: Arc::new(Nothing),
        failures: Arc::new(Nothing),
        clock: clock.clone(),
        timer: clock.clone(),
        ids: Arc::new(Ids),
    };
    let lifetimes = TokenLifetimes { access: TimeDelta::days(3650), refresh: TimeDelta::days(3650) };
    let accounts = AccountService::new(ports, lifetimes);
    let registration = Registration {
        email: "ada@example.com".parse()?,
        password: Password::new("correct horse battery")?,
        name: None,
    };
    let session = accounts.register(registration, Client::default()).await?;
    let access = session.access_token.expose_secret();
    let who = accounts.authenticate(access, Client::default()).await?;
    let request =
        ApiTokenRequest { name: "script".parse()?, scopes: Scopes::granted(["tasks:read"])?, expires_at: None };
    let (_, api) = accounts.create_api_token(&who, request).await?;
    let api = api.expose_secret();

    // A microsecond a check: what is remembered stays so for five seconds. Six seconds a check: nothing does.
    let check = |token, step| {
        clock.advance(step);
        let accounts = &accounts;
        async move {
            accounts.authenticate(token, Client::default()).await?;
            Ok(())
        }
    };
    let (microsecond, six_seconds) = (Duration::from_micros(1), Duration::from_secs(6));
    let signature = each(|| async { issuer.verify(access).map(drop).context("a token") }).await?;
    let remembered = each(|| check(access, microsecond)).await?;
    let asked = each(|| check(access, six_seconds)).await?;
    let api_remembered = each(|| check(api, microsecond)).await?;
    let api_asked = each(|| check(api, six_seconds)).await?;
    say(&format!("{kind:?}, {CHECKS} checks each, the mean of one"))?;
    say(&format!("  access token: the signature alone                 {signature:>10.2?}"))?;
    say(&format!("  access token: and not void, as requests do it     {remembered:>10.2?}"))?;
    say(&format!("  access token: and not void, asked each time       {asked:>10.2?}"))?;
    say(&format!("  API token: as requests do it                      {api_remembered:>10.2?}"))?;
    say(&format!("  API token: asked each time                        {api_asked:>10.2?}"))?;
    database.close().await;
    Ok(())
}
