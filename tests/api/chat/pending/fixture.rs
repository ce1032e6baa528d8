//! Scripted deletions and checks of their results.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::llm::{ScriptedLlm, Step};
use reqwest::Method;
use serde_json::{Value, json};
use tests::{TestApp, TestUser};

pub(super) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// A round with one call of the tool for each of `parameters`.
pub(super) fn round(tool: &'static str, parameters: &[Value]) -> Step {
    let texts: Vec<_> = parameters.iter().map(Value::to_string).collect();
    Step::calls_raw(texts.iter().map(|text| (tool, text.as_str())))
}

pub(super) fn delete(tasks: &[Value]) -> Step {
    let parameters: Vec<_> = tasks.iter().map(|task| json!({"task_identifier": task["id"]})).collect();
    round("delete_task", &parameters)
}

pub(super) fn confirm() -> Step {
    Step::calls("confirm_pending", &json!({}))
}

pub(super) async fn add(user: &TestUser, count: usize) -> anyhow::Result<Vec<Value>> {
    let mut tasks = Vec::new();
    for n in 0..count {
        tasks.push(user.add(&format!("task {n}")).await?);
    }
    Ok(tasks)
}

/// Runs a turn that leaves the deletion of all `tasks` pending. Returns its answer.
pub(super) async fn request_deletion(app: &TestApp, user: &TestUser, tasks: &[Value]) -> anyhow::Result<Value> {
    app.script([delete(tasks), Step::says("Please confirm.")]);
    let answer = user.say("tidy up", None).await?.expect(200)?;
    let items = answer["pending"]["items"].as_array().map_or(0, Vec::len);
    anyhow::ensure!(items == tasks.len() && answer["changes"] == json!([]), "{answer}");
    Ok(answer)
}

pub(super) fn successes(answer: &Value) -> Vec<bool> {
    answer["tool_calls"].as_array().into_iter().flatten().map(|call| call["result"]["success"] == true).collect()
}

/// For each request to the model, whether `confirm_pending` was among the tools.
pub(super) fn confirmable(script: &Arc<ScriptedLlm>) -> Vec<bool> {
    script.requests().iter().map(|request| request.tools.iter().any(|tool| tool.name == "confirm_pending")).collect()
}

/// Checks that one operation deleted all `tasks`, and undoes it.
pub(super) async fn expect_all_deleted_and_undo(user: &TestUser, done: &Value, tasks: &[Value]) -> anyhow::Result<()> {
    assert!(user.titles().await?.is_empty());
    let changes = done["changes"].as_array().cloned().unwrap_or_default();
    assert!(changes.len() == tasks.len() && changes.iter().all(|change| change["action"] == "deleted"), "{done}");
    let operations: BTreeSet<_> = changes.iter().map(|change| text(change, "operation_id")).collect();
    assert_eq!(operations.len(), 1, "one operation: {done}");
    for operation in operations {
        user.send(Method::POST, &format!("/api/{{me}}/operations/{operation}/undo"), None).await?.expect(200)?;
    }
    let ids = |tasks: &[Value]| tasks.iter().map(|task| text(task, "id").to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(ids(&user.all_pages("/api/{me}/tasks").await?), ids(tasks));
    Ok(())
}
