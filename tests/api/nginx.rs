//! The server behind nginx with its defaults (HTTP/1.0 to the server, buffering) and compression, under a path of its
//! own. `TEST_NGINX=1` runs the other tests of the API in the same way.

use std::time::Instant;

use anyhow::Context as _;
use domain::llm::{LlmEvent, Step};
use futures_channel::oneshot;
use reqwest::Method;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING};
use serde_json::json;
use tests::{TestApp, within_timeout};

const GZIP: (&str, &str) = ("accept-encoding", "gzip");

#[tokio::test]
async fn a_token_passes_nginx_before_the_next_one_exists() -> anyhow::Result<()> {
    let Some(app) = TestApp::spawn_behind_nginx("a_token_passes_nginx", &[]).await? else { return Ok(()) };
    let ada = app.register("ada").await?;
    for encoding in ["identity", "gzip"] {
        let (open, gate) = oneshot::channel();
        let Step::Events(rest) = Step::says(" second") else { unreachable!() };
        let first = vec![LlmEvent::TextDelta("first".to_owned())];
        app.script([Step::Then(first, Box::new(Step::Gated(gate, rest)))]);
        let start = Instant::now();
        let mut response = tests::http_client()
            .post(format!("{}/api/{}/chat", app.address(), ada.id))
            .bearer_auth(&ada.access_token)
            .header(ACCEPT, "text/event-stream")
            .header(ACCEPT_ENCODING, encoding)
            .json(&json!({"message": "count"}))
            .send()
            .await?;
        let mut bytes = Vec::new();
        if encoding == "gzip" {
            assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
            // The event of the start; what follows is compressed too.
            bytes.extend(within_timeout("the first bytes", response.chunk()).await??.context("no bytes")?);
        } else {
            while !String::from_utf8_lossy(&bytes).contains("\"first\"") {
                bytes.extend(within_timeout("the first token", response.chunk()).await??.context("no token")?);
            }
        }
        println!("{encoding}: first token after {} ms", start.elapsed().as_millis());
        open.send(()).map_err(|()| anyhow::anyhow!("the turn has ended"))?;
        while let Some(more) = within_timeout("the rest", response.chunk()).await?? {
            bytes.extend(more);
        }
        if encoding != "gzip" {
            let text = String::from_utf8(bytes)?;
            assert!(text.contains(" second") && text.ends_with("data: [DONE]\n\n"), "{text}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_tag_that_nginx_has_weakened_is_a_condition() -> anyhow::Result<()> {
    let Some(app) = TestApp::spawn_behind_nginx("a_tag_that_nginx_has_weakened", &[]).await? else { return Ok(()) };
    let ada = app.register("ada").await?;
    let id = ada.add("Buy milk").await?["id"].as_str().context("no id")?.to_owned();
    let path = format!("/api/{{me}}/tasks/{id}");
    let answer = ada.send_with(Method::GET, &path, None, &[GZIP]).await?;
    let tag = answer.header("etag").to_owned();
    assert_eq!((answer.header("content-encoding"), tag.as_str()), ("gzip", "W/\"1\""));
    let condition = [("if-match", tag.as_str())];
    let body = json!({"title": "Buy oat milk"});
    ada.send_with(Method::PATCH, &path, Some(&body), &condition).await?.expect(200)?;
    let stale = ada.send_with(Method::PATCH, &path, Some(&body), &condition).await?;
    stale.expect_problem(412, "PRECONDITION_FAILED", None)?;
    let list = ada.send_with(Method::GET, "/api/{me}/tasks", None, &[GZIP]).await?;
    let condition = [("if-none-match", list.header("etag")), GZIP];
    ada.send_with(Method::GET, "/api/{me}/tasks", None, &condition).await?.expect(304)?;
    Ok(())
}

#[tokio::test]
async fn addresses_have_the_path_of_the_public_url() -> anyhow::Result<()> {
    let Some(app) = TestApp::spawn_behind_nginx("addresses_have_the_path", &[]).await? else { return Ok(()) };
    let ada = app.register("ada").await?;
    // The test client fails for a `Location` or a `Link` without the path, and follows both.
    let created = ada.post("/api/{me}/tasks", json!({"title": "one"})).await?;
    ada.get(created.header("location")).await?.expect(200)?;
    ada.add("two").await?;
    assert_eq!(ada.all_pages("/api/{me}/tasks?limit=1").await?.len(), 2);
    assert_eq!(ada.all_pages("/auth/sessions?limit=1").await?.len(), 1);
    let document = ada.get("/openapi.json").await?.expect(200)?;
    assert_eq!(document["servers"], json!([{"url": "/doable"}]));
    Ok(())
}
