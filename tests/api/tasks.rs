//! Tasks: create, read, update, complete, delete and list.

use reqwest::Method;
use serde_json::{Value, json};
use tests::{TestApp, on_both_databases};

on_both_databases! {
    async fn a_task_is_created_read_changed_and_deleted(app: TestApp) {
        let ada = app.register("ada").await?;
        let answer = ada.post("/api/{me}/tasks", json!({"title": " Buy milk "})).await?;
        let task = answer.expect(201)?;
        let path = format!("/api/{}/tasks/{}", ada.id, task["id"].as_str().unwrap_or_default());
        assert_eq!((answer.header("location"), answer.header("etag")), (path.as_str(), "\"1\""));
        assert_eq!(
            (&task["title"], &task["completed"], &task["completed_at"]),
            (&json!("Buy milk"), &json!(false), &Value::Null)
        );
        assert_eq!((&task["user_id"], &task["version"]), (&json!(ada.id), &json!(1)));
        assert_eq!(ada.get(&path).await?.expect(200)?, task);

        let done = ada.send(Method::PUT, &path, Some(&json!({"completed": true}))).await?.expect(200)?;
        assert_eq!(
            (&done["title"], &done["completed"], &done["version"]),
            (&json!("Buy milk"), &json!(true), &json!(2))
        );
        assert_eq!(done["completed_at"], done["updated_at"]);
        let renamed = ada.patch(&path, json!({"title": "Buy oat milk", "completed": null})).await?.expect(200)?;
        assert_eq!(
            (&renamed["title"], &renamed["completed"], &renamed["version"]),
            (&json!("Buy oat milk"), &json!(true), &json!(3))
        );
        assert_eq!(renamed["completed_at"], done["completed_at"]);
        assert_eq!(renamed["created_at"], task["created_at"]);

        ada.delete(&path).await?.expect(204)?;
        ada.get(&path).await?.expect_problem(404, "TASK_NOT_FOUND", None)?;
        ada.delete(&path).await?.expect_problem(404, "TASK_NOT_FOUND", None)?;
    }
}

on_both_databases! {
    async fn an_update_that_changes_nothing_keeps_version_and_times(app: TestApp) {
        let ada = app.register("ada").await?;
        let task = ada.add("a").await?;
        let path = format!("/api/{{me}}/tasks/{}", task["id"].as_str().unwrap_or_default());
        for body in [json!({}), json!({"title": "a"}), json!({"completed": false}), json!({"title": null})] {
            assert_eq!(ada.patch(&path, body).await?.expect(200)?, task);
        }
    }
}

on_both_databases! {
    async fn complete_sets_or_toggles(app: TestApp) {
        let ada = app.register("ada").await?;
        let task = ada.add("a").await?;
        let path = format!("/api/{{me}}/tasks/{}/complete", task["id"].as_str().unwrap_or_default());
        for (body, completed) in [
            (None, true),
            (None, false),
            (Some(json!({"completed": true})), true),
            (Some(json!({"completed": true})), true),
            (Some(json!({})), false),
            (Some(json!({"completed": null})), true),
            (Some(json!({"completed": false})), false),
        ] {
            let answer = ada.send(Method::PATCH, &path, body.as_ref()).await?;
            assert_eq!(answer.expect(200)?["completed"], completed, "{body:?}");
        }
        let response = ada.patch(&path, json!({"completed": "yes"})).await?;
        response.expect_problem(400, "VALIDATION_ERROR", Some("completed"))?;
        ada.patch(&path, json!({"done": true})).await?.expect_problem(400, "VALIDATION_ERROR", Some("done"))?;
    }
}

on_both_databases! {
    async fn lists_are_newest_first_filtered_searched_and_paged_by_key(app: TestApp) {
        let ada = app.register("ada").await?;
        for title in ["one", "two", "three", "FOUR 100%", "five_5", "back\\slash"] {
            ada.add(title).await?;
        }
        assert_eq!(ada.titles().await?, ["back\\slash", "five_5", "FOUR 100%", "three", "two", "one"]);
        let first = ada.get("/api/{me}/tasks?limit=4&status=pending").await?;
        assert_eq!(first.expect(200)?.as_array().map(Vec::len), Some(4));
        let next = first.next_page().unwrap_or_default();
        assert!(next.starts_with("/api/") && next.contains("status=pending") && next.contains("limit=4"), "{next}");
        ada.add("new in between").await?;
        let second = ada.get(next).await?;
        let titles: Vec<_> =
            second.expect(200)?.as_array().into_iter().flatten().map(|task| task["title"].clone()).collect();
        assert_eq!(titles, ["two", "one"]);
        assert_eq!(second.header("link"), "");
        for (search, found) in [("four", 1), ("100%25", 1), ("%25", 1), ("_", 1), ("%5C", 1), ("E", 4), ("zzz", 0)] {
            let tasks = ada.get(&format!("/api/{{me}}/tasks?search={search}")).await?.expect(200)?;
            assert_eq!(tasks.as_array().map(Vec::len), Some(found), "{search}");
        }
        let id = ada.add("done one").await?["id"].as_str().unwrap_or_default().to_owned();
        ada.send(Method::PATCH, &format!("/api/{{me}}/tasks/{id}/complete"), None).await?.expect(200)?;
        for (status, count) in [("completed", 1), ("pending", 7), ("all", 8)] {
            let tasks = ada.get(&format!("/api/{{me}}/tasks?status={status}")).await?.expect(200)?;
            assert_eq!(tasks.as_array().map(Vec::len), Some(count), "{status}");
        }
    }
}

on_both_databases! {
    async fn an_invalid_query_names_its_parameter(app: TestApp) {
        let ada = app.register("ada").await?;
        for (query, field) in [
            ("status=done", "status"),
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("limit=ten", "limit"),
            ("cursor=nonsense", "cursor"),
            ("page=2", "page"),
            ("search=a%00b", "search"),
        ] {
            let answer = ada.get(&format!("/api/{{me}}/tasks?{query}")).await?;
            answer.expect_problem(400, "VALIDATION_ERROR", Some(field))?;
        }
    }
}

on_both_databases! {
    async fn etags_save_reads_and_guard_writes(app: TestApp) {
        let ada = app.register("ada").await?;
        let task = ada.add("a").await?;
        let path = format!("/api/{{me}}/tasks/{}", task["id"].as_str().unwrap_or_default());
        for (tag, status) in [("\"1\"", 304), ("W/\"1\"", 304), ("*", 304), ("\"0\", \"1\"", 304), ("\"2\"", 200)] {
            let answer = ada.send_with(Method::GET, &path, None, &[("if-none-match", tag)]).await?;
            assert_eq!((answer.status.as_u16(), answer.header("etag")), (status, "\"1\""), "{tag}");
        }
        let change = json!({"title": "b"});
        let guarded = |method: Method, path: String, body: Option<Value>, tag: &'static str| {
            let ada = ada.clone();
            async move { ada.send_with(method, &path, body.as_ref(), &[("if-match", tag)]).await }
        };
        let response = guarded(Method::PUT, path.clone(), Some(change.clone()), "\"9\"").await?;
        response.expect_problem(412, "PRECONDITION_FAILED", None)?;
        let response = guarded(Method::PATCH, path.clone(), Some(change.clone()), "W/\"9\"").await?;
        response.expect_problem(412, "PRECONDITION_FAILED", None)?;
        let response = guarded(Method::PATCH, format!("{path}/complete"), None, "\"9\"").await?;
        response.expect_problem(412, "PRECONDITION_FAILED", None)?;
        guarded(Method::DELETE, path.clone(), None, "\"9\"").await?.expect_problem(412, "PRECONDITION_FAILED", None)?;
        assert_eq!(ada.get(&path).await?.expect(200)?, task);
        // As a compressing proxy changes the tag.
        guarded(Method::PATCH, path.clone(), Some(change.clone()), "W/\"1-gzip\"").await?.expect(200)?;
        guarded(Method::PATCH, path.clone(), Some(json!({"title": "c"})), "*").await?.expect(200)?;
        guarded(Method::PATCH, format!("{path}/complete"), None, "\"7\", \"3\"").await?.expect(200)?;
        guarded(Method::DELETE, path.clone(), None, "\"4\"").await?.expect(204)?;
        guarded(Method::DELETE, path.clone(), None, "\"4\"").await?.expect_problem(404, "TASK_NOT_FOUND", None)?;
    }
}

on_both_databases! {
    async fn of_two_updates_with_the_same_if_match_one_succeeds(app: TestApp) {
        let ada = app.register("ada").await?;
        let task = ada.add("a").await?;
        let path = format!("/api/{{me}}/tasks/{}", task["id"].as_str().unwrap_or_default());
        let update = |title: &'static str| {
            let (ada, path) = (ada.clone(), path.clone());
            async move {
                ada.send_with(Method::PATCH, &path, Some(&json!({"title": title})), &[("if-match", "\"1\"")]).await
            }
        };
        let (first, second) = tokio::join!(update("b"), update("c"));
        let mut statuses = [first?.status.as_u16(), second?.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412]);
    }
}

on_both_databases! {
    async fn server_fields_are_refused(app: TestApp) {
        let ada = app.register("ada").await?;
        let task = ada.add("a").await?;
        let path = format!("/api/{{me}}/tasks/{}", task["id"].as_str().unwrap_or_default());
        for field in ["id", "user_id", "created_at", "version", "updated_at", "completed_at", "nonsense"] {
            let body = json!({"title": "b", field: task["id"]});
            ada.post("/api/{me}/tasks", body.clone()).await?.expect_problem(400, "VALIDATION_ERROR", Some(field))?;
            ada.patch(&path, body.clone()).await?.expect_problem(400, "VALIDATION_ERROR", Some(field))?;
            ada.send(Method::PUT, &path, Some(&body)).await?.expect_problem(400, "VALIDATION_ERROR", Some(field))?;
        }
        assert_eq!(ada.titles().await?, ["a"]);
    }
}

on_both_databases! {
    async fn an_empty_missing_or_invisible_title_is_refused(app: TestApp) {
        let ada = app.register("ada").await?;
        for body in [
            json!({"title": ""}),
            json!({"title": "  "}),
            json!({"title": "\u{200B}\u{200D}"}),
            json!({}),
            json!({"title": null}),
        ] {
            let problem =
                ada.post("/api/{me}/tasks", body).await?.expect_problem(400, "VALIDATION_ERROR", Some("title"))?;
            assert_eq!(problem["message"], "Task title cannot be empty");
        }
        let response = ada.post("/api/{me}/tasks", json!({"title": "x".repeat(501)})).await?;
        response.expect_problem(400, "VALIDATION_ERROR", Some("title"))?;
        ada.post("/api/{me}/tasks", json!({"title": "é".repeat(500)})).await?.expect(201)?;
        let response = ada.post("/api/{me}/tasks", json!({"title": "a", "completed": "no"})).await?;
        response.expect_problem(400, "VALIDATION_ERROR", Some("completed"))?;
    }
}
