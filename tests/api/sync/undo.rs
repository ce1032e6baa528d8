//! Undo over HTTP and by the assistant: by field, all or nothing unless conflicts are skipped, and itself undoable.

use domain::llm::Step;
use serde_json::{Value, json};
use tests::{TestApp, TestUser, on_both_databases};

/// A turn that adds, completes, renames and deletes a task.
struct Turn {
    to_complete: String,
    to_rename: String,
    to_delete: String,
    /// The tasks before the turn.
    before: Vec<Value>,
    answer: Value,
}

impl Turn {
    async fn run(app: &TestApp, user: &TestUser) -> anyhow::Result<Self> {
        let (to_delete, to_rename, to_complete) =
            (id(&user.add("pay rent").await?), id(&user.add("call Bob").await?), id(&user.add("buy milk").await?));
        let before = state(user).await?;
        let calls = [
            ("add_task", json!({"title": "water plants"}).to_string()),
            ("complete_task", json!({"task_identifier": to_complete}).to_string()),
            ("update_task", json!({"task_identifier": to_rename, "new_title": "call Robert"}).to_string()),
            ("delete_task", json!({"task_identifier": to_delete}).to_string()),
        ];
        let calls = calls.each_ref().map(|(tool, parameters)| (*tool, parameters.as_str()));
        app.script([Step::calls_raw(calls), Step::says("All four are done.")]);
        let answer = user.say("do all that", None).await?.expect(200)?;
        Ok(Self { to_complete, to_rename, to_delete, before, answer })
    }

    fn undo_path(&self) -> String {
        let text = |field: &str| self.answer[field].as_str().unwrap_or_default().to_owned();
        format!("/api/{{me}}/conversations/{}/messages/{}/undo", text("conversation_id"), text("message_id"))
    }

    /// The number of the change with this action.
    fn seq(&self, action: &str) -> u64 {
        let changes = self.answer["changes"].as_array().into_iter().flatten();
        changes.filter(|change| change["action"] == action).filter_map(|change| change["seq"].as_u64()).sum()
    }
}

fn id(task: &Value) -> String {
    task["id"].as_str().unwrap_or_default().to_owned()
}

/// The tasks of a user without version and time of update.
async fn state(user: &TestUser) -> anyhow::Result<Vec<Value>> {
    let mut tasks = user.all_pages("/api/{me}/tasks").await?;
    for task in tasks.iter_mut().filter_map(Value::as_object_mut) {
        task.remove("version");
        task.remove("updated_at");
    }
    Ok(tasks)
}

fn actions(changes: &Value) -> Vec<&str> {
    changes.as_array().into_iter().flatten().filter_map(|change| change["action"].as_str()).collect()
}

on_both_databases! {
    async fn a_turn_that_adds_completes_renames_and_deletes_is_undone_by_one_request(app: TestApp) {
        let ada = app.register("ada").await?;
        let turn = Turn::run(&app, &ada).await?;
        assert_eq!(actions(&turn.answer["changes"]), ["created", "completed", "updated", "deleted"], "{}", turn.answer);
        let versions = ada.get(&format!("/api/{{me}}/tasks/{}", turn.to_rename)).await?.expect(200)?;
        let undone = ada.post(&turn.undo_path(), json!({})).await?.expect(200)?;
        assert_eq!(state(&ada).await?, turn.before, "{undone}");
        assert_eq!(
            (undone["changes"].as_array().map(Vec::len), &undone["conflicts"]),
            (Some(4), &json!([])),
            "{undone}"
        );
        assert_eq!(ada.trash().await?, ["water plants"]);
        let after = ada.get(&format!("/api/{{me}}/tasks/{}", turn.to_rename)).await?.expect(200)?;
        assert_eq!(after["version"].as_u64(), versions["version"].as_u64().map(|version| version + 1));
        let entries = ada.changes(7).await?;
        assert!(entries.iter().all(|entry| entry["operation_id"] == undone["operation_id"]), "{entries:#?}");
        let mut undoes: Vec<_> = entries.iter().filter_map(|entry| entry["undoes"].as_u64()).collect();
        undoes.sort_unstable();
        assert_eq!(undoes, [4, 5, 6, 7]);
    }
}

on_both_databases! {
    async fn a_later_change_is_a_named_conflict_and_skip_undoes_the_rest(app: TestApp) {
        let ada = app.register("ada").await?;
        let turn = Turn::run(&app, &ada).await?;
        let path = format!("/api/{{me}}/tasks/{}", turn.to_rename);
        ada.patch(&path, json!({"title": "write to Robert"})).await?.expect(200)?;
        let (tasks, trash) = (state(&ada).await?, ada.trash().await?);
        for body in [json!({}), json!({"on_conflict": "fail"})] {
            let refused = ada.post(&turn.undo_path(), body).await?.expect_problem(409, "UNDO_CONFLICT", None)?;
            let [conflict] = refused["conflicts"].as_array().map(Vec::as_slice).unwrap_or_default() else {
                panic!("one conflict: {refused}");
            };
            assert_eq!(
                (&conflict["seq"], &conflict["field"]),
                (&json!(turn.seq("updated")), &json!("title")),
                "{refused}"
            );
            assert_eq!(
                (&conflict["entity_id"], &conflict["later_seq"]),
                (&json!(turn.to_rename), &json!(8)),
                "{refused}"
            );
        }
        assert_eq!((state(&ada).await?, ada.trash().await?), (tasks, trash), "nothing is changed");

        let undone = ada.post(&turn.undo_path(), json!({"on_conflict": "skip"})).await?.expect(200)?;
        assert_eq!(
            (undone["changes"].as_array().map(Vec::len), undone["conflicts"].as_array().map(Vec::len)),
            (Some(3), Some(1)),
            "{undone}"
        );
        let mut expected = turn.before.clone();
        for task in &mut expected {
            if task["id"] == json!(turn.to_rename) {
                task["title"] = json!("write to Robert");
            }
        }
        assert_eq!(state(&ada).await?, expected);
        let other = json!({"on_conflict": "maybe"});
        ada.post(&turn.undo_path(), other).await?.expect_problem(400, "VALIDATION_ERROR", Some("on_conflict"))?;
    }
}

on_both_databases! {
    async fn only_the_fields_that_a_change_set_are_undone(app: TestApp) {
        let ada = app.register("ada").await?;
        let turn = Turn::run(&app, &ada).await?;
        // The title of the task that the turn completed.
        let path = format!("/api/{{me}}/tasks/{}", turn.to_complete);
        ada.patch(&path, json!({"title": "buy oat milk"})).await?.expect(200)?;
        ada.post(&turn.undo_path(), json!({})).await?.expect(200)?;
        let task = ada.get(&path).await?.expect(200)?;
        assert_eq!((&task["title"], &task["completed"]), (&json!("buy oat milk"), &json!(false)));
    }
}

on_both_databases! {
    async fn a_single_change_and_a_single_operation_are_undone(app: TestApp) {
        let ada = app.register("ada").await?;
        let turn = Turn::run(&app, &ada).await?;
        let undone =
            ada.post(&format!("/api/{{me}}/changes/{}/undo", turn.seq("deleted")), json!({})).await?.expect(200)?;
        assert_eq!(actions(&undone["changes"]), ["restored"], "{undone}");
        ada.get(&format!("/api/{{me}}/tasks/{}", turn.to_delete)).await?.expect(200)?;
        let renamed = turn.answer["changes"][2]["operation_id"].as_str().unwrap_or_default();
        ada.post(&format!("/api/{{me}}/operations/{renamed}/undo"), json!({})).await?.expect(200)?;
        // The other two changes of the turn.
        let rest = ada.post(&turn.undo_path(), json!({})).await?.expect(200)?;
        assert_eq!(rest["changes"].as_array().map(Vec::len), Some(2), "{rest}");
        assert_eq!(state(&ada).await?, turn.before);
        ada.post(&turn.undo_path(), json!({})).await?.expect_problem(409, "UNDO_CONFLICT", None)?;
    }
}

on_both_databases! {
    async fn an_undo_is_undone_and_redone(app: TestApp) {
        let ada = app.register("ada").await?;
        let turn = Turn::run(&app, &ada).await?;
        let done = state(&ada).await?;
        let mut operation = ada.post(&turn.undo_path(), json!({})).await?.expect(200)?["operation_id"].clone();
        for expected in [&done, &turn.before, &done] {
            let path = format!("/api/{{me}}/operations/{}/undo", operation.as_str().unwrap_or_default());
            operation = ada.post(&path, json!({})).await?.expect(200)?["operation_id"].clone();
            let names = |tasks: &[Value]| {
                tasks.iter().map(|task| (task["title"].clone(), task["completed"].clone())).collect::<Vec<_>>()
            };
            assert_eq!(names(&state(&ada).await?), names(expected));
        }
        // The turn is redone, so it can be undone.
        ada.post(&turn.undo_path(), json!({})).await?.expect(200)?;
        assert_eq!(state(&ada).await?, turn.before);
    }
}

on_both_databases! {
    async fn changes_of_one_turn_to_one_row_do_not_conflict(app: TestApp) {
        let ada = app.register("ada").await?;
        let task = id(&ada.add("a").await?);
        let before = state(&ada).await?;
        let rename = |title: &str| json!({"task_identifier": task, "new_title": title}).to_string();
        let (first, second) = (rename("b"), rename("c"));
        let steps = || {
            [
                Step::calls_raw([("update_task", first.as_str()), ("update_task", second.as_str())]),
                Step::says("Renamed."),
            ]
        };
        app.script(steps());
        let answer = ada.say("rename it twice", None).await?.expect(200)?;
        assert_eq!(ada.titles().await?, ["c"]);
        let undo = format!(
            "/api/{{me}}/conversations/{}/messages/{}/undo",
            answer["conversation_id"].as_str().unwrap_or_default(),
            answer["message_id"].as_str().unwrap_or_default()
        );
        ada.post(&undo, json!({})).await?.expect(200)?;
        assert_eq!(state(&ada).await?, before);
        // Undoing only the first conflicts with the second.
        app.script(steps());
        let repeated = ada.say("rename it twice", None).await?.expect(200)?;
        let first = repeated["changes"][0]["seq"].as_u64().unwrap_or_default();
        let refused = ada.post(&format!("/api/{{me}}/changes/{first}/undo"), json!({})).await?;
        let refused = refused.expect_problem(409, "UNDO_CONFLICT", None)?;
        assert_eq!(refused["conflicts"][0]["later_seq"], first + 1, "{refused}");
    }
}

on_both_databases! {
    async fn a_foreign_or_missing_change_is_not_found_and_a_purged_row_is_a_conflict(app: TestApp) {
        let (ada, eve) = (app.register("ada").await?, app.register("eve").await?);
        let turn = Turn::run(&app, &ada).await?;
        let operation = turn.answer["changes"][0]["operation_id"].as_str().unwrap_or_default();
        let unknown = "0198c0de-0000-7000-8000-000000000001";
        for path in [
            "/api/{me}/changes/1/undo".to_owned(),
            "/api/{me}/changes/0/undo".to_owned(),
            "/api/{me}/changes/99999999999999999999999/undo".to_owned(),
            "/api/{me}/changes/-1/undo".to_owned(),
            "/api/{me}/changes/no-number/undo".to_owned(),
            format!("/api/{{me}}/operations/{operation}/undo"),
            format!("/api/{{me}}/operations/{unknown}/undo"),
            turn.undo_path(),
        ] {
            let answer = eve.post(&path, json!({})).await?;
            assert_eq!(answer.status.as_u16(), 404, "{path}: {}", answer.text);
        }
        // Deleted by the turn and purged afterwards.
        ada.delete(&format!("/api/{{me}}/trash/{}", turn.to_delete)).await?.expect(204)?;
        let refused = ada.post(&turn.undo_path(), json!({})).await?.expect_problem(409, "UNDO_CONFLICT", None)?;
        let [conflict] = refused["conflicts"].as_array().map(Vec::as_slice).unwrap_or_default() else {
            panic!("one conflict: {refused}");
        };
        assert_eq!((&conflict["seq"], &conflict["field"]), (&json!(turn.seq("deleted")), &Value::Null), "{refused}");
        let undone = ada.post(&turn.undo_path(), json!({"on_conflict": "skip"})).await?.expect(200)?;
        assert_eq!(undone["changes"].as_array().map(Vec::len), Some(3), "{undone}");
        let response = ada.post(&format!("/api/{{me}}/changes/{}/undo", turn.seq("deleted")), json!({})).await?;
        response.expect_problem(409, "UNDO_CONFLICT", None)?;
    }
}

on_both_databases! {
    async fn skip_keeps_rows_that_were_edited_after_the_turn(app: TestApp) {
        let ada = app.register("ada").await?;
        let task = ada.add("tea").await?;
        let rename = |from: &str, to: &str| json!({"task_identifier": from, "new_title": to});
        app.script([
            Step::calls("update_task", &rename("tea", "soy")),
            Step::calls("update_task", &rename("soy", "almond")),
            Step::calls("add_task", &json!({"title": "kiwi"})),
            Step::calls("update_task", &rename("kiwi", "pear")),
            Step::says("Done."),
        ]);
        let answer = ada.say("go", None).await?.expect(200)?;
        let kiwi = answer["changes"][2]["task"]["id"].as_str().unwrap_or_default().to_owned();
        // Titles that the turn had set in between.
        ada.patch(&format!("/api/{{me}}/tasks/{}", id(&task)), json!({"title": "soy"})).await?.expect(200)?;
        ada.patch(&format!("/api/{{me}}/tasks/{kiwi}"), json!({"title": "kiwi"})).await?.expect(200)?;
        let (conversation, message) =
            (answer["conversation_id"].as_str().unwrap_or_default(), answer["message_id"].as_str().unwrap_or_default());
        let undo = format!("/api/{{me}}/conversations/{conversation}/messages/{message}/undo");
        let undone = ada.post(&undo, json!({"on_conflict": "skip"})).await?.expect(200)?;
        assert_eq!(undone["changes"], json!([]), "{undone}");
        assert_eq!(undone["conflicts"].as_array().map(Vec::len), Some(2), "{undone}");
        let mut titles = ada.titles().await?;
        titles.sort();
        assert_eq!(titles, ["kiwi", "soy"]);
    }
}

on_both_databases! {
    async fn of_two_concurrent_undos_one_succeeds(app: TestApp) {
        let ada = app.register("ada").await?;
        for _ in 0..5 {
            let task = ada.add("milk").await?;
            let path = format!("/api/{{me}}/tasks/{}", id(&task));
            ada.delete(&path).await?.expect(204)?;
            let Some(deleted) = ada.changes(0).await?.pop() else { panic!("no change") };
            let undo = format!("/api/{{me}}/operations/{}/undo", deleted["operation_id"].as_str().unwrap_or_default());
            let (first, second) = tokio::join!(ada.post(&undo, json!({})), ada.post(&undo, json!({})));
            let mut statuses = [first?.status.as_u16(), second?.status.as_u16()];
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 409]);
            ada.get(&path).await?.expect(200)?;
        }
    }
}

on_both_databases! {
    async fn the_assistant_undoes_the_last_turn_that_changed_something(app: TestApp) {
        let ada = app.register("ada").await?;
        let added = ada.say("add milk. add eggs.", None).await?.expect(200)?;
        let conversation = added["conversation_id"].as_str();
        ada.say("complete milk", conversation).await?.expect(200)?;
        ada.say("what's left?", conversation).await?.expect(200)?;
        let undone = ada.say("undo that", conversation).await?.expect(200)?;
        assert_eq!(
            (&undone["tool_calls"][0]["tool"], actions(&undone["changes"])),
            (&json!("undo"), vec!["reopened"]),
            "{undone}"
        );
        assert_eq!(ada.titles().await?.len(), 2);
        // A turn that undoes is skipped by the next undo.
        let undone = ada.say("take it back", conversation).await?.expect(200)?;
        assert_eq!(actions(&undone["changes"]), ["deleted", "deleted"], "{undone}");
        assert!(ada.titles().await?.is_empty());
        let nothing = ada.say("undo that", conversation).await?.expect(200)?;
        assert_eq!(
            (&nothing["changes"], &nothing["tool_calls"][0]["result"]["success"]),
            (&json!([]), &json!(false)),
            "{nothing}"
        );
    }
}

on_both_databases! {
    async fn the_assistant_reports_an_undo_conflict(app: TestApp) {
        let ada = app.register("ada").await?;
        let turn = Turn::run(&app, &ada).await?;
        ada.patch(&format!("/api/{{me}}/tasks/{}", turn.to_rename), json!({"title": "write to Robert"}))
            .await?
            .expect(200)?;
        let before = (state(&ada).await?, ada.trash().await?);
        app.script([Step::calls("undo", &json!({})), Step::says("One of them was edited since.")]);
        let refused = ada.say("undo that", turn.answer["conversation_id"].as_str()).await?.expect(200)?;
        let result = &refused["tool_calls"][0]["result"];
        assert_eq!((&result["success"], &refused["changes"]), (&json!(false), &json!([])), "{refused}");
        assert!(result["data"].to_string().contains("title"), "{refused}");
        assert_eq!((state(&ada).await?, ada.trash().await?), before);
    }
}

on_both_databases! {
    async fn an_undo_does_not_count_towards_the_confirmation_limit(app: TestApp) {
        let ada = app.register("ada").await?;
        let titles = ["a", "b", "c", "d", "e"].map(|title| json!({"title": title}).to_string());
        let adds = titles.each_ref().map(|parameters| ("add_task", parameters.as_str()));
        app.script([
            Step::calls_raw(adds),
            Step::says("Added."),
            Step::calls("undo", &json!({})),
            Step::says("Taken back."),
        ]);
        let added = ada.say("add five", None).await?.expect(200)?;
        assert_eq!((added["changes"].as_array().map(Vec::len), &added["pending"]), (Some(5), &Value::Null), "{added}");
        let undone = ada.say("undo that", added["conversation_id"].as_str()).await?.expect(200)?;
        assert_eq!(
            (undone["changes"].as_array().map(Vec::len), &undone["pending"]),
            (Some(5), &Value::Null),
            "{undone}"
        );
        assert!(ada.titles().await?.is_empty());
    }
}
