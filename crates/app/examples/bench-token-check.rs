//! `bench-token-check` measures the verification of a token on SQLite and on Postgres: the signature alone, the
//! whole check with a cached status, and the whole check with a query each time.
//!
//! It calls the same code as a request, without HTTP. Compare only figures of the same run.

use std::future::Future;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};
use domain::account::{AccountPorts, AccountService, ApiTokenRequest, Registration, TokenIssuer as _, TokenLifetimes};
use domain::principal::Scopes;
use domain::runtime::rate_limit::{RateDecision, RateKey, RateLimiter};
use domain::runtime::{Background, FailureLog, IdGenerator, ManualClock};
use domain::session::Client;
use domain::user::Password;
use futures_util::future::BoxFuture;
use identity::{Argon2Cost, Argon2Hasher, HashingLimits, JwtIssuer, JwtSecret};
use persistence::{Database, DatabaseOptions, SeaApiTokenRepo, SeaSessionRepo, SeaSystemRepo, SeaUserRepo};
use secrecy::ExposeSecret as _;
use test_database::{Kind, TestDatabase, postgres_is_missing};
use uuid::Uuid;

/// Number of checks per measurement.
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

/// Drops background work, because updates of the last use are not measured.
struct Ignored;

impl Background for Ignored {
    fn spawn(&self, _: BoxFuture<'static, ()>) {}
}

impl FailureLog for Ignored {
    fn record(&self, _: &'static str, _: &dyn std::error::Error) {}
}

fn print(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}

/// Returns the mean duration of `work`.
async fn measure_mean<F: Future<Output = anyhow::Result<()>>>(mut work: impl FnMut() -> F) -> anyhow::Result<Duration> {
    for _ in 0..CHECKS / 10 {
        work().await?;
    }
    let started = Instant::now();
    for _ in 0..CHECKS {
        work().await?;
    }
    Ok(started.elapsed() / CHECKS)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    if cfg!(debug_assertions) {
        print("This is a debug build; build with --release for meaningful figures.")?;
    }
    for kind in [Kind::Sqlite, Kind::Postgres] {
        if kind == Kind::Postgres && postgres_is_missing() {
            print("Postgres: not measured; set TEST_DATABASE_URL or install the server programs.")?;
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
        background: Arc::new(Ignored),
        failures: Arc::new(Ignored),
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
    let principal = accounts.authenticate(access, Client::default()).await?;
    let request =
        ApiTokenRequest { name: "script".parse()?, scopes: Scopes::granted(["tasks:read"])?, expires_at: None };
    let (_, api) = accounts.create_api_token(&principal, request).await?;
    let api = api.expose_secret();

    // The cache expires after 5 s: with steps of 1 µs nearly every check uses it, with steps of 6 s none does.
    let check = |token, step| {
        clock.advance(step);
        let accounts = &accounts;
        async move {
            accounts.authenticate(token, Client::default()).await?;
            Ok(())
        }
    };
    let (microsecond, six_seconds) = (Duration::from_micros(1), Duration::from_secs(6));
    let signature = measure_mean(|| async { issuer.verify(access).map(drop).context("a token") }).await?;
    let cached = measure_mean(|| check(access, microsecond)).await?;
    let queried = measure_mean(|| check(access, six_seconds)).await?;
    let api_cached = measure_mean(|| check(api, microsecond)).await?;
    let api_queried = measure_mean(|| check(api, six_seconds)).await?;
    print(&format!("{kind:?}, mean of {CHECKS} checks"))?;
    print(&format!("  access token: the signature alone                 {signature:>10.2?}"))?;
    print(&format!("  access token: cached status                       {cached:>10.2?}"))?;
    print(&format!("  access token: query each time                     {queried:>10.2?}"))?;
    print(&format!("  API token: cached status                          {api_cached:>10.2?}"))?;
    print(&format!("  API token: query each time                        {api_queried:>10.2?}"))?;
    database.close().await;
    Ok(())
}
