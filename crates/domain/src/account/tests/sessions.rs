//! Sessions and API tokens of the acting user.

use super::*;
use crate::api_token::{ApiToken, ApiTokenRepoError};
use crate::page::PageRequest;

fn request(expires_at: Option<DateTime<Utc>>) -> ApiTokenRequest {
    ApiTokenRequest { name: "backup".parse().unwrap(), scopes: Scopes::granted(["tasks:read"]).unwrap(), expires_at }
}

#[tokio::test]
async fn an_api_token_is_created_in_a_session_and_stored_as_a_hash() {
    let mut ports = Ports::new().issuing();
    ports.api_tokens.expect_create().times(1).returning(|user_id, created_in, new| {
        assert_eq!((user_id, created_in, &new.hash, new.at), (ada().id, session(), &hash(1), now()));
        let (id, name, scopes, created_at, expires_at) = (new.id, new.name, new.scopes, new.at, new.expires_at);
        Ok(ApiToken { id, user_id, name, scopes, created_at, last_used_at: None, expires_at })
    });
    let (token, text) = ports.service().create_api_token(&signed_in(), request(None)).await.unwrap();
    assert_eq!((token.name.as_str(), text.expose_secret()), ("backup", "api-token"));
}

#[tokio::test]
async fn an_expiry_in_the_past_is_refused() {
    let error = Ports::new().service().create_api_token(&signed_in(), request(Some(now()))).await.unwrap_err();
    assert!(matches!(error, AccountError::ExpiryInThePast), "{error:?}");
}

#[tokio::test]
async fn an_ended_session_cannot_create_an_api_token() {
    let mut ports = Ports::new().issuing();
    ports.api_tokens.expect_create().returning(|_, _, _| Err(ApiTokenRepoError::NotFound));
    let error = ports.service().create_api_token(&signed_in(), request(None)).await.unwrap_err();
    assert!(matches!(error, AccountError::InvalidToken), "{error:?}");
}

#[tokio::test]
async fn ending_an_unknown_session_is_not_found() {
    let mut ports = Ports::new();
    ports.sessions.expect_end().returning(|_, _| Err(SessionRepoError::NotFound));
    let error = ports.service().end_session(&signed_in(), session()).await.unwrap_err();
    assert!(matches!(error, AccountError::SessionNotFound), "{error:?}");
}

#[tokio::test]
async fn an_api_token_can_manage_neither_sessions_nor_tokens() {
    let service = Ports::new().service();
    let ten = std::num::NonZeroU16::new(10).unwrap();
    assert_needs_account(&service.sessions(&script(), PageRequest::first(ten)).await);
    assert_needs_account(&service.end_session(&script(), session()).await);
    assert_needs_account(&service.end_sessions(&script()).await);
    assert_needs_account(&service.create_api_token(&script(), request(None)).await);
    assert_needs_account(&service.api_tokens(&script(), PageRequest::first(ten)).await);
    assert_needs_account(&service.delete_api_token(&script(), Uuid::from_u128(1).into()).await);
    assert_needs_account(&service.begin_link(&script()).await);
}
