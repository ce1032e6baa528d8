//! Use cases of accounts on mocked ports.

mod authentication;
mod events;
mod external;
mod profile;
mod sessions;
mod sign_in;
mod tries;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::*;
use crate::api_token::MockApiTokenRepo;
use crate::id::{SessionId, UserId};
use crate::principal::{Principal, Scope, Scopes, Via};
use crate::runtime::event_log::RecordedEvents;
use crate::runtime::rate_limit::{MockRateLimiter, RateDecision, RateKey, RatePolicy};
use crate::runtime::{ManualClock, MockBackground, MockFailureLog, MockIdGenerator};
use crate::secret::{NewSecret, SecretHash, SecretKind};
use crate::session::{Client, MockSessionRepo, Rotation, Session, SessionStatus};
use crate::system::{MockSystemRepo, RefreshTokenOwner};
use crate::user::{Credentials, MockUserRepo, PasswordHash, TimeZone};

fn now() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn ada() -> User {
    User {
        id: Uuid::from_u128(7).into(),
        email: "ada@example.com".parse().unwrap(),
        name: "Ada".parse().unwrap(),
        time_zone: TimeZone::default(),
        token_version: 3,
        created_at: now(),
        updated_at: now(),
    }
}

fn credentials(hash: Option<&str>) -> Credentials {
    Credentials { user: ada(), password_hash: hash.map(|hash| PasswordHash::new(hash.to_owned())) }
}

fn session() -> SessionId {
    Uuid::from_u128(8).into()
}

fn status(token_version: u32) -> SessionStatus {
    SessionStatus { token_version, created_at: now(), last_used_at: now(), expires_at: now() + TimeDelta::days(30) }
}

fn hash(byte: u8) -> SecretHash {
    SecretHash::new([byte; 32])
}

/// Ada, signed in.
fn signed_in() -> Principal {
    Principal { user: ada().id, session: Some(session()), api_token: None, via: Via::Http, scopes: Scopes::all() }
}

/// An API token of Ada's with all grantable scopes.
fn script() -> Principal {
    Principal { session: None, scopes: Scope::GRANTABLE.into_iter().collect(), ..signed_in() }
}

/// Mocked ports without expectations. Nothing is rate-limited.
struct Ports {
    users: MockUserRepo,
    sessions: MockSessionRepo,
    api_tokens: MockApiTokenRepo,
    system: MockSystemRepo,
    hasher: MockPasswordHasher,
    tokens: MockTokenIssuer,
    provider: Option<MockIdentityProvider>,
    limiter: MockRateLimiter,
    sign_ups: SignUps,
    clock: Arc<ManualClock>,
    events: Arc<RecordedEvents>,
}

impl Ports {
    fn new() -> Self {
        Self {
            users: MockUserRepo::new(),
            sessions: MockSessionRepo::new(),
            api_tokens: MockApiTokenRepo::new(),
            system: MockSystemRepo::new(),
            hasher: MockPasswordHasher::new(),
            tokens: MockTokenIssuer::new(),
            provider: None,
            limiter: MockRateLimiter::new(),
            sign_ups: SignUps::Open,
            clock: Arc::new(ManualClock::at(now())),
            events: Arc::default(),
        }
    }

    fn issuing(mut self) -> Self {
        self.tokens.expect_issue().returning(|claims| {
            assert_eq!(claims.expires_at - claims.issued_at, TimeDelta::hours(24));
            Ok(format!("{}/{}", claims.user, claims.token_version).into())
        });
        self.tokens.expect_new_secret().returning(|kind| {
            let text = match kind {
                SecretKind::RefreshToken => "refresh",
                SecretKind::ApiToken => "api-token",
                SecretKind::OneTimeCode => "code",
                SecretKind::State => "state",
            };
            Ok(NewSecret { text: text.into(), hash: hash(1) })
        });
        self.tokens.expect_next_refresh_token().returning(|token| {
            let (text, byte) = match token {
                "old" | "refresh" => ("second", 2),
                "second" => ("third", 3),
                _ => ("later", 9),
            };
            Ok(NewSecret { text: text.into(), hash: hash(byte) })
        });
        self
    }

    fn storing_a_session(mut self) -> Self {
        self.sessions.expect_create().times(1).returning(|user_id, new| {
            assert_eq!((user_id, &new.refresh, new.token_version), (ada().id, &hash(1), ada().token_version));
            let (at, expires_at) = (new.at, new.expires_at);
            Ok(Session { id: new.id, user_id, client: new.client, created_at: at, last_used_at: at, expires_at })
        });
        self
    }

    /// Refuses one try with this key.
    fn limiting(mut self, key: RateKey) -> Self {
        self.limiter.expect_take().withf(move |taken| *taken == key).times(1).return_const(refused());
        self
    }

    fn service(mut self) -> AccountService {
        self.limiter.expect_take().return_const(RateDecision::Unlimited);
        self.limiter.expect_give_back().return_const(());
        let mut ids = MockIdGenerator::new();
        ids.expect_next().returning(|| ada().id.as_uuid());
        let mut background = MockBackground::new();
        background.expect_spawn().returning(|work| {
            tokio::spawn(work);
        });
        let ports = AccountPorts {
            users: Arc::new(self.users),
            sessions: Arc::new(self.sessions),
            api_tokens: Arc::new(self.api_tokens),
            system: Arc::new(self.system),
            hasher: Arc::new(self.hasher),
            tokens: Arc::new(self.tokens),
            provider: self.provider.map(|provider| Arc::new(provider) as Arc<dyn IdentityProvider>),
            limiter: Arc::new(self.limiter),
            background: Arc::new(background),
            failures: Arc::new(MockFailureLog::new()),
            events: self.events,
            clock: self.clock.clone(),
            timer: self.clock,
            ids: Arc::new(ids),
        };
        let lifetimes = TokenLifetimes { access: TimeDelta::hours(24), refresh: TimeDelta::days(30) };
        AccountService::new(ports, lifetimes, self.sign_ups)
    }
}

fn refused() -> RateDecision {
    let policy = RatePolicy { name: "test", quota: 1, window: Duration::from_mins(1) };
    RateDecision::Refused { policy, retry_after: Duration::from_secs(7) }
}

#[track_caller]
fn assert_needs_account<T: std::fmt::Debug>(result: &Result<T, AccountError>) {
    assert!(
        matches!(result, Err(AccountError::InsufficientScope(InsufficientScope(Scope::Account)))),
        "expected a missing scope: {result:?}"
    );
}
