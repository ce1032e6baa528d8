//! Signing in and out on mocked ports.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::*;
use crate::id::SessionId;
use crate::runtime::{MockClock, MockIdGenerator};
use crate::session::{MockSessionRepo, RefreshTokenHash, Rotation, Session};
use crate::system::{Credentials, MockSystemRepo, RefreshTokenOwner};
use crate::user::{MockUserRepo, PasswordHash, TimeZone};

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

fn session() -> SessionId {
    Uuid::from_u128(8).into()
}

fn hash(byte: u8) -> RefreshTokenHash {
    RefreshTokenHash::new([byte; 32])
}

/// The ports, each a mock that expects nothing yet.
struct Ports {
    users: MockUserRepo,
    sessions: MockSessionRepo,
    system: MockSystemRepo,
    hasher: MockPasswordHasher,
    tokens: MockTokenIssuer,
}

impl Ports {
    fn new() -> Self {
        Self {
            users: MockUserRepo::new(),
            sessions: MockSessionRepo::new(),
            system: MockSystemRepo::new(),
            hasher: MockPasswordHasher::new(),
            tokens: MockTokenIssuer::new(),
        }
    }

    fn issuing(mut self) -> Self {
        self.tokens.expect_issue().returning(|claims| {
            assert_eq!(claims.expires_at - claims.issued_at, TimeDelta::hours(24));
            Ok(format!("{}/{}", claims.user, claims.token_version).into())
        });
        let made = || NewRefreshToken { token: "refresh".to_owned().into(), hash: hash(1) };
        self.tokens.expect_new_refresh_token().returning(move || Ok(made()));
        self
    }

    fn storing_a_session(mut self) -> Self {
        self.sessions.expect_create().times(1).returning(|user_id, new| {
            assert_eq!((user_id, &new.refresh), (ada().id, &hash(1)));
            Ok(Session { id: new.id, user_id, created_at: new.at, last_used_at: new.at, expires_at: new.expires_at })
        });
        self
    }

    fn service(self) -> AccountService {
        let mut clock = MockClock::new();
        clock.expect_now().returning(now);
        let mut ids = MockIdGenerator::new();
        ids.expect_next().returning(|| ada().id.as_uuid());
        let ports = AccountPorts {
            users: Arc::new(self.users),
            sessions: Arc::new(self.sessions),
            system: Arc::new(self.system),
            hasher: Arc::new(self.hasher),
            tokens: Arc::new(self.tokens),
            clock: Arc::new(clock),
            ids: Arc::new(ids),
        };
        AccountService::new(ports, TokenLifetimes { access: TimeDelta::hours(24), refresh: TimeDelta::days(30) })
    }
}

#[tokio::test]
async fn registering_hashes_the_password_and_signs_in() {
    let mut ports = Ports::new().issuing().storing_a_session();
    ports.hasher.expect_hash().times(1).returning(|_| Ok(PasswordHash::new("phc".into())));
    ports.users.expect_create().times(1).returning(|new| {
        assert_eq!((new.name.as_str(), new.password_hash.unwrap().expose()), ("ada", "phc"));
        Ok(ada())
    });
    let registration = Registration {
        email: "ada@example.com".parse().unwrap(),
        password: Password::chosen("correct horse").unwrap(),
        name: None,
    };
    let signed_in = ports.service().register(registration).await.unwrap();
    assert_eq!(signed_in.access_token.expose_secret(), &format!("{}/3", ada().id));
    assert_eq!((signed_in.refresh_token.expose_secret(), signed_in.expires_in), ("refresh", TimeDelta::hours(24)));
}

#[tokio::test]
async fn a_taken_email_begins_no_session() {
    let mut ports = Ports::new();
    ports.hasher.expect_hash().returning(|_| Ok(PasswordHash::new("phc".into())));
    ports.users.expect_create().returning(|_| Err(UserRepoError::EmailTaken));
    let registration =
        Registration { email: ada().email, password: Password::chosen("correct horse").unwrap(), name: None };
    let error = ports.service().register(registration).await.unwrap_err();
    assert!(matches!(error, AccountError::EmailTaken), "{error:?}");
}

#[tokio::test]
async fn the_right_password_signs_in() {
    let mut ports = Ports::new().issuing().storing_a_session();
    ports
        .system
        .expect_credentials_by_email()
        .withf(|email| email.as_str() == "ada@example.com")
        .returning(|_| Ok(Some(Credentials { user: ada(), password_hash: Some(PasswordHash::new("phc".into())) })));
    ports.hasher.expect_verify().times(1).returning(|_, hash| Ok(hash.is_some()));
    let signed_in = ports.service().login(Some(&"ADA@example.com".parse().unwrap()), Password::typed("x")).await;
    assert_eq!(signed_in.unwrap().user, ada());
}

#[tokio::test]
async fn an_unknown_email_costs_a_hash_and_is_answered_as_a_wrong_password() {
    let unknown: fn() -> Option<Credentials> = || None;
    let wrong = || Some(Credentials { user: ada(), password_hash: Some(PasswordHash::new("phc".into())) });
    let without = || Some(Credentials { user: ada(), password_hash: None });
    for found in [unknown, wrong, without] {
        let mut ports = Ports::new();
        ports.system.expect_credentials_by_email().returning(move |_| Ok(found()));
        ports.hasher.expect_verify().times(1).returning(|_, _| Ok(false));
        let error = ports.service().login(Some(&ada().email), Password::typed("wrong")).await.unwrap_err();
        assert!(matches!(error, AccountError::InvalidCredentials), "{error:?}");
    }
    let mut ports = Ports::new();
    ports.hasher.expect_verify().times(1).returning(|_, _| Ok(false));
    let error = ports.service().login(None, Password::typed("wrong")).await.unwrap_err();
    assert!(matches!(error, AccountError::InvalidCredentials), "{error:?}");
}

fn refreshing(expires_at: DateTime<Utc>) -> Ports {
    let mut ports = Ports::new().issuing();
    ports.tokens.expect_hash_refresh_token().returning(|token| (token == "old").then(|| hash(0)));
    ports
        .system
        .expect_session_by_refresh_token()
        .returning(move |_| Ok(Some(RefreshTokenOwner { user: ada().id, session: session(), expires_at })));
    ports
}

#[tokio::test]
async fn refreshing_spends_the_token_and_hands_out_the_next() {
    let mut ports = refreshing(now() + TimeDelta::days(1));
    let rotation = Rotation { spent: hash(0), next: hash(1), at: now(), expires_at: now() + TimeDelta::days(30) };
    ports
        .sessions
        .expect_rotate()
        .withf(move |user, id, asked| (*user, *id) == (ada().id, session()) && *asked == rotation)
        .times(1)
        .returning(|_, _, _| Ok(()));
    ports.users.expect_get().returning(|_| Ok(ada()));
    let signed_in = ports.service().refresh("old").await.unwrap();
    assert_eq!(signed_in.refresh_token.expose_secret(), "refresh");
}

#[tokio::test]
async fn a_refresh_token_used_twice_ends_the_whole_session() {
    let mut ports = refreshing(now() + TimeDelta::days(1));
    ports.sessions.expect_rotate().returning(|_, _, _| Err(SessionRepoError::Reused));
    ports
        .sessions
        .expect_end()
        .withf(|user, id| (*user, *id) == (ada().id, session()))
        .times(1)
        .returning(|_, _| Ok(()));
    let error = ports.service().refresh("old").await.unwrap_err();
    assert!(matches!(error, AccountError::InvalidToken), "{error:?}");
}

#[tokio::test]
async fn an_expired_or_unknown_refresh_token_gives_nothing() {
    let error = refreshing(now()).service().refresh("old").await.unwrap_err();
    assert!(matches!(error, AccountError::TokenExpired), "{error:?}");
    let error = refreshing(now()).service().refresh("eyJhbGciOi.J9.x").await.unwrap_err();
    assert!(matches!(error, AccountError::InvalidToken), "{error:?}");
}

#[tokio::test]
async fn logging_out_ends_the_session_and_knows_no_wrong_token() {
    let mut ports = refreshing(now());
    ports
        .sessions
        .expect_end()
        .withf(|user, id| (*user, *id) == (ada().id, session()))
        .times(1)
        .returning(|_, _| Ok(()));
    let service = ports.service();
    service.logout("old").await.unwrap();
    service.logout("nonsense").await.unwrap();
}

fn showing_a_token() -> Ports {
    let mut ports = Ports::new();
    ports.tokens.expect_verify().returning(|token| match token {
        "good" => Ok(AccessClaims {
            user: ada().id,
            session: session(),
            token_version: 3,
            issued_at: now(),
            expires_at: now(),
        }),
        "old" => Err(TokenError::Expired),
        _ => Err(TokenError::Invalid("signature".into())),
    });
    ports
}

#[tokio::test]
async fn a_token_of_a_living_session_tells_who_acts() {
    let mut ports = showing_a_token();
    ports
        .sessions
        .expect_token_version()
        .withf(|user, id, at| (*user, *id, *at) == (ada().id, session(), now()))
        .returning(|_, _, _| Ok(3));
    let who = ports.service().authenticate("good").await.unwrap();
    assert_eq!((who.user, who.session, who.via), (ada().id, Some(session()), crate::principal::Via::Http));
}

#[tokio::test]
async fn a_token_is_void_once_its_session_ended_or_its_version_changed() {
    let mut ports = showing_a_token();
    ports.sessions.expect_token_version().returning(|_, _, _| Err(SessionRepoError::NotFound));
    let error = ports.service().authenticate("good").await.unwrap_err();
    assert!(matches!(error, AccountError::InvalidToken), "{error:?}");

    let mut ports = showing_a_token();
    ports.sessions.expect_token_version().returning(|_, _, _| Ok(4));
    let error = ports.service().authenticate("good").await.unwrap_err();
    assert!(matches!(error, AccountError::InvalidToken), "{error:?}");
}

#[tokio::test]
async fn a_bad_token_is_refused_before_storage_is_asked() {
    let service = showing_a_token().service();
    assert!(matches!(service.authenticate("old").await.unwrap_err(), AccountError::TokenExpired));
    assert!(matches!(service.authenticate("forged").await.unwrap_err(), AccountError::InvalidToken));
}
