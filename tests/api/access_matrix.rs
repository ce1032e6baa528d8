//! The access matrix: every operation of the served document, with every principal that it must refuse.
//!
//! New routes are covered because the document is walked. A new kind of row must be added to [`Rows`].

use std::collections::BTreeSet;

use anyhow::{Context as _, bail};
use reqwest::Method;
use serde_json::{Value, json};
use tests::openapi::{Operation, operations};
use tests::{Answer, TestApp, TestUser, on_both_databases};

const UNKNOWN_ID: &str = "0198c0de-0000-7000-8000-000000000001";

/// Operations that require no token.
const OPEN: [&str; 25] = [
    "about",
    "about_head",
    "docs",
    "docs_file",
    "docs_file_head",
    "docs_head",
    "exchange",
    "google",
    "google_callback",
    "google_callback_head",
    "google_head",
    "health",
    "health_head",
    "health_live",
    "health_live_head",
    "health_ready",
    "health_ready_head",
    "login",
    "logout",
    "metrics",
    "metrics_head",
    "openapi",
    "openapi_head",
    "refresh",
    "register",
];

/// Ids of one row of each kind.
struct Rows {
    task: String,
    deleted_task: String,
    conversation: String,
    message: String,
    operation: String,
    seq: String,
    session: String,
    token: String,
}

impl Rows {
    async fn create(user: &TestUser) -> anyhow::Result<Self> {
        let id = |value: &Value, field: &str| value[field].as_str().map(str::to_owned).context("no id");
        let task = id(&user.add("secret plan").await?, "id")?;
        let deleted_task = id(&user.add("secret past").await?, "id")?;
        user.delete(&format!("/api/{{me}}/tasks/{deleted_task}")).await?.expect(204)?;
        let turn = user.say("Add a task to call Bob", None).await?.expect(200)?;
        let (conversation, message) = (id(&turn, "conversation_id")?, id(&turn, "message_id")?);
        let (operation, seq) = (id(&turn["changes"][0], "operation_id")?, turn["changes"][0]["seq"].to_string());
        let session = id(&user.get("/auth/sessions").await?.expect(200)?[0], "id")?;
        let token = json!({"name": "script", "scopes": ["tasks:read", "tasks:write", "chat"]});
        let token = id(&user.post("/auth/tokens", token).await?.expect(201)?, "id")?;
        Ok(Self { task, deleted_task, conversation, message, operation, seq, session, token })
    }

    /// The variables of a path and the rows that they stand for.
    fn named_by(&self, path: &str) -> anyhow::Result<Vec<(&'static str, &str)>> {
        let mut rows: Vec<(_, &str)> = Vec::new();
        for variable in path.split('/').filter(|segment| segment.starts_with('{')) {
            rows.push(match variable {
                "{user_id}" | "{file}" => continue,
                "{task_id}" if path.contains("/trash/") => ("{task_id}", &self.deleted_task),
                "{task_id}" => ("{task_id}", &self.task),
                "{seq}" => ("{seq}", &self.seq),
                "{operation_id}" => ("{operation_id}", &self.operation),
                "{message_id}" => ("{message_id}", &self.message),
                "{conversation_id}" => ("{conversation_id}", &self.conversation),
                "{id}" if path.contains("/conversations/") => ("{id}", &self.conversation),
                "{id}" if path.contains("/auth/sessions/") => ("{id}", &self.session),
                "{id}" if path.contains("/auth/tokens/") => ("{id}", &self.token),
                _ => bail!("{path} has an unknown kind of row: add it to Rows"),
            });
        }
        Ok(rows)
    }

    /// The path of an operation with this user and these rows.
    fn path(&self, operation: &Operation, user: &str) -> anyhow::Result<String> {
        let rows = self.named_by(&operation.path)?;
        let path = operation.path.replace("{user_id}", user);
        Ok(rows.into_iter().fold(path, |path, (variable, row)| path.replace(variable, row)))
    }
}

async fn send(user: &TestUser, operation: &Operation, path: &str) -> anyhow::Result<Answer> {
    user.send(operation.method.clone(), path, operation.body.as_ref()).await
}

/// A path with the user's id, and ids of rows that do not exist.
fn with_unknown_rows(user: &str, path: &str) -> String {
    let variables = ["{task_id}", "{operation_id}", "{conversation_id}", "{message_id}", "{id}", "{seq}"];
    variables.iter().fold(path.replace("{user_id}", user), |path, variable| path.replace(variable, UNKNOWN_ID))
}

type Visible = (u16, Vec<(String, String)>, Value);

/// The parts of an answer that must be equal for a foreign row and a missing one.
fn visible(answer: &Answer) -> anyhow::Result<Visible> {
    let variable = ["date", "x-request-id", "ratelimit", "access-control-expose-headers"];
    let headers = answer.headers.iter().filter(|(name, _)| !variable.contains(&name.as_str()));
    let mut headers: Vec<_> = headers
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    headers.sort();
    Ok((answer.status.as_u16(), headers, answer.without_request_id()?))
}

fn expect(answer: &Answer, operation: &Operation, status: u16, code: &str) -> anyhow::Result<()> {
    let what = || format!("{} {}", operation.method, operation.path);
    if operation.method == Method::HEAD {
        anyhow::ensure!(answer.status.as_u16() == status, "{}: {}", what(), answer.status);
        return Ok(());
    }
    answer.expect_problem(status, code, None).with_context(what)?;
    Ok(())
}

on_both_databases! {
    async fn operations_without_a_token_are_listed(app: TestApp) {
        let all = operations(&app.anonymous()).await?;
        let open: BTreeSet<_> =
            all.iter().filter(|operation| !operation.protected).map(|operation| operation.id.as_str()).collect();
        let listed: BTreeSet<_> = OPEN.into_iter().collect();
        assert_eq!(open, listed);
    }
}

on_both_databases! {
    async fn protected_operations_refuse_missing_and_invalid_tokens(app: TestApp) {
        let ada = app.register("ada").await?;
        let logged_out = app.login("ada").await?;
        logged_out.post("/auth/logout", json!({"refresh_token": logged_out.refresh_token})).await?.expect(204)?;
        let altered = format!("{}A", ada.access_token);
        let invalid =
            ["", "nonsense", &ada.refresh_token, &logged_out.access_token, &altered, "dbl_nonsense", "dblc_nonsense"];
        for operation in operations(&app.anonymous()).await?.iter().filter(|operation| operation.protected) {
            let path = with_unknown_rows(&ada.id, &operation.path);
            for token in invalid {
                let answer = send(&ada.with_token(token), operation, &path).await?;
                expect(&answer, operation, 401, "UNAUTHORIZED").with_context(|| format!("token {token:?}"))?;
                assert!(answer.header("www-authenticate").starts_with("Bearer "), "{operation:?}");
            }
        }
        ada.get("/auth/me").await?.expect(200)?;
    }
}

on_both_databases! {
    async fn every_operation_refuses_the_path_of_another_user(app: TestApp) {
        let (ada, eve) = (app.register("ada").await?, app.register("eve").await?);
        let rows = Rows::create(&ada).await?;
        let mut checked = 0;
        for operation in &operations(&app.anonymous()).await? {
            if !operation.path.contains("{user_id}") {
                continue;
            }
            for owner in [ada.id.as_str(), UNKNOWN_ID, "no-id", &eve.id.to_uppercase()] {
                let path = rows.path(operation, owner)?;
                expect(&send(&eve, operation, &path).await?, operation, 403, "FORBIDDEN")?;
                checked += 1;
            }
        }
        assert!(checked > 60, "{checked}");
        assert_eq!(ada.titles().await?, ["call Bob", "secret plan"]);
    }
}

on_both_databases! {
    async fn a_row_of_another_user_is_answered_like_a_missing_one(app: TestApp) {
        let (ada, eve) = (app.register("ada").await?, app.register("eve").await?);
        let rows = Rows::create(&ada).await?;
        let before = snapshot(&ada).await?;
        let mut checked = 0;
        for operation in &operations(&app.anonymous()).await? {
            let named = rows.named_by(&operation.path)?;
            if named.is_empty() {
                continue;
            }
            for guard in [None, Some("*"), Some("\"1\"")] {
                let mut responses = Vec::new();
                for other in [None, Some(UNKNOWN_ID), Some("no-id")] {
                    let of_eve = operation.path.replace("{user_id}", &eve.id);
                    let fill = |path: String, (variable, foreign): &(&str, &str)| {
                        path.replace(variable, other.unwrap_or(foreign))
                    };
                    let path = named.iter().fold(of_eve, fill);
                    let guards: Vec<_> = guard.into_iter().map(|guard| ("if-match", guard)).collect();
                    let answer =
                        eve.send_with(operation.method.clone(), &path, operation.body.as_ref(), &guards).await?;
                    responses.push(visible(&answer)?);
                }
                // The AI SDK asks for the stream of a chat that may have no conversation yet.
                let missing = if operation.path.contains("/chat/") { 204 } else { 404 };
                assert_eq!(responses[0].0, missing, "{operation:?} {responses:?}");
                responses.dedup();
                assert_eq!(responses.len(), 1, "{operation:?} {guard:?}: {responses:#?}");
                checked += 1;
            }
        }
        assert!(checked > 30, "{checked}");
        assert_eq!(snapshot(&ada).await?, before);
    }
}

/// All lists of a user and the profile.
async fn snapshot(user: &TestUser) -> anyhow::Result<Vec<Value>> {
    let mut all = Vec::new();
    for path in [
        "/auth/me",
        "/api/{me}/tasks",
        "/api/{me}/trash",
        "/api/{me}/changes",
        "/api/{me}/conversations",
        "/auth/sessions",
        "/auth/tokens",
    ] {
        all.push(user.get(path).await?.expect(200)?);
    }
    Ok(all)
}

on_both_databases! {
    async fn a_token_without_the_scope_is_refused_and_the_scope_named(app: TestApp) {
        let ada = app.register("ada").await?;
        let rows = Rows::create(&ada).await?;
        let before = snapshot(&ada).await?;
        let mut checked = 0;
        for scope in ["tasks:read", "tasks:write", "chat"] {
            let created = ada.post("/auth/tokens", json!({"name": scope, "scopes": [scope]})).await?.expect(201)?;
            let script = ada.with_token(created["token"].as_str().context("no token")?);
            for operation in &operations(&app.anonymous()).await? {
                let Some(needed) = operation.scope.as_deref().filter(|needed| *needed != scope) else { continue };
                let path = rows.path(operation, &ada.id)?;
                let answer = send(&script, operation, &path).await?;
                expect(&answer, operation, 403, "INSUFFICIENT_SCOPE")?;
                let challenge = format!(r#"Bearer realm="doable", error="insufficient_scope", scope="{needed}""#);
                assert_eq!(answer.header("www-authenticate"), challenge, "{operation:?}");
                checked += 1;
            }
        }
        assert!(checked > 50, "{checked}");
        let mut after = snapshot(&ada).await?;
        // Without the three new tokens.
        if let Some(tokens) = after.last_mut().and_then(Value::as_array_mut) {
            tokens.drain(..3);
        }
        assert_eq!(after, before);
    }
}

on_both_databases! {
    async fn every_protected_operation_accepts_its_owner(app: TestApp) {
        // Shows that the refusals above are due to the principal.
        let all = operations(&app.anonymous()).await?;
        let mut user: Option<TestUser> = None;
        for (number, operation) in all.iter().filter(|operation| operation.protected).enumerate() {
            // A user sends ten requests, fewer than its limits allow.
            let ada = match user.take().filter(|_| number % 10 > 0) {
                Some(ada) => ada,
                None => app.register(&format!("ada{number}")).await?,
            };
            let rows = Rows::create(&ada).await?;
            let path = rows.path(operation, &ada.id)?;
            let answer = send(&ada, operation, &path).await?;
            let status = answer.status.as_u16();
            // No turn is running, no provider is configured, and the password in the sample is wrong.
            let is_expected = match operation.id.as_str() {
                "stop_turn" => status == 409,
                "google_link" | "google_link_complete" => status == 503,
                "change_password" | "delete_me" => matches!(status, 400 | 401),
                _ => answer.status.is_success(),
            };
            assert!(is_expected, "{operation:?}: {status} {}", answer.text);
            let ends_session = operation.path.contains("/auth/") && operation.method == Method::DELETE;
            user = (!ends_session).then_some(ada);
        }
    }
}
