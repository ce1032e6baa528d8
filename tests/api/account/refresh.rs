//! Refresh tokens: rotation, races of several tabs, and the session of a page in a cookie.

use anyhow::Context as _;
use chrono::TimeDelta;
use reqwest::{Method, Url};
use serde_json::{Value, json};
use tests::{Answer, TestApp, TestUser, on_both_databases};

async fn refresh(app: &TestApp, token: &str) -> anyhow::Result<Answer> {
    app.anonymous().post("/auth/refresh", json!({"refresh_token": token})).await
}

fn token(session: &Value) -> &str {
    session["refresh_token"].as_str().unwrap_or_default()
}

on_both_databases! {
    async fn refreshing_rotates_and_a_late_reuse_ends_the_session(app: TestApp) {
        let ada = app.register("ada").await?;
        let second = refresh(&app, &ada.refresh_token).await?.expect(200)?;
        assert_ne!(token(&second), ada.refresh_token);
        ada.get("/auth/me").await?.expect(200)?;
        app.advance(TimeDelta::seconds(31));
        refresh(&app, &ada.refresh_token).await?.expect_problem(401, "UNAUTHORIZED", None)?;
        refresh(&app, token(&second)).await?.expect_problem(401, "UNAUTHORIZED", None)?;
        ada.get("/auth/me").await?.expect_problem(401, "UNAUTHORIZED", None)?;
    }
}

on_both_databases! {
    async fn two_tabs_and_a_client_without_a_response_stay_signed_in(app: TestApp) {
        let ada = app.register("ada").await?;
        let tabs = futures_util::future::join_all((0..4).map(|_| refresh(&app, &ada.refresh_token))).await;
        let mut sessions = Vec::new();
        for tab in tabs {
            sessions.push(tab?.expect(200)?);
        }
        app.advance(TimeDelta::seconds(29));
        sessions.push(refresh(&app, &ada.refresh_token).await?.expect(200)?);
        for session in &sessions {
            assert_eq!(token(session), token(&sessions[0]));
            let tab = ada.with_token(session["access_token"].as_str().context("no access token")?);
            tab.get("/auth/me").await?.expect(200)?;
        }
        // Hours later the same happens again, and one of the tabs is two steps behind.
        app.advance(TimeDelta::hours(23));
        let third = refresh(&app, token(&sessions[0])).await?.expect(200)?;
        let fourth = refresh(&app, token(&third)).await?.expect(200)?;
        assert_eq!(token(&refresh(&app, token(&sessions[1])).await?.expect(200)?), token(&fourth));
        app.advance(TimeDelta::days(29));
        refresh(&app, token(&fourth)).await?.expect(200)?;
        refresh(&app, token(&sessions[0])).await?.expect_problem(401, "UNAUTHORIZED", None)?;
        refresh(&app, token(&fourth)).await?.expect_problem(401, "UNAUTHORIZED", None)?;
    }
}

on_both_databases! {
    async fn a_replaced_token_does_not_survive_its_session(app: TestApp) {
        let (ada, phone) = (app.register("ada").await?, app.login("ada").await?);
        for user in [&ada, &phone] {
            refresh(&app, &user.refresh_token).await?.expect(200)?;
        }
        ada.post("/auth/logout", json!({"refresh_token": ada.refresh_token})).await?.expect(204)?;
        let change = json!({"current_password": TestApp::PASSWORD, "new_password": "battery staple horse"});
        phone.post("/auth/password", change).await?.expect(200)?;
        for user in [&ada, &phone] {
            refresh(&app, &user.refresh_token).await?.expect_problem(401, "UNAUTHORIZED", None)?;
        }
    }
}

/// Sends a request as a browser does for a page of `origin`.
async fn browse(
    user: &TestUser,
    method: Method,
    path: &str,
    body: Option<&Value>,
    cookie: &str,
    origin: &str,
) -> anyhow::Result<Answer> {
    let headers = [("session-transport", "cookie"), ("origin", origin), ("cookie", cookie)];
    user.send_with(method, path, body, &headers).await
}

/// The cookie that a browser sends after this response.
fn cookie(answer: &Answer) -> anyhow::Result<String> {
    let (pair, attributes) = answer.header("set-cookie").split_once(';').context("no cookie")?;
    anyhow::ensure!(attributes.contains("HttpOnly") && attributes.contains("SameSite=Strict"), "{attributes}");
    anyhow::ensure!(!answer.text.contains("dblr_"), "{}", answer.text);
    Ok(pair.to_owned())
}

on_both_databases! {
    async fn a_page_of_the_same_origin_keeps_its_session_in_a_cookie(app: TestApp) {
        let own = app.address().parse::<Url>()?.origin().ascii_serialization();
        let page = app.anonymous();
        let post = async |path: &str, body: Option<Value>, cookie: &str, origin: &str| {
            browse(&page, Method::POST, path, body.as_ref(), cookie, origin).await
        };
        let account = json!({"email": "ada@example.com", "password": TestApp::PASSWORD});
        let registered = post("/auth/register", Some(account.clone()), "", &own).await?;
        assert_eq!(registered.expect(201)?["expires_in"], 900);
        let first = cookie(&registered)?;
        app.advance(TimeDelta::minutes(16));
        let expired = page.with_token(registered.json()?["access_token"].as_str().unwrap_or_default());
        expired.get("/auth/me").await?.expect_problem(401, "TOKEN_EXPIRED", None)?;

        // Other origins can neither use nor end the session.
        for other in ["http://127.0.0.1:1", "https://evil.example", "null"] {
            for path in ["/auth/refresh", "/auth/logout"] {
                post(path, None, &first, other).await?.expect_problem(403, "CROSS_ORIGIN", None)?;
            }
        }
        let refreshed = post("/auth/refresh", None, &first, &own).await?;
        refreshed.expect(200)?;
        // The other tab.
        assert_eq!(cookie(&post("/auth/refresh", None, &first, &own).await?)?, cookie(&refreshed)?);
        let ada = page.with_token(refreshed.json()?["access_token"].as_str().unwrap_or_default());
        ada.get("/auth/me").await?.expect(200)?;

        let change = json!({"current_password": TestApp::PASSWORD, "new_password": "battery staple horse"});
        let changed = browse(&ada, Method::POST, "/auth/password", Some(&change), &cookie(&refreshed)?, &own).await?;
        changed.expect(200)?;
        let last = cookie(&changed)?;
        post("/auth/refresh", None, &cookie(&refreshed)?, &own).await?.expect_problem(401, "UNAUTHORIZED", None)?;
        let out = post("/auth/logout", None, &last, &own).await?;
        out.expect(204)?;
        assert_eq!(cookie(&out)?, "doable_session=");
        post("/auth/refresh", None, &last, &own).await?.expect_problem(401, "UNAUTHORIZED", None)?;
    }
}
