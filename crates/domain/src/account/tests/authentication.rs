//! Authentication of requests, and its cache.

use super::*;
use crate::api_token::ApiTokenStatus;

fn with_tokens() -> Ports {
    let mut ports = Ports::new();
    ports.tokens.expect_verify().returning(|token| match token {
        "valid" => Ok(AccessClaims {
            user: ada().id,
            session: session(),
            token_version: 3,
            issued_at: now(),
            expires_at: now(),
        }),
        "expired" => Err(TokenError::Expired),
        _ => Err(TokenError::Invalid("signature".into())),
    });
    ports.tokens.expect_hash_secret().returning(|kind, text| match (kind, text) {
        (SecretKind::ApiToken, "dbl_valid") | (SecretKind::RefreshToken, "refresh") => Some(hash(5)),
        _ => None,
    });
    ports
}

async fn authenticate(service: &AccountService, token: &str) -> Result<Principal, AccountError> {
    service.authenticate(token, Client::default()).await
}

#[tokio::test]
async fn a_token_of_an_active_session_authenticates() {
    let mut ports = with_tokens();
    ports
        .sessions
        .expect_status()
        .withf(|user, id, at| (*user, *id, *at) == (ada().id, session(), now()))
        .returning(|_, _, _| Ok(status(3)));
    assert_eq!(authenticate(&ports.service(), "valid").await.unwrap(), signed_in());
}

#[tokio::test]
async fn a_token_is_revoked_when_its_session_ends_or_its_version_changes() {
    let mut ports = with_tokens();
    ports.sessions.expect_status().returning(|_, _, _| Err(SessionRepoError::NotFound));
    let error = authenticate(&ports.service(), "valid").await.unwrap_err();
    assert!(matches!(error, AccountError::InvalidToken), "{error:?}");

    let mut ports = with_tokens();
    ports.sessions.expect_status().returning(|_, _, _| Ok(status(4)));
    let error = authenticate(&ports.service(), "valid").await.unwrap_err();
    assert!(matches!(error, AccountError::InvalidToken), "{error:?}");
}

#[tokio::test]
async fn an_invalid_token_is_refused_without_a_query() {
    let service = with_tokens().service();
    assert!(matches!(authenticate(&service, "expired").await.unwrap_err(), AccountError::TokenExpired));
    for invalid in ["forged", "dbl_", "dbl_forged", "refresh", ""] {
        assert!(matches!(authenticate(&service, invalid).await.unwrap_err(), AccountError::InvalidToken), "{invalid}");
    }
}

#[tokio::test]
async fn storage_is_queried_once_in_5_seconds() {
    let mut ports = with_tokens();
    let clock = ports.clock.clone();
    ports.sessions.expect_status().times(2).returning(|_, _, _| Ok(status(3)));
    let service = ports.service();
    for seconds in [0, 1, 3, 1, 4] {
        clock.advance(Duration::from_secs(seconds));
        authenticate(&service, "valid").await.unwrap();
    }
}

#[tokio::test]
async fn a_cached_session_expires_with_the_session() {
    let mut ports = with_tokens();
    let clock = ports.clock.clone();
    let status = SessionStatus { expires_at: now() + TimeDelta::seconds(2), ..status(3) };
    ports.sessions.expect_status().times(1).returning(move |_, _, _| Ok(status));
    let service = ports.service();
    authenticate(&service, "valid").await.unwrap();
    clock.advance(Duration::from_secs(2));
    assert!(matches!(authenticate(&service, "valid").await.unwrap_err(), AccountError::InvalidToken));
}

/// A way to revoke a token.
type Revocation = fn(AccountService) -> futures_util::future::BoxFuture<'static, ()>;

#[tokio::test]
async fn a_revocation_by_this_process_takes_effect_at_once() {
    let revocations: [(&str, Revocation); 6] = [
        ("logout", |service| Box::pin(async move { assert!(service.logout("refresh").await.unwrap()) })),
        ("one session", |service| Box::pin(async move { service.end_session(&signed_in(), session()).await.unwrap() })),
        ("all sessions", |service| Box::pin(async move { service.end_sessions(&signed_in()).await.unwrap() })),
        ("deletion", |service| {
            Box::pin(async move { service.delete_me(&signed_in(), Some(Password::unvalidated("x"))).await.unwrap() })
        }),
        ("password", |service| {
            Box::pin(async move {
                let (old, new) = (Password::unvalidated("x"), Password::unvalidated("y"));
                service.change_password(&signed_in(), Some(old), new, Client::default()).await.unwrap();
            })
        }),
        ("reuse", |service| {
            Box::pin(async move {
                service.refresh("refresh", Client::default()).await.unwrap_err();
            })
        }),
    ];
    for (name, revoke) in revocations {
        let mut ports = with_tokens().issuing();
        let mut queries = 0;
        ports.sessions.expect_status().times(2).returning(move |_, _, _| {
            queries += 1;
            if queries == 1 { Ok(status(3)) } else { Err(SessionRepoError::NotFound) }
        });
        let owner = RefreshTokenOwner { user: ada().id, session: session(), expires_at: now() + TimeDelta::days(1) };
        ports.system.expect_session_by_refresh_token().returning(move |_| Ok(Some(owner.clone())));
        ports.sessions.expect_rotate().returning(|_, _, _| Err(SessionRepoError::Reused));
        ports.sessions.expect_end().returning(|_, _| Ok(()));
        ports.sessions.expect_end_all().returning(|_| Ok(()));
        ports.users.expect_credentials().returning(|_| Ok(credentials(Some("phc"))));
        ports.users.expect_delete().returning(|_, _| Ok(()));
        ports.users.expect_change_password().returning(|_, _, _| Ok(ada()));
        ports.hasher.expect_verify().returning(|_, _| Ok(true));
        ports.hasher.expect_hash().returning(|_| Ok(PasswordHash::new("new".into())));
        let service = ports.service();
        authenticate(&service, "valid").await.unwrap();
        revoke(service.clone()).await;
        let result = authenticate(&service, "valid").await;
        assert!(matches!(result, Err(AccountError::InvalidToken)), "{name}: {result:?}");
    }
}

#[tokio::test]
async fn the_last_use_is_recorded_once_a_minute() {
    let mut ports = with_tokens();
    let clock = ports.clock.clone();
    ports.sessions.expect_status().times(3).returning(|_, _, _| Ok(status(3)));
    let client = Client { peer: Some("192.0.2.7".parse().unwrap()), ..Client::default() };
    let expected = client.clone();
    let (sender, mut done) = tokio::sync::mpsc::unbounded_channel();
    ports
        .sessions
        .expect_touch()
        .withf(move |user, id, client, at| {
            (*user, *id, client, *at) == (ada().id, session(), &expected, now() + TimeDelta::seconds(60))
        })
        .times(1)
        .returning(move |_, _, _, _| {
            sender.send(()).unwrap();
            Ok(())
        });
    let service = ports.service();
    for seconds in [0, 54, 6, 4] {
        clock.advance(Duration::from_secs(seconds));
        service.authenticate("valid", client.clone()).await.unwrap();
    }
    done.recv().await.unwrap();
}

fn api_token(expires_at: Option<DateTime<Utc>>, last_used_at: Option<DateTime<Utc>>) -> ApiTokenStatus {
    let scopes = Scopes::granted(["tasks:read"]).unwrap();
    ApiTokenStatus { id: Uuid::from_u128(11).into(), user: ada().id, scopes, last_used_at, expires_at }
}

#[tokio::test]
async fn an_api_token_acts_with_its_own_scopes_and_without_a_session() {
    let mut ports = with_tokens();
    ports
        .system
        .expect_api_token()
        .withf(|token| *token == hash(5))
        .times(1)
        .returning(|_| Ok(Some(api_token(Some(now() + TimeDelta::seconds(1)), Some(now())))));
    let service = ports.service();
    for _ in 0..2 {
        let principal = authenticate(&service, "dbl_valid").await.unwrap();
        assert_eq!(
            (principal.user, principal.session, principal.scopes.to_string().as_str()),
            (ada().id, None, "tasks:read")
        );
    }
}

#[tokio::test]
async fn a_cached_api_token_expires() {
    let mut ports = with_tokens();
    let clock = ports.clock.clone();
    let end = now() + TimeDelta::seconds(3);
    ports.system.expect_api_token().times(1).returning(move |_| Ok(Some(api_token(Some(end), Some(now())))));
    let service = ports.service();
    authenticate(&service, "dbl_valid").await.unwrap();
    clock.advance(Duration::from_secs(3));
    assert!(matches!(authenticate(&service, "dbl_valid").await.unwrap_err(), AccountError::TokenExpired));
}

#[tokio::test]
async fn a_deleted_api_token_is_revoked_at_once() {
    let mut ports = with_tokens();
    let mut queries = 0;
    ports.system.expect_api_token().times(2).returning(move |_| {
        queries += 1;
        Ok((queries == 1).then(|| api_token(None, Some(now()))))
    });
    ports.api_tokens.expect_delete().times(1).returning(|_, _| Ok(()));
    let service = ports.service();
    authenticate(&service, "dbl_valid").await.unwrap();
    service.delete_api_token(&signed_in(), Uuid::from_u128(11).into()).await.unwrap();
    assert!(matches!(authenticate(&service, "dbl_valid").await.unwrap_err(), AccountError::InvalidToken));
}

#[tokio::test]
async fn the_first_use_of_an_api_token_is_recorded() {
    let mut ports = with_tokens();
    ports.system.expect_api_token().returning(|_| Ok(Some(api_token(None, None))));
    let (sender, mut done) = tokio::sync::mpsc::unbounded_channel();
    ports.api_tokens.expect_touch().times(1).returning(move |user, id, at| {
        assert_eq!((user, id, at), (ada().id, Uuid::from_u128(11).into(), now()));
        sender.send(()).unwrap();
        Ok(())
    });
    let service = ports.service();
    authenticate(&service, "dbl_valid").await.unwrap();
    authenticate(&service, "dbl_valid").await.unwrap();
    done.recv().await.unwrap();
}

fn followed(session: SessionId) -> Principal {
    Principal { session: Some(session), ..signed_in() }
}

async fn authenticate_again(service: &AccountService) -> Result<Principal, AccountError> {
    service.authenticate_again("valid", Client::default()).await
}

#[tokio::test]
async fn tokens_of_followed_sessions_are_checked_with_one_query_for_all() {
    let mut ports = with_tokens();
    let clock = ports.clock.clone();
    let other: SessionId = Uuid::from_u128(99).into();
    ports.system.expect_session_statuses().times(1).returning(move |sessions, _| {
        assert_eq!(sessions.iter().copied().collect::<HashSet<_>>(), HashSet::from([session(), other]));
        Ok(sessions.iter().map(|id| (*id, status(3))).collect())
    });
    let service = ports.service();
    service.refresh_followed().await.unwrap();
    let follow = |session| service.follow_session(&followed(session)).unwrap();
    let _streams = [follow(session()), follow(session()), follow(other)];
    service.refresh_followed().await.unwrap();
    for _ in 0..7 {
        assert_eq!(authenticate_again(&service).await.unwrap(), signed_in());
        clock.advance(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn a_followed_session_that_has_ended_or_changed_is_refused_after_the_next_refresh() {
    for found in [None, Some(status(4)), Some(SessionStatus { expires_at: now(), ..status(3) })] {
        let mut ports = with_tokens();
        let mut answers = vec![found, Some(status(3))];
        ports
            .system
            .expect_session_statuses()
            .returning(move |_, _| Ok(answers.pop().flatten().map(|status| (session(), status)).into_iter().collect()));
        ports.sessions.expect_status().returning(|_, _, _| Err(SessionRepoError::NotFound));
        let service = ports.service();
        let _stream = service.follow_session(&signed_in());
        service.refresh_followed().await.unwrap();
        authenticate_again(&service).await.unwrap();
        service.refresh_followed().await.unwrap();
        let error = authenticate_again(&service).await.unwrap_err();
        assert!(matches!(error, AccountError::InvalidToken), "{found:?}: {error:?}");
    }
}

#[tokio::test]
async fn an_old_status_of_a_followed_session_is_not_used_and_one_that_nobody_follows_is_not_read() {
    let mut ports = with_tokens();
    let clock = ports.clock.clone();
    ports.system.expect_session_statuses().times(1).returning(|_, _| Ok(vec![(session(), status(3))]));
    ports.sessions.expect_status().times(1).returning(|_, _, _| Err(SessionRepoError::NotFound));
    let service = ports.service();
    let streams = [service.follow_session(&signed_in()), service.follow_session(&signed_in())];
    service.refresh_followed().await.unwrap();
    clock.advance(AccountService::REFRESH_INTERVAL * 2);
    assert!(authenticate_again(&service).await.is_err());
    drop(streams);
    service.refresh_followed().await.unwrap();
}

#[tokio::test]
async fn the_use_of_followed_sessions_is_recorded_once_a_minute() {
    let mut ports = with_tokens();
    let other: SessionId = Uuid::from_u128(99).into();
    ports.system.expect_session_statuses().returning(move |_, at| {
        let used = |ago| SessionStatus { last_used_at: at - TimeDelta::seconds(ago), ..status(3) };
        Ok(vec![(session(), used(60)), (other, used(59))])
    });
    ports.system.expect_touch_sessions().times(1).returning(|sessions, at| {
        assert_eq!((sessions, at), ([session()].as_slice(), now()));
        Ok(())
    });
    let service = ports.service();
    let _streams = [service.follow_session(&signed_in()), service.follow_session(&followed(other))];
    service.refresh_followed().await.unwrap();
}
