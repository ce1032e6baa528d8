//! The ledger: every write is a numbered entry, lists carry the newest number, and reading starts at any number.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, TestApp, TestUser, on_both_databases, wait_until};

async fn get_if_none_match(user: &TestUser, path: &str, tag: &str) -> anyhow::Result<Answer> {
    user.send_with(Method::GET, path, None, &[("if-none-match", tag)]).await
}

on_both_databases! {
    async fn every_write_is_an_entry_with_the_row_before_and_after(app: TestApp) {
        let ada = app.register("ada").await?;
        let task = ada.add("a").await?;
        let path = format!("/api/{{me}}/tasks/{}", task["id"].as_str().unwrap_or_default());
        ada.patch(&path, json!({"title": "b"})).await?.expect(200)?;
        ada.send(Method::PATCH, &format!("{path}/complete"), None).await?.expect(200)?;
        ada.send(Method::PATCH, &format!("{path}/complete"), None).await?.expect(200)?;
        ada.delete(&path).await?.expect(204)?;
        ada.send(Method::POST, &format!("{path}/restore"), None).await?.expect(200)?;
        // An update without a change has no entry.
        ada.patch(&path, json!({"title": "b"})).await?.expect(200)?;
        ada.patch(&format!("{path}/complete"), json!({"completed": false})).await?.expect(200)?;
        let changes = ada.changes(0).await?;
        let actions: Vec<_> = changes.iter().filter_map(|change| change["action"].as_str()).collect();
        assert_eq!(actions, ["created", "updated", "completed", "reopened", "deleted", "restored"]);
        for (change, seq) in changes.iter().zip(1..) {
            assert_eq!(
                (&change["seq"], &change["via"], &change["entity"]),
                (&json!(seq), &json!("http"), &json!("task")),
                "{change}"
            );
            assert_eq!(change["entity_id"], task["id"]);
            assert!(change["at"].is_string() && change["operation_id"].is_string(), "{change}");
        }
        let operations: BTreeSet<_> = changes.iter().map(|change| change["operation_id"].to_string()).collect();
        assert_eq!(operations.len(), changes.len(), "each request is an operation");
        assert_eq!((&changes[0]["before"], &changes[0]["after"]["title"]), (&Value::Null, &json!("a")));
        assert_eq!((&changes[1]["before"]["title"], &changes[1]["after"]["title"]), (&json!("a"), &json!("b")));
        for pair in changes.windows(2) {
            assert_eq!(pair[0]["after"], pair[1]["before"], "each continues the previous one");
        }
    }
}

on_both_databases! {
    async fn entries_of_a_turn_name_their_message_and_outlive_the_conversation(app: TestApp) {
        let ada = app.register("ada").await?;
        let turn = ada.say("Add a task to buy milk", None).await?.expect(200)?;
        let origin =
            |change: &Value| (change["via"].clone(), change["conversation_id"].clone(), change["message_id"].clone());
        let expected = (json!("chat"), turn["conversation_id"].clone(), turn["message_id"].clone());
        assert_eq!(ada.changes(0).await?.iter().map(origin).collect::<Vec<_>>(), std::slice::from_ref(&expected));
        let conversation = turn["conversation_id"].as_str().unwrap_or_default();
        ada.delete(&format!("/api/{{me}}/conversations/{conversation}")).await?.expect(204)?;
        assert_eq!(ada.changes(0).await?.iter().map(origin).collect::<Vec<_>>(), [expected]);
        ada.send(Method::POST, "/api/{me}/changes/1/undo", None).await?.expect(200)?;
        assert!(ada.titles().await?.is_empty());
    }
}

on_both_databases! {
    async fn changes_are_read_in_order_from_any_number_up_to_the_head(app: TestApp) {
        let ada = app.register("ada").await?;
        let empty = ada.get("/api/{me}/changes?after=0").await?;
        assert_eq!((empty.expect(200)?, empty.header("x-change-seq")), (json!([]), "0"));
        for n in 0..5 {
            ada.add(&format!("task {n}")).await?;
        }
        for (query, seqs) in [
            ("", vec![1, 2, 3, 4, 5]),
            ("?after=2", vec![3, 4, 5]),
            ("?after=1&limit=2", vec![2, 3]),
            ("?after=5", vec![]),
        ] {
            let page = ada.get(&format!("/api/{{me}}/changes{query}")).await?;
            let read: Vec<_> = page
                .expect(200)?
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|change| change["seq"].as_u64())
                .collect();
            assert_eq!((read, page.header("x-change-seq")), (seqs, "5"), "{query}");
        }
        for after in [
            "6",
            "1000000",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551616",
            "99999999999999999999999999",
        ] {
            let response = ada.get(&format!("/api/{{me}}/changes?after={after}")).await?;
            response.expect_problem(410, "CURSOR_EXPIRED", None)?;
        }
        for (query, field) in [
            ("after=-1", "after"),
            ("after=", "after"),
            ("after=%2B1", "after"),
            ("after=x", "after"),
            ("after=1.5", "after"),
            ("limit=0", "limit"),
            ("limit=100000", "limit"),
            ("before=1", "before"),
        ] {
            let response = ada.get(&format!("/api/{{me}}/changes?{query}")).await?;
            response.expect_problem(400, "VALIDATION_ERROR", Some(field))?;
        }
        let eve = app.register("eve").await?;
        assert_eq!(eve.changes(0).await?, Vec::<Value>::new());
    }
}

on_both_databases! {
    async fn lists_carry_the_head_and_an_etag(app: TestApp) {
        let ada = app.register("ada").await?;
        let empty = ada.get("/api/{me}/tasks").await?;
        assert_eq!(empty.header("x-change-seq"), "0");
        let task = ada.add("a").await?;
        for path in ["/api/{me}/tasks", "/api/{me}/tasks?status=pending&limit=1"] {
            let list = ada.get(path).await?;
            let tag = list.header("etag").to_owned();
            assert!(list.header("x-change-seq") == "1" && tag.len() > 2, "{:?}", list.headers);
            let same = get_if_none_match(&ada, path, &tag).await?;
            assert_eq!(
                (same.status.as_u16(), same.header("etag"), same.header("x-change-seq"), same.text.as_str()),
                (304, tag.as_str(), "1", "")
            );
        }
        let list = ada.get("/api/{me}/tasks").await?;
        let tag = list.header("etag").to_owned();
        assert_eq!(get_if_none_match(&ada, "/api/{me}/tasks", empty.header("etag")).await?.status.as_u16(), 200);
        // The time zone is part of the tag.
        ada.patch("/auth/me", json!({"time_zone": "Pacific/Auckland"})).await?.expect(200)?;
        let moved = get_if_none_match(&ada, "/api/{me}/tasks", &tag).await?;
        assert!(moved.status == 200 && moved.header("etag") != tag, "{moved:?}");
        ada.delete(&format!("/api/{{me}}/tasks/{}", task["id"].as_str().unwrap_or_default())).await?.expect(204)?;
        let after = get_if_none_match(&ada, "/api/{me}/tasks", moved.header("etag")).await?;
        assert_eq!((after.expect(200)?, after.header("x-change-seq")), (json!([]), "2"));
        let eve = app.register("eve").await?;
        assert_eq!(eve.get("/api/{me}/tasks").await?.header("x-change-seq"), "0", "each user has a ledger");
    }
}

on_both_databases! {
    async fn a_number_before_the_change_retention_has_expired(app: TestApp) {
        let ada = app.register("ada").await?;
        for n in 0..3 {
            ada.add(&format!("task {n}")).await?;
        }
        // Upkeep runs when the server starts, an hour after the changes by its clock.
        let _other = app.another(TimeDelta::hours(1), &["--change-retention", "30m"]).await?;
        let is_pruned = async || Ok(ada.get("/api/{me}/changes?after=0").await?.status != 200);
        wait_until("upkeep to prune the ledger", is_pruned).await?;
        for path in ["/api/{me}/changes?after=0", "/api/{me}/changes?after=2", "/api/{me}/events?after=2"] {
            ada.get(path).await?.expect_problem(410, "CURSOR_EXPIRED", None)?;
        }
        assert_eq!(ada.get("/api/{me}/changes?after=3").await?.expect(200)?, json!([]));
        assert_eq!(ada.titles().await?.len(), 3, "the tasks are kept");
        // Numbering continues.
        ada.add("another").await?;
        assert_eq!(ada.changes(3).await?[0]["seq"], 4);
        ada.send(Method::POST, "/api/{me}/changes/1/undo", None).await?.expect(404)?;
    }
}

on_both_databases! {
    async fn writes_concurrent_with_account_deletion_succeed_or_are_refused(app: TestApp) {
        for round in 0..4 {
            let ada = app.register(&format!("ada{round}")).await?;
            ada.add("a").await?;
            let write = |n: usize| {
                let ada = ada.clone();
                async move { ada.post("/api/{me}/tasks", json!({"title": format!("task {n}")})).await }
            };
            let body = json!({"password": TestApp::PASSWORD});
            let (writes, deleted) =
                tokio::join!(join_all((0..8).map(write)), ada.send(Method::DELETE, "/auth/me", Some(&body)));
            deleted?.expect(204)?;
            for answer in writes {
                let answer = answer?;
                assert!(matches!(answer.status.as_u16(), 201 | 401 | 404), "{} {}", answer.status, answer.text);
            }
            ada.get("/api/{me}/tasks").await?.expect(401)?;
        }
    }
}
