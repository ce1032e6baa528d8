//! The check of an access token's signature and times, which every request with a token needs.

use std::hint::black_box;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use criterion::{Criterion, criterion_group, criterion_main};
use domain::account::{AccessClaims, TokenIssuer as _};
use domain::runtime::{IdGenerator, ManualClock};
use identity::{JwtIssuer, JwtSecret};
use secrecy::ExposeSecret as _;
use uuid::Uuid;

struct Ids;

impl IdGenerator for Ids {
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}

fn checks(criterion: &mut Criterion) {
    let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
    let Ok(secret) = JwtSecret::new("a secret for benchmarks, of more than 32 bytes".into()) else { return };
    let issuer = JwtIssuer::new(&secret, Arc::new(ManualClock::at(now)), Arc::new(Ids));
    let claims = AccessClaims {
        user: Uuid::now_v7().into(),
        session: Uuid::now_v7().into(),
        token_version: 1,
        issued_at: now,
        expires_at: now + TimeDelta::days(1),
    };
    let Ok(token) = issuer.issue(&claims) else { return };
    let token = token.expose_secret();
    criterion.bench_function("access token/verify", |bencher| bencher.iter(|| issuer.verify(black_box(token))));
}

criterion_group!(benches, checks);
criterion_main!(benches);
