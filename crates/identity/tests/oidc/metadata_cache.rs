//! How often the provider is asked what it publishes, and what happens when it changes, or cannot be asked again.

use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::json;
use test_openid::{Fault, IdToken, Page};

use crate::fixture::{Fixture, refused, unavailable};

const HOUR: TimeDelta = TimeDelta::hours(1);

fn unknown_key(token: &mut IdToken) {
    token.header["kid"] = "unknown".into();
}

#[tokio::test]
async fn what_the_provider_publishes_is_fetched_once_an_hour() {
    let fixture = Fixture::new().await;
    for _ in 0..3 {
        fixture.sign_in().await.unwrap();
    }
    assert_eq!(fixture.fetched(), (1, 1));
    fixture.advance(HOUR - TimeDelta::seconds(1));
    fixture.sign_in().await.unwrap();
    assert_eq!(fixture.fetched(), (1, 1));
    fixture.advance(TimeDelta::seconds(1));
    fixture.sign_in().await.unwrap();
    assert_eq!(fixture.fetched(), (2, 2));
}

#[tokio::test]
async fn a_crowd_that_signs_in_at_once_fetches_once() {
    let fixture = Fixture::new().await;
    for outcome in join_all((0..20).map(|_| fixture.sign_in())).await {
        outcome.unwrap();
    }
    assert_eq!(fixture.fetched(), (1, 1));
    fixture.advance(HOUR);
    for outcome in join_all((0..20).map(|_| fixture.sign_in())).await {
        outcome.unwrap();
    }
    assert_eq!(fixture.fetched(), (2, 2));
}

#[tokio::test]
async fn new_keys_are_fetched_when_a_token_names_one_that_is_not_known() {
    let fixture = Fixture::new().await;
    fixture.sign_in().await.unwrap();
    fixture.server.rotate_keys();
    fixture.sign_in().await.unwrap();
    fixture.sign_in().await.unwrap();
    assert_eq!(fixture.fetched(), (1, 2));
    // What else is published is as old as it was.
    fixture.advance(HOUR);
    fixture.sign_in().await.unwrap();
    assert_eq!(fixture.fetched(), (2, 3));
}

#[tokio::test]
async fn a_key_that_is_published_no_longer_opens_nothing_once_new_ones_are_known() {
    let fixture = Fixture::new().await;
    fixture.sign_in().await.unwrap();
    fixture.server.rotate_keys();
    fixture.sign_in().await.unwrap();
    fixture.server.forge(|token| {
        token.header["kid"] = "rsa-0".into();
        token.signer = test_openid::Signer::UnpublishedRsa;
    });
    assert!(refused(fixture.sign_in().await).contains("No matching key"));
}

#[tokio::test]
async fn a_crowd_that_brings_tokens_of_a_new_key_fetches_it_once() {
    let fixture = Fixture::new().await;
    fixture.sign_in().await.unwrap();
    fixture.server.rotate_keys();
    for outcome in join_all((0..10).map(|_| fixture.sign_in())).await {
        outcome.unwrap();
    }
    assert_eq!(fixture.fetched(), (1, 2));
}

#[tokio::test]
async fn tokens_of_unknown_keys_do_not_make_us_ask_more_often_than_every_30_seconds() {
    let fixture = Fixture::forging(unknown_key).await;
    for _ in 0..5 {
        assert!(refused(fixture.sign_in().await).contains("No matching key"));
    }
    assert_eq!(fixture.fetched(), (1, 2));
    fixture.advance(TimeDelta::seconds(29));
    assert!(refused(fixture.sign_in().await).contains("No matching key"));
    assert_eq!(fixture.fetched(), (1, 2));
    fixture.advance(TimeDelta::seconds(1));
    assert!(refused(fixture.sign_in().await).contains("No matching key"));
    assert_eq!(fixture.fetched(), (1, 3));
}

#[tokio::test]
async fn a_bad_token_of_a_known_key_makes_us_ask_for_nothing() {
    let fixture = Fixture::forging(|token| token.signer = test_openid::Signer::UnpublishedRsa).await;
    assert!(refused(fixture.sign_in().await).contains("bad signature"));
    assert_eq!(fixture.fetched(), (1, 1));
}

#[tokio::test]
async fn keys_that_cannot_be_fetched_are_the_providers_fault_and_not_the_tokens() {
    let fixture = Fixture::new().await;
    fixture.sign_in().await.unwrap();
    fixture.server.rotate_keys();
    fixture.server.fail(Page::Keys, Fault::Status(503));
    assert!(unavailable(fixture.sign_in().await).contains("503"));
    fixture.server.mend(Page::Keys);
    fixture.advance(TimeDelta::seconds(30));
    fixture.sign_in().await.unwrap();
}

#[tokio::test]
async fn a_first_fetch_that_fails_is_not_remembered() {
    let fixture = Fixture::new().await;
    for page in [Page::Discovery, Page::Keys] {
        fixture.server.fail(page, Fault::Status(500));
        unavailable(fixture.begin().await);
        fixture.server.mend(page);
    }
    fixture.sign_in().await.unwrap();
    assert_eq!(fixture.fetched(), (3, 2));
}

#[tokio::test]
async fn what_is_known_serves_on_for_a_day_while_nothing_newer_is_to_be_had() {
    let fixture = Fixture::new().await;
    fixture.sign_in().await.unwrap();
    fixture.server.fail(Page::Discovery, Fault::Status(500));
    fixture.advance(HOUR);
    fixture.sign_in().await.unwrap();
    fixture.sign_in().await.unwrap();
    assert_eq!(fixture.fetched(), (2, 1), "it pauses after a failure");
    assert_eq!(fixture.heard.all().len(), 1);
    assert!(fixture.heard.all()[0].contains("500"), "{:?}", fixture.heard.all());

    fixture.advance(TimeDelta::seconds(30));
    fixture.sign_in().await.unwrap();
    assert_eq!(fixture.fetched(), (3, 1));

    fixture.advance(TimeDelta::hours(23) - TimeDelta::seconds(30));
    assert!(unavailable(fixture.begin().await).contains("500"));

    fixture.server.mend(Page::Discovery);
    fixture.sign_in().await.unwrap();
}

#[tokio::test]
async fn a_document_that_went_bad_does_not_take_the_place_of_a_good_one() {
    let fixture = Fixture::new().await;
    fixture.sign_in().await.unwrap();
    fixture.server.edit_document(|document| document["issuer"] = json!("https://evil.example.com"));
    fixture.advance(HOUR);
    fixture.sign_in().await.unwrap();
    assert!(fixture.heard.all()[0].contains("unexpected issuer"), "{:?}", fixture.heard.all());
}
