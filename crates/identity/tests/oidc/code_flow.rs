//! The authorization request and the exchange of the code.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::account::{AuthorizationRequest, IdentityProvider as _, SignInProof};
use secrecy::ExposeSecret as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use test_openid::{CLIENT_ID, EndUser, Endpoint};

use crate::fixture::{Fixture, REDIRECT_URL, expect_refused};

#[tokio::test]
async fn authorization_request_has_all_parameters_of_the_code_flow_with_pkce() {
    let fixture = Fixture::new().await;
    let AuthorizationRequest { url, proof } = fixture.begin().await.unwrap();
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(proof.pkce_verifier.expose_secret()));
    let parameters: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
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
    assert_eq!(parameters, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert_eq!(url.as_str().split('?').next().unwrap(), format!("{}/authorize", fixture.server.issuer()));
}

#[tokio::test]
async fn each_sign_in_has_a_new_nonce_and_verifier_of_256_random_bits() {
    let fixture = Fixture::new().await;
    let (first, second) = (fixture.begin().await.unwrap().proof, fixture.begin().await.unwrap().proof);
    let secrets = [&first.nonce, &first.pkce_verifier, &second.nonce, &second.pkce_verifier];
    for (index, secret) in secrets.iter().enumerate() {
        assert_eq!(URL_SAFE_NO_PAD.decode(secret.expose_secret()).unwrap().len(), 32);
        assert!(secrets[..index].iter().all(|earlier| earlier.expose_secret() != secret.expose_secret()));
    }
}

#[tokio::test]
async fn nothing_is_fetched_before_the_first_sign_in() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.fetches(), (0, 0));
}

#[tokio::test]
async fn code_is_redeemed_for_the_identity_of_the_end_user() {
    let fixture = Fixture::new().await;
    fixture.server.sign_in_as(EndUser::with_email("248289761001", "ada@example.com").claim("name", "Ada"));
    let identity = fixture.sign_in().await.unwrap();
    assert_eq!(identity.account.issuer(), fixture.server.issuer());
    assert_eq!(identity.account.subject(), "248289761001");
    assert_eq!(identity.email, Some("ada@example.com".parse().unwrap()));
    assert!(identity.email_verified);
    assert_eq!(identity.name, Some("Ada".parse().unwrap()));
}

#[tokio::test]
async fn client_authenticates_by_a_method_that_the_provider_supports() {
    for methods in [json!(["client_secret_basic"]), json!(["client_secret_post"]), json!(null)] {
        let fixture = Fixture::new().await;
        let listed = methods.to_string();
        fixture
            .server
            .edit_document(move |document| document["token_endpoint_auth_methods_supported"] = methods.clone());
        assert!(fixture.sign_in().await.is_ok(), "{listed}");
    }
    let fixture = Fixture::new().await;
    fixture
        .server
        .edit_document(|document| document["token_endpoint_auth_methods_supported"] = json!(["tls_client_auth"]));
    assert!(expect_refused(fixture.begin().await).contains("no supported client authentication method"));
}

#[tokio::test]
async fn wrong_client_secret_is_refused() {
    let fixture = Fixture::with(|options| options.client_secret = "a wrong secret".into()).await;
    assert!(expect_refused(fixture.sign_in().await).ends_with("invalid_client"));
}

#[tokio::test]
async fn code_is_redeemed_once_and_only_with_its_verifier() {
    let fixture = Fixture::new().await;
    let (code, proof) = fixture.authorize().await;
    assert!(fixture.provider.finish(code.clone(), proof.clone()).await.is_ok());
    assert!(expect_refused(fixture.provider.finish(code, proof.clone()).await).ends_with("invalid_grant"));

    let (code, other) = fixture.authorize().await;
    let mixed = SignInProof { pkce_verifier: proof.pkce_verifier, ..other };
    assert!(expect_refused(fixture.provider.finish(code, mixed).await).ends_with("invalid_grant"));

    assert!(expect_refused(fixture.provider.finish("".into(), other_proof()).await).ends_with("invalid_grant"));
    assert_eq!(fixture.server.request_count(Endpoint::Token), 4);
}

#[tokio::test]
async fn code_of_another_sign_in_is_refused_by_the_nonce() {
    let fixture = Fixture::new().await;
    let ((code, proof), (_, other)) = (fixture.authorize().await, fixture.authorize().await);
    let mixed = SignInProof { nonce: other.nonce, ..proof };
    assert!(expect_refused(fixture.provider.finish(code, mixed).await).contains("nonce mismatch"));
}

fn other_proof() -> SignInProof {
    SignInProof { nonce: "n".into(), pkce_verifier: "v".repeat(43).into() }
}
