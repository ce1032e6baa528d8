//! Which signatures are accepted.

use serde_json::{Value, json};
use test_openid::{CLIENT_SECRET, Fault, IdToken, Page, Signer};

use crate::fixture::{Fixture, refused};

async fn assert_refused(forge: impl Fn(&mut IdToken) + Send + 'static, why: &str) {
    let told = refused(Fixture::forging(forge).await.sign_in().await);
    assert!(told.contains(why), "{told}");
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
async fn a_token_signed_by_a_key_that_is_not_published_is_refused() {
    assert_refused(|token| token.signer = Signer::UnpublishedRsa, "bad signature").await;
}

#[tokio::test]
async fn a_token_that_was_altered_after_signing_is_refused() {
    assert_refused(
        |token| {
            token.signer = Signer::RsaOver(token.claims.clone());
            token.claims["sub"] = "somebody else".into();
        },
        "bad signature",
    )
    .await;
    assert_refused(|token| token.signer = Signer::Nobody, "bad signature").await;
}

#[tokio::test]
async fn the_algorithm_none_is_refused_in_any_case_and_even_if_the_provider_advertises_it() {
    for algorithm in ["none", "None", "NONE", "nOnE", ""] {
        for signer in [Signer::Nobody, Signer::Rsa] {
            let fixture = Fixture::forging(move |token| sign_as(token, algorithm, signer.clone())).await;
            advertise(&fixture, json!(["RS256", "none"]));
            let told = refused(fixture.sign_in().await);
            assert!(told.contains("No signature found") || told.contains("cannot be read"), "{algorithm}: {told}");
        }
    }
}

/// What a forger knows, or might: nobody who has it may sign with it.
fn shared_keys(fixture: &Fixture) -> Vec<Vec<u8>> {
    let (pem, modulus) = fixture.server.public_key().unwrap();
    vec![CLIENT_SECRET.into(), pem.trim_end().into(), pem.into(), modulus, Vec::new()]
}

#[tokio::test]
async fn a_public_key_or_the_clients_secret_is_no_key_for_hs256_even_if_the_provider_advertises_it() {
    let fixture = Fixture::new().await;
    let keys = shared_keys(&fixture);
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
            let told = refused(fixture.sign_in().await);
            assert!(told.contains("Disallowed signature algorithm"), "{told}");
        }
    }
}

#[tokio::test]
async fn a_published_key_that_is_shared_is_no_key() {
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
    assert!(refused(fixture.sign_in().await).contains("Disallowed signature algorithm"));
}

#[tokio::test]
async fn a_provider_that_signs_with_shared_keys_alone_is_refused_before_anybody_is_sent_there() {
    for algorithms in [json!(["HS256"]), json!(["none"]), json!(["XX"]), json!([])] {
        let fixture = Fixture::new().await;
        advertise(&fixture, algorithms);
        assert!(refused(fixture.begin().await).contains("no algorithm for id tokens"));
    }
}

#[tokio::test]
async fn a_token_signed_with_an_elliptic_curve_is_accepted_if_the_provider_advertises_it() {
    let es256 = |token: &mut IdToken| {
        token.header["kid"] = "p256".into();
        sign_as(token, "ES256", Signer::P256);
    };
    assert!(Fixture::forging(es256).await.sign_in().await.is_ok());

    let fixture = Fixture::forging(es256).await;
    advertise(&fixture, json!(["RS256"]));
    assert!(refused(fixture.sign_in().await).contains("Disallowed signature algorithm"));
}

#[tokio::test]
async fn a_token_that_names_an_algorithm_which_its_key_is_not_for_is_refused() {
    // A key of the other kind, of the same kind for another algorithm, and a signature of the other kind.
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
    assert!(refused(fixture.sign_in().await).contains("No matching key"));
}

#[tokio::test]
async fn a_token_that_names_no_key_is_held_against_the_only_one_that_can_be_meant() {
    let nameless = |token: &mut IdToken| {
        token.header.as_object_mut().unwrap().remove("kid");
    };
    assert!(Fixture::forging(nameless).await.sign_in().await.is_ok());

    let fixture = Fixture::forging(nameless).await;
    fixture.server.edit_keys(|keys| {
        let mut twin = keys["keys"][0].clone();
        twin["kid"] = "twin".into();
        keys["keys"].as_array_mut().unwrap().push(twin);
    });
    assert!(refused(fixture.sign_in().await).contains("Ambiguous"));
}

#[tokio::test]
async fn a_token_of_another_type_or_with_an_extension_is_refused() {
    for (name, value) in [("typ", json!("at+jwt")), ("crit", json!(["exp"])), ("cty", json!("JWT"))] {
        assert_refused(move |token| token.header[name] = value.clone(), "nsupported").await;
    }
}

#[tokio::test]
async fn an_answer_without_a_whole_id_token_is_refused() {
    for (id_token, why) in [
        (json!(null), "no id token"),
        (json!(""), "cannot be read"),
        (json!("a.b"), "cannot be read"),
        (json!("eyJhbGciOiJSUzI1NiJ9.e30."), "cannot be read"),
        (json!(7), "cannot be read"),
    ] {
        let fixture = Fixture::new().await;
        let body = json!({ "access_token": "a", "token_type": "Bearer", "id_token": id_token });
        fixture.server.fail(Page::Token, Fault::Body(200, body.to_string()));
        let told = refused(fixture.sign_in().await);
        assert!(told.contains(why), "{body}: {told}");
    }
}
