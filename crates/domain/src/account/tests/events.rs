//! The events that operators see.

use super::*;
use crate::runtime::event_log::{LoggedEvent, SessionEndReason, SignInWay};
use crate::session::SessionRepoError;

async fn login_of(ports: Ports) -> Result<SignedIn, AccountError> {
    ports.service().login(Some(&ada().email), Password::unvalidated("wrong"), Client::default()).await
}

#[tokio::test]
async fn a_refused_sign_in_is_noted_with_its_reason_once() {
    let wrong = || {
        let mut ports = Ports::new();
        ports.system.expect_credentials_by_email().returning(|_| Ok(Some(credentials(Some("phc")))));
        ports.hasher.expect_verify().returning(|_, _| Ok(false));
        ports
    };
    let limited = || wrong().limiting(RateKey::SignInAccount(ada().email.normalized()));
    for (ports, reason) in [(wrong(), "invalid_credentials"), (limited(), "rate_limited")] {
        let events = Arc::clone(&ports.events);
        login_of(ports).await.unwrap_err();
        assert_eq!(events.take(), [LoggedEvent::SignInFailed { way: SignInWay::Password, reason }]);
    }
}

#[tokio::test]
async fn neither_a_sign_in_nor_a_failure_of_the_server_is_a_refused_sign_in() {
    let found = || {
        let mut ports = Ports::new();
        ports.system.expect_credentials_by_email().returning(|_| Ok(Some(credentials(Some("phc")))));
        ports
    };
    let mut right = found().issuing().storing_a_session();
    right.hasher.expect_verify().returning(|_, _| Ok(true));
    let mut overloaded = found();
    overloaded.hasher.expect_verify().returning(|_, _| Err(HashError::Overloaded));
    for (ports, succeeds) in [(right, true), (overloaded, false)] {
        let events = Arc::clone(&ports.events);
        assert_eq!(login_of(ports).await.is_ok(), succeeds);
        assert_eq!(events.take(), []);
    }
}

#[tokio::test]
async fn a_refused_external_sign_in_is_noted() {
    for (sealed, reason) in [(Some("sealed"), "denied"), (None, "invalid_state")] {
        let mut ports = Ports::new();
        ports.provider = Some(MockIdentityProvider::new());
        ports.tokens.expect_open_attempt().returning(|_| {
            let proof = SignInProof { nonce: "nonce".into(), pkce_verifier: "verifier".into() };
            let (issued_at, expires_at) = (now(), now() + TimeDelta::minutes(10));
            Ok(SignInAttempt { state: "state".into(), proof, link: None, issued_at, expires_at })
        });
        ports.tokens.expect_hash_secret().returning(|_, _| Some(hash(2)));
        ports.system.expect_spend_state().returning(|_, _| Ok(true));
        let events = Arc::clone(&ports.events);
        let error = Some("access_denied".to_owned());
        let callback = Callback { state: Some("state".into()), code: None, error, sealed: sealed.map(Into::into) };
        ports.service().finish_external(callback).await.unwrap_err();
        assert_eq!(events.take(), [LoggedEvent::SignInFailed { way: SignInWay::External, reason }]);
    }
    let mut ports = Ports::new();
    ports.tokens.expect_hash_secret().returning(|_, _| None);
    let events = Arc::clone(&ports.events);
    ports.service().exchange("made up", Client::default()).await.unwrap_err();
    assert_eq!(events.take(), [LoggedEvent::SignInFailed { way: SignInWay::External, reason: "invalid_code" }]);
}

#[tokio::test]
async fn a_changed_password_and_a_deleted_account_are_noted() {
    let ports = || {
        let mut ports = Ports::new().issuing();
        ports.users.expect_credentials().returning(|_| Ok(credentials(Some("old"))));
        ports.hasher.expect_verify().returning(|_, _| Ok(true));
        ports.hasher.expect_hash().returning(|_| Ok(PasswordHash::new("new".into())));
        ports.users.expect_change_password().returning(|_, _, _| Ok(ada()));
        ports.users.expect_delete().returning(|_, _| Ok(()));
        (Arc::clone(&ports.events), ports.service())
    };
    let (events, service) = ports();
    let (old, new) = (Password::unvalidated("old"), Password::unvalidated("new password"));
    service.change_password(&signed_in(), Some(old), new, Client::default()).await.unwrap();
    assert_eq!(events.take(), [LoggedEvent::PasswordChanged(ada().id)]);
    let (events, service) = ports();
    service.delete_me(&signed_in(), Some(Password::unvalidated("old"))).await.unwrap();
    assert_eq!(events.take(), [LoggedEvent::AccountDeleted(ada().id)]);
}

/// The service, of which one session can be ended, and its events.
fn with_a_session(exists: bool) -> (Arc<RecordedEvents>, AccountService) {
    let mut ports = Ports::new().issuing();
    let ended = move || if exists { Ok(()) } else { Err(SessionRepoError::NotFound) };
    ports.sessions.expect_end().returning(move |_, _| ended());
    ports.sessions.expect_end_all().returning(|_| Ok(()));
    ports.sessions.expect_rotate().returning(|_, _, _| Err(SessionRepoError::Reused));
    ports.tokens.expect_hash_secret().returning(|_, _| Some(hash(0)));
    ports.system.expect_session_by_refresh_token().returning(|_| {
        let expires_at = now() + TimeDelta::days(1);
        Ok(Some(RefreshTokenOwner { user: ada().id, session: session(), expires_at }))
    });
    (Arc::clone(&ports.events), ports.service())
}

#[tokio::test]
async fn an_ended_session_is_noted_with_the_reason() {
    let ended = |session, reason| LoggedEvent::SessionEnded { user: ada().id, session, reason };
    let (events, service) = with_a_session(true);
    service.logout("refresh").await.unwrap();
    assert_eq!(events.take(), [ended(Some(session()), SessionEndReason::SignedOut)]);
    service.end_session(&signed_in(), session()).await.unwrap();
    assert_eq!(events.take(), [ended(Some(session()), SessionEndReason::Requested)]);
    service.end_sessions(&signed_in()).await.unwrap();
    assert_eq!(events.take(), [ended(None, SessionEndReason::Requested)]);
    service.refresh("old", Client::default()).await.unwrap_err();
    assert_eq!(events.take(), [ended(Some(session()), SessionEndReason::TokenReused)]);
}

#[tokio::test]
async fn a_session_that_has_already_ended_is_not_noted() {
    let (events, service) = with_a_session(false);
    service.logout("refresh").await.unwrap();
    service.end_session(&signed_in(), session()).await.unwrap_err();
    service.refresh("old", Client::default()).await.unwrap_err();
    assert_eq!(events.take(), []);
}
