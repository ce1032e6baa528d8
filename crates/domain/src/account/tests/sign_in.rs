//! Registration, sign-in by password, refresh and sign-out.

use std::net::IpAddr;

use super::*;

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
        password: Password::new("correct horse").unwrap(),
        name: None,
    };
    let signed_in = ports.service().register(registration, Client::default()).await.unwrap();
    assert_eq!(signed_in.access_token.expose_secret(), &format!("{}/3", ada().id));
    assert_eq!((signed_in.refresh_token.expose_secret(), signed_in.expires_in), ("refresh", TimeDelta::hours(24)));
}

#[tokio::test]
async fn a_taken_email_is_refused() {
    let mut ports = Ports::new();
    ports.hasher.expect_hash().returning(|_| Ok(PasswordHash::new("phc".into())));
    ports.users.expect_create().returning(|_| Err(UserRepoError::EmailTaken));
    let registration =
        Registration { email: ada().email, password: Password::new("correct horse").unwrap(), name: None };
    let error = ports.service().register(registration, Client::default()).await.unwrap_err();
    assert!(matches!(error, AccountError::EmailTaken), "{error:?}");
}

#[tokio::test]
async fn a_correct_password_signs_in() {
    let mut ports = Ports::new().issuing().storing_a_session();
    ports
        .system
        .expect_credentials_by_email()
        .withf(|email| email.as_str() == "ada@example.com")
        .returning(|_| Ok(Some(Credentials { user: ada(), password_hash: Some(PasswordHash::new("phc".into())) })));
    ports.hasher.expect_verify().times(1).returning(|_, hash| Ok(hash.is_some()));
    let signed_in = ports
        .service()
        .login(Some(&"ADA@example.com".parse().unwrap()), Password::unvalidated("x"), Client::default())
        .await;
    assert_eq!(signed_in.unwrap().user, ada());
}

#[tokio::test]
async fn an_unknown_email_is_hashed_and_refused_like_a_wrong_password() {
    let unknown: fn() -> Option<Credentials> = || None;
    let wrong = || Some(Credentials { user: ada(), password_hash: Some(PasswordHash::new("phc".into())) });
    let without_password = || Some(Credentials { user: ada(), password_hash: None });
    for found in [unknown, wrong, without_password] {
        let mut ports = Ports::new();
        ports.system.expect_credentials_by_email().returning(move |_| Ok(found()));
        ports.hasher.expect_verify().times(1).returning(|_, _| Ok(false));
        let error = ports
            .service()
            .login(Some(&ada().email), Password::unvalidated("wrong"), Client::default())
            .await
            .unwrap_err();
        assert!(matches!(error, AccountError::InvalidCredentials), "{error:?}");
    }
    let mut ports = Ports::new();
    ports.hasher.expect_verify().times(1).returning(|_, _| Ok(false));
    let error = ports.service().login(None, Password::unvalidated("wrong"), Client::default()).await.unwrap_err();
    assert!(matches!(error, AccountError::InvalidCredentials), "{error:?}");
}

fn refreshing(expires_at: DateTime<Utc>) -> Ports {
    let mut ports = Ports::new().issuing();
    ports
        .tokens
        .expect_hash_secret()
        .returning(|kind, text| (kind == SecretKind::RefreshToken && text == "old").then(|| hash(0)));
    ports
        .system
        .expect_session_by_refresh_token()
        .returning(move |_| Ok(Some(RefreshTokenOwner { user: ada().id, session: session(), expires_at })));
    ports
}

#[tokio::test]
async fn refreshing_replaces_the_refresh_token() {
    let mut ports = refreshing(now() + TimeDelta::days(1));
    let client = Client::default();
    let (replaced_since, expires_at) = (now() - TimeDelta::seconds(30), now() + TimeDelta::days(30));
    let rotation = Rotation { spent: hash(0), next: hash(2), client, at: now(), replaced_since, expires_at };
    ports
        .sessions
        .expect_rotate()
        .withf(move |user, id, rotated| (*user, *id) == (ada().id, session()) && *rotated == rotation)
        .times(1)
        .returning(|_, _, rotation| Ok(rotation.next));
    ports.users.expect_get().returning(|_| Ok(ada()));
    let signed_in = ports.service().refresh("old", Client::default()).await.unwrap();
    assert_eq!(signed_in.refresh_token.expose_secret(), "second");
    assert_eq!(signed_in.refresh_expires_in, TimeDelta::days(30));
}

#[tokio::test]
async fn a_recently_replaced_refresh_token_leads_to_the_current_one() {
    let mut ports = refreshing(now() + TimeDelta::days(1));
    // Another request has replaced it, and another one the next token.
    ports.sessions.expect_rotate().returning(|_, _, _| Ok(hash(3)));
    ports.users.expect_get().returning(|_| Ok(ada()));
    let signed_in = ports.service().refresh("old", Client::default()).await.unwrap();
    assert_eq!(signed_in.refresh_token.expose_secret(), "third");
}

#[tokio::test]
async fn a_replaced_refresh_token_that_leads_to_no_current_one_is_refused_without_ending_the_session() {
    let mut ports = refreshing(now() + TimeDelta::days(1));
    // The key has changed since the token was replaced.
    ports.sessions.expect_rotate().returning(|_, _, _| Ok(hash(7)));
    let error = ports.service().refresh("old", Client::default()).await.unwrap_err();
    assert!(matches!(error, AccountError::InvalidToken), "{error:?}");
}

#[tokio::test]
async fn a_maximum_shortens_the_lifetime_of_access_tokens_and_never_extends_it() {
    for (max, expected) in
        [(TimeDelta::minutes(15), TimeDelta::minutes(15)), (TimeDelta::days(2), TimeDelta::hours(24))]
    {
        let mut ports = refreshing(now() + TimeDelta::days(1));
        ports.tokens.checkpoint();
        ports.tokens.expect_issue().times(1).returning(move |claims| {
            assert_eq!(claims.expires_at - claims.issued_at, expected);
            Ok("access".into())
        });
        ports.tokens.expect_hash_secret().returning(|_, _| Some(hash(0)));
        ports.tokens.expect_next_refresh_token().returning(|_| Ok(NewSecret { text: "x".into(), hash: hash(2) }));
        ports.sessions.expect_rotate().returning(|_, _, rotation| Ok(rotation.next));
        ports.users.expect_get().returning(|_| Ok(ada()));
        let service = ports.service().with_access_ttl(max);
        assert_eq!(service.refresh("old", Client::default()).await.unwrap().expires_in, expected);
    }
}

#[tokio::test]
async fn reusing_a_refresh_token_ends_the_session() {
    let mut ports = refreshing(now() + TimeDelta::days(1));
    ports.sessions.expect_rotate().returning(|_, _, _| Err(SessionRepoError::Reused));
    ports
        .sessions
        .expect_end()
        .withf(|user, id| (*user, *id) == (ada().id, session()))
        .times(1)
        .returning(|_, _| Ok(()));
    let error = ports.service().refresh("old", Client::default()).await.unwrap_err();
    assert!(matches!(error, AccountError::InvalidToken), "{error:?}");
}

#[tokio::test]
async fn an_expired_or_unknown_refresh_token_is_refused() {
    let error = refreshing(now()).service().refresh("old", Client::default()).await.unwrap_err();
    assert!(matches!(error, AccountError::TokenExpired), "{error:?}");
    let error = refreshing(now()).service().refresh("eyJhbGciOi.J9.x", Client::default()).await.unwrap_err();
    assert!(matches!(error, AccountError::InvalidToken), "{error:?}");
}

#[tokio::test]
async fn logging_out_ends_the_session_and_ignores_invalid_tokens() {
    let mut ports = refreshing(now());
    ports
        .sessions
        .expect_end()
        .withf(|user, id| (*user, *id) == (ada().id, session()))
        .times(1)
        .returning(|_, _| Ok(()));
    let service = ports.service();
    assert!(service.logout("old").await.unwrap());
    assert!(!service.logout("nonsense").await.unwrap());
}

#[tokio::test]
async fn a_concurrent_change_of_the_password_refuses_the_sign_in() {
    let mut ports = Ports::new().issuing();
    ports.system.expect_credentials_by_email().returning(|_| Ok(Some(credentials(Some("phc")))));
    ports.hasher.expect_verify().returning(|_, _| Ok(true));
    ports
        .sessions
        .expect_create()
        .withf(|_, new| new.token_version == ada().token_version)
        .times(1)
        .returning(|_, _| Err(SessionRepoError::NotFound));
    let error =
        ports.service().login(Some(&ada().email), Password::unvalidated("x"), Client::default()).await.unwrap_err();
    assert!(matches!(error, AccountError::InvalidCredentials), "{error:?}");
}

#[tokio::test]
async fn registration_is_refused_before_hashing_unless_sign_ups_permit_the_address() {
    for (sign_ups, peer) in [("closed", None), ("example.org", None), ("example.com", Some("192.0.2.1"))] {
        let peer = peer.map(|peer| peer.parse::<IpAddr>().unwrap());
        let mut ports = Ports::new();
        if let Some(peer) = peer {
            ports = ports.limiting(RateKey::Registration(peer.into()));
        }
        ports.sign_ups = sign_ups.parse().unwrap();
        let registration =
            Registration { email: ada().email, password: Password::new("correct horse").unwrap(), name: None };
        let error = ports.service().register(registration, Client { peer, ..Client::default() }).await.unwrap_err();
        match error {
            AccountError::SignUpsClosed => assert_eq!(peer, None),
            AccountError::RateLimited(_) => assert!(peer.is_some()),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn new_and_refreshed_sessions_count_as_requests_of_the_user() {
    let mut ports = refreshing(now() + TimeDelta::days(1)).limiting(RateKey::Api(ada().id));
    ports.sessions.expect_rotate().never();
    let error = ports.service().refresh("old", Client::default()).await.unwrap_err();
    assert!(matches!(error, AccountError::RateLimited(_)), "{error:?}");

    let mut ports = Ports::new().issuing().limiting(RateKey::Api(ada().id));
    ports.system.expect_credentials_by_email().returning(|_| Ok(Some(credentials(Some("phc")))));
    ports.hasher.expect_verify().returning(|_, _| Ok(true));
    ports.sessions.expect_create().never();
    let password = Password::unvalidated("x");
    let error = ports.service().login(Some(&ada().email), password, Client::default()).await.unwrap_err();
    assert!(matches!(error, AccountError::RateLimited(_)), "{error:?}");
}
