//! Validation and mapping of claims. All tokens here are signed correctly.

use domain::user::DisplayName;
use serde_json::{Value, json};
use test_openid::{CLIENT_ID, EndUser, IdToken};

use crate::fixture::{Fixture, expect_refused};

/// Lifetime of the provider's id tokens in seconds.
const TTL: i64 = 300;

/// Creates a fixture whose id tokens have claims replaced or, with `null`, removed.
async fn with_claims(changes: Value) -> Fixture {
    Fixture::forging(move |token| change(token, &changes)).await
}

fn change(token: &mut IdToken, changes: &Value) {
    let claims = token.claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.remove(name);
        } else {
            claims.insert(name.clone(), value.clone());
        }
    }
}

async fn assert_refused(changes: Value, reason: &str) {
    let message = expect_refused(with_claims(changes.clone()).await.sign_in().await);
    assert!(message.contains(reason), "{changes}: {message}");
}

/// Creates a fixture whose id tokens have a time shifted by `seconds`.
async fn with_shifted_time(claim: &'static str, seconds: i64) -> Fixture {
    Fixture::forging(move |token| token.claims[claim] = (token.claims[claim].as_i64().unwrap() + seconds).into()).await
}

#[tokio::test]
async fn wrong_nonce_is_refused() {
    assert_refused(json!({ "nonce": "another" }), "nonce mismatch").await;
    assert_refused(json!({ "nonce": "" }), "nonce mismatch").await;
    assert_refused(json!({ "nonce": null }), "missing nonce").await;
    assert_refused(json!({ "nonce": 7 }), "malformed id token").await;
}

#[tokio::test]
async fn token_of_another_issuer_is_refused() {
    assert_refused(json!({ "iss": "https://accounts.example.com" }), "Invalid issuer").await;
    assert_refused(json!({ "iss": null }), "malformed id token").await;
    for alter in [|issuer: &str| format!("{issuer}/"), |issuer: &str| issuer.to_uppercase()] {
        let fixture = Fixture::forging(move |token| {
            token.claims["iss"] = alter(token.claims["iss"].as_str().unwrap()).into();
        });
        assert!(expect_refused(fixture.await.sign_in().await).contains("Invalid issuer"));
    }
}

#[tokio::test]
async fn token_for_another_audience_is_refused() {
    for audience in [json!("another"), json!(["another"]), json!([]), json!(["another", "doable"]), json!(null)] {
        assert_refused(json!({ "aud": audience, "azp": CLIENT_ID }), "Invalid audiences").await;
    }
}

#[tokio::test]
async fn token_with_several_audiences_requires_this_client_as_authorized_party() {
    let audiences = json!([CLIENT_ID, "another"]);
    assert_refused(json!({ "aud": audiences }), "issued to another client").await;
    assert_refused(json!({ "aud": audiences, "azp": "another" }), "issued to another client").await;
    assert!(with_claims(json!({ "aud": audiences, "azp": CLIENT_ID })).await.sign_in().await.is_ok());
}

#[tokio::test]
async fn other_authorized_party_is_refused_even_with_a_single_audience() {
    assert_refused(json!({ "azp": "another" }), "issued to another client").await;
    assert_refused(json!({ "azp": "" }), "issued to another client").await;
    assert!(with_claims(json!({ "azp": CLIENT_ID })).await.sign_in().await.is_ok());
    assert!(with_claims(json!({ "aud": [CLIENT_ID] })).await.sign_in().await.is_ok());
}

#[tokio::test]
async fn token_expires_30_seconds_after_its_expiry() {
    assert_refused(json!({ "exp": null }), "malformed id token").await;
    for late in [30, 31, 86_400] {
        let message = expect_refused(with_shifted_time("exp", -TTL - late).await.sign_in().await);
        assert!(message.contains("expired"), "{late}: {message}");
    }
    for late in [0, 29] {
        assert!(with_shifted_time("exp", -TTL - late).await.sign_in().await.is_ok(), "{late}");
    }
}

#[tokio::test]
async fn token_issued_more_than_30_seconds_in_the_future_is_refused() {
    assert_refused(json!({ "iat": null }), "malformed id token").await;
    for early in [31, 86_400] {
        let message = expect_refused(with_shifted_time("iat", early).await.sign_in().await);
        assert!(message.contains("issued in the future"), "{early}: {message}");
    }
    assert!(with_shifted_time("iat", 30).await.sign_in().await.is_ok());
}

#[tokio::test]
async fn token_issued_long_ago_is_refused_before_its_expiry() {
    for age in [631, 86_400] {
        let message = expect_refused(with_shifted_time("iat", -age).await.sign_in().await);
        assert!(message.contains("issued too long ago"), "{age}: {message}");
    }
    assert!(with_shifted_time("iat", -630).await.sign_in().await.is_ok());
}

#[tokio::test]
async fn token_without_a_valid_subject_is_refused() {
    assert_refused(json!({ "sub": null }), "malformed id token").await;
    assert_refused(json!({ "sub": 7 }), "malformed id token").await;
    assert_refused(json!({ "sub": "" }), "invalid subject").await;
    assert_refused(json!({ "sub": "x".repeat(256) }), "invalid subject").await;
    assert_refused(json!({ "sub": "a\u{0}" }), "invalid subject").await;
}

#[tokio::test]
async fn email_is_verified_only_if_the_claim_is_true() {
    let sign_in_with = |value: Option<Value>| async move {
        let fixture = Fixture::new().await;
        let end_user = EndUser::new("1").claim("email", "ada@example.com");
        fixture.server.sign_in_as(match value {
            Some(value) => end_user.claim("email_verified", value),
            None => end_user,
        });
        fixture.sign_in().await
    };
    for value in [json!(true), json!("true"), json!("TRUE"), json!(1)] {
        assert!(sign_in_with(Some(value)).await.unwrap().email_verified);
    }
    for value in [Some(json!(false)), Some(json!("false")), Some(json!(null)), None] {
        let identity = sign_in_with(value).await.unwrap();
        assert!(!identity.email_verified);
        assert_eq!(identity.email, Some("ada@example.com".parse().unwrap()));
    }
    for value in [json!("yes"), json!(0), json!([true]), json!({})] {
        assert!(!sign_in_with(Some(value)).await.unwrap().email_verified);
    }
}

#[tokio::test]
async fn malformed_email_or_name_is_dropped() {
    let fixture = Fixture::new().await;
    for (email, name) in [("no address", "\u{200b}"), ("", ""), ("a@b@c", &*"x".repeat(101)), ("a b@c", "a\u{0}b")] {
        fixture.server.sign_in_as(EndUser::with_email("1", email).claim("name", name));
        let identity = fixture.sign_in().await.unwrap();
        assert_eq!((identity.email, identity.name), (None, None), "{email:?} {name:?}");
    }
    fixture.server.sign_in_as(EndUser::new("1"));
    let identity = fixture.sign_in().await.unwrap();
    assert_eq!((identity.email, identity.email_verified, identity.name), (None, false, None));
}

#[tokio::test]
async fn account_is_identified_by_the_subject_not_by_the_email() {
    let fixture = Fixture::new().await;
    fixture.server.sign_in_as(EndUser::with_email("1", "ada@example.com"));
    let before = fixture.sign_in().await.unwrap();
    fixture.server.sign_in_as(EndUser::with_email("1", "lovelace@example.com"));
    let after = fixture.sign_in().await.unwrap();
    assert_eq!(before.account, after.account);
    assert_ne!(before.email, after.email);

    fixture.server.sign_in_as(EndUser::with_email("2", "lovelace@example.com"));
    assert_ne!(fixture.sign_in().await.unwrap().account, after.account);
}

#[tokio::test]
async fn additional_claims_are_ignored() {
    let fixture = Fixture::new().await;
    let end_user = EndUser::new("1")
        .claim("name", "Ada")
        .claim("name#ja", "エイダ")
        .claim("updated_at", "2026-03-01T12:00:00Z")
        .claim("picture", "https://example.com/ada.png")
        .claim("hd", "example.com")
        .claim("groups", json!(["a", { "b": 1 }]));
    fixture.server.sign_in_as(end_user);
    assert_eq!(fixture.sign_in().await.unwrap().name, "Ada".parse::<DisplayName>().ok());
}
