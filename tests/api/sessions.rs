//! Sessions, passwords and the end of an account: what is void is void at once.

use anyhow::Context as _;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{TestApp, TestUser, on_both_databases};

const NEW: &str = "battery staple horse";

fn renewed(user: &TestUser, session: &Value) -> TestUser {
    let token = session["access_token"].as_str().unwrap_or_default();
    user.with_token(token)
}

async fn expect_void(user: &TestUser) -> anyhow::Result<()> {
    user.get("/auth/me").await?.expect_problem(401, "UNAUTHORIZED", None)?;
    user.get("/api/{me}/tasks").await?.expect_problem(401, "UNAUTHORIZED", None)?;
    let refresh = json!({"refresh_token": user.refresh_token});
    user.with_token("").post("/auth/refresh", refresh).await?.expect_problem(401, "UNAUTHORIZED", None)?;
    Ok(())
}

on_both_databases! {
    async fn a_changed_password_voids_every_earlier_token_at_once(app: TestApp) {
        let (ada, phone) = (app.register("ada").await?, app.login("ada").await?);
        let script = json!({"name": "script", "scopes": ["tasks:read"]});
        let script = ada.post("/auth/tokens", script).await?.expect(201)?;
        let script = ada.with_token(script["token"].as_str().context("a token")?);
        // Every one of them is remembered by now.
        for user in [&ada, &phone, &script] {
            user.get("/auth/me").await?.expect(200)?;
        }
        let change = json!({"current_password": TestApp::PASSWORD, "new_password": NEW});
        let session = ada.post("/auth/password", change).await?.expect(200)?;
        expect_void(&ada).await?;
        expect_void(&phone).await?;
        script.get("/auth/me").await?.expect_problem(401, "UNAUTHORIZED", None)?;
        renewed(&ada, &session).get("/auth/me").await?.expect(200)?;
        assert_eq!(renewed(&ada, &session).get("/auth/tokens").await?.expect(200)?, json!([]));

        let login = |password: &str| json!({"email": ada.email, "password": password});
        app.nobody().post("/auth/login", login(TestApp::PASSWORD)).await?.expect_problem(401, "INVALID_CREDENTIALS", None)?;
        app.nobody().post("/auth/login", login(NEW)).await?.expect(200)?;
    }
}

on_both_databases! {
    async fn whoever_does_not_know_the_password_changes_nothing(app: TestApp) {
        let ada = app.register("ada").await?;
        for (body, status, code, field) in [
            (json!({"current_password": "wrong", "new_password": NEW}), 401, "INVALID_CREDENTIALS", None),
            (json!({"new_password": NEW}), 400, "VALIDATION_ERROR", Some("current_password")),
            (json!({"current_password": TestApp::PASSWORD}), 400, "VALIDATION_ERROR", Some("new_password")),
            (json!({"current_password": TestApp::PASSWORD, "new_password": "short"}), 400, "VALIDATION_ERROR", Some("new_password")),
        ] {
            ada.post("/auth/password", body).await?.expect_problem(status, code, field)?;
        }
        ada.send(Method::DELETE, "/auth/me", Some(&json!({"password": "wrong"}))).await?.expect_problem(401, "INVALID_CREDENTIALS", None)?;
        ada.delete("/auth/me").await?.expect_problem(400, "VALIDATION_ERROR", Some("password"))?;
        ada.get("/auth/me").await?.expect(200)?;
        app.login("ada").await?;
    }
}

on_both_databases! {
    async fn a_deleted_account_is_gone_with_its_tokens_and_every_row(app: TestApp) {
        let (ada, phone) = (app.register("ada").await?, app.login("ada").await?);
        ada.add("secret plan").await?;
        ada.say("hello", None).await?.expect(200)?;
        phone.get("/auth/me").await?.expect(200)?;
        ada.send(Method::DELETE, "/auth/me", Some(&json!({"password": TestApp::PASSWORD}))).await?.expect(204)?;
        expect_void(&ada).await?;
        expect_void(&phone).await?;
        let login = json!({"email": ada.email, "password": TestApp::PASSWORD});
        app.nobody().post("/auth/login", login).await?.expect_problem(401, "INVALID_CREDENTIALS", None)?;
        // The address is free again, and whoever takes it finds nothing.
        let again = app.register("ada").await?;
        assert_ne!(again.id, ada.id);
        assert!(again.titles().await?.is_empty());
        assert_eq!(again.get("/api/{me}/conversations").await?.expect(200)?, json!([]));
    }
}

on_both_databases! {
    async fn sessions_are_listed_and_end_one_by_one_or_all_together(app: TestApp) {
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
        assert!(field("last_used_at").iter().all(|time| time.as_str().is_some_and(|time| time.ends_with('Z'))), "{sessions}");

        let middle = sessions[1]["id"].as_str().context("an id")?;
        ada.delete(&format!("/auth/sessions/{middle}")).await?.expect(204)?;
        expect_void(&phone).await?;
        ada.delete(&format!("/auth/sessions/{middle}")).await?.expect_problem(404, "SESSION_NOT_FOUND", None)?;
        tablet.get("/auth/me").await?.expect(200)?;
        ada.delete("/auth/sessions").await?.expect(204)?;
        expect_void(&ada).await?;
        expect_void(&tablet).await?;
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
            ada.get(&format!("{path}?cursor=nonsense")).await?.expect_problem(400, "VALIDATION_ERROR", Some("cursor"))?;
        }
    }
}

on_both_databases! {
    async fn an_api_token_does_what_its_scopes_say_until_it_is_deleted(app: TestApp) {
        let ada = app.register("ada").await?;
        let body = json!({"name": "reader", "scopes": ["tasks:read"]});
        let made = ada.post("/auth/tokens", body).await?.expect(201)?;
        let text = made["token"].as_str().context("a token")?;
        assert!(text.starts_with("dbl_"), "{text}");
        let script = ada.with_token(text);
        ada.add("buy milk").await?;
        assert_eq!(script.titles().await?, ["buy milk"]);
        script.post("/api/{me}/tasks", json!({"title": "no"})).await?.expect_problem(403, "INSUFFICIENT_SCOPE", None)?;
        let listed = ada.get("/auth/tokens").await?.expect(200)?;
        assert!(listed[0].get("token").is_none() && !listed.to_string().contains(text), "{listed}");

        let id = made["id"].as_str().context("an id")?;
        ada.delete(&format!("/auth/tokens/{id}")).await?.expect(204)?;
        script.get("/api/{me}/tasks").await?.expect_problem(401, "UNAUTHORIZED", None)?;
    }
}

on_both_databases! {
    async fn the_assistant_does_no_more_to_tasks_than_the_token_that_talks_to_it(app: TestApp) {
        let ada = app.register("ada").await?;
        ada.add("buy milk").await?;
        let made = ada.post("/auth/tokens", json!({"name": "talker", "scopes": ["chat"]})).await?.expect(201)?;
        let talker = ada.with_token(made["token"].as_str().context("a token")?);
        for words in ["Add a task to call Bob", "delete the milk task", "list my tasks"] {
            let turn = talker.say(words, None).await?.expect(200)?;
            assert_eq!(turn["tool_calls"][0]["result"]["success"], false, "{turn}");
        }
        assert_eq!(ada.titles().await?, ["buy milk"]);
    }
}
