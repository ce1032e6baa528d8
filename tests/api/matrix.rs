//! The isolation matrix: every operation of the served document, asked by everybody who must not be let in.
//!
//! It walks the document, so that a new route is in it without anybody remembering. One with a row of a kind that is not
//! known here is red until [`Rows`] has one.

use std::collections::BTreeSet;

use anyhow::{Context as _, bail};
use reqwest::Method;
use serde_json::{Value, json};
use tests::openapi::{Operation, operations};
use tests::{Answer, TestApp, TestUser, on_both_databases};

const NOWHERE: &str = "0198c0de-0000-7000-8000-000000000001";

/// What needs no token.
const OPEN: [&str; 18] = [
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
    "refresh",
];

/// One row of each kind.
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
    async fn of(user: &TestUser) -> anyhow::Result<Self> {
        let id = |value: &Value, field: &str| value[field].as_str().map(str::to_owned).context("an id");
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

    /// The rows that a path's variables name.
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
                "{id}" if path.starts_with("/auth/sessions/") => ("{id}", &self.session),
                "{id}" if path.starts_with("/auth/tokens/") => ("{id}", &self.token),
                _ => bail!("{path} has a row of a kind that the matrix does not know: add it to Rows"),
            });
        }
        Ok(rows)
    }

    /// A path of a user's with these rows in it.
    fn path(&self, operation: &Operation, user: &str) -> anyhow::Result<String> {
        let rows = self.named_by(&operation.path)?;
        let path = operation.path.replace("{user_id}", user);
        Ok(rows.into_iter().fold(path, |path, (variable, row)| path.replace(variable, row)))
    }
}

async fn ask(who: &TestUser, operation: &Operation, path: &str) -> anyhow::Result<Answer> {
    who.send(operation.method.clone(), path, operation.body.as_ref()).await
}

/// A path with the user's id, and ids of rows that nobody has.
fn of(user: &str, path: &str) -> String {
    let variables = ["{task_id}", "{operation_id}", "{conversation_id}", "{message_id}", "{id}", "{seq}"];
    variables.iter().fold(path.replace("{user_id}", user), |path, variable| path.replace(variable, NOWHERE))
}

type Face = (u16, Vec<(String, String)>, Value);

/// Everything of an answer that may not differ between a foreign row and none.
fn face(answer: &Answer) -> anyhow::Result<Face> {
    let differs = ["date", "x-request-id", "ratelimit", "access-control-expose-headers"];
    let headers = answer.headers.iter().filter(|(name, _)| !differs.contains(&name.as_str()));
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
    async fn what_needs_no_token_is_listed_here(app: TestApp) {
        let all = operations(&app.nobody()).await?;
        let open: BTreeSet<_> = all.iter().filter(|one| !one.protected).map(|one| one.id.as_str()).collect();
        let listed: BTreeSet<_> = OPEN.into_iter().chain(["openapi", "openapi_head", "register"]).collect();
        assert_eq!(open, listed);
    }
}

on_both_databases! {
    async fn nobody_is_let_in_anywhere_without_a_token_or_with_a_bad_one(app: TestApp) {
        let ada = app.register("ada").await?;
        let ended = app.login("ada").await?;
        ended.post("/auth/logout", json!({"refresh_token": ended.refresh_token})).await?.expect(204)?;
        let altered = format!("{}A", ada.access_token);
        let bad = ["", "nonsense", &ada.refresh_token, &ended.access_token, &altered, "dbl_nonsense", "dblc_nonsense"];
        for operation in operations(&app.nobody()).await?.iter().filter(|operation| operation.protected) {
            let path = of(&ada.id, &operation.path);
            for token in bad {
                let answer = ask(&ada.with_token(token), operation, &path).await?;
                expect(&answer, operation, 401, "UNAUTHORIZED").with_context(|| format!("token {token:?}"))?;
                assert!(answer.header("www-authenticate").starts_with("Bearer "), "{operation:?}");
            }
        }
        ada.get("/auth/me").await?.expect(200)?;
    }
}

on_both_databases! {
    async fn another_users_path_is_closed_whatever_it_is(app: TestApp) {
        let (ada, eve) = (app.register("ada").await?, app.register("eve").await?);
        let rows = Rows::of(&ada).await?;
        let mut seen = 0;
        for operation in &operations(&app.nobody()).await? {
            if !operation.path.contains("{user_id}") {
                continue;
            }
            for owner in [ada.id.as_str(), NOWHERE, "no-id", &eve.id.to_uppercase()] {
                let path = rows.path(operation, owner)?;
                expect(&ask(&eve, operation, &path).await?, operation, 403, "FORBIDDEN")?;
                seen += 1;
            }
        }
        assert!(seen > 60, "{seen}");
        assert_eq!(ada.titles().await?, ["call Bob", "secret plan"]);
    }
}

on_both_databases! {
    async fn another_users_row_answers_byte_for_byte_as_none(app: TestApp) {
        let (ada, eve) = (app.register("ada").await?, app.register("eve").await?);
        let rows = Rows::of(&ada).await?;
        let before = everything_of(&ada).await?;
        let mut seen = 0;
        for operation in &operations(&app.nobody()).await? {
            let named = rows.named_by(&operation.path)?;
            if named.is_empty() {
                continue;
            }
            for guard in [None, Some("*"), Some("\"1\"")] {
                let mut faces = Vec::new();
                for other in [None, Some(NOWHERE), Some("no-id")] {
                    let of_eve = operation.path.replace("{user_id}", &eve.id);
                    let fill = |path: String, (variable, foreign): &(&str, &str)| path.replace(variable, other.unwrap_or(foreign));
                    let path = named.iter().fold(of_eve, fill);
                    let guards: Vec<_> = guard.into_iter().map(|guard| ("if-match", guard)).collect();
                    let answer = eve.send_with(operation.method.clone(), &path, operation.body.as_ref(), &guards).await?;
                    faces.push(face(&answer)?);
                }
                assert_eq!(faces[0].0, 404, "{operation:?} {faces:?}");
                faces.dedup();
                assert_eq!(faces.len(), 1, "{operation:?} {guard:?}: {faces:#?}");
                seen += 1;
            }
        }
        assert!(seen > 30, "{seen}");
        assert_eq!(everything_of(&ada).await?, before);
    }
}

/// What an owner sees of everything that is theirs.
async fn everything_of(user: &TestUser) -> anyhow::Result<Vec<Value>> {
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
    async fn a_token_without_the_scope_is_told_which_one_it_lacks(app: TestApp) {
        let ada = app.register("ada").await?;
        let rows = Rows::of(&ada).await?;
        let before = everything_of(&ada).await?;
        let mut seen = 0;
        for scope in ["tasks:read", "tasks:write", "chat"] {
            let made = ada.post("/auth/tokens", json!({"name": scope, "scopes": [scope]})).await?.expect(201)?;
            let script = ada.with_token(made["token"].as_str().context("a token")?);
            for operation in &operations(&app.nobody()).await? {
                let Some(needed) = operation.scope.as_deref().filter(|needed| *needed != scope) else { continue };
                let path = rows.path(operation, &ada.id)?;
                let answer = ask(&script, operation, &path).await?;
                expect(&answer, operation, 403, "INSUFFICIENT_SCOPE")?;
                let challenge = format!(r#"Bearer realm="doable", error="insufficient_scope", scope="{needed}""#);
                assert_eq!(answer.header("www-authenticate"), challenge, "{operation:?}");
                seen += 1;
            }
        }
        assert!(seen > 50, "{seen}");
        let mut after = everything_of(&ada).await?;
        // The three tokens that were made meanwhile.
        if let Some(tokens) = after.last_mut().and_then(Value::as_array_mut) {
            tokens.drain(..3);
        }
        assert_eq!(after, before);
    }
}

on_both_databases! {
    async fn every_protected_operation_lets_its_owner_in(app: TestApp) {
        // The other side of the matrix: what is refused above is refused for who asks, and for nothing else.
        let all = operations(&app.nobody()).await?;
        let mut someone: Option<TestUser> = None;
        for (number, operation) in all.iter().filter(|operation| operation.protected).enumerate() {
            // Fewer people than operations, and fewer messages of each than their limits allow.
            let ada = match someone.take().filter(|_| number % 10 > 0) {
                Some(ada) => ada,
                None => app.register(&format!("ada{number}")).await?,
            };
            let rows = Rows::of(&ada).await?;
            let path = rows.path(operation, &ada.id)?;
            let answer = ask(&ada, operation, &path).await?;
            let status = answer.status.as_u16();
            // No turn runs, no provider is set up, and the samples do not know the password.
            let fits = match operation.id.as_str() {
                "stop_turn" => status == 409,
                "google_link" => status == 503,
                "change_password" | "delete_me" => matches!(status, 400 | 401),
                _ => answer.status.is_success(),
            };
            assert!(fits, "{operation:?}: {status} {}", answer.text);
            let ends = operation.path.starts_with("/auth/") && operation.method == Method::DELETE;
            someone = (!ends).then_some(ada);
        }
    }
}
