//! Which claims are accepted, and what becomes of them. Every token here is signed as it has to be.

use domain::user::DisplayName;
use serde_json::{Value, json};
use test_openid::{CLIENT_ID, IdToken, Person};

use crate::fixture::{Fixture, refused};

/// How long the provider's id tokens are good.
const LIFETIME: i64 = 300;

/// Signs in with an id token in which claims are changed or, with `null`, left out.
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

async fn assert_refused(changes: Value, why: &str) {
    let told = refused(with_claims(changes.clone()).await.sign_in().await);
    assert!(told.contains(why), "{changes}: {told}");
}

/// Changes a time by so many seconds.
async fn with_time(claim: &'static str, by: i64) -> Fixture {
    Fixture::forging(move |token| token.claims[claim] = (token.claims[claim].as_i64().unwrap() + by).into()).await
}

#[tokio::test]
async fn a_nonce_that_is_not_the_attempts_is_refused() {
    assert_refused(json!({ "nonce": "another" }), "nonce mismatch").await;
    assert_refused(json!({ "nonce": "" }), "nonce mismatch").await;
    assert_refused(json!({ "nonce": null }), "missing nonce").await;
    assert_refused(json!({ "nonce": 7 }), "cannot be read").await;
}

#[tokio::test]
async fn a_token_of_another_issuer_is_refused() {
    assert_refused(json!({ "iss": "https://accounts.example.com" }), "Invalid issuer").await;
    assert_refused(json!({ "iss": null }), "cannot be read").await;
    for alter in [|issuer: &str| format!("{issuer}/"), |issuer: &str| issuer.to_uppercase()] {
        let fixture = Fixture::forging(move |token| {
            token.claims["iss"] = alter(token.claims["iss"].as_str().unwrap()).into();
        });
        assert!(refused(fixture.await.sign_in().await).contains("Invalid issuer"));
    }
}

#[tokio::test]
async fn a_token_for_another_client_is_refused() {
    for audience in [json!("another"), json!(["another"]), json!([]), json!(["another", "doable"]), json!(null)] {
        assert_refused(json!({ "aud": audience, "azp": CLIENT_ID }), "Invalid audiences").await;
    }
}

#[tokio::test]
async fn a_token_for_several_clients_is_ours_only_if_it_says_that_it_was_made_for_us() {
    let both = json!([CLIENT_ID, "another"]);
    assert_refused(json!({ "aud": both }), "made for another client").await;
    assert_refused(json!({ "aud": both, "azp": "another" }), "made for another client").await;
    assert!(with_claims(json!({ "aud": both, "azp": CLIENT_ID })).await.sign_in().await.is_ok());
}

#[tokio::test]
async fn an_authorized_party_that_is_not_us_is_refused_even_if_nobody_else_is_meant() {
    assert_refused(json!({ "azp": "another" }), "made for another client").await;
    assert_refused(json!({ "azp": "" }), "made for another client").await;
    assert!(with_claims(json!({ "azp": CLIENT_ID })).await.sign_in().await.is_ok());
    assert!(with_claims(json!({ "aud": [CLIENT_ID] })).await.sign_in().await.is_ok());
}

#[tokio::test]
async fn a_token_is_over_at_its_time_and_30_seconds() {
    assert_refused(json!({ "exp": null }), "cannot be read").await;
    for over in [30, 31, 86_400] {
        let told = refused(with_time("exp", -LIFETIME - over).await.sign_in().await);
        assert!(told.contains("expired"), "{over}: {told}");
    }
    for good in [0, 29] {
        assert!(with_time("exp", -LIFETIME - good).await.sign_in().await.is_ok(), "{good}");
    }
}

#[tokio::test]
async fn a_token_from_the_future_beyond_30_seconds_is_refused() {
    assert_refused(json!({ "iat": null }), "cannot be read").await;
    for early in [31, 86_400] {
        let told = refused(with_time("iat", early).await.sign_in().await);
        assert!(told.contains("to come"), "{early}: {told}");
    }
    assert!(with_time("iat", 30).await.sign_in().await.is_ok());
}

#[tokio::test]
async fn a_token_that_was_not_made_just_now_is_refused_however_long_it_is_good() {
    for late in [631, 86_400] {
        let told = refused(with_time("iat", -late).await.sign_in().await);
        assert!(told.contains("long ago"), "{late}: {told}");
    }
    assert!(with_time("iat", -630).await.sign_in().await.is_ok());
}

#[tokio::test]
async fn a_token_without_a_subject_is_refused() {
    assert_refused(json!({ "sub": null }), "cannot be read").await;
    assert_refused(json!({ "sub": 7 }), "cannot be read").await;
    assert_refused(json!({ "sub": "" }), "names nobody").await;
    assert_refused(json!({ "sub": "x".repeat(256) }), "names nobody").await;
    assert_refused(json!({ "sub": "a\u{0}" }), "names nobody").await;
}

#[tokio::test]
async fn an_address_is_verified_only_if_the_provider_says_so() {
    let said = |value: Option<Value>| async move {
        let fixture = Fixture::new().await;
        let person = Person::new("1").claim("email", "ada@example.com");
        fixture.server.sign_in_as(match value {
            Some(value) => person.claim("email_verified", value),
            None => person,
        });
        fixture.sign_in().await
    };
    for yes in [json!(true), json!("true")] {
        assert!(said(Some(yes)).await.unwrap().email_verified);
    }
    for no in [Some(json!(false)), Some(json!("false")), Some(json!(null)), None] {
        let identity = said(no).await.unwrap();
        assert!(!identity.email_verified);
        assert_eq!(identity.email, Some("ada@example.com".parse().unwrap()));
    }
    // What is neither yes nor no opens nothing at all.
    for nonsense in [json!("yes"), json!("TRUE"), json!(1), json!([true]), json!({})] {
        assert!(refused(said(Some(nonsense)).await).contains("cannot be read"));
    }
}

#[tokio::test]
async fn an_address_or_a_name_that_is_none_is_left_out() {
    let fixture = Fixture::new().await;
    for (email, name) in [("no address", "\u{200b}"), ("", ""), ("a@b@c", &*"x".repeat(101)), ("a b@c", "a\u{0}b")] {
        fixture.server.sign_in_as(Person::with_email("1", email).claim("name", name));
        let identity = fixture.sign_in().await.unwrap();
        assert_eq!((identity.email, identity.name), (None, None), "{email:?} {name:?}");
    }
    fixture.server.sign_in_as(Person::new("1"));
    let identity = fixture.sign_in().await.unwrap();
    assert_eq!((identity.email, identity.email_verified, identity.name), (None, false, None));
}

#[tokio::test]
async fn another_address_with_the_same_subject_is_the_same_account() {
    let fixture = Fixture::new().await;
    fixture.server.sign_in_as(Person::with_email("1", "ada@example.com"));
    let before = fixture.sign_in().await.unwrap();
    fixture.server.sign_in_as(Person::with_email("1", "lovelace@example.com"));
    let after = fixture.sign_in().await.unwrap();
    assert_eq!(before.account, after.account);
    assert_ne!(before.email, after.email);

    fixture.server.sign_in_as(Person::with_email("2", "lovelace@example.com"));
    assert_ne!(fixture.sign_in().await.unwrap().account, after.account);
}

#[tokio::test]
async fn claims_that_nobody_asked_for_do_no_harm() {
    let fixture = Fixture::new().await;
    let person = Person::new("1")
        .claim("name", "Ada")
        .claim("name#ja", "エイダ")
        .claim("updated_at", "2026-03-01T12:00:00Z")
        .claim("picture", "https://example.com/ada.png")
        .claim("hd", "example.com")
        .claim("groups", json!(["a", { "b": 1 }]));
    fixture.server.sign_in_as(person);
    assert_eq!(fixture.sign_in().await.unwrap().name, "Ada".parse::<DisplayName>().ok());
}
