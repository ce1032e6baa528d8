//! How often somebody may ask, on the server's own clock. It goes on while a test runs: where more is given back every few
//! seconds, a test asks until it is refused, and elsewhere so little is allowed that the next one is half a minute away.

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, TestApp, TestUser, on_both_databases};

/// Far more requests than any test here needs to be refused.
const MANY: usize = 200;

/// The two headers that tell of a limit.
fn told(answer: &Answer) -> (&str, &str) {
    (answer.header("ratelimit"), answer.header("ratelimit-policy"))
}

/// Checks that `answer` refuses by the limit `policy`, given as `RateLimit-Policy` has it.
fn expect_refusal(answer: &Answer, policy: &str) -> anyhow::Result<()> {
    answer.expect_problem(429, "RATE_LIMITED", None)?;
    let (left, told) = told(answer);
    let name = policy.split(';').next().unwrap_or_default();
    anyhow::ensure!(told == policy, "{told} instead of {policy}");
    let after: u32 = answer.header("retry-after").parse()?;
    anyhow::ensure!(after > 0 && left == format!("{name};r=0;t={after}"), "{left}, again after {after}");
    Ok(())
}

/// Asks until it is refused. What is returned are the answers before, and the refusal.
async fn until_refused(ask: impl AsyncFn() -> anyhow::Result<Answer>) -> anyhow::Result<(Vec<Answer>, Answer)> {
    let mut before = Vec::new();
    while before.len() < MANY {
        let answer = ask().await?;
        if answer.status == 429 {
            return Ok((before, answer));
        }
        before.push(answer);
    }
    anyhow::bail!("{MANY} requests, and none was refused")
}

async fn log_in(nobody: &TestUser, email: &str, password: &str) -> anyhow::Result<Answer> {
    nobody.post("/auth/login", json!({"email": email, "password": password})).await
}

/// Tries to sign in, as a proxy tells of it that got this `X-Forwarded-For`.
async fn forwarded(nobody: &TestUser, forwarded: &str) -> anyhow::Result<Answer> {
    let body = json!({"refresh_token": "nonsense"});
    nobody.send_with(Method::POST, "/auth/refresh", Some(&body), &[("x-forwarded-for", forwarded)]).await
}

on_both_databases! {
    async fn twenty_messages_may_come_at_once_and_others_are_not_affected(app: TestApp) {
        let (ada, eve) = (app.register("ada").await?, app.register("eve").await?);
        let (before, refused) = until_refused(async || ada.say("hello", None).await).await?;
        assert!(before.len() >= 20, "{}", before.len());
        assert_eq!(told(&before[0]), (r#""chat";r=19;t=3"#, r#""chat";q=20;w=60"#));
        for answer in &before {
            answer.expect(200)?;
        }
        expect_refusal(&refused, r#""chat";q=20;w=60"#)?;
        // What was refused is in no conversation.
        let chats = ada.all_pages("/api/{me}/conversations").await?;
        assert_eq!(chats.len(), before.len());

        ada.add("milk").await?;
        assert_eq!(told(&eve.say("hello", None).await?).0, r#""chat";r=19;t=3"#);
    }
}

on_both_databases! {
    async fn a_stream_tells_what_is_left_and_is_refused_before_it_begins(app: TestApp, ["--chat-requests-per-minute", "1"]) {
        let ada = app.register("ada").await?;
        let (hello, accept) = (json!({"message": "hello"}), [("accept", "text/event-stream")]);
        let stream = ada.send_with(Method::POST, "/api/{me}/chat", Some(&hello), &accept).await?;
        assert!(stream.status == 200 && stream.text.ends_with("data: [DONE]\n\n"), "{stream:?}");
        assert_eq!(told(&stream), (r#""chat";r=0;t=60"#, r#""chat";q=1;w=60"#));
        let refused = ada.send_with(Method::POST, "/api/{me}/chat", Some(&hello), &accept).await?;
        expect_refusal(&refused, r#""chat";q=1;w=60"#)?;
    }
}

on_both_databases! {
    async fn other_requests_are_counted_for_their_user_and_by_themselves(app: TestApp, ["--api-requests-per-minute", "2"]) {
        let (ada, eve) = (app.register("ada").await?, app.register("eve").await?);
        let first = ada.get("/auth/me").await?;
        first.expect(200)?;
        assert_eq!(told(&first), (r#""api";r=1;t=30"#, r#""api";q=2;w=60"#));
        let missing = ada.get("/api/{me}/tasks/no-id").await?;
        missing.expect_problem(404, "TASK_NOT_FOUND", None)?;
        assert_eq!(told(&missing).0, r#""api";r=0;t=60"#);
        for path in ["/auth/me", "/api/{me}/tasks", "/auth/sessions"] {
            expect_refusal(&ada.get(path).await?, r#""api";q=2;w=60"#)?;
        }
        ada.say("hello", None).await?.expect(200)?;
        eve.get("/auth/me").await?.expect(200)?;
        // Nobody uses up what is somebody else's, and what is nobody's has no limit.
        eve.get(&format!("/api/{}/tasks", ada.id)).await?.expect_problem(403, "FORBIDDEN", None)?;
        eve.get("/auth/me").await?.expect(200)?;
        for _ in 0..5 {
            assert_eq!(told(&app.nobody().get("/health").await?), ("", ""));
        }
    }
}

on_both_databases! {
    async fn an_account_is_tried_ten_times_whoever_it_belongs_to(app: TestApp) {
        app.register("ada").await?;
        app.register("bob").await?;
        let nobody = app.nobody();
        // There is no account of Eve's, and nothing tells so.
        for email in ["ada@example.com", "eve@example.com"] {
            let (before, refused) = until_refused(async || log_in(&nobody, email, "wrong password").await).await?;
            assert!(before.len() >= 10, "{email}: {}", before.len());
            for answer in before {
                answer.expect_problem(401, "INVALID_CREDENTIALS", None)?;
                assert_eq!(told(&answer).1, r#""sign-in-peer";q=30;w=60"#);
            }
            expect_refusal(&refused, r#""sign-in-account";q=10;w=600"#)?;
        }
        let right = log_in(&nobody, "ADA@EXAMPLE.COM", TestApp::PASSWORD).await?;
        expect_refusal(&right, r#""sign-in-account";q=10;w=600"#)?;
        app.login("bob").await?;
    }
}

on_both_databases! {
    async fn whoever_is_signed_in_guesses_the_password_no_more_often(app: TestApp) {
        let ada = app.register("ada").await?;
        let change = json!({"current_password": "wrong password", "new_password": "another horse"});
        let (before, refused) = until_refused(async || ada.post("/auth/password", change.clone()).await).await?;
        assert!(before.len() >= 10, "{}", before.len());
        expect_refusal(&refused, r#""sign-in-account";q=10;w=600"#)?;
        let delete = ada.send(Method::DELETE, "/auth/me", Some(&json!({"password": TestApp::PASSWORD}))).await?;
        expect_refusal(&delete, r#""sign-in-account";q=10;w=600"#)?;
        ada.get("/auth/me").await?.expect(200)?;
    }
}

on_both_databases! {
    async fn a_network_is_known_by_its_connection_and_not_by_what_it_claims(app: TestApp, ["--sign-in-requests-per-minute", "1"]) {
        let ada = app.register("ada").await?;
        for claim in ["192.0.2.1", "192.0.2.2", "2001:db8::1", "127.0.0.2, 192.0.2.3", "nonsense"] {
            expect_refusal(&forwarded(&app.nobody(), claim).await?, r#""sign-in-peer";q=1;w=60"#)?;
        }
        for path in ["/auth/login", "/auth/register", "/auth/logout", "/auth/exchange"] {
            expect_refusal(&app.nobody().post(path, Value::Null).await?, r#""sign-in-peer";q=1;w=60"#)?;
        }
        for path in ["/auth/google", "/auth/google/callback"] {
            expect_refusal(&app.nobody().get(path).await?, r#""sign-in-peer";q=1;w=60"#)?;
        }
        // Who is in stays in.
        ada.add("milk").await?;
    }
}

on_both_databases! {
    async fn behind_a_trusted_proxy_each_network_is_counted_by_itself(app: TestApp, ["--sign-in-requests-per-minute", "1", "--trusted-proxies", "127.0.0.1"]) {
        let nobody = app.nobody();
        for (client, known) in [
            ("192.0.2.1", false),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
            // What the client itself wrote stands to the left of what the proxy did.
            ("203.0.113.9, 192.0.2.2", true),
            ("::ffff:192.0.2.2", true),
            ("2001:db8:0:1::1", false),
            ("2001:db8:0:1:ffff:ffff:ffff:ffff", true),
            ("2001:db8:0:2::1", false),
        ] {
            let answer = forwarded(&nobody, client).await?;
            if known {
                expect_refusal(&answer, r#""sign-in-peer";q=1;w=60"#)?;
            } else {
                answer.expect_problem(401, "UNAUTHORIZED", None)?;
            }
        }
    }
}

on_both_databases! {
    async fn a_limit_of_0_is_none(app: TestApp, ["--chat-requests-per-minute", "0", "--api-requests-per-minute", "0", "--sign-in-requests-per-minute", "0"]) {
        let ada = app.register("ada").await?;
        for _ in 0..40 {
            let answer = log_in(&app.nobody(), "ada@example.com", "wrong password").await?;
            answer.expect_problem(401, "INVALID_CREDENTIALS", None)?;
            assert_eq!(told(&answer), ("", ""));
        }
        for _ in 0..30 {
            let answer = ada.say("hello", None).await?;
            answer.expect(200)?;
            assert_eq!(told(&answer), ("", ""));
        }
        assert_eq!(told(&ada.get("/auth/me").await?), ("", ""));
    }
}
