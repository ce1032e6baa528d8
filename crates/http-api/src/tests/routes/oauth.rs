//! `/auth/google` and `/auth/exchange`.

use actix_web::http::{Method, header};
use actix_web::test::TestRequest;
use chrono::TimeDelta;
use domain::account::{
    AuthorizationRequest, IdentityProviderError, MockIdentityProvider, PendingLink, ProviderIdentity, SignInAttempt,
    SignInProof, SignUps, TokenError,
};
use domain::secret::{NewSecret, SecretHash};
use domain::session::CodeOwner;
use domain::storage::StorageError;
use domain::user::{ExternalAccount, UserRepoError};

use crate::tests::support::{ME, Ports, TestResponse, anonymous, json, me, now, session_status, signed_in, user};

fn attempt() -> SignInAttempt {
    let proof = SignInProof { nonce: "nonce".into(), pkce_verifier: "verifier".into() };
    let (issued_at, expires_at) = (now(), now() + TimeDelta::minutes(10));
    SignInAttempt { state: "dbls_valid".into(), proof, link: None, issued_at, expires_at }
}

fn identity(email_verified: bool) -> ProviderIdentity {
    ProviderIdentity {
        account: ExternalAccount::new("https://accounts.example.com", "1").unwrap(),
        email: Some("ada@example.com".parse().unwrap()),
        email_verified,
        name: None,
    }
}

type Identity = Result<ProviderIdentity, fn() -> IdentityProviderError>;

fn with_provider(result: Identity) -> Ports {
    let mut ports = Ports::new();
    let mut provider = MockIdentityProvider::new();
    provider.expect_begin().returning(|_| {
        let proof = attempt().proof;
        Ok(AuthorizationRequest { url: "https://accounts.example.com/o?state=dbls_valid".parse().unwrap(), proof })
    });
    provider.expect_finish().returning(move |_, _| result.clone().map_err(|error| error()));
    ports.provider = Some(provider);
    ports.tokens.expect_new_secret().returning(|kind| {
        Ok(NewSecret { text: format!("{}new", kind.prefix()).into(), hash: SecretHash::new([1; 32]) })
    });
    ports.tokens.expect_seal_attempt().returning(|_| Ok("sealed.attempt".into()));
    ports.tokens.expect_open_attempt().returning(|sealed| match sealed {
        "sealed.attempt" => Ok(attempt()),
        "sealed.attempt.of.a.link" => {
            Ok(SignInAttempt { link: Some((me(), uuid::Uuid::from_u128(9).into())), ..attempt() })
        }
        _ => Err(TokenError::Invalid("signature".into())),
    });
    ports.tokens.expect_seal_link().returning(|_| Ok("sealed.link".into()));
    ports.tokens.expect_open_link().returning(|sealed| match sealed {
        "sealed.link" | "others.link" => Ok(PendingLink {
            id: "dblc_link".into(),
            account: identity(true).account,
            user: me(),
            session: uuid::Uuid::from_u128(if sealed == "sealed.link" { 9 } else { 10 }).into(),
            issued_at: now(),
            expires_at: now() + TimeDelta::minutes(1),
        }),
        _ => Err(TokenError::Invalid("signature".into())),
    });
    ports.tokens.expect_hash_secret().returning(|kind, text| {
        let last = *text.as_bytes().last()?;
        text.starts_with(kind.prefix()).then(|| SecretHash::new([last; 32]))
    });
    ports.tokens.expect_issue().returning(|_| Ok("access".into()));
    ports.system.expect_spend_state().returning(|_, _| Ok(true));
    ports.system.expect_user_by_external_account().returning(|_| Ok(Some(user())));
    ports.sessions.expect_create_code().returning(|_, _| Ok(()));
    ports
}

fn callback(query: &str, cookie: Option<&str>) -> TestRequest {
    let request = anonymous(Method::GET, &format!("/auth/google/callback?{query}"));
    match cookie {
        Some(cookie) => request.insert_header((header::COOKIE, format!("other; x=%ff; {COOKIE}={cookie}"))),
        None => request,
    }
}

/// The cookie of the attempt with the state `dbls_valid`.
const COOKIE: &str = "doable_sign_in_valid";
const VALID: &str = "state=dbls_valid&code=abc&scope=openid+email&authuser=0&iss=https%3A%2F%2Faccounts.example.com";

#[track_caller]
fn assert_redirected(response: &TestResponse, query: &str) {
    assert_eq!(response.status.as_u16(), 302, "{response:?}");
    assert_eq!(response.header("location"), format!("http://localhost:3000/auth/callback?{query}"));
    let cookie = response.header("set-cookie");
    assert!(cookie.starts_with(&format!("{COOKIE}=;")) && cookie.contains("Max-Age=0"), "{cookie}");
}

#[actix_web::test]
async fn closed_sign_ups_redirect_a_new_user_with_an_error() {
    let mut ports = with_provider(Ok(identity(true)));
    ports.sign_ups = SignUps::Closed;
    ports.system.checkpoint();
    ports.system.expect_spend_state().returning(|_, _| Ok(true));
    ports.system.expect_user_by_external_account().returning(|_| Ok(None));
    ports.system.expect_credentials_by_email().returning(|_| Ok(None));
    let response = ports.send(callback(VALID, Some("sealed.attempt"))).await;
    assert_redirected(&response, "error=signups_closed");
}

#[actix_web::test]
async fn starting_a_sign_in_binds_it_to_the_browser() {
    let response = with_provider(Ok(identity(true))).send(anonymous(Method::GET, "/auth/google")).await;
    assert_eq!(response.status.as_u16(), 302);
    assert_eq!(response.header("location"), "https://accounts.example.com/o?state=dbls_valid");
    let cookie = response.header("set-cookie");
    assert_eq!(cookie, "doable_sign_in_new=sealed.attempt; HttpOnly; SameSite=Lax; Path=/auth/google; Max-Age=600");
    let mut ports = with_provider(Ok(identity(true)));
    ports.options.public_url = "https://todo.example.com".parse().unwrap();
    let response = ports.send(anonymous(Method::GET, "/auth/google")).await;
    assert!(response.header("set-cookie").contains("; Secure"), "{}", response.header("set-cookie"));
}

#[actix_web::test]
async fn unknown_and_repeated_parameters_of_the_start_are_ignored() {
    for query in ["utm_source=a&utm_source=b", "redirect_to=%2Ftasks", "%ff=%ff&x", "state=a&nonce=b", "&&=", "Link=a"]
    {
        let start = anonymous(Method::GET, &format!("/auth/google?{query}"));
        let response = with_provider(Ok(identity(true))).send(start).await;
        assert_eq!(response.header("location"), "https://accounts.example.com/o?state=dbls_valid", "{query}");
    }
    let start = anonymous(Method::GET, "/auth/google?link=dblc_a&link=dblc_b");
    with_provider(Ok(identity(true))).send(start).await.problem(400, "VALIDATION_ERROR", "link");
}

#[actix_web::test]
async fn the_ninth_attempt_of_a_browser_replaces_the_first() {
    let names: Vec<String> = (0..8).map(|number| format!("doable_sign_in_{number}")).collect();
    for (count, removed) in [(7, None), (8, Some("doable_sign_in_0=;"))] {
        let cookies = names[..count].iter().map(|name| format!("{name}=sealed")).collect::<Vec<_>>().join("; ");
        let start = anonymous(Method::GET, "/auth/google").insert_header((header::COOKIE, cookies));
        let response = with_provider(Ok(identity(true))).send(start).await;
        let set = response.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| value);
        let set: Vec<&String> = set.collect();
        assert!(set.iter().any(|cookie| cookie.starts_with("doable_sign_in_new=sealed.attempt;")), "{set:?}");
        assert_eq!(set.len() - 1, usize::from(removed.is_some()), "{set:?}");
        let is_removed = |name| set.iter().any(|cookie| cookie.starts_with(name) && cookie.contains("Max-Age=0"));
        assert!(removed.is_none_or(is_removed), "{set:?}");
    }
}

#[actix_web::test]
async fn the_callback_redirects_to_the_frontend_with_a_code() {
    let response = with_provider(Ok(identity(true))).send(callback(VALID, Some("sealed.attempt"))).await;
    assert_redirected(&response, "code=dblc_new");
}

#[actix_web::test]
async fn a_state_of_another_browser_is_refused() {
    for (query, cookie) in [
        (VALID, None),
        (VALID, Some("forged")),
        ("code=abc", Some("sealed.attempt")),
        ("state=&code=abc", Some("sealed.attempt")),
        ("state=dbls_other&code=abc", Some("sealed.attempt")),
        ("state=nonsense&code=abc", Some("sealed.attempt")),
        ("state=dbls_valid&state=dbls_valid&code=abc", Some("sealed.attempt")),
        ("error=access_denied", Some("sealed.attempt")),
        ("", None),
    ] {
        let mut ports = with_provider(Ok(identity(true)));
        ports.system.checkpoint();
        ports.provider = Some(MockIdentityProvider::new());
        let response = ports.send(callback(query, cookie)).await;
        response.problem(400, "VALIDATION_ERROR", "state");
        assert_eq!(response.header("location"), "");
    }
}

#[actix_web::test]
async fn a_replayed_state_is_refused() {
    let mut ports = with_provider(Ok(identity(true)));
    ports.system.checkpoint();
    ports.provider = Some(MockIdentityProvider::new());
    ports.system.expect_spend_state().returning(|_, _| Ok(false));
    let response = ports.send(callback(VALID, Some("sealed.attempt"))).await;
    response.problem(400, "VALIDATION_ERROR", "state");
    assert_eq!(response.header("location"), "");
}

#[actix_web::test]
async fn failures_redirect_to_the_frontend_with_an_error() {
    let denied = "state=dbls_valid&error=access_denied&error_description=%3Cscript%3E";
    let slow: Identity = Err(|| IdentityProviderError::Unavailable("marked cause".into()));
    let forged: Identity = Err(|| IdentityProviderError::Refused("marked cause".into()));
    for (result, query, error) in [
        (Ok(identity(true)), denied, "oauth_denied"),
        (Ok(identity(true)), "state=dbls_valid", "oauth_denied"),
        (Ok(identity(false)), VALID, "email_not_verified"),
        (slow, VALID, "oauth_unavailable"),
        (forged, VALID, "oauth_failed"),
    ] {
        let response = with_provider(result).send(callback(query, Some("sealed.attempt"))).await;
        assert_redirected(&response, &format!("error={error}"));
    }
    for (failure, error) in [
        (UserRepoError::EmailTaken, "account_exists"),
        (UserRepoError::Storage(StorageError::Full("x".into())), "storage_full"),
    ] {
        let mut ports = with_provider(Ok(identity(true)));
        ports.system.checkpoint();
        ports.system.expect_spend_state().returning(|_, _| Ok(true));
        ports.system.expect_user_by_external_account().returning(|_| Ok(None));
        let mut failure = Some(failure);
        ports.users.expect_create_external().returning(move |_, _| Err(failure.take().unwrap()));
        let response = ports.send(callback(VALID, Some("sealed.attempt"))).await;
        assert_redirected(&response, &format!("error={error}"));
    }
}

#[actix_web::test]
async fn an_unavailable_provider_redirects_to_the_frontend_with_an_error() {
    let mut ports = with_provider(Ok(identity(true)));
    let mut provider = MockIdentityProvider::new();
    provider.expect_begin().returning(|_| Err(IdentityProviderError::Unavailable("x".into())));
    ports.provider = Some(provider);
    let response = ports.send(anonymous(Method::GET, "/auth/google")).await;
    assert_eq!(response.header("location"), "http://localhost:3000/auth/callback?error=oauth_unavailable");
}

#[actix_web::test]
async fn without_a_provider_external_sign_in_is_not_configured() {
    let responses = Ports::new()
        .send_all([
            anonymous(Method::GET, "/auth/google"),
            callback(VALID, Some("sealed.attempt")),
            signed_in(Method::POST, "/auth/google/link"),
            json(signed_in(Method::POST, "/auth/google/link/complete"), r#"{"code":"sealed.link"}"#),
        ])
        .await;
    for response in responses {
        response.problem(503, "OAUTH_NOT_CONFIGURED", "");
        assert_eq!(response.header("retry-after"), "");
    }
}

#[actix_web::test]
async fn a_link_can_be_opened_once() {
    let mut ports = with_provider(Ok(identity(true)));
    let mut redeemed = false;
    ports.system.expect_redeem_code().returning(move |_, _, _| {
        let session = Some(uuid::Uuid::from_u128(9).into());
        Ok((!std::mem::replace(&mut redeemed, true)).then_some(CodeOwner { user: me(), session }))
    });
    let open = || anonymous(Method::GET, "/auth/google?link=dblc_new");
    let forged = anonymous(Method::GET, "/auth/google?link=nonsense");
    let responses = ports.send_all([signed_in(Method::POST, "/auth/google/link"), open(), open(), forged]).await;
    assert_eq!(responses[0].ok(200)["url"], "http://127.0.0.1:8000/auth/google?link=dblc_new");
    assert_eq!(responses[1].status.as_u16(), 302);
    responses[2].problem(400, "VALIDATION_ERROR", "link");
    responses[3].problem(400, "VALIDATION_ERROR", "link");
}

#[actix_web::test]
async fn linking_requires_a_token() {
    for path in ["/auth/google/link", "/auth/google/link/complete"] {
        let response = with_provider(Ok(identity(true))).send(anonymous(Method::POST, path)).await;
        response.problem(401, "UNAUTHORIZED", "");
    }
}

#[actix_web::test]
async fn the_callback_of_a_link_redirects_with_a_code_of_its_own() {
    let mut ports = with_provider(Ok(identity(true)));
    // Neither users nor codes are read or written.
    ports.sessions.checkpoint();
    ports.sessions.expect_status().returning(|_, _, _| Ok(session_status()));
    let response = ports.send(callback(VALID, Some("sealed.attempt.of.a.link"))).await;
    assert_redirected(&response, "link_code=sealed.link");
}

#[actix_web::test]
async fn a_link_is_completed_in_its_session() {
    let complete =
        |code: &str| json(signed_in(Method::POST, "/auth/google/link/complete"), format!(r#"{{"code":"{code}"}}"#));
    let mut ports = with_provider(Ok(identity(true)));
    ports.users.expect_link().times(1).returning(|_, _, _, _| Ok(()));
    ports.users.expect_link().times(1).returning(|_, _, _, _| Err(UserRepoError::ExternalAccountTaken));
    let responses =
        ports.send_all(["sealed.link", "sealed.link", "others.link", "forged", "dblc_link", ""].map(complete)).await;
    assert_eq!((responses[0].status.as_u16(), responses[0].text.as_str()), (204, ""));
    responses[1].problem(409, "ALREADY_LINKED", "");
    for response in &responses[2..] {
        response.problem(400, "VALIDATION_ERROR", "code");
    }
}

#[actix_web::test]
async fn a_code_is_exchanged_for_a_session_once() {
    let mut ports = with_provider(Ok(identity(true)));
    let mut redeemed = false;
    ports.system.expect_redeem_code().returning(move |_, _, _| {
        Ok((!std::mem::replace(&mut redeemed, true)).then_some(CodeOwner { user: me(), session: None }))
    });
    ports.users.expect_get().returning(|_| Ok(user()));
    ports.sessions.expect_create().returning(|user_id, new| {
        let (at, expires_at) = (new.at, new.expires_at);
        Ok(domain::session::Session {
            id: new.id,
            user_id,
            client: new.client,
            created_at: at,
            last_used_at: at,
            expires_at,
        })
    });
    let exchange = |code: &str| json(anonymous(Method::POST, "/auth/exchange"), format!(r#"{{"code":"{code}"}}"#));
    let responses =
        ports.send_all([exchange("dblc_new"), exchange("dblc_new"), exchange("nonsense"), exchange("")]).await;
    assert_eq!(responses[0].ok(200)["user"]["id"], ME);
    for response in &responses[1..] {
        response.problem(400, "VALIDATION_ERROR", "code");
    }
}
