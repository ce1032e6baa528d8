//! Signing in at an OpenID provider.

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

/// A browser that comes back with its own state and a code of the provider.
fn back() -> Callback {
    Callback { state: Some("state".into()), code: Some("code".into()), error: None, sealed: Some("sealed".into()) }
}

/// A provider that vouches for `identity`, and a browser whose attempt is under way.
fn vouching(identity: ProviderIdentity, link: Option<(UserId, SessionId)>) -> Ports {
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
        "over" => Err(TokenError::Expired),
        _ => Err(TokenError::Invalid("signature".into())),
    });
    ports.tokens.expect_hash_secret().returning(|kind, text| match (kind, text) {
        (SecretKind::State, "state") => Some(hash(2)),
        (SecretKind::State, "other") => Some(hash(3)),
        (SecretKind::OneTimeCode, "code") => Some(hash(4)),
        _ => None,
    });
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

fn handing_out_a_code(mut ports: Ports) -> Ports {
    ports
        .sessions
        .expect_create_code()
        .withf(|owner, code| {
            let lasts = code.expires_at - code.at;
            (*owner, code.purpose, code.session, lasts) == (ada().id, CodePurpose::SignIn, None, TimeDelta::seconds(60))
        })
        .times(1)
        .returning(|_, _| Ok(()));
    ports
}

fn external(answer: Result<SecretString, AccountError>) -> ExternalSignInError {
    match answer {
        Err(AccountError::External(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn beginning_sends_the_browser_away_with_a_sealed_attempt_of_10_minutes() {
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
    let begun = ports.service().begin_external(None).await.unwrap();
    assert_eq!(
        (begun.url.as_str(), begun.sealed.expose_secret()),
        ("https://accounts.example.com/authorize", "sealed")
    );
}

#[tokio::test]
async fn without_a_provider_nobody_signs_in_elsewhere() {
    let service = Ports::new().service();
    assert!(matches!(service.begin_external(None).await.unwrap_err(), AccountError::OAuthNotConfigured));
    assert!(matches!(service.finish_external(back()).await.unwrap_err(), AccountError::OAuthNotConfigured));
    assert!(matches!(service.begin_link(&signed_in()).await.unwrap_err(), AccountError::OAuthNotConfigured));
}

#[tokio::test]
async fn a_state_that_is_missing_altered_expired_or_from_another_browser_does_nothing() {
    let none = || Callback { state: None, ..back() };
    for (case, callback) in [
        ("missing", none()),
        ("empty", Callback { state: Some("".into()), ..back() }),
        ("altered", Callback { state: Some("other".into()), ..back() }),
        ("no text of ours", Callback { state: Some("x".into()), ..back() }),
        ("no cookie", Callback { sealed: None, ..back() }),
        ("forged cookie", Callback { sealed: Some("forged".into()), ..back() }),
        ("expired cookie", Callback { sealed: Some("over".into()), ..back() }),
        ("an error of the provider without a state", Callback { error: Some("access_denied".into()), ..none() }),
    ] {
        // Neither the provider nor storage expects anything.
        let mut ports = vouching(identity(), None);
        ports.provider = Some(MockIdentityProvider::new());
        let error = ports.service().finish_external(callback).await.unwrap_err();
        assert!(matches!(error, AccountError::InvalidState), "{case}: {error:?}");
    }
}

#[tokio::test]
async fn a_state_is_good_once() {
    let mut ports = spending(vouching(identity(), None), false);
    ports.provider = Some(MockIdentityProvider::new());
    let error = ports.service().finish_external(back()).await.unwrap_err();
    assert!(matches!(error, AccountError::InvalidState), "{error:?}");
}

#[tokio::test]
async fn the_same_sub_is_the_same_account_whatever_its_email_is_now() {
    let moved = ProviderIdentity { email: Some("ada@elsewhere.example".parse().unwrap()), ..identity() };
    let mut ports = handing_out_a_code(spending(vouching(moved, None), true));
    ports.system.expect_user_by_external_account().withf(|found| *found == account()).returning(|_| Ok(Some(ada())));
    assert_eq!(ports.service().finish_external(back()).await.unwrap().expose_secret(), "code");
}

#[tokio::test]
async fn somebody_new_gets_an_account_without_a_password() {
    let mut ports = handing_out_a_code(spending(vouching(identity(), None), true));
    ports.system.expect_user_by_external_account().returning(|_| Ok(None));
    ports.users.expect_create_external().times(1).returning(|new, external| {
        assert_eq!((new.email.as_str(), new.name.as_str(), external), ("Ada@example.com", "Ada", account()));
        assert!(new.password_hash.is_none());
        Ok(ada())
    });
    ports.service().finish_external(back()).await.unwrap();
}

#[tokio::test]
async fn an_unverified_email_gives_nothing_whether_the_account_is_known_or_not() {
    for email in [identity().email, None] {
        // Storage is not even asked who that is.
        let ports = spending(vouching(ProviderIdentity { email_verified: false, email, ..identity() }, None), true);
        let error = external(ports.service().finish_external(back()).await);
        assert!(matches!(error, ExternalSignInError::EmailNotVerified), "{error:?}");
        let link = Some((ada().id, session()));
        let ports = spending(vouching(ProviderIdentity { email_verified: false, ..identity() }, link), true);
        let error = external(ports.service().finish_external(back()).await);
        assert!(matches!(error, ExternalSignInError::EmailNotVerified), "{error:?}");
    }
}

#[tokio::test]
async fn an_address_that_somebody_registered_is_never_taken_over() {
    let mut ports = spending(vouching(identity(), None), true);
    ports.system.expect_user_by_external_account().returning(|_| Ok(None));
    ports.users.expect_create_external().returning(|_, _| Err(UserRepoError::EmailTaken));
    let error = external(ports.service().finish_external(back()).await);
    assert!(matches!(error, ExternalSignInError::AccountExists), "{error:?}");
}

#[tokio::test]
async fn of_two_browsers_at_once_both_get_the_one_account() {
    let mut ports = handing_out_a_code(spending(vouching(identity(), None), true));
    let mut asked = 0;
    ports.system.expect_user_by_external_account().times(2).returning(move |_| {
        asked += 1;
        Ok((asked == 2).then(ada))
    });
    ports.users.expect_create_external().returning(|_, _| Err(UserRepoError::ExternalAccountTaken));
    ports.service().finish_external(back()).await.unwrap();
}

#[tokio::test]
async fn linking_ties_the_account_of_the_session_that_asked() {
    let mut ports = handing_out_a_code(spending(vouching(identity(), Some((ada().id, session()))), true));
    ports
        .users
        .expect_link()
        .withf(|owner, by, external, at| (*owner, *by, external, *at) == (ada().id, session(), &account(), now()))
        .times(1)
        .returning(|_, _, _, _| Ok(()));
    ports.service().finish_external(back()).await.unwrap();
}

#[tokio::test]
async fn a_link_of_an_ended_session_or_to_a_taken_account_ties_nothing() {
    for (refusal, ended) in [(UserRepoError::NotFound, true), (UserRepoError::ExternalAccountTaken, false)] {
        let mut ports = spending(vouching(identity(), Some((ada().id, session()))), true);
        let mut refusal = Some(refusal);
        ports.users.expect_link().times(1).returning(move |_, _, _, _| Err(refusal.take().unwrap()));
        let error = external(ports.service().finish_external(back()).await);
        match error {
            ExternalSignInError::SessionEnded => assert!(ended),
            ExternalSignInError::AlreadyLinked => assert!(!ended),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_link_code_is_of_the_session_and_is_redeemed_where_the_browser_begins() {
    let mut ports = vouching(identity(), None);
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
async fn what_the_provider_refuses_or_cannot_say_creates_nothing() {
    let denied = Callback { code: None, error: Some("access_denied".into()), ..back() };
    let error = external(spending(vouching(identity(), None), true).service().finish_external(denied).await);
    assert!(matches!(error, ExternalSignInError::Denied), "{error:?}");

    let failures: [fn() -> IdentityProviderError; 2] =
        [|| IdentityProviderError::Unavailable("slow".into()), || IdentityProviderError::Refused("nonce".into())];
    for failure in failures {
        let mut ports = spending(vouching(identity(), None), true);
        let mut provider = MockIdentityProvider::new();
        provider.expect_finish().times(1).returning(move |_, _| Err(failure()));
        ports.provider = Some(provider);
        let error = external(ports.service().finish_external(back()).await);
        assert!(matches!(error, ExternalSignInError::Provider(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_code_is_exchanged_for_a_session_of_its_owner() {
    let mut ports = vouching(identity(), None).storing_a_session();
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
async fn a_code_that_is_spent_over_or_none_gives_no_session() {
    let mut ports = vouching(identity(), None);
    ports.system.expect_redeem_code().returning(|_, _, _| Ok(None));
    let service = ports.service();
    for code in ["code", "forged", ""] {
        let error = service.exchange(code, Client::default()).await.unwrap_err();
        assert!(matches!(error, AccountError::InvalidCode), "{code}: {error:?}");
    }
}
