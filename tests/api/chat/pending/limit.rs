//! The limit above which deletions and edits become pending.

use domain::llm::Step;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{TestApp, on_both_databases};

use super::fixture::{add, delete, expect_all_deleted_and_undo, request_deletion, round, successes, text};

on_both_databases! {
    async fn a_chat_token_neither_reads_tasks_nor_confirms(app: TestApp) {
        let ada = app.register("ada").await?;
        ada.add("a secret").await?;
        let tasks = add(&ada, 4).await?;
        let proposal = request_deletion(&app, &ada, &tasks).await?;
        let (pending, conversation) = (text(&proposal["pending"], "id"), text(&proposal, "conversation_id"));
        let token = ada.post("/auth/tokens", json!({"name": "chat", "scopes": ["chat"]})).await?.expect(201)?;
        let chatting = ada.with_token(text(&token, "token"));
        chatting.confirm(pending, conversation).await?.expect_problem(403, "INSUFFICIENT_SCOPE", None)?;
        app.script([
            round("delete_task", &["secret", "0", "1", "2"].map(|name| json!({"task_identifier": name}))),
            Step::says("?"),
        ]);
        let answer = chatting.say("tidy up", None).await?.expect(200)?;
        assert_eq!((successes(&answer), &answer["pending"]), (vec![false; 4], &Value::Null), "{answer}");
        assert!(!answer["tool_calls"].to_string().contains("a secret"), "{answer}");
        ada.confirm(pending, conversation).await?.expect(200)?;
    }
}

on_both_databases! {
    async fn thirty_two_deletions_in_one_round_are_all_pending(app: TestApp) {
        let ada = app.register("ada").await?;
        let tasks = add(&ada, 32).await?;
        let proposal = request_deletion(&app, &ada, &tasks).await?;
        assert_eq!((successes(&proposal), ada.titles().await?.len()), (vec![false; 32], 32));
        assert!(proposal["tool_calls"][31]["result"]["data"]["needs_confirmation"] == true, "{proposal}");
        let done =
            ada.confirm(text(&proposal["pending"], "id"), text(&proposal, "conversation_id")).await?.expect(200)?;
        expect_all_deleted_and_undo(&ada, &done, &tasks).await?;
    }
}

on_both_databases! {
    async fn the_fourth_deletion_is_pending_in_any_round(app: TestApp) {
        let ada = app.register("ada").await?;
        let tasks = add(&ada, 5).await?;
        let one_by_one = tasks[..4].iter().map(|task| delete(std::slice::from_ref(task)));
        app.script(one_by_one.chain([Step::says("Three are deleted.")]));
        let answer = ada.say("tidy up", None).await?.expect(200)?;
        assert_eq!((successes(&answer), ada.titles().await?.len()), (vec![true, true, true, false], 2), "{answer}");
        let items = answer["pending"]["items"].as_array().cloned().unwrap_or_default();
        assert_eq!(items.iter().map(|item| item["task"]["id"].clone()).collect::<Vec<_>>(), [tasks[3]["id"].clone()]);
        // Renames count like deletions; adding and completing do not.
        let title = |n: usize| json!({"title": format!("more {n}")});
        let rename = |task: &Value| json!({"task_identifier": task["id"], "new_title": "renamed"});
        let more: Vec<_> = (0..8).map(title).collect();
        let all = add(&ada, 5).await?;
        let complete: Vec<_> = all.iter().map(|task| json!({"task_identifier": task["id"]})).collect();
        let edits: Vec<_> = all[..4].iter().map(rename).collect();
        app.script([
            round("add_task", &more),
            round("complete_task", &complete),
            round("update_task", &edits),
            Step::says("Some wait."),
        ]);
        let answer = ada.say("go", None).await?.expect(200)?;
        assert_eq!(successes(&answer), [vec![true; 13], vec![false; 4]].concat(), "{answer}");
        let items = &answer["pending"]["items"];
        assert_eq!(
            (&items[0]["action"], &items[0]["new_title"], &items[0]["task"]["title"]),
            (&json!("update"), &json!("renamed"), &json!("task 0")),
            "{items}"
        );
    }
}

on_both_databases! {
    async fn a_limit_of_0_makes_every_deletion_pending(app: TestApp, ["--chat-confirm-above", "0"]) {
        let ada = app.register("ada").await?;
        let tasks = add(&ada, 2).await?;
        let proposal = ada.say("delete task 1", None).await?.expect(200)?;
        assert_eq!(
            (proposal["pending"]["items"].as_array().map(Vec::len), ada.titles().await?.len()),
            (Some(1), 2),
            "{proposal}"
        );
        ada.say("yes", proposal["conversation_id"].as_str()).await?.expect(200)?;
        assert_eq!(ada.titles().await?, ["task 0"]);
        let proposal = request_deletion(&app, &ada, &tasks[..1]).await?;
        ada.confirm(text(&proposal["pending"], "id"), text(&proposal, "conversation_id")).await?.expect(200)?;
        assert!(ada.titles().await?.is_empty());
    }
}

on_both_databases! {
    async fn a_stream_reports_and_confirms_pending_actions(app: TestApp) {
        let ada = app.register("ada").await?;
        let tasks = add(&ada, 4).await?;
        app.script([delete(&tasks), Step::says("Please confirm.")]);
        let frames = ada.stream("tidy up", None).await?.rest().await?;
        let metadata = |frames: &[Value]| {
            frames.iter().rev().find(|frame| frame["type"] == "finish").map(|frame| frame["messageMetadata"].clone())
        };
        let (Some(proposal), Some(start)) = (metadata(&frames), frames.first()) else { panic!("{frames:#?}") };
        assert_eq!(proposal["pending"]["items"].as_array().map(Vec::len), Some(4), "{proposal}");
        let conversation = &start["messageMetadata"]["conversation_id"];
        let body = json!({"confirm": proposal["pending"]["id"], "conversation_id": conversation});
        let frames = ada.open(Method::POST, "/api/{me}/chat", Some(&body)).await?.rest().await?;
        let done = metadata(&frames).unwrap_or_default();
        assert_eq!((done["changes"].as_array().map(Vec::len), &done["pending"]), (Some(4), &Value::Null), "{done}");
        assert!(ada.titles().await?.is_empty());
    }
}
