//! Unusual text: Unicode, markup, control characters, invalid JSON.

use domain::llm::Step;
use reqwest::Method;
use serde_json::json;
use tests::{TestApp, on_both_databases};

on_both_databases! {
    async fn visible_text_is_returned_unchanged(app: TestApp) {
        let ada = app.register("ada").await?;
        for title in [
            "🧑\u{200D}🚀 training",
            "‏שלום‏ world",
            "cafe\u{301} vs caf\u{e9}",
            "<script>alert('x')</script>",
            "[a](javascript:alert(1)) ![](http://example.com/x.png)",
            "'; DROP TABLE tasks; --",
            "100% _done_ \\o/ {me} ${HOME}",
        ] {
            let task = ada.add(title).await?;
            assert_eq!(task["title"], title);
            let path = format!("/api/{{me}}/tasks/{}", task["id"].as_str().unwrap_or_default());
            assert_eq!(ada.get(&path).await?.expect(200)?["title"], title);
        }
    }
}

on_both_databases! {
    async fn control_characters_are_refused_in_every_field(app: TestApp) {
        let ada = app.register("ada").await?;
        for title in ["a\0b", "a\r\nb", "a\u{1b}[31mb"] {
            let response = ada.post("/api/{me}/tasks", json!({"title": title})).await?;
            response.expect_problem(400, "VALIDATION_ERROR", Some("title"))?;
            let response = ada.patch("/auth/me", json!({"name": title})).await?;
            response.expect_problem(400, "VALIDATION_ERROR", Some("name"))?;
        }
        for message in ["a\0b", "a\u{1b}[31mb"] {
            ada.say(message, None).await?.expect_problem(400, "VALIDATION_ERROR", Some("message"))?;
        }
        let body = json!({"email": "b@example.com", "password": "correct\0horse"});
        let response = app.anonymous().post("/auth/register", body).await?;
        response.expect_problem(400, "VALIDATION_ERROR", Some("password"))?;
        assert!(ada.titles().await?.is_empty());
    }
}

on_both_databases! {
    async fn text_from_a_spreadsheet_is_accepted(app: TestApp) {
        let ada = app.register("ada").await?;
        let body = "\u{FEFF}{\"title\": \"milk\\t2\"}".as_bytes().to_vec();
        let answer = app.raw(&ada, Method::POST, "/api/{me}/tasks", "application/json", body).await?;
        assert_eq!(answer.expect(201)?["title"], "milk 2");
        app.script([Step::calls("add_task", &json!({"title": "eggs\t6"})), Step::says("Added.")]);
        let chat = ada.say("eggs\t6", None).await?.expect(200)?["conversation_id"].take();
        assert_eq!(ada.titles().await?, ["eggs 6", "milk 2"]);
        let path = format!("/api/{{me}}/conversations/{}", chat.as_str().unwrap_or_default());
        assert_eq!(ada.patch(&path, json!({"title": "a\tb"})).await?.expect(200)?["title"], "a b");
    }
}

on_both_databases! {
    async fn invalid_json_is_malformed_and_the_parser_is_not_quoted(app: TestApp) {
        let ada = app.register("ada").await?;
        let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
        for body in [
            &b"{\"title\": "[..],
            b"{\"title\": 5",
            b"title=a",
            b"{\"title\": \"\xff\xfe\"}",
            b"{\"title\": \"\\ud800\"}",
            b"{\"title\": \"a\"} trailing",
            b"",
            deep.as_bytes(),
        ] {
            let answer = app.raw(&ada, Method::POST, "/api/{me}/tasks", "application/json", body.to_vec()).await?;
            let problem = answer.expect_problem(400, "MALFORMED_JSON", None)?;
            assert!(!problem.to_string().contains("column"), "{problem}");
        }
        assert!(ada.titles().await?.is_empty());
    }
}
