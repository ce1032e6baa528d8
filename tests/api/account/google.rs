//! External sign-in at an OpenID provider on loopback, which signs with real keys and fails on request.

use anyhow::Context as _;
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use test_openid::{CLIENT_ID, EndUser, Endpoint, Fault, IdToken, OpenIdServer, Signer};
use tests::{Answer, TestApp, TestUser, on_both_databases};
use url::Url;

const SUBJECT: &str = "248289761001";

fn external_ada() -> EndUser {
    EndUser::with_email(SUBJECT, "ada@example.com").claim("name", "Ada")
}

/// A browser that was redirected to the provider.
struct Browser {
    /// Authorization URL at the provider.
    address: Url,
    /// Cookie set by the redirect.
    cookie: String,
}

impl Browser {
    async fn open(app: &TestApp, path: &str) -> anyhow::Result<Self> {
        let answer = app.anonymous().get(path).await?;
        anyhow::ensure!(answer.status == 302, "{} {}", answer.status, answer.text);
        let cookie = answer.header("set-cookie");
        let attributes = cookie.split("; ").skip(1).collect::<Vec<_>>();
        for attribute in ["HttpOnly", "SameSite=Lax", "Path=/auth/google", "Max-Age=600"] {
            anyhow::ensure!(attributes.contains(&attribute), "{cookie}");
        }
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        Ok(Self { address: answer.header("location").parse()?, cookie })
    }

    /// Visits the provider. Returns path and query of its redirect to the server.
    fn visit(&self, provider: &OpenIdServer) -> anyhow::Result<String> {
        let callback = provider.visit(&self.address)?;
        Ok(callback[url::Position::BeforePath..url::Position::AfterQuery].to_owned())
    }

    async fn follow_callback(&self, app: &TestApp, path: &str) -> anyhow::Result<Answer> {
        app.anonymous().send_with(Method::GET, path, None, &[("cookie", &self.cookie)]).await
    }

    /// Signs in, and returns the parameter of the redirect to the frontend.
    async fn sign_in(app: &TestApp, provider: &OpenIdServer, path: &str) -> anyhow::Result<(String, String)> {
        let browser = Self::open(app, path).await?;
        let answer = browser.follow_callback(app, &browser.visit(provider)?).await?;
        frontend_parameter(&answer)
    }
}

/// Name (`code` or `error`) and value of the parameter of the redirect to the frontend.
fn frontend_parameter(answer: &Answer) -> anyhow::Result<(String, String)> {
    anyhow::ensure!(answer.status == 302, "{} {}", answer.status, answer.text);
    anyhow::ensure!(
        answer.header("set-cookie").contains("Max-Age=0"),
        "the cookie is not removed: {:?}",
        answer.headers
    );
    let landing: Url = answer.header("location").parse()?;
    anyhow::ensure!(landing.as_str().starts_with("http://localhost:3000/auth/callback?"), "{landing}");
    let (name, value) = landing.query_pairs().next().context("no parameter")?;
    Ok((name.into_owned(), value.into_owned()))
}

fn cookie_name(browser: &Browser) -> anyhow::Result<&str> {
    Ok(browser.cookie.split_once('=').context("no cookie")?.0)
}

/// Path of the URL that begins a link for `user`.
async fn begin_link(user: &TestUser) -> anyhow::Result<String> {
    let link = user.send(Method::POST, "/auth/google/link", None).await?.expect(200)?;
    let link: Url = link["url"].as_str().context("no url")?.parse()?;
    Ok(link[url::Position::BeforePath..].to_owned())
}

/// Opens the URL of a link of `user` in a browser, and returns the code that its frontend receives.
async fn link_code(app: &TestApp, provider: &OpenIdServer, user: &TestUser) -> anyhow::Result<String> {
    let (name, code) = Browser::sign_in(app, provider, &begin_link(user).await?).await?;
    anyhow::ensure!(name == "link_code", "{name}={code}");
    Ok(code)
}

async fn complete(user: &TestUser, code: &str) -> anyhow::Result<Answer> {
    user.post("/auth/google/link/complete", json!({"code": code})).await
}

async fn exchange(app: &TestApp, code: &str) -> anyhow::Result<Answer> {
    app.anonymous().post("/auth/exchange", json!({"code": code})).await
}

/// Signs in and returns the session.
async fn session(app: &TestApp, provider: &OpenIdServer) -> anyhow::Result<Value> {
    let (name, code) = Browser::sign_in(app, provider, "/auth/google").await?;
    anyhow::ensure!(name == "code", "{name}={code}");
    exchange(app, &code).await?.expect(200)
}

async fn error(app: &TestApp, provider: &OpenIdServer) -> anyhow::Result<String> {
    let (name, code) = Browser::sign_in(app, provider, "/auth/google").await?;
    anyhow::ensure!(name == "error", "{name}={code}");
    Ok(code)
}

/// Checks that no account has the email: it can be registered.
async fn expect_no_account(app: &TestApp) -> anyhow::Result<()> {
    app.register("ada").await.context("an account was created")?;
    Ok(())
}

fn user(app: &TestApp, session: &Value) -> anyhow::Result<TestUser> {
    let token = session["access_token"].as_str().context("no token")?;
    let mut user = app.anonymous().with_token(token);
    session["user"]["id"].as_str().context("no id")?.clone_into(&mut user.id);
    Ok(user)
}

on_both_databases! {
    async fn an_account_is_found_by_its_sub_after_an_email_change(app: TestApp, provider: OpenIdServer) {
        provider.sign_in_as(external_ada());
        let first = session(&app, &provider).await?;
        assert_eq!((&first["user"]["email"], &first["user"]["name"]), (&json!("ada@example.com"), &json!("Ada")));
        user(&app, &first)?.add("buy milk").await?;

        provider.sign_in_as(EndUser::with_email(SUBJECT, "ada@elsewhere.example"));
        let second = session(&app, &provider).await?;
        assert_eq!(second["user"], first["user"]);
        assert_eq!(user(&app, &second)?.titles().await?, ["buy milk"]);

        // Another `sub` with the old email is another person.
        provider.sign_in_as(EndUser::with_email("2", "ada@example.com"));
        assert_eq!(error(&app, &provider).await?, "account_exists");
    }
}

on_both_databases! {
    async fn a_sign_in_code_is_valid_once_and_for_the_exchange_only(app: TestApp, provider: OpenIdServer) {
        provider.sign_in_as(external_ada());
        let (_, code) = Browser::sign_in(&app, &provider, "/auth/google").await?;
        app.anonymous().with_token(&code).get("/auth/me").await?.expect_problem(401, "UNAUTHORIZED", None)?;
        let as_link = app.anonymous().get(&format!("/auth/google?link={code}")).await?;
        as_link.expect_problem(400, "VALIDATION_ERROR", Some("link"))?;
        complete(&app.register("bob").await?, &code).await?.expect_problem(400, "VALIDATION_ERROR", Some("code"))?;
        exchange(&app, &code).await?.expect(200)?;
        exchange(&app, &code).await?.expect_problem(400, "VALIDATION_ERROR", Some("code"))?;
    }
}

on_both_databases! {
    async fn a_missing_altered_replayed_or_foreign_state_is_refused(app: TestApp, provider: OpenIdServer) {
        provider.sign_in_as(external_ada());
        let (own, other) = (Browser::open(&app, "/auth/google").await?, Browser::open(&app, "/auth/google").await?);
        let callback = own.visit(&provider)?;
        let state = own.address.query_pairs().find(|(name, _)| name == "state").context("no state")?.1.into_owned();
        let altered = format!("{}A", own.cookie);
        for (path, cookie) in [
            (callback.replace(&format!("state={state}"), "x=1"), &own.cookie),
            (callback.replace(&state, &format!("{state}A")), &own.cookie),
            (callback.clone(), &other.cookie),
            (callback.clone(), &altered),
            (callback.clone(), &format!("{}=nonsense", cookie_name(&own)?)),
            (callback.clone(), &format!("{}={}", cookie_name(&own)?, other.cookie.split_once('=').context("no value")?.1)),
            (callback.clone(), &"unrelated=1".to_owned()),
        ] {
            let answer = app.anonymous().send_with(Method::GET, &path, None, &[("cookie", cookie)]).await?;
            answer.expect_problem(400, "VALIDATION_ERROR", Some("state"))?;
            assert_eq!(answer.header("location"), "");
        }
        // The code was not sent to the provider.
        assert_eq!(provider.request_count(Endpoint::Token), 0);

        assert_eq!(frontend_parameter(&own.follow_callback(&app, &callback).await?)?.0, "code");
        let replayed = own.follow_callback(&app, &callback).await?;
        replayed.expect_problem(400, "VALIDATION_ERROR", Some("state"))?;
        assert_eq!(provider.request_count(Endpoint::Token), 1);
    }
}

on_both_databases! {
    async fn the_state_and_the_sealed_attempt_are_not_accepted_as_tokens(app: TestApp, provider: OpenIdServer) {
        let browser = Browser::open(&app, "/auth/google").await?;
        assert!(browser.address.as_str().starts_with(&provider.issuer()), "{}", browser.address);
        let sealed = browser.cookie.split_once('=').context("no cookie")?.1;
        let state = browser.address.query_pairs().find(|(name, _)| name == "state").context("no state")?.1.into_owned();
        for token in [sealed, &state] {
            app.anonymous().with_token(token).get("/auth/me").await?.expect_problem(401, "UNAUTHORIZED", None)?;
        }
        // An access token is not accepted as an attempt.
        let ada = app.register("ada").await?;
        let cookie = format!("{}={}", cookie_name(&browser)?, ada.access_token);
        let path = format!("/auth/google/callback?code=x&state={state}");
        let answer = app.anonymous().send_with(Method::GET, &path, None, &[("cookie", &cookie)]).await?;
        answer.expect_problem(400, "VALIDATION_ERROR", Some("state"))?;
    }
}

on_both_databases! {
    async fn an_unverified_email_is_refused(app: TestApp, provider: OpenIdServer) {
        let unverified = [
            EndUser::with_email(SUBJECT, "ada@example.com").claim("email_verified", false),
            EndUser::new(SUBJECT).claim("email", "ada@example.com"),
            EndUser::with_email(SUBJECT, "ada@example.com").claim("email_verified", "false"),
            EndUser::new(SUBJECT),
        ];
        // First the email is unused, then it belongs to an account, then that account is known by its `sub`.
        for person in &unverified {
            provider.sign_in_as(person.clone());
            assert_eq!(error(&app, &provider).await?, "email_not_verified");
        }
        app.register("ada").await?;
        for person in &unverified {
            provider.sign_in_as(person.clone());
            assert_eq!(error(&app, &provider).await?, "email_not_verified");
        }
        provider.sign_in_as(EndUser::with_email(SUBJECT, "countess@example.com"));
        session(&app, &provider).await?;
        for person in &unverified {
            provider.sign_in_as(person.clone());
            assert_eq!(error(&app, &provider).await?, "email_not_verified");
        }
    }
}

on_both_databases! {
    async fn only_the_signed_in_user_links_an_account(app: TestApp, provider: OpenIdServer) {
        // The email is registered with a password first.
        let ada = app.register("ada").await?;
        provider.sign_in_as(external_ada());
        assert_eq!(error(&app, &provider).await?, "account_exists");
        let response = app.anonymous().send(Method::POST, "/auth/google/link", None).await?;
        response.expect_problem(401, "UNAUTHORIZED", None)?;

        let path = begin_link(&ada).await?;
        let (name, code) = Browser::sign_in(&app, &provider, &path).await?;
        assert_eq!((name.as_str(), error(&app, &provider).await?.as_str()), ("link_code", "account_exists"));
        // A code of a link gives no session.
        exchange(&app, &code).await?.expect_problem(400, "VALIDATION_ERROR", Some("code"))?;
        app.anonymous().with_token(&code).get("/auth/me").await?.expect_problem(401, "UNAUTHORIZED", None)?;
        let answer = app.anonymous().post("/auth/google/link/complete", json!({"code": code})).await?;
        answer.expect_problem(401, "UNAUTHORIZED", None)?;
        complete(&ada, &code).await?.expect(204)?;
        assert_eq!(session(&app, &provider).await?["user"]["id"], ada.id);
        complete(&ada, &code).await?.expect_problem(400, "VALIDATION_ERROR", Some("code"))?;
        app.anonymous().get(&path).await?.expect_problem(400, "VALIDATION_ERROR", Some("link"))?;
        // Linking again is not an error; a second account cannot be linked to the same external account.
        complete(&ada, &link_code(&app, &provider, &ada).await?).await?.expect(204)?;
        let bob = app.register("bob").await?;
        let code = link_code(&app, &provider, &bob).await?;
        complete(&bob, &code).await?.expect_problem(409, "ALREADY_LINKED", None)?;
    }
}

on_both_databases! {
    async fn a_planted_link_links_nothing(app: TestApp, provider: OpenIdServer) {
        let (eve, ada) = (app.register("eve").await?, app.register("ada").await?);
        let elsewhere = app.login("eve").await?;
        // Ada opens Eve's URL. Ada's page sends what it receives; then the code is void for Eve too.
        provider.sign_in_as(external_ada());
        let code = link_code(&app, &provider, &eve).await?;
        complete(&ada, &code).await?.expect_problem(400, "VALIDATION_ERROR", Some("code"))?;
        complete(&eve, &code).await?.expect_problem(400, "VALIDATION_ERROR", Some("code"))?;
        // Nor does a session of Eve's account that Ada's page was made to use, other than the one that began the link.
        let code = link_code(&app, &provider, &eve).await?;
        complete(&elsewhere, &code).await?.expect_problem(400, "VALIDATION_ERROR", Some("code"))?;
        // Eve's external account, in a code of her own that Ada's page is made to send.
        provider.sign_in_as(EndUser::with_email("2", "eve@elsewhere.example"));
        let code = link_code(&app, &provider, &eve).await?;
        complete(&ada, &code).await?.expect_problem(400, "VALIDATION_ERROR", Some("code"))?;

        // Neither external account is linked to anybody.
        assert_ne!(session(&app, &provider).await?["user"]["id"], eve.id);
        provider.sign_in_as(external_ada());
        assert_eq!(error(&app, &provider).await?, "account_exists");
    }
}

on_both_databases! {
    async fn a_link_code_ends_after_a_minute_and_with_its_session(app: TestApp, provider: OpenIdServer) {
        let ada = app.register("ada").await?;
        provider.sign_in_as(EndUser::with_email("2", "eve@example.com"));
        let code = link_code(&app, &provider, &ada).await?;
        for forged in ["", "dblc_x", "a.b.c", &ada.access_token, &code[1..], &code[..code.len() - 1]] {
            complete(&ada, forged).await?.expect_problem(400, "VALIDATION_ERROR", Some("code"))?;
        }
        let browser = Browser::open(&app, &begin_link(&ada).await?).await?;
        ada.delete("/auth/sessions").await?.expect(204)?;
        complete(&ada, &code).await?.expect_problem(401, "UNAUTHORIZED", None)?;
        let answer = browser.follow_callback(&app, &browser.visit(&provider)?).await?;
        let (_, code) = frontend_parameter(&answer)?;
        complete(&app.login("ada").await?, &code).await?.expect_problem(400, "VALIDATION_ERROR", Some("code"))?;

        let ada = app.login("ada").await?;
        let code = link_code(&app, &provider, &ada).await?;
        app.advance(TimeDelta::seconds(66));
        complete(&ada, &code).await?.expect_problem(400, "VALIDATION_ERROR", Some("code"))?;
    }
}

on_both_databases! {
    async fn two_tabs_sign_in_at_once(app: TestApp, provider: OpenIdServer) {
        provider.sign_in_as(external_ada());
        let mut tabs = [Browser::open(&app, "/auth/google").await?, Browser::open(&app, "/auth/google?a=b&a=c").await?];
        // One browser, which sends both cookies.
        let jar = tabs.each_ref().map(|tab| tab.cookie.clone()).join("; ");
        for tab in &mut tabs {
            let own = format!("{}=;", cookie_name(tab)?);
            tab.cookie.clone_from(&jar);
            let answer = tab.follow_callback(&app, &tab.visit(&provider)?).await?;
            assert!(answer.header("set-cookie").starts_with(&own), "{:?}", answer.headers);
            exchange(&app, &frontend_parameter(&answer)?.1).await?.expect(200)?;
        }
    }
}

on_both_databases! {
    async fn claims_are_read_from_userinfo(app: TestApp, provider: OpenIdServer) {
        let person = EndUser::new(SUBJECT).user_info("email", "ada@example.com").user_info("name", "Ada");
        provider.sign_in_as(person.clone());
        assert_eq!(error(&app, &provider).await?, "email_not_verified");
        provider.sign_in_as(person.clone().user_info("email_verified", true).user_info("sub", "2"));
        assert_eq!(error(&app, &provider).await?, "oauth_failed");
        provider.sign_in_as(person.user_info("email_verified", true));
        let session = session(&app, &provider).await?;
        assert_eq!((&session["user"]["email"], &session["user"]["name"]), (&json!("ada@example.com"), &json!("Ada")));
    }
}

/// A change to an ID token before it is signed.
type Forgery = fn(&mut IdToken);

on_both_databases! {
    async fn an_id_token_with_a_wrong_claim_or_signature_is_refused(app: TestApp, provider: OpenIdServer) {
        provider.sign_in_as(external_ada());
        let forgeries: [(&str, Forgery); 6] = [
            ("nonce", |token| token.claims["nonce"] = json!("another")),
            ("aud", |token| token.claims["aud"] = json!("other")),
            ("azp", |token| {
                token.claims["aud"] = json!([CLIENT_ID, "other"]);
                token.claims["azp"] = json!("other");
            }),
            ("iss", |token| token.claims["iss"] = json!("https://accounts.example.com")),
            ("exp", |token| token.claims["exp"] = json!(1_000_000_000)),
            ("signature", |token| token.signer = Signer::UnpublishedRsa),
        ];
        for (what, forgery) in forgeries {
            provider.forge(forgery);
            assert_eq!(error(&app, &provider).await?, "oauth_failed", "{what}");
        }
        provider.forge(|_| {});
        expect_no_account(&app).await?;
    }
}

on_both_databases! {
    async fn a_provider_failure_is_reported_and_passwords_still_work(app: TestApp, provider: OpenIdServer) {
        provider.sign_in_as(external_ada());
        app.register("bob").await?;
        provider.deny(true);
        assert_eq!(error(&app, &provider).await?, "oauth_denied");
        provider.deny(false);
        provider.set_fault(Endpoint::Token, Fault::Status(500));
        assert_eq!(error(&app, &provider).await?, "oauth_unavailable");
        app.login("bob").await?;
        provider.clear_fault(Endpoint::Token);
        session(&app, &provider).await?;
    }
}

on_both_databases! {
    async fn a_password_can_be_set_soon_after_an_external_sign_in(app: TestApp, provider: OpenIdServer) {
        provider.sign_in_as(external_ada());
        let ada = user(&app, &session(&app, &provider).await?)?;
        let login = json!({"email": "ada@example.com", "password": ""});
        app.anonymous().post("/auth/login", login).await?.expect_problem(401, "INVALID_CREDENTIALS", None)?;
        ada.post("/auth/password", json!({"new_password": TestApp::PASSWORD})).await?.expect(200)?;
        app.login("ada").await?;
        // External sign-in still works.
        assert_eq!(session(&app, &provider).await?["user"]["id"], ada.id);
    }
}
