//! External sign-in.

use super::*;
use crate::session::{CodeOwner, CodePurpose};
use crate::user::ExternalAccount;

fn account() -> ExternalAccount {
    ExternalAccount::new("https://accounts.example.com", "248289761001").unwrap()
}

fn identity() -> ProviderIdentity {
    ProviderIdentity {
        account: account(),
        email: Some("Ada@example.com".parse().unwrap()),
        email_verified: true,
        name: Some("Ada".parse().unwrap()),
    }
}

fn proof() -> SignInProof {
    SignInProof { nonce: "nonce".into(), pkce_verifier: "verifier".into() }
}

fn attempt(link: Option<(UserId, SessionId)>) -> SignInAttempt {
    let (issued_at, expires_at) = (now(), now() + TimeDelta::minutes(10));
    SignInAttempt { state: "state".into(), proof: proof(), link, issued_at, expires_at }
}

/// A callback with a valid state and code.
fn callback() -> Callback {
    Callback { state: Some("state".into()), code: Some("code".into()), error: None, sealed: Some("sealed".into()) }
}

/// A provider that returns `identity`, and a started sign-in.
fn started(identity: ProviderIdentity, link: Option<(UserId, SessionId)>) -> Ports {
    let mut ports = Ports::new().issuing();
    let mut provider = MockIdentityProvider::new();
    provider.expect_finish().returning(move |code, proof| {
        assert_eq!((code.expose_secret(), proof.nonce.expose_secret()), ("code", "nonce"));
        assert_eq!(proof.pkce_verifier.expose_secret(), "verifier");
        Ok(identity.clone())
    });
    ports.provider = Some(provider);
    ports.tokens.expect_open_attempt().returning(move |sealed| match sealed {
        "sealed" => Ok(attempt(link)),
        "expired" => Err(TokenError::Expired),
        _ => Err(TokenError::Invalid("signature".into())),
    });
    ports.tokens.expect_hash_secret().returning(|kind, text| match (kind, text) {
        (SecretKind::State, "state") => Some(hash(2)),
        (SecretKind::State, "other") => Some(hash(3)),
        (SecretKind::OneTimeCode, "code") => Some(hash(4)),
        _ => None,
    });
    ports.tokens.expect_open_link().returning(|sealed| match sealed {
        "link" => Ok(pending_link()),
        "expired" => Err(TokenError::Expired),
        _ => Err(TokenError::Invalid("signature".into())),
    });
    ports
}

fn pending_link() -> PendingLink {
    let (issued_at, expires_at) = (now(), now() + TimeDelta::seconds(60));
    PendingLink { id: "code".into(), account: account(), user: ada().id, session: session(), issued_at, expires_at }
}

/// Expects that the id of [`pending_link`] is spent for longer than it is valid.
fn spending_the_link(mut ports: Ports, first: bool) -> Ports {
    ports
        .system
        .expect_spend_state()
        .withf(|id, until| (id, *until) == (&hash(4), now() + TimeDelta::seconds(120)))
        .times(1)
        .returning(move |_, _| Ok(first));
    ports
}

fn spending(mut ports: Ports, first: bool) -> Ports {
    ports
        .system
        .expect_spend_state()
        .withf(|state, until| (state, *until) == (&hash(2), now() + TimeDelta::minutes(10)))
        .times(1)
        .returning(move |_, _| Ok(first));
    ports
}

fn creating_a_code(mut ports: Ports) -> Ports {
    ports
        .sessions
        .expect_create_code()
        .withf(|owner, code| {
            let lifetime = code.expires_at - code.at;
            (*owner, code.purpose, code.session, lifetime)
                == (ada().id, CodePurpose::SignIn, None, TimeDelta::seconds(60))
        })
        .times(1)
        .returning(|_, _| Ok(()));
    ports
}

fn external<T: std::fmt::Debug>(result: Result<T, AccountError>) -> ExternalSignInError {
    match result {
        Err(AccountError::External(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn starting_returns_a_url_and_a_sealed_attempt_of_10_minutes() {
    let mut ports = Ports::new().issuing();
    let mut provider = MockIdentityProvider::new();
    provider.expect_begin().times(1).returning(|state| {
        assert_eq!(state.expose_secret(), "state");
        Ok(AuthorizationRequest { url: "https://accounts.example.com/authorize".parse().unwrap(), proof: proof() })
    });
    ports.provider = Some(provider);
    ports.tokens.expect_seal_attempt().times(1).returning(|attempt| {
        assert_eq!(attempt.expires_at - attempt.issued_at, TimeDelta::minutes(10));
        assert_eq!((attempt.state.expose_secret(), attempt.link), ("state", None));
        Ok("sealed".into())
    });
    let started = ports.service().begin_external(None).await.unwrap();
    assert_eq!(
        (started.url.as_str(), started.sealed.expose_secret()),
        ("https://accounts.example.com/authorize", "sealed")
    );
}

#[tokio::test]
async fn without_a_provider_external_sign_in_is_not_configured() {
    let service = Ports::new().service();
    assert!(matches!(service.begin_external(None).await.unwrap_err(), AccountError::OAuthNotConfigured));
    assert!(matches!(service.finish_external(callback()).await.unwrap_err(), AccountError::OAuthNotConfigured));
    assert!(matches!(service.begin_link(&signed_in()).await.unwrap_err(), AccountError::OAuthNotConfigured));
    let error = service.complete_link(&signed_in(), "link").await.unwrap_err();
    assert!(matches!(error, AccountError::OAuthNotConfigured));
}

#[tokio::test]
async fn an_invalid_state_is_refused_before_the_provider_is_called() {
    let without_state = || Callback { state: None, ..callback() };
    for (case, request) in [
        ("missing", without_state()),
        ("empty", Callback { state: Some("".into()), ..callback() }),
        ("altered", Callback { state: Some("other".into()), ..callback() }),
        ("unknown state", Callback { state: Some("x".into()), ..callback() }),
        ("no cookie", Callback { sealed: None, ..callback() }),
        ("forged cookie", Callback { sealed: Some("forged".into()), ..callback() }),
        ("expired cookie", Callback { sealed: Some("expired".into()), ..callback() }),
        (
            "an error of the provider without a state",
            Callback { error: Some("access_denied".into()), ..without_state() },
        ),
    ] {
        // Neither the provider nor storage expects anything.
        let mut ports = started(identity(), None);
        ports.provider = Some(MockIdentityProvider::new());
        let error = ports.service().finish_external(request).await.unwrap_err();
        assert!(matches!(error, AccountError::InvalidState), "{case}: {error:?}");
    }
}

#[tokio::test]
async fn a_state_is_valid_once() {
    let mut ports = spending(started(identity(), None), false);
    ports.provider = Some(MockIdentityProvider::new());
    let error = ports.service().finish_external(callback()).await.unwrap_err();
    assert!(matches!(error, AccountError::InvalidState), "{error:?}");
}

#[tokio::test]
async fn accounts_are_identified_by_sub_and_not_by_email() {
    let identity = ProviderIdentity { email: Some("ada@elsewhere.example".parse().unwrap()), ..identity() };
    let mut ports = creating_a_code(spending(started(identity, None), true));
    ports.system.expect_user_by_external_account().withf(|found| *found == account()).returning(|_| Ok(Some(ada())));
    match ports.service().finish_external(callback()).await.unwrap() {
        CallbackCode::SignIn(code) => assert_eq!(code.expose_secret(), "code"),
        other @ CallbackCode::Link(_) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_new_user_is_created_without_a_password() {
    let mut ports = creating_a_code(spending(started(identity(), None), true));
    ports.system.expect_user_by_external_account().returning(|_| Ok(None));
    ports.users.expect_create_external().times(1).returning(|new, external| {
        assert_eq!((new.email.as_str(), new.name.as_str(), external), ("Ada@example.com", "Ada", account()));
        assert!(new.password_hash.is_none());
        Ok(ada())
    });
    ports.service().finish_external(callback()).await.unwrap();
}

#[tokio::test]
async fn an_unverified_email_is_refused_for_known_and_new_accounts() {
    for email in [identity().email, None] {
        // Storage expects no query.
        let ports = spending(started(ProviderIdentity { email_verified: false, email, ..identity() }, None), true);
        let error = external(ports.service().finish_external(callback()).await);
        assert!(matches!(error, ExternalSignInError::EmailNotVerified), "{error:?}");
        let link = Some((ada().id, session()));
        let ports = spending(started(ProviderIdentity { email_verified: false, ..identity() }, link), true);
        let error = external(ports.service().finish_external(callback()).await);
        assert!(matches!(error, ExternalSignInError::EmailNotVerified), "{error:?}");
    }
}

#[tokio::test]
async fn an_existing_account_with_the_same_email_is_not_taken_over() {
    let mut ports = spending(started(identity(), None), true);
    ports.system.expect_user_by_external_account().returning(|_| Ok(None));
    ports.users.expect_create_external().returning(|_, _| Err(UserRepoError::EmailTaken));
    let error = external(ports.service().finish_external(callback()).await);
    assert!(matches!(error, ExternalSignInError::AccountExists), "{error:?}");
}

#[tokio::test]
async fn closed_sign_ups_create_no_account_and_keep_existing_ones() {
    for (sign_ups, created) in [("closed", false), ("example.org", false), ("EXAMPLE.com", true)] {
        let mut ports = spending(started(identity(), None), true);
        ports.sign_ups = sign_ups.parse().unwrap();
        ports.system.expect_user_by_external_account().returning(|_| Ok(None));
        ports.system.expect_credentials_by_email().returning(|_| Ok(None));
        ports.users.expect_create_external().times(usize::from(created)).returning(|_, _| Ok(ada()));
        ports.sessions.expect_create_code().returning(|_, _| Ok(()));
        match ports.service().finish_external(callback()).await {
            Ok(_) => assert!(created, "{sign_ups}"),
            Err(AccountError::SignUpsClosed) => assert!(!created, "{sign_ups}"),
            Err(error) => panic!("{sign_ups}: {error:?}"),
        }
    }
    let mut linked = creating_a_code(spending(started(identity(), None), true));
    linked.sign_ups = SignUps::Closed;
    linked.system.expect_user_by_external_account().returning(|_| Ok(Some(ada())));
    linked.service().finish_external(callback()).await.unwrap();
    // The owner of a password account can link it.
    let mut known = spending(started(identity(), None), true);
    known.sign_ups = SignUps::Closed;
    known.system.expect_user_by_external_account().returning(|_| Ok(None));
    known.system.expect_credentials_by_email().returning(|_| Ok(Some(credentials(Some("phc")))));
    let error = external(known.service().finish_external(callback()).await);
    assert!(matches!(error, ExternalSignInError::AccountExists), "{error:?}");
}

#[tokio::test]
async fn concurrent_sign_ins_share_one_account() {
    let mut ports = creating_a_code(spending(started(identity(), None), true));
    let mut queries = 0;
    ports.system.expect_user_by_external_account().times(2).returning(move |_| {
        queries += 1;
        Ok((queries == 2).then(ada))
    });
    ports.users.expect_create_external().returning(|_, _| Err(UserRepoError::ExternalAccountTaken));
    ports.service().finish_external(callback()).await.unwrap();
}

#[tokio::test]
async fn the_callback_of_a_link_changes_nothing_and_returns_a_code_for_its_session() {
    // Neither users nor sessions expect anything.
    let mut ports = spending(started(identity(), Some((ada().id, session()))), true);
    ports.tokens.expect_seal_link().times(1).returning(|link| {
        let PendingLink { id, account: external, user, session: of, issued_at, expires_at } = link;
        assert_eq!((id.expose_secret(), external, *user, *of), ("code", &account(), ada().id, session()));
        assert_eq!((*issued_at, *expires_at), (now(), now() + TimeDelta::seconds(60)));
        Ok("link".into())
    });
    match ports.service().finish_external(callback()).await.unwrap() {
        CallbackCode::Link(code) => assert_eq!(code.expose_secret(), "link"),
        other @ CallbackCode::SignIn(_) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn completing_a_link_links_the_account_to_the_user_of_the_session() {
    let mut ports = spending_the_link(started(identity(), None), true);
    ports
        .users
        .expect_link()
        .withf(|owner, session_id, external, at| {
            (*owner, *session_id, external, *at) == (ada().id, session(), &account(), now())
        })
        .times(1)
        .returning(|_, _, _, _| Ok(()));
    ports.service().complete_link(&signed_in(), "link").await.unwrap();
}

#[tokio::test]
async fn a_link_of_another_session_is_refused_and_spent() {
    let other_session = Principal { session: Some(Uuid::from_u128(9).into()), ..signed_in() };
    let other_user = Principal { user: Uuid::from_u128(9).into(), ..signed_in() };
    for principal in [other_session, other_user] {
        // Users expect nothing.
        let ports = spending_the_link(started(identity(), None), true);
        let error = ports.service().complete_link(&principal, "link").await.unwrap_err();
        assert!(matches!(error, AccountError::InvalidCode), "{error:?}");
    }
}

#[tokio::test]
async fn a_spent_expired_or_forged_link_is_refused() {
    let error = spending_the_link(started(identity(), None), false).service().complete_link(&signed_in(), "link").await;
    assert!(matches!(error, Err(AccountError::InvalidCode)), "{error:?}");
    for code in ["expired", "forged", "", "code"] {
        let error = started(identity(), None).service().complete_link(&signed_in(), code).await.unwrap_err();
        assert!(matches!(error, AccountError::InvalidCode), "{code}: {error:?}");
    }
    assert_needs_account(&started(identity(), None).service().complete_link(&script(), "link").await);
}

#[tokio::test]
async fn completing_a_link_fails_for_an_ended_session_or_a_taken_account() {
    for (refusal, ended) in [(UserRepoError::NotFound, true), (UserRepoError::ExternalAccountTaken, false)] {
        let mut ports = spending_the_link(started(identity(), None), true);
        let mut refusal = Some(refusal);
        ports.users.expect_link().times(1).returning(move |_, _, _, _| Err(refusal.take().unwrap()));
        match ports.service().complete_link(&signed_in(), "link").await.unwrap_err() {
            AccountError::InvalidToken => assert!(ended),
            AccountError::External(ExternalSignInError::AlreadyLinked) => assert!(!ended),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_link_code_belongs_to_the_session_and_is_redeemed_at_the_start() {
    let mut ports = started(identity(), None);
    ports
        .sessions
        .expect_create_code()
        .withf(|owner, code| (*owner, code.purpose, code.session) == (ada().id, CodePurpose::Link, Some(session())))
        .times(1)
        .returning(|_, _| Ok(()));
    ports
        .system
        .expect_redeem_code()
        .withf(|code, purpose, at| (code, *purpose, *at) == (&hash(4), CodePurpose::Link, now()))
        .times(1)
        .returning(|_, _, _| Ok(Some(CodeOwner { user: ada().id, session: Some(session()) })));
    let mut provider = MockIdentityProvider::new();
    provider.expect_begin().returning(|_| {
        Ok(AuthorizationRequest { url: "https://accounts.example.com/authorize".parse().unwrap(), proof: proof() })
    });
    ports.provider = Some(provider);
    ports.tokens.expect_seal_attempt().times(1).returning(|attempt| {
        assert_eq!(attempt.link, Some((ada().id, session())));
        Ok("sealed".into())
    });
    let service = ports.service();
    let code = service.begin_link(&signed_in()).await.unwrap();
    service.begin_external(Some(code.expose_secret())).await.unwrap();
    let error = service.begin_external(Some("forged")).await.unwrap_err();
    assert!(matches!(error, AccountError::InvalidCode), "{error:?}");
}

#[tokio::test]
async fn a_refusal_or_failure_of_the_provider_creates_nothing() {
    let denied = Callback { code: None, error: Some("access_denied".into()), ..callback() };
    let error = external(spending(started(identity(), None), true).service().finish_external(denied).await);
    assert!(matches!(error, ExternalSignInError::Denied), "{error:?}");

    let failures: [fn() -> IdentityProviderError; 2] =
        [|| IdentityProviderError::Unavailable("slow".into()), || IdentityProviderError::Refused("nonce".into())];
    for failure in failures {
        let mut ports = spending(started(identity(), None), true);
        let mut provider = MockIdentityProvider::new();
        provider.expect_finish().times(1).returning(move |_, _| Err(failure()));
        ports.provider = Some(provider);
        let error = external(ports.service().finish_external(callback()).await);
        assert!(matches!(error, ExternalSignInError::Provider(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_code_is_exchanged_for_a_session() {
    let mut ports = started(identity(), None).storing_a_session();
    ports
        .system
        .expect_redeem_code()
        .withf(|code, purpose, at| (code, *purpose, *at) == (&hash(4), CodePurpose::SignIn, now()))
        .returning(|_, _, _| Ok(Some(CodeOwner { user: ada().id, session: None })));
    ports.users.expect_get().returning(|_| Ok(ada()));
    let signed_in = ports.service().exchange("code", Client::default()).await.unwrap();
    assert_eq!(signed_in.user, ada());
}

#[tokio::test]
async fn an_invalid_code_is_not_exchanged() {
    let mut ports = started(identity(), None);
    ports.system.expect_redeem_code().returning(|_, _, _| Ok(None));
    let service = ports.service();
    for code in ["code", "forged", ""] {
        let error = service.exchange(code, Client::default()).await.unwrap_err();
        assert!(matches!(error, AccountError::InvalidCode), "{code}: {error:?}");
    }
}
