//! What the browser is sent to the provider with, and what it takes to redeem what it brings back.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::account::{AuthorizationRequest, IdentityProvider as _, SignInProof};
use secrecy::ExposeSecret as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use test_openid::{CLIENT_ID, Page, Person};

use crate::fixture::{Fixture, REDIRECT_URL, refused};

#[tokio::test]
async fn the_browser_is_sent_with_everything_that_the_code_flow_and_pkce_ask_for() {
    let fixture = Fixture::new().await;
    let AuthorizationRequest { url, proof } = fixture.begin().await.unwrap();
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(proof.pkce_verifier.expose_secret()));
    let asked: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    let expected = [
        ("client_id", CLIENT_ID),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
        ("nonce", proof.nonce.expose_secret()),
        ("redirect_uri", REDIRECT_URL),
        ("response_type", "code"),
        ("scope", "openid email profile"),
        ("state", "the state"),
    ];
    assert_eq!(asked, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert_eq!(url.as_str().split('?').next().unwrap(), format!("{}/authorize", fixture.server.issuer()));
}

#[tokio::test]
async fn every_attempt_has_a_nonce_and_a_verifier_of_256_random_bits_of_its_own() {
    let fixture = Fixture::new().await;
    let (one, other) = (fixture.begin().await.unwrap().proof, fixture.begin().await.unwrap().proof);
    let secrets = [&one.nonce, &one.pkce_verifier, &other.nonce, &other.pkce_verifier];
    for (at, secret) in secrets.iter().enumerate() {
        assert_eq!(URL_SAFE_NO_PAD.decode(secret.expose_secret()).unwrap().len(), 32);
        assert!(secrets[..at].iter().all(|earlier| earlier.expose_secret() != secret.expose_secret()));
    }
}

#[tokio::test]
async fn nothing_is_asked_before_somebody_signs_in() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.fetched(), (0, 0));
}

#[tokio::test]
async fn a_code_is_redeemed_for_who_signed_in() {
    let fixture = Fixture::new().await;
    fixture.server.sign_in_as(Person::with_email("248289761001", "ada@example.com").claim("name", "Ada"));
    let identity = fixture.sign_in().await.unwrap();
    assert_eq!(identity.account.issuer(), fixture.server.issuer());
    assert_eq!(identity.account.subject(), "248289761001");
    assert_eq!(identity.email, Some("ada@example.com".parse().unwrap()));
    assert!(identity.email_verified);
    assert_eq!(identity.name, Some("Ada".parse().unwrap()));
}

#[tokio::test]
async fn the_client_shows_its_secret_in_the_way_that_the_provider_takes() {
    for methods in [json!(["client_secret_basic"]), json!(["client_secret_post"]), json!(null)] {
        let fixture = Fixture::new().await;
        let shown = methods.to_string();
        fixture
            .server
            .edit_document(move |document| document["token_endpoint_auth_methods_supported"] = methods.clone());
        assert!(fixture.sign_in().await.is_ok(), "{shown}");
    }
    let fixture = Fixture::new().await;
    fixture
        .server
        .edit_document(|document| document["token_endpoint_auth_methods_supported"] = json!(["tls_client_auth"]));
    assert!(refused(fixture.begin().await).contains("no known way to show the client secret"));
}

#[tokio::test]
async fn a_client_with_the_wrong_secret_gets_nothing() {
    let fixture = Fixture::with(|options| options.client_secret = "a wrong secret".into()).await;
    assert!(refused(fixture.sign_in().await).ends_with("invalid_client"));
}

#[tokio::test]
async fn a_code_is_good_once_and_only_with_the_verifier_and_the_redirect_that_it_was_asked_for_with() {
    let fixture = Fixture::new().await;
    let (code, proof) = fixture.back().await;
    assert!(fixture.provider.finish(code.clone(), proof.clone()).await.is_ok());
    assert!(refused(fixture.provider.finish(code, proof.clone()).await).ends_with("invalid_grant"));

    let (code, other) = fixture.back().await;
    let mixed = SignInProof { pkce_verifier: proof.pkce_verifier, ..other };
    assert!(refused(fixture.provider.finish(code, mixed).await).ends_with("invalid_grant"));

    assert!(refused(fixture.provider.finish("".into(), other_proof()).await).ends_with("invalid_grant"));
    assert_eq!(fixture.server.asked(Page::Token), 4);
}

#[tokio::test]
async fn a_code_of_another_attempt_is_refused_by_the_nonce() {
    let fixture = Fixture::new().await;
    let ((code, proof), (_, other)) = (fixture.back().await, fixture.back().await);
    let mixed = SignInProof { nonce: other.nonce, ..proof };
    assert!(refused(fixture.provider.finish(code, mixed).await).contains("nonce mismatch"));
}

fn other_proof() -> SignInProof {
    SignInProof { nonce: "n".into(), pkce_verifier: "v".repeat(43).into() }
}
