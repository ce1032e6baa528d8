//! Claims from the userinfo endpoint.

use domain::account::ProviderIdentity;
use serde_json::{Value, json};
use test_openid::{EndUser, Endpoint, Fault};

use crate::fixture::{Fixture, expect_refused, expect_unavailable};

fn complete() -> EndUser {
    EndUser::with_email("1", "ada@example.com").claim("name", "Ada")
}

/// An end user whose claims are only in the userinfo response.
fn in_user_info() -> EndUser {
    EndUser::new("1").user_info("email", "ada@example.com").user_info("email_verified", true).user_info("name", "Ada")
}

async fn trusting() -> Fixture {
    Fixture::with(|options| options.trust_email = true).await
}

async fn sign_in(fixture: &Fixture, end_user: EndUser) -> ProviderIdentity {
    fixture.server.sign_in_as(end_user);
    fixture.sign_in().await.unwrap()
}

fn requests(fixture: &Fixture) -> usize {
    fixture.server.request_count(Endpoint::UserInfo)
}

#[tokio::test]
async fn claims_that_the_id_token_lacks_are_read_from_userinfo() {
    let fixture = Fixture::new().await;
    let expected = sign_in(&fixture, complete()).await;
    assert!(expected.email_verified);
    assert_eq!(requests(&fixture), 0, "the id token is complete");
    assert_eq!(sign_in(&fixture, in_user_info()).await, expected);
    assert_eq!(requests(&fixture), 1);
    for in_id_token in [
        json!({ "email": "ada@example.com", "name": "Ada" }),
        json!({ "email": "ada@example.com", "email_verified": true }),
        json!({ "email_verified": true, "name": "Ada" }),
        json!({ "email": null, "email_verified": null, "name": null }),
    ] {
        let claims = in_id_token.as_object().unwrap();
        let end_user = claims.iter().fold(in_user_info(), |user, (name, value)| user.claim(name, value.clone()));
        assert_eq!(sign_in(&fixture, end_user).await, expected, "{in_id_token}");
    }
}

#[tokio::test]
async fn claims_of_the_id_token_take_precedence() {
    let fixture = Fixture::new().await;
    let end_user = EndUser::new("1").claim("email", "ada@example.com").claim("name", "Ada");
    let other =
        end_user.user_info("email", "eve@example.com").user_info("email_verified", true).user_info("name", "Eve");
    let identity = sign_in(&fixture, other).await;
    assert_eq!((identity.email, identity.name), ("ada@example.com".parse().ok(), "Ada".parse().ok()));
    assert!(!identity.email_verified, "the other address is verified");
}

#[tokio::test]
async fn userinfo_of_another_subject_is_refused() {
    let fixture = Fixture::new().await;
    for subject in [json!("2"), json!(null), json!(1), json!(""), json!("1 ")] {
        for end_user in [in_user_info(), EndUser::with_email("1", "ada@example.com")] {
            fixture.server.sign_in_as(end_user.user_info("sub", subject.clone()));
            assert!(expect_refused(fixture.sign_in().await).contains("another subject"), "{subject}");
        }
    }
}

#[tokio::test]
async fn failure_of_userinfo_fails_only_a_sign_in_that_needs_the_email() {
    let fixture = Fixture::new().await;
    for (fault, is_unavailable) in [
        (Fault::Status(503), true),
        (Fault::Status(401), false),
        (Fault::Status(204), false),
        (Fault::Body(200, "<html>".to_owned()), false),
        (Fault::Body(200, "eyJhbGciOiJSUzI1NiJ9.e30.AA".to_owned()), false),
        (Fault::Redirect("/token".to_owned()), false),
    ] {
        fixture.server.set_fault(Endpoint::UserInfo, fault);
        fixture.server.sign_in_as(in_user_info());
        if is_unavailable {
            expect_unavailable(fixture.sign_in().await);
        } else {
            expect_refused(fixture.sign_in().await);
        }
        let identity = sign_in(&fixture, EndUser::with_email("1", "ada@example.com")).await;
        assert!(identity.email_verified && identity.name.is_none());
    }
}

#[tokio::test]
async fn provider_without_userinfo_is_not_asked() {
    let fixture = Fixture::new().await;
    fixture.server.edit_document(|document| {
        document.as_object_mut().unwrap().remove("userinfo_endpoint");
    });
    let identity = sign_in(&fixture, in_user_info()).await;
    assert_eq!((identity.email, identity.email_verified, requests(&fixture)), (None, false, 0));
}

#[tokio::test]
async fn access_token_is_sent_over_https_only() {
    let fixture = Fixture::new().await;
    fixture.server.edit_document(|document| document["userinfo_endpoint"] = "ftp://127.0.0.1/userinfo".into());
    assert!(expect_refused(fixture.begin().await).contains("not https"));
}

#[tokio::test]
async fn email_that_nobody_calls_verified_is_trusted_by_option_only() {
    let email = |user: EndUser| user.claim("email", "ada@example.com");
    let silent = [
        email(EndUser::new("1")),
        email(EndUser::new("1")).claim("email_verified", Value::Null),
        EndUser::new("1").user_info("email", "ada@example.com"),
        email(EndUser::new("1")).user_info("email_verified", Value::Null),
    ];
    let (strict, trusting) = (Fixture::new().await, trusting().await);
    for end_user in silent {
        assert!(!sign_in(&strict, end_user.clone()).await.email_verified);
        assert!(sign_in(&trusting, end_user).await.email_verified);
    }
    for value in [json!(false), json!("false"), json!(0), json!("no"), json!([])] {
        for end_user in [
            email(EndUser::new("1")).claim("email_verified", value.clone()),
            email(EndUser::new("1")).user_info("email_verified", value.clone()),
            EndUser::new("1").user_info("email", "ada@example.com").user_info("email_verified", value.clone()),
            email(EndUser::new("1")).claim("email_verified", value.clone()).user_info("email_verified", true),
        ] {
            assert!(!sign_in(&trusting, end_user).await.email_verified, "{value}");
        }
    }
    for without_email in [EndUser::new("1"), EndUser::new("1").claim("email", "no address")] {
        assert!(!sign_in(&trusting, without_email).await.email_verified);
    }
}

#[tokio::test]
async fn types_of_userinfo_claims_do_not_matter() {
    let fixture = Fixture::new().await;
    let end_user = in_user_info()
        .user_info("picture", json!({ "data": { "url": "https://example.com/a.png" } }))
        .user_info("address", "London")
        .user_info("updated_at", "yesterday")
        .user_info("locale", 7)
        .user_info("email_verified", "true");
    assert!(sign_in(&fixture, end_user).await.email_verified);
}
