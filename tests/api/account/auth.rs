//! Accounts: registration, sign-in, logout and the profile.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::json;
use tests::{TestApp, on_both_databases};

on_both_databases! {
    async fn registering_signs_in_and_the_session_has_every_field(app: TestApp) {
        let anonymous = app.anonymous();
        let body = json!({"email": " Ada@Example.com ", "password": "correct horse", "name": "Ada"});
        let session = anonymous.post("/auth/register", body).await?.expect(201)?;
        assert_eq!(session["token_type"], "bearer");
        assert_eq!(session["expires_in"], 86_400);
        let user = &session["user"];
        assert_eq!((&user["email"], &user["name"]), (&json!("Ada@Example.com"), &json!("Ada")));
        assert_eq!(user["time_zone"], "UTC");
        assert!(user["created_at"].as_str().is_some_and(|time| time.ends_with('Z')), "{user}");
        let ada = anonymous.with_token(session["access_token"].as_str().unwrap_or_default());
        assert_eq!(ada.get("/auth/me").await?.expect(200)?, *user);
    }
}

on_both_databases! {
    async fn an_email_is_taken_in_any_case(app: TestApp) {
        app.register("ada").await?;
        let other_case = json!({"email": "ADA@EXAMPLE.COM", "password": "another horse"});
        app.anonymous().post("/auth/register", other_case).await?.expect_problem(409, "EMAIL_TAKEN", Some("email"))?;
    }
}

on_both_databases! {
    async fn sign_ups_can_be_limited_to_domains_and_closed(app: TestApp, ["--signups", "Example.com"]) {
        let ada = app.register("ada").await?;
        let register = |email: &str| json!({"email": email, "password": TestApp::PASSWORD});
        for email in ["eve@example.org", "eve@mail.example.com"] {
            let refused = app.anonymous().post("/auth/register", register(email)).await?;
            refused.expect_problem(403, "SIGNUPS_CLOSED", None)?;
        }
        assert_eq!(app.anonymous().get("/about").await?.expect(200)?["signups"], "restricted");

        let closed = app.another(TimeDelta::zero(), &["--signups", "closed"]).await?;
        for email in ["eve@example.com", "ada@example.com"] {
            let refused = closed.anonymous().post("/auth/register", register(email)).await?;
            refused.expect_problem(403, "SIGNUPS_CLOSED", None)?;
        }
        closed.login("ada").await?;
        ada.at(closed.address()).get("/auth/me").await?.expect(200)?;
        let about = closed.anonymous().get("/about").await?.expect(200)?;
        let password = json!([{"kind": "password", "url": "/auth/login"}]);
        assert_eq!((&about["signups"], &about["sign_in"]), (&json!("closed"), &password));
        assert!(about["version"].is_string() && about["assistant"]["kind"].is_string(), "{about}");
    }
}

on_both_databases! {
    async fn login_accepts_the_email_in_any_case(app: TestApp) {
        app.register("ada").await?;
        let anonymous = app.anonymous();
        let right = json!({"email": "ADA@example.com", "password": TestApp::PASSWORD});
        anonymous.post("/auth/login", right).await?.expect(200)?;
    }
}

on_both_databases! {
    async fn an_unknown_email_and_a_wrong_password_get_the_same_response(app: TestApp) {
        app.register("ada").await?;
        let anonymous = app.anonymous();
        let mut answers = Vec::new();
        for (email, password) in [
            ("ada@example.com", "wrong password"),
            ("eve@example.com", TestApp::PASSWORD),
            ("no address", TestApp::PASSWORD),
            ("ada@example.com", ""),
        ] {
            let answer = anonymous.post("/auth/login", json!({"email": email, "password": password})).await?;
            answer.expect_problem(401, "INVALID_CREDENTIALS", None)?;
            assert!(!answer.header("www-authenticate").is_empty());
            answers.push(answer.without_request_id()?);
        }
        answers.dedup();
        assert_eq!(answers.len(), 1);
    }
}

on_both_databases! {
    async fn an_invalid_registration_names_its_field(app: TestApp) {
        let anonymous = app.anonymous();
        for (body, field) in [
            (json!({"email": "ada", "password": "correct horse"}), "email"),
            (json!({"password": "correct horse"}), "email"),
            (json!({"email": "ada@example.com"}), "password"),
            (json!({"email": "ada@example.com", "password": "short"}), "password"),
            (json!({"email": "ada@example.com", "password": "x".repeat(129)}), "password"),
            (json!({"email": "ada@example.com", "password": 12_345_678}), "password"),
            (json!({"email": "ada@example.com", "password": "correct horse", "name": " "}), "name"),
            (json!({"email": "ada@example.com", "password": "correct horse", "admin": true}), "admin"),
        ] {
            anonymous.post("/auth/register", body).await?.expect_problem(400, "VALIDATION_ERROR", Some(field))?;
        }
        let without_name = json!({"email": "bob@example.com", "password": "correct horse", "name": null});
        let session = anonymous.post("/auth/register", without_name).await?.expect(201)?;
        assert_eq!(session["user"]["name"], "bob");
    }
}

on_both_databases! {
    async fn logging_out_ends_the_session_and_its_access_token_immediately(app: TestApp) {
        let ada = app.register("ada").await?;
        let other = app.login("ada").await?;
        ada.post("/auth/logout", json!({"refresh_token": ada.refresh_token})).await?.expect(204)?;
        ada.get("/auth/me").await?.expect_problem(401, "UNAUTHORIZED", None)?;
        other.get("/auth/me").await?.expect(200)?;
        app.anonymous().post("/auth/logout", json!({"refresh_token": "unknown"})).await?.expect(204)?;
    }
}

on_both_databases! {
    async fn only_the_profile_of_an_account_can_be_patched(app: TestApp) {
        let ada = app.register("ada").await?;
        let changed =
            ada.patch("/auth/me", json!({"name": "Countess", "time_zone": "Europe/London"})).await?.expect(200)?;
        assert_eq!((&changed["name"], &changed["time_zone"]), (&json!("Countess"), &json!("Europe/London")));
        let unchanged = ada.patch("/auth/me", json!({"name": null})).await?.expect(200)?;
        assert_eq!(unchanged["name"], "Countess");
        let response = ada.patch("/auth/me", json!({"time_zone": "Mars/Base"})).await?;
        response.expect_problem(400, "VALIDATION_ERROR", Some("time_zone"))?;
        let response = ada.patch("/auth/me", json!({"email": "eve@example.com"})).await?;
        response.expect_problem(400, "VALIDATION_ERROR", Some("email"))?;
        ada.patch("/auth/me", json!({"id": ada.id})).await?.expect_problem(400, "VALIDATION_ERROR", Some("id"))?;
    }
}

on_both_databases! {
    async fn a_foreign_or_forged_token_is_rejected(app: TestApp) {
        let ada = app.register("ada").await?;
        let unsigned = |header: &str| {
            let payload = ada.access_token.split('.').nth(1).unwrap_or_default();
            format!("{header}.{payload}.")
        };
        for token in [
            "nonsense".to_owned(),
            ada.refresh_token.clone(),
            unsigned("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"),
            unsigned("eyJhbGciOiJOb05FIiwidHlwIjoiSldUIn0"),
            format!("{}x", ada.access_token),
        ] {
            let forged = ada.with_token(&token);
            for path in ["/auth/me", "/api/{me}/tasks"] {
                let answer = forged.get(path).await?;
                answer.expect_problem(401, "UNAUTHORIZED", None)?;
                assert!(answer.header("www-authenticate").starts_with("Bearer"), "{:?}", answer.headers);
            }
        }
        let without = ada.with_token("");
        without.get("/auth/me").await?.expect_problem(401, "UNAUTHORIZED", None)?;
        for scheme in ["Basic YTpi", "Bearer", "bearer "] {
            let answer = without.send_with(Method::GET, "/auth/me", None, &[("authorization", scheme)]).await?;
            answer.expect_problem(401, "UNAUTHORIZED", None)?;
        }
    }
}
