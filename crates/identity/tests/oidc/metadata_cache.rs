//! Caching of the provider's metadata and keys.

use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::json;
use test_openid::{Endpoint, Fault, IdToken};

use crate::fixture::{Fixture, expect_refused, expect_unavailable};

const HOUR: TimeDelta = TimeDelta::hours(1);

fn set_unknown_key_id(token: &mut IdToken) {
    token.header["kid"] = "unknown".into();
}

#[tokio::test]
async fn metadata_is_fetched_once_an_hour() {
    let fixture = Fixture::new().await;
    for _ in 0..3 {
        fixture.sign_in().await.unwrap();
    }
    assert_eq!(fixture.fetches(), (1, 1));
    fixture.advance(HOUR - TimeDelta::seconds(1));
    fixture.sign_in().await.unwrap();
    assert_eq!(fixture.fetches(), (1, 1));
    fixture.advance(TimeDelta::seconds(1));
    fixture.sign_in().await.unwrap();
    assert_eq!(fixture.fetches(), (2, 2));
}

#[tokio::test]
async fn concurrent_sign_ins_fetch_once() {
    let fixture = Fixture::new().await;
    for outcome in join_all((0..20).map(|_| fixture.sign_in())).await {
        outcome.unwrap();
    }
    assert_eq!(fixture.fetches(), (1, 1));
    fixture.advance(HOUR);
    for outcome in join_all((0..20).map(|_| fixture.sign_in())).await {
        outcome.unwrap();
    }
    assert_eq!(fixture.fetches(), (2, 2));
}

#[tokio::test]
async fn unknown_key_id_fetches_the_keys() {
    let fixture = Fixture::new().await;
    fixture.sign_in().await.unwrap();
    fixture.server.rotate_keys();
    fixture.sign_in().await.unwrap();
    fixture.sign_in().await.unwrap();
    assert_eq!(fixture.fetches(), (1, 2));
    // The age of the remaining metadata is unchanged.
    fixture.advance(HOUR);
    fixture.sign_in().await.unwrap();
    assert_eq!(fixture.fetches(), (2, 3));
}

#[tokio::test]
async fn withdrawn_key_is_refused_after_new_keys_are_fetched() {
    let fixture = Fixture::new().await;
    fixture.sign_in().await.unwrap();
    fixture.server.rotate_keys();
    fixture.sign_in().await.unwrap();
    fixture.server.forge(|token| {
        token.header["kid"] = "rsa-0".into();
        token.signer = test_openid::Signer::UnpublishedRsa;
    });
    assert!(expect_refused(fixture.sign_in().await).contains("No matching key"));
}

#[tokio::test]
async fn concurrent_sign_ins_with_a_new_key_fetch_it_once() {
    let fixture = Fixture::new().await;
    fixture.sign_in().await.unwrap();
    fixture.server.rotate_keys();
    for outcome in join_all((0..10).map(|_| fixture.sign_in())).await {
        outcome.unwrap();
    }
    assert_eq!(fixture.fetches(), (1, 2));
}

#[tokio::test]
async fn unknown_key_ids_fetch_keys_at_most_every_30_seconds() {
    let fixture = Fixture::forging(set_unknown_key_id).await;
    for _ in 0..5 {
        assert!(expect_refused(fixture.sign_in().await).contains("No matching key"));
    }
    assert_eq!(fixture.fetches(), (1, 2));
    fixture.advance(TimeDelta::seconds(29));
    assert!(expect_refused(fixture.sign_in().await).contains("No matching key"));
    assert_eq!(fixture.fetches(), (1, 2));
    fixture.advance(TimeDelta::seconds(1));
    assert!(expect_refused(fixture.sign_in().await).contains("No matching key"));
    assert_eq!(fixture.fetches(), (1, 3));
}

#[tokio::test]
async fn invalid_signature_of_a_known_key_fetches_nothing() {
    let fixture = Fixture::forging(|token| token.signer = test_openid::Signer::UnpublishedRsa).await;
    assert!(expect_refused(fixture.sign_in().await).contains("bad signature"));
    assert_eq!(fixture.fetches(), (1, 1));
}

#[tokio::test]
async fn failed_fetch_of_keys_is_unavailable_not_refused() {
    let fixture = Fixture::new().await;
    fixture.sign_in().await.unwrap();
    fixture.server.rotate_keys();
    fixture.server.set_fault(Endpoint::Keys, Fault::Status(503));
    assert!(expect_unavailable(fixture.sign_in().await).contains("503"));
    fixture.server.clear_fault(Endpoint::Keys);
    fixture.advance(TimeDelta::seconds(30));
    fixture.sign_in().await.unwrap();
}

#[tokio::test]
async fn failed_first_fetch_is_retried_immediately() {
    let fixture = Fixture::new().await;
    for endpoint in [Endpoint::Discovery, Endpoint::Keys] {
        fixture.server.set_fault(endpoint, Fault::Status(500));
        expect_unavailable(fixture.begin().await);
        fixture.server.clear_fault(endpoint);
    }
    fixture.sign_in().await.unwrap();
    assert_eq!(fixture.fetches(), (3, 2));
}

#[tokio::test]
async fn stale_metadata_is_used_for_a_day_while_the_refresh_fails() {
    let fixture = Fixture::new().await;
    fixture.sign_in().await.unwrap();
    fixture.server.set_fault(Endpoint::Discovery, Fault::Status(500));
    fixture.advance(HOUR);
    fixture.sign_in().await.unwrap();
    fixture.sign_in().await.unwrap();
    assert_eq!(fixture.fetches(), (2, 1), "no retry within 30 seconds");
    assert_eq!(fixture.failures.all().len(), 1);
    assert!(fixture.failures.all()[0].contains("500"), "{:?}", fixture.failures.all());

    fixture.advance(TimeDelta::seconds(30));
    fixture.sign_in().await.unwrap();
    assert_eq!(fixture.fetches(), (3, 1));

    fixture.advance(TimeDelta::hours(23) - TimeDelta::seconds(30));
    assert!(expect_unavailable(fixture.begin().await).contains("500"));

    fixture.server.clear_fault(Endpoint::Discovery);
    fixture.sign_in().await.unwrap();
}

#[tokio::test]
async fn invalid_document_does_not_replace_the_cached_one() {
    let fixture = Fixture::new().await;
    fixture.sign_in().await.unwrap();
    fixture.server.edit_document(|document| document["issuer"] = json!("https://evil.example.com"));
    fixture.advance(HOUR);
    fixture.sign_in().await.unwrap();
    assert!(fixture.failures.all()[0].contains("unexpected issuer"), "{:?}", fixture.failures.all());
}
