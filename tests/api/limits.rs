//! Rate limits on the real clock. Where the quota refills within seconds, a test sends requests until one is refused;
//! elsewhere the quota is so small that it refills after half a minute.

use chrono::TimeDelta;
use domain::llm::Step;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, TestApp, TestUser, on_both_databases};

/// Maximum number of requests until one is refused.
const MAX_REQUESTS: usize = 200;

/// `RateLimit` and `RateLimit-Policy`.
fn limit_headers(answer: &Answer) -> (&str, &str) {
    (answer.header("ratelimit"), answer.header("ratelimit-policy"))
}

/// Checks that `answer` refuses by `policy`, a value of `RateLimit-Policy`.
fn expect_refusal(answer: &Answer, policy: &str) -> anyhow::Result<()> {
    answer.expect_problem(429, "RATE_LIMITED", None)?;
    let (remaining, actual) = limit_headers(answer);
    let name = policy.split(';').next().unwrap_or_default();
    anyhow::ensure!(actual == policy, "{actual} instead of {policy}");
    let after: u32 = answer.header("retry-after").parse()?;
    anyhow::ensure!(after > 0 && remaining == format!("{name};r=0;t={after}"), "{remaining}, retry after {after}");
    Ok(())
}

/// Sends requests until one is refused. Returns the answers before it and the refusal.
async fn until_refused(send: impl AsyncFn() -> anyhow::Result<Answer>) -> anyhow::Result<(Vec<Answer>, Answer)> {
    let mut before = Vec::new();
    while before.len() < MAX_REQUESTS {
        let answer = send().await?;
        if answer.status == 429 {
            return Ok((before, answer));
        }
        before.push(answer);
    }
    anyhow::bail!("none of {MAX_REQUESTS} requests was refused")
}

async fn log_in(anonymous: &TestUser, email: &str, password: &str) -> anyhow::Result<Answer> {
    anonymous.post("/auth/login", json!({"email": email, "password": password})).await
}

/// Signs in from this address, behind a proxy.
async fn log_in_from(app: &TestApp, address: &str, email: &str, password: &str) -> anyhow::Result<Answer> {
    let body = json!({"email": email, "password": password});
    app.anonymous().send_with(Method::POST, "/auth/login", Some(&body), &[("x-forwarded-for", address)]).await
}

/// Sends a sign-in request with this `X-Forwarded-For`.
async fn forwarded(anonymous: &TestUser, forwarded: &str) -> anyhow::Result<Answer> {
    let body = json!({"refresh_token": "nonsense"});
    anonymous.send_with(Method::POST, "/auth/refresh", Some(&body), &[("x-forwarded-for", forwarded)]).await
}

on_both_databases! {
    async fn a_user_can_send_twenty_messages_at_once_without_affecting_others(app: TestApp) {
        let (ada, eve) = (app.register("ada").await?, app.register("eve").await?);
        let (before, refused) = until_refused(async || ada.say("hello", None).await).await?;
        assert!(before.len() >= 20, "{}", before.len());
        assert_eq!(limit_headers(&before[0]), (r#""chat";r=19;t=3"#, r#""chat";q=20;w=60"#));
        for answer in &before {
            answer.expect(200)?;
        }
        expect_refusal(&refused, r#""chat";q=20;w=60"#)?;
        // The refused message is not stored.
        let chats = ada.all_pages("/api/{me}/conversations").await?;
        assert_eq!(chats.len(), before.len());

        ada.add("milk").await?;
        assert_eq!(limit_headers(&eve.say("hello", None).await?).0, r#""chat";r=19;t=3"#);
    }
}

on_both_databases! {
    async fn a_stream_reports_the_quota_and_is_refused_before_it_starts(
        app: TestApp,
        ["--chat-requests-per-minute", "1"]
    ) {
        let ada = app.register("ada").await?;
        let (hello, accept) = (json!({"message": "hello"}), [("accept", "text/event-stream")]);
        let stream = ada.send_with(Method::POST, "/api/{me}/chat", Some(&hello), &accept).await?;
        assert!(stream.status == 200 && stream.text.ends_with("data: [DONE]\n\n"), "{stream:?}");
        assert_eq!(limit_headers(&stream), (r#""chat";r=0;t=60"#, r#""chat";q=1;w=60"#));
        let refused = ada.send_with(Method::POST, "/api/{me}/chat", Some(&hello), &accept).await?;
        expect_refusal(&refused, r#""chat";q=1;w=60"#)?;
    }
}

on_both_databases! {
    async fn requests_are_counted_per_user_and_apart_from_messages(app: TestApp, ["--api-requests-per-minute", "3"]) {
        // The start of the session is the first request.
        let (ada, eve) = (app.register("ada").await?, app.register("eve").await?);
        let first = ada.get("/auth/me").await?;
        first.expect(200)?;
        let (remaining, limit) = limit_headers(&first);
        assert!(remaining.starts_with(r#""api";r=1;t="#) && limit == r#""api";q=3;w=60"#, "{remaining}, {limit}");
        let missing = ada.get("/api/{me}/tasks/no-id").await?;
        missing.expect_problem(404, "TASK_NOT_FOUND", None)?;
        assert!(limit_headers(&missing).0.starts_with(r#""api";r=0;t="#), "{missing:?}");
        for path in ["/auth/me", "/api/{me}/tasks", "/auth/sessions"] {
            expect_refusal(&ada.get(path).await?, r#""api";q=3;w=60"#)?;
        }
        ada.say("hello", None).await?.expect(200)?;
        eve.get("/auth/me").await?.expect(200)?;
        // A refused request for another user is not counted, and public routes have no limit.
        eve.get(&format!("/api/{}/tasks", ada.id)).await?.expect_problem(403, "FORBIDDEN", None)?;
        eve.get("/auth/me").await?.expect(200)?;
        for _ in 0..5 {
            assert_eq!(limit_headers(&app.anonymous().get("/health").await?), ("", ""));
        }
    }
}

on_both_databases! {
    async fn guesses_at_an_account_do_not_lock_its_owner_out(app: TestApp, ["--trusted-proxies", "127.0.0.1"]) {
        let ada = app.register("ada").await?;
        app.register("bob").await?;
        // Eve has no account; the answers are the same.
        for email in ["ada@example.com", "eve@example.com"] {
            let guess = async || log_in_from(&app, "192.0.2.1", email, "wrong password").await;
            let (before, refused) = until_refused(guess).await?;
            assert!(before.len() >= 10, "{email}: {}", before.len());
            for answer in before {
                answer.expect_problem(401, "INVALID_CREDENTIALS", None)?;
                assert_eq!(limit_headers(&answer).1, r#""sign-in-peer";q=30;w=60"#);
            }
            expect_refusal(&refused, r#""sign-in-account-peer";q=10;w=600"#)?;
        }
        // From the same network not even the right password is accepted, but other accounts are.
        let right = log_in_from(&app, "192.0.2.1", "ADA@EXAMPLE.COM", TestApp::PASSWORD).await?;
        expect_refusal(&right, r#""sign-in-account-peer";q=10;w=600"#)?;
        log_in_from(&app, "192.0.2.1", "bob@example.com", TestApp::PASSWORD).await?.expect(200)?;
        // From elsewhere, and in a session, the owner is not affected.
        log_in_from(&app, "192.0.2.2", "ada@example.com", TestApp::PASSWORD).await?.expect(200)?;
        let change = json!({"current_password": TestApp::PASSWORD, "new_password": TestApp::PASSWORD});
        ada.post("/auth/password", change).await?.expect(200)?;
    }
}

on_both_databases! {
    async fn guesses_from_many_networks_are_limited_by_account(app: TestApp, ["--trusted-proxies", "127.0.0.1"]) {
        app.register("ada").await?;
        for email in ["ada@example.com", "eve@example.com"] {
            let requests = std::cell::Cell::new(0);
            let guess = async || {
                requests.set(requests.get() + 1);
                log_in_from(&app, &format!("192.0.2.{}", requests.get()), email, "wrong password").await
            };
            let (before, refused) = until_refused(guess).await?;
            assert!(before.len() >= 100, "{email}: {}", before.len());
            expect_refusal(&refused, r#""sign-in-account";q=100;w=600"#)?;
        }
    }
}

on_both_databases! {
    async fn what_succeeds_is_not_counted(app: TestApp, ["--sign-in-requests-per-minute", "3"]) {
        let mut ada = app.register("ada").await?;
        for _ in 0..20 {
            app.login("ada").await?;
            let refresh = json!({"refresh_token": ada.refresh_token});
            let session = ada.post("/auth/refresh", refresh).await?.expect(200)?;
            session["refresh_token"].as_str().unwrap_or_default().clone_into(&mut ada.refresh_token);
            let other = app.login("ada").await?;
            ada.post("/auth/logout", json!({"refresh_token": other.refresh_token})).await?.expect(204)?;
        }
        let unknown = async || ada.post("/auth/logout", json!({"refresh_token": "unknown"})).await;
        let (before, refused) = until_refused(unknown).await?;
        assert!((3..6).contains(&before.len()), "{}", before.len());
        expect_refusal(&refused, r#""sign-in-peer";q=3;w=60"#)?;
    }
}

on_both_databases! {
    async fn successes_do_not_give_back_the_guesses_at_another_account(
        app: TestApp,
        ["--sign-in-requests-per-minute", "1000"]
    ) {
        app.register("ada").await?;
        app.register("eve").await?;
        let guess = async || {
            app.login("eve").await?;
            log_in(&app.anonymous(), "ada@example.com", "wrong password").await
        };
        let (before, refused) = until_refused(guess).await?;
        assert_eq!(before.len(), 10);
        expect_refusal(&refused, r#""sign-in-account-peer";q=10;w=600"#)?;
    }
}

on_both_databases! {
    async fn guesses_at_the_same_time_do_not_exceed_the_limit(app: TestApp, ["--sign-in-requests-per-minute", "1000"]) {
        app.register("ada").await?;
        let anonymous = app.anonymous();
        let guesses = (0..60).map(|_| log_in(&anonymous, "ada@example.com", "wrong password"));
        let answers = futures_util::future::try_join_all(guesses).await?;
        assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 10);
        assert!(answers.iter().all(|answer| [401, 429].contains(&answer.status.as_u16())));
    }
}

on_both_databases! {
    async fn registrations_are_limited_apart_from_sign_in(app: TestApp, ["--sign-in-requests-per-minute", "3"]) {
        let ada = app.register("ada").await?;
        for name in ["bob", "eve"] {
            app.register(name).await?;
        }
        let body = json!({"email": "mallory@example.com", "password": TestApp::PASSWORD});
        let refused = app.anonymous().post("/auth/register", body).await?;
        expect_refusal(&refused, r#""registration";q=3;w=60"#)?;
        ada.get("/auth/me").await?.expect(200)?;
        app.login("ada").await?;
    }
}

on_both_databases! {
    async fn wrong_passwords_of_a_signed_in_user_are_counted_apart_from_sign_in(app: TestApp) {
        let ada = app.register("ada").await?;
        let change = |current: &str| json!({"current_password": current, "new_password": TestApp::PASSWORD});
        let guess = async || ada.post("/auth/password", change("wrong password")).await;
        let (before, refused) = until_refused(guess).await?;
        assert!(before.len() >= 10, "{}", before.len());
        expect_refusal(&refused, r#""own-password";q=10;w=600"#)?;
        let delete = ada.send(Method::DELETE, "/auth/me", Some(&json!({"password": TestApp::PASSWORD}))).await?;
        expect_refusal(&delete, r#""own-password";q=10;w=600"#)?;
        ada.get("/auth/me").await?.expect(200)?;
        app.login("ada").await?;

        let mut bob = app.register("bob").await?;
        for _ in 0..15 {
            let session = bob.post("/auth/password", change(TestApp::PASSWORD)).await?.expect(200)?;
            bob = bob.with_token(session["access_token"].as_str().unwrap_or_default());
        }
    }
}

on_both_databases! {
    async fn messages_are_refused_when_the_tokens_of_the_day_are_used_up(
        app: TestApp,
        ["--chat-tokens-per-day", "30"]
    ) {
        let (ada, eve) = (app.register("ada").await?, app.register("eve").await?);
        // Each reply takes 15 tokens.
        app.script(["one", "two", "three", "four"].map(Step::says));
        let stream = async |user: &TestUser| {
            let headers = [("accept", "text/event-stream")];
            user.send_with(Method::POST, "/api/{me}/chat", Some(&json!({"message": "hello"})), &headers).await
        };
        ada.say("hello", None).await?.expect(200)?;
        assert_eq!(stream(&ada).await?.status, 200);
        // What was used is not given back with the conversations.
        for chat in ada.all_pages("/api/{me}/conversations").await? {
            let id = chat["id"].as_str().unwrap_or_default();
            ada.delete(&format!("/api/{{me}}/conversations/{id}")).await?.expect(204)?;
        }
        let mut after = 0;
        for refused in [ada.say("hello", None).await?, stream(&ada).await?] {
            refused.expect_problem(429, "RATE_LIMITED", None)?;
            assert_eq!(limit_headers(&refused).1, r#""chat-tokens";q=30;qu="tokens";w=86400"#);
            after = refused.header("retry-after").parse()?;
            assert!((1..=86_400).contains(&after), "{after}");
        }
        assert_eq!(ada.all_pages("/api/{me}/conversations").await?, Vec::<Value>::new());
        eve.say("hello", None).await?.expect(200)?;

        app.advance(TimeDelta::seconds(after));
        app.login("ada").await?.say("hello", None).await?.expect(200)?;
    }
}

on_both_databases! {
    async fn forwarded_addresses_are_ignored_without_a_trusted_proxy(
        app: TestApp,
        ["--sign-in-requests-per-minute", "1"]
    ) {
        let ada = app.register("ada").await?;
        forwarded(&app.anonymous(), "192.0.2.9").await?.expect_problem(401, "UNAUTHORIZED", None)?;
        for address in ["192.0.2.1", "192.0.2.2", "2001:db8::1", "127.0.0.2, 192.0.2.3", "nonsense"] {
            expect_refusal(&forwarded(&app.anonymous(), address).await?, r#""sign-in-peer";q=1;w=60"#)?;
        }
        for path in ["/auth/login", "/auth/register", "/auth/logout", "/auth/exchange"] {
            expect_refusal(&app.anonymous().post(path, Value::Null).await?, r#""sign-in-peer";q=1;w=60"#)?;
        }
        for path in ["/auth/google", "/auth/google/callback"] {
            expect_refusal(&app.anonymous().get(path).await?, r#""sign-in-peer";q=1;w=60"#)?;
        }
        // Users with a token are not affected.
        ada.add("milk").await?;
    }
}

on_both_databases! {
    async fn behind_a_trusted_proxy_each_network_is_counted_separately(
        app: TestApp,
        ["--sign-in-requests-per-minute", "1", "--trusted-proxies", "127.0.0.1"]
    ) {
        let anonymous = app.anonymous();
        for (forwarded_for, refused) in [
            ("192.0.2.1", false),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
            // Addresses to the left of the one that the proxy appended are from the client.
            ("203.0.113.9, 192.0.2.2", true),
            ("::ffff:192.0.2.2", true),
            ("2001:db8:0:1::1", false),
            ("2001:db8:0:1:ffff:ffff:ffff:ffff", true),
            ("2001:db8:0:2::1", false),
        ] {
            let answer = forwarded(&anonymous, forwarded_for).await?;
            if refused {
                expect_refusal(&answer, r#""sign-in-peer";q=1;w=60"#)?;
            } else {
                answer.expect_problem(401, "UNAUTHORIZED", None)?;
            }
        }
    }
}

on_both_databases! {
    async fn a_limit_of_0_disables_rate_limiting(
        app: TestApp,
        ["--chat-requests-per-minute", "0", "--api-requests-per-minute", "0", "--sign-in-requests-per-minute", "0"]
    ) {
        let ada = app.register("ada").await?;
        for _ in 0..40 {
            let answer = log_in(&app.anonymous(), "ada@example.com", "wrong password").await?;
            answer.expect_problem(401, "INVALID_CREDENTIALS", None)?;
            assert_eq!(limit_headers(&answer), ("", ""));
        }
        for _ in 0..30 {
            let answer = ada.say("hello", None).await?;
            answer.expect(200)?;
            assert_eq!(limit_headers(&answer), ("", ""));
        }
        assert_eq!(limit_headers(&ada.get("/auth/me").await?), ("", ""));
    }
}
