//! The statements of a task route: one that checks the token, one that reads, and for a write a commit of three (the
//! number of the change, the row, the ledger entry). An idempotency key adds its look-up and its row.

use reqwest::Method;
use serde_json::json;
use tests::{TestApp, on_both_databases};

on_both_databases! {
    async fn task_routes_send_a_bounded_number_of_statements(app: TestApp) {
        let ada = app.register("ada").await?;
        let id = ada.add("a").await?["id"].as_str().unwrap_or_default().to_owned();
        let task = format!("/api/{{me}}/tasks/{id}");
        let missing = "/api/{me}/tasks/0198c0de-0000-7000-8000-000000000001";
        let stale: &[(&str, &str)] = &[("if-match", "\"99\"")];
        let current: &[(&str, &str)] = &[("if-match", "\"1\"")];
        let once: &[(&str, &str)] = &[("idempotency-key", "k")];
        let title = json!({"title": "b"});
        for (method, path, body, headers, status, statements) in [
            (Method::GET, "/api/{me}/tasks", None, &[][..], 200, 2),
            (Method::POST, "/api/{me}/tasks", Some(&title), &[], 201, 4),
            (Method::POST, "/api/{me}/tasks", Some(&title), once, 201, 6),
            (Method::POST, "/api/{me}/tasks", Some(&title), once, 201, 3),
            (Method::GET, &task, None, &[], 200, 2),
            (Method::GET, missing, None, &[], 404, 2),
            (Method::PATCH, &task, Some(&title), current, 200, 5),
            (Method::PUT, &task, Some(&title), &[], 200, 2),
            (Method::PATCH, &task, Some(&title), stale, 412, 2),
            (Method::PATCH, missing, Some(&title), &[], 404, 2),
            (Method::PATCH, &format!("{task}/complete"), None, &[], 200, 5),
            (Method::DELETE, &task, None, stale, 412, 2),
            (Method::DELETE, &task, None, &[], 204, 5),
            (Method::DELETE, missing, None, &[], 404, 2),
        ] {
            app.statements().clear();
            let answer = ada.send_with(method.clone(), path, body, headers).await?;
            assert_eq!(answer.status.as_u16(), status, "{method} {path}: {}", answer.text);
            // Statements of upkeep do not name the user.
            let sent: Vec<_> = app.statements().all().into_iter().filter(|sent| sent.contains(&ada.id)).collect();
            assert!(sent.len() <= statements && !sent.is_empty(), "{method} {path}: {sent:#?}");
        }
    }
}
