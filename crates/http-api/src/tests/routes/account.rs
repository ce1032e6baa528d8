//! `/auth`: registration, sign-in, the profile and passwords.

use actix_web::http::Method;
use chrono::{DateTime, Utc};
use domain::account::HashError;
use domain::patch::Patch;
use domain::session::{Client, Session, SessionRepoError};
use domain::storage::StorageError;
use domain::system::RefreshTokenOwner;
use domain::user::{Credentials, PasswordHash, User, UserRepoError};
use uuid::Uuid;

use crate::tests::support::{ME, Ports, anonymous, json, me, mock_tokens, now, session_status, signed_in, user};

fn session(started: DateTime<Utc>) -> Session {
    Session {
        id: Uuid::from_u128(9).into(),
        user_id: me(),
        client: Client::default(),
        created_at: started,
        last_used_at: started,
        expires_at: started,
    }
}

fn signing_in() -> Ports {
    let mut ports = Ports::new();
    mock_tokens(&mut ports.tokens);
    ports.sessions.expect_create().returning(|_, new| Ok(session(new.at)));
    ports.hasher.expect_hash().returning(|_| Ok(PasswordHash::new("hash".into())));
    ports.users.expect_create().returning(|new| Ok(User { email: new.email, name: new.name, ..user() }));
    ports
}

fn post(path: &str, body: &str) -> actix_web::test::TestRequest {
    json(anonymous(Method::POST, path), body)
}

#[actix_web::test]
async fn registering_signs_in() {
    let body = r#"{"email":" Ada@example.com ","password":"correct horse","name":null}"#;
    let session = signing_in().send(post("/auth/register", body)).await.ok(201);
    assert_eq!(
        session,
        serde_json::json!({
            "access_token": "access", "token": "access", "token_type": "bearer", "expires_in": 86_400,
            "refresh_token": "refresh",
            "user": {
                "id": ME, "email": "Ada@example.com", "name": "Ada", "time_zone": "UTC",
                "created_at": "2026-03-01T12:00:00.123456Z",
            },
        })
    );
}

#[actix_web::test]
async fn an_invalid_registration_names_its_field() {
    let long = "x".repeat(129);
    for (body, field, message) in [
        (r#"{"password":"correct horse"}"#, "email", "email is required"),
        (r#"{"email":"ada","password":"correct horse"}"#, "email", "email must be a valid email address"),
        (r#"{"email":null,"password":"correct horse"}"#, "email", "email must be a string"),
        (r#"{"email":"a@example.com"}"#, "password", "password is required"),
        (r#"{"email":"a@example.com","password":"short"}"#, "password", "password must be 8 to 128 characters"),
        (
            &format!(r#"{{"email":"a@example.com","password":"{long}"}}"#),
            "password",
            "password must be 8 to 128 characters",
        ),
        (r#"{"email":"a@example.com","password":12345678}"#, "password", "password must be a string"),
        (
            r#"{"email":"a@example.com","password":"correct\u0000horse"}"#,
            "password",
            "password must not contain a NUL character",
        ),
        (
            r#"{"email":"a@example.com","password":"correct horse","name":" "}"#,
            "name",
            "name must be 1 to 100 characters, none of them a control character",
        ),
        (r#"{"email":"a@example.com","password":"correct horse","id":"x","é":1}"#, "id", "Unknown fields: 'id', 'é'"),
    ] {
        let problem = signing_in().send(post("/auth/register", body)).await.problem(400, "VALIDATION_ERROR", field);
        assert_eq!(problem["message"], message);
    }
}

#[actix_web::test]
async fn a_taken_email_is_a_conflict() {
    let mut ports = signing_in();
    ports.users.checkpoint();
    ports.users.expect_create().returning(|_| Err(UserRepoError::EmailTaken));
    let body = r#"{"email":"ada@example.com","password":"correct horse"}"#;
    ports.send(post("/auth/register", body)).await.problem(409, "EMAIL_TAKEN", "email");
}

#[actix_web::test]
async fn a_registration_is_refused_where_sign_ups_are_closed_or_of_other_domains() {
    for sign_ups in ["closed", "example.org"] {
        let ports = Ports { sign_ups: sign_ups.parse().unwrap(), ..Ports::new() };
        let body = r#"{"email":"ada@example.com","password":"correct horse"}"#;
        ports.send(post("/auth/register", body)).await.problem(403, "SIGNUPS_CLOSED", "");
    }
}

#[actix_web::test]
async fn an_overloaded_password_hasher_is_reported() {
    let mut ports = signing_in();
    ports.hasher.checkpoint();
    ports.hasher.expect_hash().returning(|_| Err(HashError::Overloaded));
    let body = r#"{"email":"ada@example.com","password":"correct horse"}"#;
    let response = ports.send(post("/auth/register", body)).await;
    response.problem(503, "OVERLOADED", "");
    assert_eq!(response.header("retry-after"), "1");
}

fn with_ada(password_matches: bool) -> Ports {
    let mut ports = signing_in();
    ports.system.expect_credentials_by_email().returning(|email| {
        let known = email.as_str() == "ada@example.com";
        Ok(known.then(|| Credentials { user: user(), password_hash: Some(PasswordHash::new("hash".into())) }))
    });
    ports.hasher.expect_verify().returning(move |_, hash| Ok(password_matches && hash.is_some()));
    ports
}

#[actix_web::test]
async fn the_right_password_signs_in() {
    let body = r#"{"email":"ADA@example.com","password":"short"}"#;
    with_ada(true).send(post("/auth/login", body)).await.ok(200);
}

#[actix_web::test]
async fn unknown_email_wrong_password_and_invalid_email_get_the_same_response() {
    let mut responses = Vec::new();
    for (email, password_matches) in
        [("ada@example.com", false), ("eve@example.com", true), ("no address", true), ("", true)]
    {
        let mut ports = with_ada(password_matches);
        // The hash is computed in each case, so that the response time is the same.
        ports.hasher.checkpoint();
        ports.hasher.expect_verify().times(1).returning(move |_, hash| Ok(password_matches && hash.is_some()));
        let response = ports.send(post("/auth/login", &format!(r#"{{"email":"{email}","password":"x"}}"#))).await;
        response.problem(401, "INVALID_CREDENTIALS", "");
        assert_eq!(response.header("www-authenticate"), r#"Bearer realm="doable""#);
        responses.push(response.without_request_id());
    }
    responses.dedup();
    assert_eq!(responses.len(), 1, "{responses:?}");
}

#[actix_web::test]
async fn a_refresh_token_is_exchanged_and_its_reuse_ends_the_session() {
    let mut ports = signing_in();
    ports.system.expect_session_by_refresh_token().returning(|_| {
        let expires_at = now() + chrono::TimeDelta::hours(1);
        Ok(Some(RefreshTokenOwner { user: me(), session: Uuid::from_u128(9).into(), expires_at }))
    });
    ports.users.expect_get().returning(|_| Ok(user()));
    let mut rotated = false;
    ports.sessions.expect_rotate().returning(move |_, _, rotation| {
        if std::mem::replace(&mut rotated, true) { Err(SessionRepoError::Reused) } else { Ok(rotation.next) }
    });
    ports.sessions.expect_end().times(1).returning(|_, _| Ok(()));
    let refresh = |token: &str| post("/auth/refresh", &format!(r#"{{"refresh_token":"{token}"}}"#));
    let responses = ports.send_all([refresh("refresh"), refresh("spent"), refresh("nonsense")]).await;
    assert_eq!(responses[0].ok(200)["refresh_token"], "refresh");
    for response in &responses[1..] {
        response.problem(401, "UNAUTHORIZED", "");
        assert!(response.header("www-authenticate").contains("invalid_token"));
    }
}

#[actix_web::test]
async fn an_expired_refresh_token_is_rejected() {
    let mut ports = signing_in();
    ports.system.expect_session_by_refresh_token().returning(|_| {
        Ok(Some(RefreshTokenOwner { user: me(), session: Uuid::from_u128(9).into(), expires_at: now() }))
    });
    ports.send(post("/auth/refresh", r#"{"refresh_token":"expired"}"#)).await.problem(401, "TOKEN_EXPIRED", "");
}

#[actix_web::test]
async fn logging_out_ends_the_session_and_ignores_an_unknown_token() {
    let mut ports = signing_in();
    ports.system.expect_session_by_refresh_token().returning(|_| {
        Ok(Some(RefreshTokenOwner { user: me(), session: Uuid::from_u128(9).into(), expires_at: now() }))
    });
    ports.sessions.expect_end().times(1).returning(|_, _| Ok(()));
    let logout = |token: &str| post("/auth/logout", &format!(r#"{{"refresh_token":"{token}"}}"#));
    for response in ports.send_all([logout("refresh"), logout("nonsense")]).await {
        assert_eq!((response.status.as_u16(), response.text.as_str()), (204, ""));
    }
    post_without_token("/auth/logout").await;
    post_without_token("/auth/refresh").await;
}

async fn post_without_token(path: &str) {
    let problem = signing_in().send(post(path, "{}")).await.problem(400, "VALIDATION_ERROR", "refresh_token");
    assert_eq!(problem["message"], "refresh_token is required");
}

#[actix_web::test]
async fn the_own_account_is_read_and_changed() {
    let mut ports = Ports::new();
    ports.users.expect_get().returning(|_| Ok(user()));
    ports
        .users
        .expect_update()
        .withf(|_, patch, _| {
            matches!(&patch.name, Patch::Set(name) if name.as_str() == "Countess") && patch.time_zone == Patch::Keep
        })
        .returning(|_, _, _| Ok(User { name: "Countess".parse().unwrap(), ..user() }));
    let change = json(signed_in(Method::PATCH, "/auth/me"), r#"{"name":" Countess ","time_zone":null}"#);
    let responses = ports.send_all([signed_in(Method::GET, "/auth/me"), change]).await;
    assert_eq!(responses[0].ok(200)["name"], "Ada");
    assert_eq!(responses[1].ok(200)["name"], "Countess");
    for (body, field) in [
        (r#"{"time_zone":"Mars/Base"}"#, "time_zone"),
        (r#"{"name":"a\u0000b"}"#, "name"),
        (r#"{"email":"eve@example.com"}"#, "email"),
    ] {
        Ports::new().send(json(signed_in(Method::PATCH, "/auth/me"), body)).await.problem(
            400,
            "VALIDATION_ERROR",
            field,
        );
    }
}

#[actix_web::test]
async fn the_token_of_a_deleted_user_is_rejected() {
    let mut ports = Ports::new();
    ports.users.expect_get().returning(|_| Err(UserRepoError::NotFound));
    ports.send(signed_in(Method::GET, "/auth/me")).await.problem(401, "UNAUTHORIZED", "");
    for (error, status, code) in [
        (SessionRepoError::NotFound, 401, "UNAUTHORIZED"),
        (SessionRepoError::Storage(StorageError::Unavailable("x".into())), 503, "DATABASE_UNAVAILABLE"),
    ] {
        let mut ports = Ports::new();
        ports.sessions.checkpoint();
        ports.sessions.expect_status().return_once(move |_, _, _| Err(error));
        ports.send(signed_in(Method::GET, "/auth/me")).await.problem(status, code, "");
    }
}

/// Ports of a user with this password, or without one.
fn with_password(password: Option<&'static str>) -> Ports {
    let mut ports = signing_in();
    let hash = move || password.map(|password| PasswordHash::new(password.to_owned()));
    ports.users.expect_credentials().returning(move |_| Ok(Credentials { user: user(), password_hash: hash() }));
    ports.hasher.expect_verify().returning(|given, hash| Ok(hash.is_some_and(|hash| hash.expose() == given.expose())));
    ports.users.expect_change_password().returning(|_, _, _| Ok(User { token_version: 1, ..user() }));
    ports.users.expect_delete().returning(|_, _| Ok(()));
    ports
}

#[actix_web::test]
async fn changing_the_password_returns_a_session() {
    let body = r#"{"current_password":"old password","new_password":"new password"}"#;
    let session =
        with_password(Some("old password")).send(json(signed_in(Method::POST, "/auth/password"), body)).await.ok(200);
    assert_eq!((&session["access_token"], &session["refresh_token"]), (&"access".into(), &"refresh".into()));
}

#[actix_web::test]
async fn a_wrong_password_changes_and_deletes_nothing() {
    let change = |body: &str| json(signed_in(Method::POST, "/auth/password"), body.to_owned());
    let wrong = change(r#"{"current_password":"wrong","new_password":"new password"}"#);
    let missing = change(r#"{"new_password":"new password"}"#);
    let null = change(r#"{"current_password":null,"new_password":"new password"}"#);
    let short = change(r#"{"current_password":"old password","new_password":"short"}"#);
    let mut ports = with_password(Some("old password"));
    ports.users.checkpoint();
    ports
        .users
        .expect_credentials()
        .returning(|_| Ok(Credentials { user: user(), password_hash: Some(PasswordHash::new("old password".into())) }));
    let delete = || signed_in(Method::DELETE, "/auth/me");
    let wrong_delete = json(delete(), r#"{"password":"wrong"}"#);
    let responses = ports.send_all([wrong, missing, null, short, wrong_delete, delete(), json(delete(), "{}")]).await;
    responses[0].problem(401, "INVALID_CREDENTIALS", "");
    responses[1].problem(400, "VALIDATION_ERROR", "current_password");
    responses[2].problem(400, "VALIDATION_ERROR", "current_password");
    responses[3].problem(400, "VALIDATION_ERROR", "new_password");
    responses[4].problem(401, "INVALID_CREDENTIALS", "");
    responses[5].problem(400, "VALIDATION_ERROR", "password");
    responses[6].problem(400, "VALIDATION_ERROR", "password");
}

#[actix_web::test]
async fn an_account_is_deleted_with_its_password_or_soon_after_signing_in() {
    let body = r#"{"password":"old password"}"#;
    let response = with_password(Some("old password")).send(json(signed_in(Method::DELETE, "/auth/me"), body)).await;
    assert_eq!((response.status.as_u16(), response.text.as_str()), (204, ""));
    let response = with_password(None).send(signed_in(Method::DELETE, "/auth/me")).await;
    assert_eq!(response.status.as_u16(), 204);

    let mut ports = with_password(None);
    ports.sessions.checkpoint();
    let long_ago = now() - chrono::TimeDelta::hours(1);
    ports
        .sessions
        .expect_status()
        .returning(move |_, _, _| Ok(domain::session::SessionStatus { created_at: long_ago, ..session_status() }));
    let problem = ports.send(signed_in(Method::DELETE, "/auth/me")).await.problem(401, "INVALID_CREDENTIALS", "");
    assert!(problem["message"].as_str().unwrap().starts_with("Sign in again"), "{problem}");
}
