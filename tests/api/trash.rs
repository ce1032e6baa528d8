//! The trash: deleted tasks are listed, restored and purged; all other routes answer 404 for them.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{TestApp, TestUser, on_both_databases};

fn id(task: &Value) -> &str {
    task["id"].as_str().unwrap_or_default()
}

async fn add_deleted(user: &TestUser, title: &str) -> anyhow::Result<Value> {
    let task = user.add(title).await?;
    user.delete(&format!("/api/{{me}}/tasks/{}", id(&task))).await?.expect(204)?;
    Ok(task)
}

on_both_databases! {
    async fn a_deleted_task_is_only_in_the_trash_until_it_is_restored(app: TestApp) {
        let ada = app.register("ada").await?;
        let task = add_deleted(&ada, "milk").await?;
        ada.add("bread").await?;
        let path = format!("/api/{{me}}/tasks/{}", id(&task));
        let body = json!({"title": "b"});
        for (method, path, body) in [
            (Method::GET, path.clone(), None),
            (Method::PATCH, path.clone(), Some(&body)),
            (Method::PUT, path.clone(), Some(&body)),
            (Method::PATCH, format!("{path}/complete"), None),
            (Method::DELETE, path.clone(), None),
        ] {
            ada.send(method, &path, body).await?.expect_problem(404, "TASK_NOT_FOUND", None)?;
        }
        for query in ["", "?search=milk", "?status=pending"] {
            let tasks = ada.get(&format!("/api/{{me}}/tasks{query}")).await?;
            assert!(!tasks.text.contains("milk"), "{}", tasks.text);
        }
        let answer = ada.say("is milk on my list?", None).await?.expect(200)?;
        assert!(!answer["tool_calls"][0]["result"]["data"].to_string().contains("milk"), "{answer}");

        let trash = ada.get("/api/{me}/trash").await?.expect(200)?;
        assert_eq!(
            (&trash[0]["id"], &trash[0]["title"], trash.as_array().map(Vec::len)),
            (&task["id"], &json!("milk"), Some(1))
        );
        assert!(trash[0]["deleted_at"].is_string(), "{trash}");
        let restored = ada.send(Method::POST, &format!("{path}/restore"), None).await?;
        let version = restored.expect(200)?["version"].clone();
        assert_eq!((&version, restored.header("etag")), (&json!(3), "\"3\""));
        assert_eq!((ada.titles().await?, ada.trash().await?), (vec!["bread".to_owned(), "milk".to_owned()], vec![]));
        // Restoring a task that is not in the trash changes nothing.
        assert_eq!(ada.send(Method::POST, &format!("{path}/restore"), None).await?.expect(200)?["version"], version);
    }
}

on_both_databases! {
    async fn the_trash_is_paged_last_deleted_first(app: TestApp) {
        let ada = app.register("ada").await?;
        for title in ["one", "two", "three", "four", "five"] {
            add_deleted(&ada, title).await?;
        }
        let pages = ada.all_pages("/api/{me}/trash?limit=2").await?;
        let titles: Vec<_> = pages.iter().filter_map(|task| task["title"].as_str()).collect();
        assert_eq!(titles, ["five", "four", "three", "two", "one"]);
        for (query, field) in
            [("limit=0", "limit"), ("limit=x", "limit"), ("cursor=nonsense", "cursor"), ("status=all", "status")]
        {
            let response = ada.get(&format!("/api/{{me}}/trash?{query}")).await?;
            response.expect_problem(400, "VALIDATION_ERROR", Some(field))?;
        }
    }
}

on_both_databases! {
    async fn a_purged_task_leaves_no_text_in_the_ledger(app: TestApp) {
        let ada = app.register("ada").await?;
        let (kept, purged, listed) =
            (add_deleted(&ada, "kept").await?, add_deleted(&ada, "secret plan").await?, ada.add("listed").await?);
        // A task outside the trash cannot be purged.
        ada.delete(&format!("/api/{{me}}/trash/{}", id(&listed))).await?.expect_problem(404, "TASK_NOT_FOUND", None)?;
        ada.delete(&format!("/api/{{me}}/trash/{}", id(&purged))).await?.expect(204)?;
        ada.delete(&format!("/api/{{me}}/trash/{}", id(&purged))).await?.expect_problem(404, "TASK_NOT_FOUND", None)?;
        let response = ada.send(Method::POST, &format!("/api/{{me}}/tasks/{}/restore", id(&purged)), None).await?;
        response.expect_problem(404, "TASK_NOT_FOUND", None)?;
        assert_eq!(ada.trash().await?, ["kept"]);
        let changes = ada.changes(0).await?;
        let of_purged: Vec<_> = changes.iter().filter(|change| change["entity_id"] == purged["id"]).collect();
        assert_eq!(
            of_purged.iter().map(|change| change["action"].clone()).collect::<Vec<_>>(),
            ["created", "deleted", "purged"]
        );
        assert!(
            of_purged.iter().all(|change| change["before"].is_null() && change["after"].is_null()),
            "{of_purged:#?}"
        );
        assert!(!serde_json::to_string(&changes)?.contains("secret plan"));

        ada.delete("/api/{me}/trash").await?.expect(204)?;
        assert_eq!((ada.trash().await?, ada.titles().await?), (vec![], vec!["listed".to_owned()]));
        ada.delete("/api/{me}/trash").await?.expect(204)?;
        ada.send(Method::POST, &format!("/api/{{me}}/tasks/{}/restore", id(&kept)), None).await?.expect(404)?;
    }
}

on_both_databases! {
    async fn the_trash_of_another_user_is_inaccessible(app: TestApp) {
        let (ada, eve) = (app.register("ada").await?, app.register("eve").await?);
        let task = add_deleted(&ada, "milk").await?;
        assert!(eve.trash().await?.is_empty());
        eve.delete("/api/{me}/trash").await?.expect(204)?;
        eve.delete(&format!("/api/{{me}}/trash/{}", id(&task))).await?.expect_problem(404, "TASK_NOT_FOUND", None)?;
        let response = eve.send(Method::POST, &format!("/api/{{me}}/tasks/{}/restore", id(&task)), None).await?;
        response.expect_problem(404, "TASK_NOT_FOUND", None)?;
        assert_eq!(ada.trash().await?, ["milk"]);
    }
}

on_both_databases! {
    async fn upkeep_purges_tasks_after_the_trash_retention(app: TestApp) {
        let ada = app.register("ada").await?;
        let (old, kept) = (add_deleted(&ada, "old").await?, ada.add("kept").await?);
        // Upkeep runs when the server starts, an hour after the deletion by its clock.
        let _other = app.another(TimeDelta::hours(1), &["--trash-retention", "30m"]).await?;
        let mut events = ada.events("?after=3", None).await?;
        let purged = events.take(1).await?.remove(0).change;
        let actual = (&purged["action"], &purged["via"], &purged["entity_id"], &purged["after"]);
        assert_eq!(actual, (&json!("purged"), &json!("system"), &old["id"], &Value::Null), "{purged}");
        assert!(ada.trash().await?.is_empty());
        let task = ada.get(&format!("/api/{{me}}/tasks/{}", id(&kept))).await?.expect(200)?;
        assert_eq!(task, kept);
    }
}
