//! Rows of other users do not exist for a user.

use reqwest::Method;
use serde_json::json;
use tests::{TestApp, on_both_databases};

const UNKNOWN_ID: &str = "0198c0de-0000-7000-8000-000000000001";

on_both_databases! {
    async fn a_foreign_row_is_answered_like_a_missing_one(app: TestApp) {
        let (ada, eve) = (app.register("ada").await?, app.register("eve").await?);
        let task = ada.add("secret plan").await?["id"].as_str().unwrap_or_default().to_owned();
        let chat = ada.say("hello", None).await?.expect(200)?;
        let conversation = chat["conversation_id"].as_str().unwrap_or_default().to_owned();
        let title = json!({"title": "mine now"});
        for (method, path, body, foreign) in [
            (Method::GET, "/api/{me}/tasks/{id}", None, &task),
            (Method::PUT, "/api/{me}/tasks/{id}", Some(&title), &task),
            (Method::PATCH, "/api/{me}/tasks/{id}", Some(&title), &task),
            (Method::PATCH, "/api/{me}/tasks/{id}/complete", None, &task),
            (Method::DELETE, "/api/{me}/tasks/{id}", None, &task),
            (Method::GET, "/api/{me}/conversations/{id}", None, &conversation),
            (Method::PATCH, "/api/{me}/conversations/{id}", Some(&title), &conversation),
            (Method::DELETE, "/api/{me}/conversations/{id}", None, &conversation),
            (Method::GET, "/api/{me}/conversations/{id}/messages", None, &conversation),
        ] {
            let mut answers = Vec::new();
            for id in [foreign.as_str(), UNKNOWN_ID, "no-id"] {
                let answer = eve.send(method.clone(), &path.replace("{id}", id), body).await?;
                assert_eq!(answer.status.as_u16(), 404, "{method} {path}");
                answers.push((answer.without_request_id()?, answer.header("content-length").len()));
            }
            answers.dedup();
            assert_eq!(answers.len(), 1, "{method} {path}: {answers:?}");
        }
        assert_eq!(ada.titles().await?, ["secret plan"]);
        assert!(eve.titles().await?.is_empty());
        assert_eq!(eve.get("/api/{me}/conversations").await?.expect(200)?, json!([]));
    }
}

on_both_databases! {
    async fn every_path_of_another_user_is_forbidden(app: TestApp) {
        let (ada, eve) = (app.register("ada").await?, app.register("eve").await?);
        for user in [ada.id.as_str(), UNKNOWN_ID, "no-id", &eve.id.to_uppercase()] {
            for path in ["tasks", "tasks/no-id", "conversations", "tasks?nonsense=1"] {
                let answer = eve.get(&format!("/api/{user}/{path}")).await?;
                answer.expect_problem(403, "FORBIDDEN", None)?;
            }
            let response = eve.post(&format!("/api/{user}/tasks"), json!({"nonsense": 1})).await?;
            response.expect_problem(403, "FORBIDDEN", None)?;
            let response = eve.post(&format!("/api/{user}/chat"), json!({"message": "hi"})).await?;
            response.expect_problem(403, "FORBIDDEN", None)?;
        }
    }
}

on_both_databases! {
    async fn a_cursor_of_another_user_reveals_no_rows(app: TestApp) {
        let (ada, eve) = (app.register("ada").await?, app.register("eve").await?);
        for n in 0..3 {
            ada.add(&format!("secret {n}")).await?;
        }
        eve.add("own").await?;
        let first = ada.get("/api/{me}/tasks?limit=1").await?;
        let link = first.header("link").to_owned();
        let cursor = link.split("cursor=").nth(1).and_then(|rest| rest.split(['&', '>']).next()).unwrap_or_default();
        assert!(!cursor.is_empty(), "{link}");
        let tasks = eve.get(&format!("/api/{{me}}/tasks?cursor={cursor}")).await?.expect(200)?;
        let foreign = tasks.as_array().into_iter().flatten().filter(|task| task["user_id"].as_str() != Some(&eve.id));
        assert_eq!(foreign.count(), 0);
    }
}
