//! Signing in with an account at an OpenID provider, by a provider on loopback with real keys and every fault.

use anyhow::Context as _;
use reqwest::Method;
use serde_json::{Value, json};
use test_openid::{CLIENT_ID, EndUser, Endpoint, Fault, IdToken, OpenIdServer, Signer};
use tests::{Answer, TestApp, TestUser, on_both_databases};
use url::Url;

const SUBJECT: &str = "248289761001";

fn ada_elsewhere() -> EndUser {
    EndUser::with_email(SUBJECT, "ada@example.com").claim("name", "Ada")
}

/// A browser that was sent to the provider: where to, and the cookie that it was given.
struct Browser {
    address: Url,
    cookie: String,
}

impl Browser {
    async fn open(app: &TestApp, path: &str) -> anyhow::Result<Self> {
        let answer = app.nobody().get(path).await?;
        anyhow::ensure!(answer.status == 302, "{} {}", answer.status, answer.text);
        let cookie = answer.header("set-cookie");
        let attributes = cookie.split("; ").skip(1).collect::<Vec<_>>();
        for attribute in ["HttpOnly", "SameSite=Lax", "Path=/auth/google", "Max-Age=600"] {
            anyhow::ensure!(attributes.contains(&attribute), "{cookie}");
        }
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        Ok(Self { address: answer.header("location").parse()?, cookie })
    }

    /// The path and query that the provider sends it back to.
    fn visit(&self, provider: &OpenIdServer) -> anyhow::Result<String> {
        let back = provider.visit(&self.address)?;
        Ok(back[url::Position::BeforePath..url::Position::AfterQuery].to_owned())
    }

    async fn come_back(&self, app: &TestApp, path: &str) -> anyhow::Result<Answer> {
        app.nobody().send_with(Method::GET, path, None, &[("cookie", &self.cookie)]).await
    }

    /// All the way there and back: what the frontend is told.
    async fn sign_in(app: &TestApp, provider: &OpenIdServer, path: &str) -> anyhow::Result<(String, String)> {
        let browser = Self::open(app, path).await?;
        let answer = browser.come_back(app, &browser.visit(provider)?).await?;
        told(&answer)
    }
}

/// What the frontend is told: `code` or `error`, and its value.
fn told(answer: &Answer) -> anyhow::Result<(String, String)> {
    anyhow::ensure!(answer.status == 302, "{} {}", answer.status, answer.text);
    anyhow::ensure!(answer.header("set-cookie").contains("Max-Age=0"), "the cookie stays: {:?}", answer.headers);
    let landing: Url = answer.header("location").parse()?;
    anyhow::ensure!(landing.as_str().starts_with("http://localhost:3000/auth/callback?"), "{landing}");
    let (name, value) = landing.query_pairs().next().context("a parameter")?;
    Ok((name.into_owned(), value.into_owned()))
}

async fn exchange(app: &TestApp, code: &str) -> anyhow::Result<Answer> {
    app.nobody().post("/auth/exchange", json!({"code": code})).await
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

/// Whether nobody has the address: then it can be registered.
async fn expect_no_account(app: &TestApp) -> anyhow::Result<()> {
    app.register("ada").await.context("an account was made")?;
    Ok(())
}

fn user(app: &TestApp, session: &Value) -> anyhow::Result<TestUser> {
    let token = session["access_token"].as_str().context("a token")?;
    let mut user = app.nobody().with_token(token);
    session["user"]["id"].as_str().context("an id")?.clone_into(&mut user.id);
    Ok(user)
}

on_both_databases! {
    async fn whoever_signs_in_twice_has_one_account_whatever_their_address_is_now(app: TestApp, provider: OpenIdServer) {
        provider.sign_in_as(ada_elsewhere());
        let first = session(&app, &provider).await?;
        assert_eq!((&first["user"]["email"], &first["user"]["name"]), (&json!("ada@example.com"), &json!("Ada")));
        user(&app, &first)?.add("buy milk").await?;

        provider.sign_in_as(EndUser::with_email(SUBJECT, "ada@elsewhere.example"));
        let second = session(&app, &provider).await?;
        assert_eq!(second["user"], first["user"]);
        assert_eq!(user(&app, &second)?.titles().await?, ["buy milk"]);

        // Somebody else who has the old address now is somebody else.
        provider.sign_in_as(EndUser::with_email("2", "ada@example.com"));
        assert_eq!(error(&app, &provider).await?, "account_exists");
    }
}

on_both_databases! {
    async fn a_one_time_code_is_good_once_and_for_nothing_else(app: TestApp, provider: OpenIdServer) {
        provider.sign_in_as(ada_elsewhere());
        let (_, code) = Browser::sign_in(&app, &provider, "/auth/google").await?;
        app.nobody().with_token(&code).get("/auth/me").await?.expect_problem(401, "UNAUTHORIZED", None)?;
        let as_link = app.nobody().get(&format!("/auth/google?link={code}")).await?;
        as_link.expect_problem(400, "VALIDATION_ERROR", Some("link"))?;
        exchange(&app, &code).await?.expect(200)?;
        exchange(&app, &code).await?.expect_problem(400, "VALIDATION_ERROR", Some("code"))?;
    }
}

on_both_databases! {
    async fn a_state_that_is_missing_altered_replayed_or_from_another_browser_goes_nowhere(app: TestApp, provider: OpenIdServer) {
        provider.sign_in_as(ada_elsewhere());
        let (mine, other) = (Browser::open(&app, "/auth/google").await?, Browser::open(&app, "/auth/google").await?);
        let back = mine.visit(&provider)?;
        let state = mine.address.query_pairs().find(|(name, _)| name == "state").context("a state")?.1.into_owned();
        let altered = format!("{}A", mine.cookie);
        for (path, cookie) in [
            (back.replace(&format!("state={state}"), "x=1"), &mine.cookie),
            (back.replace(&state, &format!("{state}A")), &mine.cookie),
            (back.clone(), &other.cookie),
            (back.clone(), &altered),
            (back.clone(), &"doable_sign_in=nonsense".to_owned()),
            (back.clone(), &"unrelated=1".to_owned()),
        ] {
            let answer = app.nobody().send_with(Method::GET, &path, None, &[("cookie", cookie)]).await?;
            answer.expect_problem(400, "VALIDATION_ERROR", Some("state"))?;
            assert_eq!(answer.header("location"), "");
        }
        // The code was not shown to the provider: nothing has happened.
        assert_eq!(provider.request_count(Endpoint::Token), 0);

        assert_eq!(told(&mine.come_back(&app, &back).await?)?.0, "code");
        let replayed = mine.come_back(&app, &back).await?;
        replayed.expect_problem(400, "VALIDATION_ERROR", Some("state"))?;
        assert_eq!(provider.request_count(Endpoint::Token), 1);
    }
}

on_both_databases! {
    async fn neither_the_state_nor_the_sealed_attempt_is_a_token(app: TestApp, provider: OpenIdServer) {
        let browser = Browser::open(&app, "/auth/google").await?;
        assert!(browser.address.as_str().starts_with(&provider.issuer()), "{}", browser.address);
        let sealed = browser.cookie.split_once('=').context("a cookie")?.1;
        let state = browser.address.query_pairs().find(|(name, _)| name == "state").context("a state")?.1.into_owned();
        for token in [sealed, &state] {
            app.nobody().with_token(token).get("/auth/me").await?.expect_problem(401, "UNAUTHORIZED", None)?;
        }
        // Nor is an access token an attempt.
        let ada = app.register("ada").await?;
        let cookie = format!("doable_sign_in={}", ada.access_token);
        let path = format!("/auth/google/callback?code=x&state={state}");
        let answer = app.nobody().send_with(Method::GET, &path, None, &[("cookie", &cookie)]).await?;
        answer.expect_problem(400, "VALIDATION_ERROR", Some("state"))?;
    }
}

on_both_databases! {
    async fn an_address_that_is_not_verified_gives_nothing_to_anybody(app: TestApp, provider: OpenIdServer) {
        let unverified = [
            EndUser::with_email(SUBJECT, "ada@example.com").claim("email_verified", false),
            EndUser::new(SUBJECT).claim("email", "ada@example.com"),
            EndUser::with_email(SUBJECT, "ada@example.com").claim("email_verified", "false"),
            EndUser::new(SUBJECT),
        ];
        // Nobody has the address; then it belongs to an account; then the account is known by its sub.
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
    async fn an_account_is_tied_by_who_is_signed_in_to_it_and_by_nobody_else(app: TestApp, provider: OpenIdServer) {
        // Eve registers the address first, with a password of hers.
        let ada = app.register("ada").await?;
        provider.sign_in_as(ada_elsewhere());
        assert_eq!(error(&app, &provider).await?, "account_exists");
        app.nobody().send(Method::POST, "/auth/google/link", None).await?.expect_problem(401, "UNAUTHORIZED", None)?;

        let link = ada.send(Method::POST, "/auth/google/link", None).await?.expect(200)?;
        let link: Url = link["url"].as_str().context("an address")?.parse()?;
        let path = link[url::Position::BeforePath..].to_owned();
        let (name, code) = Browser::sign_in(&app, &provider, &path).await?;
        assert_eq!(name, "code");
        assert_eq!(exchange(&app, &code).await?.expect(200)?["user"]["id"], ada.id);
        app.nobody().get(&path).await?.expect_problem(400, "VALIDATION_ERROR", Some("link"))?;
        // From now on that is the way in; and a second account of ours cannot have it too.
        assert_eq!(session(&app, &provider).await?["user"]["id"], ada.id);
        let bob = app.register("bob").await?;
        let link = bob.send(Method::POST, "/auth/google/link", None).await?.expect(200)?;
        let link: Url = link["url"].as_str().context("an address")?.parse()?;
        let (name, code) = Browser::sign_in(&app, &provider, &link[url::Position::BeforePath..]).await?;
        assert_eq!((name.as_str(), code.as_str()), ("error", "already_linked"));
    }
}

on_both_databases! {
    async fn a_link_of_a_session_that_ended_meanwhile_ties_nothing(app: TestApp, provider: OpenIdServer) {
        let ada = app.register("ada").await?;
        provider.sign_in_as(EndUser::with_email("2", "eve@example.com"));
        let link = ada.send(Method::POST, "/auth/google/link", None).await?.expect(200)?;
        let link: Url = link["url"].as_str().context("an address")?.parse()?;
        let browser = Browser::open(&app, &link[url::Position::BeforePath..]).await?;
        ada.delete("/auth/sessions").await?.expect(204)?;
        let answer = browser.come_back(&app, &browser.visit(&provider)?).await?;
        assert_eq!(told(&answer)?, ("error".to_owned(), "unauthorized".to_owned()));
        let eve = session(&app, &provider).await?;
        assert_ne!(eve["user"]["id"], ada.id);
    }
}

/// What is done to an id token before it is signed.
type Forgery = fn(&mut IdToken);

on_both_databases! {
    async fn an_id_token_that_is_not_the_providers_for_us_and_now_is_refused(app: TestApp, provider: OpenIdServer) {
        provider.sign_in_as(ada_elsewhere());
        let forgeries: [(&str, Forgery); 6] = [
            ("nonce", |token| token.claims["nonce"] = json!("another")),
            ("aud", |token| token.claims["aud"] = json!("somebody")),
            ("azp", |token| {
                token.claims["aud"] = json!([CLIENT_ID, "somebody"]);
                token.claims["azp"] = json!("somebody");
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
    async fn a_provider_that_is_down_or_says_no_is_told_and_passwords_go_on(app: TestApp, provider: OpenIdServer) {
        provider.sign_in_as(ada_elsewhere());
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
    async fn an_account_without_a_password_is_given_one_soon_after_signing_in(app: TestApp, provider: OpenIdServer) {
        provider.sign_in_as(ada_elsewhere());
        let ada = user(&app, &session(&app, &provider).await?)?;
        let login = json!({"email": "ada@example.com", "password": ""});
        app.nobody().post("/auth/login", login).await?.expect_problem(401, "INVALID_CREDENTIALS", None)?;
        ada.post("/auth/password", json!({"new_password": TestApp::PASSWORD})).await?.expect(200)?;
        app.login("ada").await?;
        // The other way in is still there.
        assert_eq!(session(&app, &provider).await?["user"]["id"], ada.id);
    }
}
