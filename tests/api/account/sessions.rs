//! Sessions, API tokens, passwords and the deletion of an account: revocations are immediate.

use anyhow::Context as _;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{TestApp, TestUser, on_both_databases};

const NEW_PASSWORD: &str = "battery staple horse";

fn with_session(user: &TestUser, session: &Value) -> TestUser {
    let token = session["access_token"].as_str().unwrap_or_default();
    user.with_token(token)
}

async fn expect_revoked(user: &TestUser) -> anyhow::Result<()> {
    user.get("/auth/me").await?.expect_problem(401, "UNAUTHORIZED", None)?;
    user.get("/api/{me}/tasks").await?.expect_problem(401, "UNAUTHORIZED", None)?;
    let refresh = json!({"refresh_token": user.refresh_token});
    user.with_token("").post("/auth/refresh", refresh).await?.expect_problem(401, "UNAUTHORIZED", None)?;
    Ok(())
}

on_both_databases! {
    async fn changing_the_password_revokes_all_tokens_immediately(app: TestApp) {
        let (ada, phone) = (app.register("ada").await?, app.login("ada").await?);
        let script = json!({"name": "script", "scopes": ["tasks:read"]});
        let script = ada.post("/auth/tokens", script).await?.expect(201)?;
        let script = ada.with_token(script["token"].as_str().context("no token")?);
        // Fills the token cache.
        for user in [&ada, &phone, &script] {
            user.get("/auth/me").await?.expect(200)?;
        }
        let change = json!({"current_password": TestApp::PASSWORD, "new_password": NEW_PASSWORD});
        let session = ada.post("/auth/password", change).await?.expect(200)?;
        expect_revoked(&ada).await?;
        expect_revoked(&phone).await?;
        script.get("/auth/me").await?.expect_problem(401, "UNAUTHORIZED", None)?;
        with_session(&ada, &session).get("/auth/me").await?.expect(200)?;
        assert_eq!(with_session(&ada, &session).get("/auth/tokens").await?.expect(200)?, json!([]));

        let login = |password: &str| json!({"email": ada.email, "password": password});
        let response = app.anonymous().post("/auth/login", login(TestApp::PASSWORD)).await?;
        response.expect_problem(401, "INVALID_CREDENTIALS", None)?;
        app.anonymous().post("/auth/login", login(NEW_PASSWORD)).await?.expect(200)?;
    }
}

on_both_databases! {
    async fn a_wrong_password_changes_nothing(app: TestApp) {
        let ada = app.register("ada").await?;
        for (body, status, code, field) in [
            (json!({"current_password": "wrong", "new_password": NEW_PASSWORD}), 401, "INVALID_CREDENTIALS", None),
            (json!({"new_password": NEW_PASSWORD}), 400, "VALIDATION_ERROR", Some("current_password")),
            (json!({"current_password": TestApp::PASSWORD}), 400, "VALIDATION_ERROR", Some("new_password")),
            (
                json!({"current_password": TestApp::PASSWORD, "new_password": "short"}),
                400,
                "VALIDATION_ERROR",
                Some("new_password"),
            ),
        ] {
            ada.post("/auth/password", body).await?.expect_problem(status, code, field)?;
        }
        let response = ada.send(Method::DELETE, "/auth/me", Some(&json!({"password": "wrong"}))).await?;
        response.expect_problem(401, "INVALID_CREDENTIALS", None)?;
        ada.delete("/auth/me").await?.expect_problem(400, "VALIDATION_ERROR", Some("password"))?;
        ada.get("/auth/me").await?.expect(200)?;
        app.login("ada").await?;
    }
}

on_both_databases! {
    async fn deleting_an_account_removes_its_tokens_and_rows(app: TestApp) {
        let (ada, phone) = (app.register("ada").await?, app.login("ada").await?);
        ada.add("secret plan").await?;
        ada.say("hello", None).await?.expect(200)?;
        phone.get("/auth/me").await?.expect(200)?;
        ada.send(Method::DELETE, "/auth/me", Some(&json!({"password": TestApp::PASSWORD}))).await?.expect(204)?;
        expect_revoked(&ada).await?;
        expect_revoked(&phone).await?;
        let login = json!({"email": ada.email, "password": TestApp::PASSWORD});
        app.anonymous().post("/auth/login", login).await?.expect_problem(401, "INVALID_CREDENTIALS", None)?;
        // The email can be registered again, and the new account is empty.
        let new_ada = app.register("ada").await?;
        assert_ne!(new_ada.id, ada.id);
        assert!(new_ada.titles().await?.is_empty());
        assert_eq!(new_ada.get("/api/{me}/conversations").await?.expect(200)?, json!([]));
    }
}

on_both_databases! {
    async fn sessions_are_listed_and_ended_one_by_one_or_all_at_once(app: TestApp) {
        let (ada, phone, tablet) = (app.register("ada").await?, app.login("ada").await?, app.login("ada").await?);
        let agent: &[(&str, &str)] = &[("user-agent", "Tablet\u{9}1.0 <b>")];
        let refresh = json!({"refresh_token": tablet.refresh_token});
        tablet.send_with(Method::POST, "/auth/refresh", Some(&refresh), agent).await?.expect(200)?;
        let sessions = ada.get("/auth/sessions").await?.expect(200)?;
        let field = |name: &str| -> Vec<Value> {
            sessions.as_array().into_iter().flatten().map(|session| session[name].clone()).collect()
        };
        assert_eq!(field("current"), [false, false, true]);
        assert_eq!(field("peer"), ["127.0.0.1"; 3]);
        assert_eq!(field("device")[0], "Tablet1.0 <b>");
        assert!(
            field("last_used_at").iter().all(|time| time.as_str().is_some_and(|time| time.ends_with('Z'))),
            "{sessions}"
        );

        let middle = sessions[1]["id"].as_str().context("no id")?;
        ada.delete(&format!("/auth/sessions/{middle}")).await?.expect(204)?;
        expect_revoked(&phone).await?;
        ada.delete(&format!("/auth/sessions/{middle}")).await?.expect_problem(404, "SESSION_NOT_FOUND", None)?;
        tablet.get("/auth/me").await?.expect(200)?;
        ada.delete("/auth/sessions").await?.expect(204)?;
        expect_revoked(&ada).await?;
        expect_revoked(&tablet).await?;
        app.login("ada").await?;
    }
}

on_both_databases! {
    async fn sessions_and_tokens_are_paged_by_key(app: TestApp) {
        let ada = app.register("ada").await?;
        for number in 0..4 {
            app.login("ada").await?;
            let token = json!({"name": format!("script {number}"), "scopes": ["chat"]});
            ada.post("/auth/tokens", token).await?.expect(201)?;
        }
        for path in ["/auth/sessions", "/auth/tokens"] {
            let whole = ada.get(path).await?.expect(200)?;
            let paged = ada.all_pages(&format!("{path}?limit=2")).await?;
            assert_eq!(whole, Value::Array(paged), "{path}");
            ada.get(&format!("{path}?limit=101")).await?.expect_problem(400, "VALIDATION_ERROR", Some("limit"))?;
            let response = ada.get(&format!("{path}?cursor=nonsense")).await?;
            response.expect_problem(400, "VALIDATION_ERROR", Some("cursor"))?;
        }
    }
}

on_both_databases! {
    async fn an_api_token_is_limited_to_its_scopes_until_it_is_deleted(app: TestApp) {
        let ada = app.register("ada").await?;
        let body = json!({"name": "reader", "scopes": ["tasks:read"]});
        let created = ada.post("/auth/tokens", body).await?.expect(201)?;
        let text = created["token"].as_str().context("no token")?;
        assert!(text.starts_with("dbl_"), "{text}");
        let script = ada.with_token(text);
        ada.add("buy milk").await?;
        assert_eq!(script.titles().await?, ["buy milk"]);
        let response = script.post("/api/{me}/tasks", json!({"title": "no"})).await?;
        response.expect_problem(403, "INSUFFICIENT_SCOPE", None)?;
        let listed = ada.get("/auth/tokens").await?.expect(200)?;
        assert!(listed[0].get("token").is_none() && !listed.to_string().contains(text), "{listed}");

        let id = created["id"].as_str().context("no id")?;
        ada.delete(&format!("/auth/tokens/{id}")).await?.expect(204)?;
        script.get("/api/{me}/tasks").await?.expect_problem(401, "UNAUTHORIZED", None)?;
    }
}

on_both_databases! {
    async fn the_assistant_is_limited_to_the_scopes_of_the_token(app: TestApp) {
        let ada = app.register("ada").await?;
        ada.add("buy milk").await?;
        let created = ada.post("/auth/tokens", json!({"name": "talker", "scopes": ["chat"]})).await?.expect(201)?;
        let talker = ada.with_token(created["token"].as_str().context("no token")?);
        for message in ["Add a task to call Bob", "delete the milk task", "list my tasks"] {
            let turn = talker.say(message, None).await?.expect(200)?;
            assert_eq!(turn["tool_calls"][0]["result"]["success"], false, "{turn}");
        }
        assert_eq!(ada.titles().await?, ["buy milk"]);
    }
}
