//! Responses whose fields have other types than the specifications say. Fields that are not read cannot fail a sign-in.

use serde_json::{Value, json};
use test_openid::{EndUser, IdToken};

use crate::fixture::{Fixture, expect_refused};

/// Values of every type.
fn values() -> [Value; 9] {
    let (text, object) = (json!("pwd"), json!({ "a": { "b": [1] } }));
    [json!(null), json!(true), json!(7), json!(-1.5), text, json!("3600"), json!([]), json!(["pwd", 7]), object]
}

#[tokio::test]
async fn claims_that_are_not_read_have_any_type() {
    let fixture = Fixture::new().await;
    let unread = [
        "amr",
        "acr",
        "auth_time",
        "at_hash",
        "c_hash",
        "given_name",
        "picture",
        "gender",
        "birthdate",
        "zoneinfo",
        "locale",
        "phone_number",
        "phone_number_verified",
        "address",
        "updated_at",
        "preferred_username",
        "name#ja",
        "jti",
        "nbf",
    ];
    for value in values() {
        let end_user = EndUser::with_email("1", "ada@example.com").claim("name", "Ada");
        fixture.server.sign_in_as(unread.iter().fold(end_user, |user, name| user.claim(name, value.clone())));
        let identity = fixture.sign_in().await.unwrap();
        assert!(identity.email_verified && identity.name == "Ada".parse().ok(), "{value}");
    }
}

#[tokio::test]
async fn email_and_name_of_another_type_are_absent() {
    let fixture = Fixture::new().await;
    for value in [json!(null), json!(true), json!(7), json!(["ada@example.com"]), json!({ "value": "Ada" })] {
        let end_user = EndUser::new("1").claim("email", value.clone()).claim("name", value.clone());
        fixture.server.sign_in_as(end_user.claim("email_verified", true));
        let identity = fixture.sign_in().await.unwrap();
        assert_eq!((identity.email, identity.name), (None, None), "{value}");
    }
}

#[tokio::test]
async fn fields_of_the_token_response_that_are_not_read_have_any_type() {
    let fixture = Fixture::new().await;
    for field in ["expires_in", "token_type", "scope", "refresh_token", "refresh_token_expires_in", "not-before-policy"]
    {
        for value in values() {
            let edit = value.clone();
            fixture.server.edit_token_response(move |response| response[field] = edit.clone());
            assert!(fixture.sign_in().await.is_ok(), "{field}: {value}");
        }
        fixture.server.edit_token_response(move |response| {
            response.as_object_mut().unwrap().remove(field);
        });
        assert!(fixture.sign_in().await.is_ok(), "no {field}");
    }
}

#[tokio::test]
async fn times_of_an_id_token_are_numbers_or_texts_and_are_checked() {
    let with_times = |convert: fn(i64) -> Value, seconds: i64| {
        Fixture::forging(move |token: &mut IdToken| {
            for name in ["exp", "iat"] {
                token.claims[name] = convert(token.claims[name].as_i64().unwrap() + seconds);
            }
        })
    };
    for convert in [
        |seconds: i64| json!(seconds.to_string()),
        |seconds: i64| json!(format!("{seconds}.5").parse::<f64>().unwrap()),
    ] {
        assert!(with_times(convert, 0).await.sign_in().await.is_ok());
        assert!(expect_refused(with_times(convert, -400).await.sign_in().await).contains("expired"));
        assert!(expect_refused(with_times(convert, 40).await.sign_in().await).contains("in the future"));
    }
    for value in [json!("tomorrow"), json!(null), json!([1]), json!("99999999999999999999"), json!(1e300)] {
        let fixture = Fixture::forging(move |token| token.claims["exp"] = value.clone()).await;
        expect_refused(fixture.sign_in().await);
    }
}

#[tokio::test]
async fn signature_covers_the_claims_that_are_not_verified_by_the_library() {
    let fixture = Fixture::forging(|token| {
        token.signer = test_openid::Signer::RsaOver(token.claims.clone());
        token.claims["email"] = "eve@example.com".into();
    });
    assert!(expect_refused(fixture.await.sign_in().await).contains("bad signature"));
    let fixture = Fixture::forging(|token| {
        let mut others = token.claims.clone();
        others["amr"] = "pwd".into();
        token.signer = test_openid::Signer::RsaOver(others);
    });
    assert!(expect_refused(fixture.await.sign_in().await).contains("bad signature"));
}

#[tokio::test]
async fn id_token_with_a_payload_that_is_no_object_is_refused() {
    for claims in [json!(null), json!([]), json!("text"), json!(7), json!({})] {
        let fixture = Fixture::forging(move |token| token.claims = claims.clone()).await;
        assert!(expect_refused(fixture.sign_in().await).contains("malformed id token"));
    }
}
