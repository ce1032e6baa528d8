//! `/auth/tokens`, and requests whose token lacks a scope.

use actix_web::http::{Method, header};
use chrono::TimeDelta;
use domain::api_token::{ApiToken, ApiTokenRepoError};
use domain::page::Page;
use domain::principal::Scopes;
use serde_json::json;
use uuid::Uuid;

use crate::tests::support::{
    API_TOKEN, ME, Ports, anonymous, fill_path, json, me, mock_tokens, now, operations, signed_in, user,
};

fn token() -> ApiToken {
    ApiToken {
        id: Uuid::from_u128(11).into(),
        user_id: me(),
        name: "backup".parse().unwrap(),
        scopes: Scopes::granted(["tasks:read", "chat"]).unwrap(),
        created_at: now(),
        last_used_at: None,
        expires_at: Some(now() + TimeDelta::days(1)),
    }
}

#[actix_web::test]
async fn a_token_is_shown_once_when_it_is_created() {
    let mut ports = Ports::new();
    mock_tokens(&mut ports.tokens);
    ports
        .api_tokens
        .expect_create()
        .withf(|owner, session, new| {
            let expires_in_a_day = new.expires_at == Some(now() + TimeDelta::days(1));
            expires_in_a_day
                && (*owner, session.as_uuid().as_u128(), new.scopes.to_string()) == (me(), 9, "tasks:read chat".into())
        })
        .returning(|_, _, _| Ok(token()));
    ports.api_tokens.expect_list().returning(|_, _| Ok(Page { items: vec![token()], next: None }));
    let body =
        r#"{"name":" backup ","scopes":["chat","tasks:read","chat"],"expires_at":"2026-03-02T13:00:00.123456+01:00"}"#;
    let responses = ports
        .send_all([json(signed_in(Method::POST, "/auth/tokens"), body), signed_in(Method::GET, "/auth/tokens")])
        .await;
    let mut created = responses[0].ok(201);
    assert_eq!(created["token"], "secret");
    assert_eq!(created["scopes"], json!(["tasks:read", "chat"]));
    created.as_object_mut().unwrap().remove("token");
    assert_eq!(responses[1].ok(200), json!([created]));
}

#[actix_web::test]
async fn an_invalid_token_request_names_its_field() {
    for (body, field, message) in [
        (r#"{"scopes":["chat"]}"#, "name", "name is required"),
        (
            r#"{"name":" ","scopes":["chat"]}"#,
            "name",
            "name must be 1 to 100 characters, none of them a control character",
        ),
        (r#"{"name":"a"}"#, "scopes", "scopes is required"),
        (r#"{"name":"a","scopes":[]}"#, "scopes", "scopes must be one or more of tasks:read, tasks:write and chat"),
        (
            r#"{"name":"a","scopes":["account"]}"#,
            "scopes",
            "scopes must be one or more of tasks:read, tasks:write and chat",
        ),
        (
            r#"{"name":"a","scopes":["chat"],"expires_at":"tomorrow"}"#,
            "expires_at",
            "expires_at must be a time such as 2027-01-31T12:00:00Z (RFC 3339)",
        ),
        (
            r#"{"name":"a","scopes":["chat"],"expires_at":"+10000-01-01T00:00:00Z"}"#,
            "expires_at",
            "expires_at must be a time such as 2027-01-31T12:00:00Z (RFC 3339)",
        ),
        (
            r#"{"name":"a","scopes":["chat"],"expires_at":"2026-03-01T12:00:00Z"}"#,
            "expires_at",
            "expires_at must be in the future",
        ),
    ] {
        let response = Ports::new().send(json(signed_in(Method::POST, "/auth/tokens"), body)).await;
        assert_eq!(response.problem(400, "VALIDATION_ERROR", field)["message"], message);
    }
}

#[actix_web::test]
async fn a_foreign_token_is_not_found() {
    let mut ports = Ports::new();
    ports.api_tokens.expect_delete().returning(|_, _| Err(ApiTokenRepoError::NotFound));
    let foreign = signed_in(Method::DELETE, "/auth/tokens/00000000-0000-0000-0000-000000000005");
    let responses = ports.send_all([foreign, signed_in(Method::DELETE, "/auth/tokens/no-id")]).await;
    for response in &responses {
        response.problem(404, "TOKEN_NOT_FOUND", "");
    }
    assert_eq!(responses[0].without_request_id(), responses[1].without_request_id());
}

#[actix_web::test]
async fn a_missing_scope_is_refused_and_named_before_other_checks() {
    let mut checked = 0;
    for (path, method, operation) in operations() {
        let Some(needed) = operation["security"][0]["bearer"][0].as_str() else { continue };
        for (scopes, given) in
            [(&["tasks:read"][..], "tasks:read"), (&["tasks:write"], "tasks:write"), (&["chat"], "chat")]
        {
            if given == needed {
                continue;
            }
            let request = json(anonymous(method.clone(), &fill_path(&format!("{path}?nonsense=1"))), "nonsense")
                .insert_header((header::AUTHORIZATION, format!("Bearer {API_TOKEN}")));
            let response = Ports::new().with_api_token(scopes).send(request).await;
            response.problem(403, "INSUFFICIENT_SCOPE", "");
            let challenge = format!(r#"Bearer realm="doable", error="insufficient_scope", scope="{needed}""#);
            assert_eq!(response.header("www-authenticate"), challenge, "{method} {path}");
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked}");
}

#[actix_web::test]
async fn any_token_may_read_its_account() {
    let mut ports = Ports::new().with_api_token(&["chat"]);
    ports.users.expect_get().returning(|_| Ok(user()));
    let request =
        anonymous(Method::GET, "/auth/me").insert_header((header::AUTHORIZATION, format!("Bearer {API_TOKEN}")));
    assert_eq!(ports.send(request).await.ok(200)["id"], ME);
}
