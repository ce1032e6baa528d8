//! Verification of signatures.

use serde_json::{Value, json};
use test_openid::{CLIENT_SECRET, Endpoint, Fault, IdToken, Signer};

use crate::fixture::{Fixture, expect_refused};

async fn assert_refused(forge: impl Fn(&mut IdToken) + Send + 'static, reason: &str) {
    let message = expect_refused(Fixture::forging(forge).await.sign_in().await);
    assert!(message.contains(reason), "{message}");
}

fn advertise(fixture: &Fixture, algorithms: Value) {
    fixture.server.edit_document(move |document| {
        document["id_token_signing_alg_values_supported"] = algorithms.clone();
    });
}

fn sign_as(token: &mut IdToken, algorithm: &str, signer: Signer) {
    token.header["alg"] = algorithm.into();
    token.signer = signer;
}

#[tokio::test]
async fn token_signed_by_an_unpublished_key_is_refused() {
    assert_refused(|token| token.signer = Signer::UnpublishedRsa, "bad signature").await;
}

#[tokio::test]
async fn altered_or_unsigned_token_is_refused() {
    assert_refused(
        |token| {
            token.signer = Signer::RsaOver(token.claims.clone());
            token.claims["sub"] = "another".into();
        },
        "bad signature",
    )
    .await;
    assert_refused(|token| token.signer = Signer::Unsigned, "bad signature").await;
}

#[tokio::test]
async fn algorithm_none_is_refused_in_any_case_even_if_advertised() {
    for algorithm in ["none", "None", "NONE", "nOnE", ""] {
        for signer in [Signer::Unsigned, Signer::Rsa] {
            let fixture = Fixture::forging(move |token| sign_as(token, algorithm, signer.clone())).await;
            advertise(&fixture, json!(["RS256", "none"]));
            let message = expect_refused(fixture.sign_in().await);
            assert!(
                message.contains("No signature found") || message.contains("malformed id token"),
                "{algorithm}: {message}"
            );
        }
    }
}

/// Symmetric keys that an attacker may know.
fn known_keys(fixture: &Fixture) -> Vec<Vec<u8>> {
    let (pem, modulus) = fixture.server.public_key().unwrap();
    vec![CLIENT_SECRET.into(), pem.trim_end().into(), pem.into(), modulus, Vec::new()]
}

#[tokio::test]
async fn hs256_with_a_public_key_or_the_client_secret_is_refused_even_if_advertised() {
    let fixture = Fixture::new().await;
    let keys = known_keys(&fixture);
    for advertised in [json!(["RS256"]), json!(["RS256", "HS256"])] {
        for (key, with_id) in keys.iter().flat_map(|key| [(key, true), (key, false)]) {
            let fixture = Fixture::new().await;
            advertise(&fixture, advertised.clone());
            let key = key.clone();
            fixture.server.forge(move |token| {
                sign_as(token, "HS256", Signer::Hmac(key.clone()));
                if !with_id {
                    token.header.as_object_mut().unwrap().remove("kid");
                }
            });
            let message = expect_refused(fixture.sign_in().await);
            assert!(message.contains("Disallowed signature algorithm"), "{message}");
        }
    }
}

#[tokio::test]
async fn published_symmetric_key_is_refused() {
    let fixture = Fixture::forging(|token| {
        token.header["kid"] = "shared".into();
        sign_as(token, "HS256", Signer::Hmac(b"known to everybody".into()));
    })
    .await;
    fixture.server.edit_keys(|keys| {
        let key =
            json!({ "kty": "oct", "use": "sig", "alg": "HS256", "kid": "shared", "k": "a25vd24gdG8gZXZlcnlib2R5" });
        keys["keys"].as_array_mut().unwrap().push(key);
    });
    advertise(&fixture, json!(["RS256", "HS256"]));
    assert!(expect_refused(fixture.sign_in().await).contains("Disallowed signature algorithm"));
}

#[tokio::test]
async fn provider_without_an_asymmetric_algorithm_is_refused_before_the_redirect() {
    for algorithms in [json!(["HS256"]), json!(["none"]), json!(["XX"]), json!([])] {
        let fixture = Fixture::new().await;
        advertise(&fixture, algorithms);
        assert!(expect_refused(fixture.begin().await).contains("no supported asymmetric signature algorithm"));
    }
}

#[tokio::test]
async fn es256_is_accepted_if_advertised() {
    let es256 = |token: &mut IdToken| {
        token.header["kid"] = "p256".into();
        sign_as(token, "ES256", Signer::P256);
    };
    assert!(Fixture::forging(es256).await.sign_in().await.is_ok());

    let fixture = Fixture::forging(es256).await;
    advertise(&fixture, json!(["RS256"]));
    assert!(expect_refused(fixture.sign_in().await).contains("Disallowed signature algorithm"));
}

#[tokio::test]
async fn algorithm_that_does_not_match_the_key_is_refused() {
    // Another key type, another algorithm of the same key type, and a signature of another key type.
    assert_refused(|token| token.header["kid"] = "p256".into(), "No matching key").await;
    assert_refused(|token| token.header["alg"] = "RS512".into(), "Disallowed signature algorithm").await;
    assert_refused(
        |token| {
            token.header["kid"] = "p256".into();
            sign_as(token, "ES256", Signer::Rsa);
        },
        "Invalid signature",
    )
    .await;
    let fixture = Fixture::forging(|token| token.header["alg"] = "PS256".into()).await;
    advertise(&fixture, json!(["RS256", "PS256"]));
    assert!(expect_refused(fixture.sign_in().await).contains("No matching key"));
}

#[tokio::test]
async fn token_without_a_key_id_requires_a_unique_matching_key() {
    let remove_key_id = |token: &mut IdToken| {
        token.header.as_object_mut().unwrap().remove("kid");
    };
    assert!(Fixture::forging(remove_key_id).await.sign_in().await.is_ok());

    let fixture = Fixture::forging(remove_key_id).await;
    fixture.server.edit_keys(|keys| {
        let mut second = keys["keys"][0].clone();
        second["kid"] = "second".into();
        keys["keys"].as_array_mut().unwrap().push(second);
    });
    assert!(expect_refused(fixture.sign_in().await).contains("Ambiguous"));
}

#[tokio::test]
async fn unsupported_header_is_refused() {
    for (name, value) in [("typ", json!("at+jwt")), ("crit", json!(["exp"])), ("cty", json!("JWT"))] {
        assert_refused(move |token| token.header[name] = value.clone(), "nsupported").await;
    }
}

#[tokio::test]
async fn missing_or_malformed_id_token_is_refused() {
    for (id_token, reason) in [
        (json!(null), "no id token"),
        (json!(""), "malformed id token"),
        (json!("a.b"), "malformed id token"),
        (json!("eyJhbGciOiJSUzI1NiJ9.e30."), "malformed id token"),
        (json!(7), "malformed response"),
    ] {
        let fixture = Fixture::new().await;
        let body = json!({ "access_token": "a", "token_type": "Bearer", "id_token": id_token });
        fixture.server.set_fault(Endpoint::Token, Fault::Body(200, body.to_string()));
        let message = expect_refused(fixture.sign_in().await);
        assert!(message.contains(reason), "{body}: {message}");
    }
}
