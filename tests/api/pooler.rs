//! PostgreSQL only: a connection pooler before the database, and connections that were cut.

use anyhow::Context as _;
use reqwest::Method;
use serde_json::{Value, json};
use test_database::Kind;
use tests::{TestApp, TestUser};

/// Sends requests of each kind, the first of them after `cut`; `cut` again before each of the others.
async fn first_requests_succeed(app: &TestApp, mut cut: impl AsyncFnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let ada = app.register("ada").await?;
    let mut step = async |method: Method, path: &str, body: Option<Value>, status: u16| {
        use_all_connections(&ada).await?;
        cut().await?;
        let answer = ada.send(method.clone(), path, body.as_ref()).await?;
        answer.expect(status).with_context(|| format!("{method} {path}"))
    };
    let task = step(Method::POST, "/api/{me}/tasks", Some(json!({"title": "milk"})), 201).await?;
    let task = format!("/api/{{me}}/tasks/{}", task["id"].as_str().unwrap_or_default());
    step(Method::GET, "/api/{me}/tasks", None, 200).await?;
    step(Method::PATCH, &task, Some(json!({"title": "bread"})), 200).await?;
    step(Method::PATCH, &format!("{task}/complete"), None, 200).await?;
    let turn = step(Method::POST, "/api/{me}/chat", Some(json!({"message": "Add a task to buy eggs"})), 200).await?;
    assert_eq!(turn["changes"].as_array().map(Vec::len), Some(1), "{turn}");
    let conversation = format!("/api/{{me}}/conversations/{}", turn["conversation_id"].as_str().unwrap_or_default());
    step(Method::GET, &format!("{conversation}/messages"), None, 200).await?;
    step(Method::PATCH, &conversation, Some(json!({"title": "eggs"})), 200).await?;
    step(Method::DELETE, &task, None, 204).await?;
    step(Method::POST, &format!("{task}/restore"), None, 200).await?;
    step(Method::POST, "/api/{me}/changes/1/undo", Some(json!({"on_conflict": "skip"})), 200).await?;
    step(Method::DELETE, &conversation, None, 204).await?;
    step(Method::GET, "/auth/me", None, 200).await?;
    step(Method::PATCH, "/auth/me", Some(json!({"name": "Ada"})), 200).await?;
    step(Method::GET, "/health/ready", None, 200).await?;
    step(Method::POST, "/auth/tokens", Some(json!({"name": "CI", "scopes": ["chat"]})), 201).await?;
    let credentials = json!({"email": "ada@example.com", "password": TestApp::PASSWORD});
    step(Method::POST, "/auth/login", Some(credentials), 200).await?;
    step(Method::POST, "/auth/refresh", Some(json!({"refresh_token": ada.refresh_token})), 200).await?;
    Ok(())
}

/// Sends requests at once, so that several connections are open.
async fn use_all_connections(user: &TestUser) -> anyhow::Result<()> {
    let read = async || user.get("/api/{me}/tasks").await?.expect(200).map(drop);
    let write = async || user.patch("/auth/me", json!({"name": "Ada"})).await?.expect(200).map(drop);
    tokio::try_join!(read(), write(), read(), write()).map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_request_of_each_kind_after_a_restart_of_the_pooler_succeeds() -> anyhow::Result<()> {
    let name = "the_first_request_of_each_kind_after_a_restart_of_the_pooler_succeeds";
    let Some((app, mut pooler)) = TestApp::spawn_behind_pooler(name).await? else { return Ok(()) };
    first_requests_succeed(&app, async || pooler.restart()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_request_of_each_kind_after_all_connections_ended_succeeds() -> anyhow::Result<()> {
    let name = "the_first_request_of_each_kind_after_all_connections_ended_succeeds";
    let Some(app) = TestApp::spawn(Kind::Postgres, name, &[]).await? else { return Ok(()) };
    first_requests_succeed(&app, async || app.database().end_connections().await).await
}
