//! Undo of changes, operations and turns.

use std::sync::{Arc, Mutex};

use actix_web::http::Method;
use domain::change::{Action, ChangeRepoError, Entry, EntrySelector, Seq, UndoLink};
use domain::storage::StorageError;
use domain::task::Task;
use serde_json::{Value, json};

use crate::tests::support::{
    CONVERSATION, MESSAGE, OPERATION, Ports, TASK, TestResponse, accept_commits, entry, json as with_json, renamed,
    signed_in, task,
};

const CHANGE: &str = "/api/{user_id}/changes/{seq}/undo";
const OF_OPERATION: &str = "/api/{user_id}/operations/{operation_id}/undo";
const TURN: &str = "/api/{user_id}/conversations/{conversation_id}/messages/{message_id}/undo";

fn titled(version: u32, title: &str) -> Task {
    Task { title: title.parse().unwrap(), ..task(version) }
}

/// Ports whose ledger has these entries, and the current row.
fn with_entries(entries: Vec<Entry>, row: Option<Task>) -> Ports {
    let mut ports = Ports::new();
    ports.changes.expect_find().returning(move |_, selector| match selector {
        // The later changes that conflicts name.
        EntrySelector::Rows { .. } => Ok(vec![renamed(9, "b", "c")]),
        _ => Ok(entries.clone()),
    });
    ports.tasks.expect_get_many().returning(move |_, _| Ok(row.clone().into_iter().collect()));
    ports
}

/// Undoes a renaming from "a" to "b" of a row with this title. Returns the response and the number of commits.
async fn undo_renaming(title: &str, body: &str) -> (TestResponse, usize) {
    let mut ports = with_entries(vec![renamed(5, "a", "b")], Some(titled(2, title)));
    let commits = accept_commits(&mut ports);
    let response = ports.send(with_json(signed_in(Method::POST, CHANGE), body.to_owned())).await;
    let commits = commits.lock().unwrap().len();
    (response, commits)
}

fn conflict(field: &Value, later: &Value) -> Value {
    json!({"seq": 5, "entity": "task", "entity_id": TASK, "field": field, "later_seq": later})
}

#[actix_web::test]
async fn a_change_is_undone_as_an_operation_of_its_own() {
    for body in ["", "{}", r#"{"on_conflict":null}"#, r#"{"on_conflict":"fail"}"#, r#"{"on_conflict":"skip"}"#] {
        let (response, commits) = undo_renaming("b", body).await;
        let undone = response.ok(200);
        assert_eq!((commits, &undone["conflicts"]), (1, &json!([])), "{body}");
        let change = &undone["changes"][0];
        assert_eq!((&change["seq"], &change["undoes"], &change["action"]), (&json!(42), &json!(5), &json!("updated")));
        assert_eq!((&change["after"]["title"], &change["after"]["version"]), (&json!("a"), &json!(3)));
        assert_eq!(undone["operation_id"], change["operation_id"]);
        assert_ne!(undone["operation_id"], OPERATION);
    }
}

#[actix_web::test]
async fn each_route_selects_its_entries() {
    let selectors: Arc<Mutex<Vec<EntrySelector>>> = Arc::default();
    let mut ports = Ports::new();
    let recorded = Arc::clone(&selectors);
    ports.changes.expect_find().returning(move |_, selector| {
        recorded.lock().unwrap().push(selector.clone());
        Ok(Vec::new())
    });
    for response in ports.send_all([CHANGE, OF_OPERATION, TURN].map(|path| signed_in(Method::POST, path))).await {
        let problem = response.problem(404, "NOT_FOUND", "");
        assert_eq!(problem["message"], "Change not found");
    }
    let (conversation, message) = (CONVERSATION.parse().unwrap(), MESSAGE.parse().unwrap());
    assert_eq!(
        *selectors.lock().unwrap(),
        [
            EntrySelector::Seq(Seq(5)),
            EntrySelector::Operation(OPERATION.parse().unwrap()),
            EntrySelector::Message(conversation, message),
        ]
    );
}

#[actix_web::test]
async fn an_invalid_number_never_reaches_storage() {
    for seq in ["0x5", "-5", "+5", "05", "5.0", "five", "9223372036854775808", "18446744073709551616", "%20", "%00"] {
        let mut ports = Ports::new();
        ports.changes.expect_find().times(0);
        let response = ports.send(signed_in(Method::POST, &CHANGE.replace("{seq}", seq))).await;
        response.problem(404, "NOT_FOUND", "");
    }
}

#[actix_web::test]
async fn a_later_change_is_a_conflict_with_its_field_and_number() {
    let (response, commits) = undo_renaming("c", "").await;
    let problem = response.problem(409, "UNDO_CONFLICT", "");
    assert_eq!(problem["conflicts"], json!([conflict(&json!("title"), &json!(9))]));
    assert_eq!(commits, 0);

    let (response, commits) = undo_renaming("c", r#"{"on_conflict":"skip"}"#).await;
    let undone = response.ok(200);
    assert_eq!((&undone["operation_id"], &undone["changes"]), (&Value::Null, &json!([])));
    assert_eq!(undone["conflicts"], json!([conflict(&json!("title"), &json!(9))]));
    assert_eq!(commits, 0);
}

#[actix_web::test]
async fn other_problems_have_no_conflicts() {
    let problem = Ports::new().send(signed_in(Method::POST, CHANGE)).await.problem(404, "NOT_FOUND", "");
    assert!(problem.get("conflicts").is_none(), "{problem}");
}

#[actix_web::test]
async fn skipping_undoes_the_rest() {
    let other = "00000000-0000-7000-8000-0000000000ad".parse().unwrap();
    let of_other = |entry: Entry| Entry {
        entity: domain::change::EntityId::Task(other),
        before: Some(domain::change::Row::Task(Task { id: other, ..titled(1, "x") })),
        after: Some(domain::change::Row::Task(Task { id: other, ..titled(2, "y") })),
        ..entry
    };
    let entries = vec![renamed(5, "a", "b"), of_other(renamed(6, "x", "y"))];
    let rows = vec![titled(2, "c"), Task { id: other, ..titled(2, "y") }];
    for (body, status) in [("", 409), (r#"{"on_conflict":"skip"}"#, 200)] {
        let (entries, rows) = (entries.clone(), rows.clone());
        let mut ports = Ports::new();
        ports.changes.expect_find().returning(move |_, _| Ok(entries.clone()));
        ports.tasks.expect_get_many().returning(move |_, _| Ok(rows.clone()));
        accept_commits(&mut ports);
        let response = ports.send(with_json(signed_in(Method::POST, OF_OPERATION), body)).await;
        assert_eq!(response.status, status);
        assert_eq!(response.json()["conflicts"], json!([conflict(&json!("title"), &Value::Null)]));
        if status == 200 {
            assert_eq!(response.json()["changes"][0]["entity_id"], json!(other.to_string()));
        }
    }
}

#[actix_web::test]
async fn a_missing_row_or_an_undone_change_is_a_conflict_without_a_field() {
    let missing = with_entries(vec![entry(5, Action::Updated, None, None)], None);
    let problem = missing.send(signed_in(Method::POST, TURN)).await.problem(409, "UNDO_CONFLICT", "");
    assert_eq!(problem["conflicts"], json!([conflict(&Value::Null, &Value::Null)]));

    let mut undone = with_entries(vec![renamed(5, "a", "b")], Some(titled(3, "a")));
    undone.changes.expect_undo_links().returning(|_, _| Ok(vec![UndoLink { seq: Seq(7), undoes: Seq(5) }]));
    let problem = undone.send(signed_in(Method::POST, OF_OPERATION)).await.problem(409, "UNDO_CONFLICT", "");
    assert_eq!(problem["conflicts"], json!([conflict(&Value::Null, &json!(7))]));
}

#[actix_web::test]
async fn an_invalid_body_names_its_field() {
    for path in [CHANGE, OF_OPERATION, TURN] {
        for (body, field, message) in [
            (r#"{"on_conflict":"force"}"#, "on_conflict", "on_conflict must be one of fail, skip"),
            (r#"{"on_conflict":5}"#, "on_conflict", "on_conflict is not valid"),
            (r#"{"force":true}"#, "force", "Unknown field: 'force'"),
        ] {
            let response = Ports::new().send(with_json(signed_in(Method::POST, path), body)).await;
            let problem = response.problem(400, "VALIDATION_ERROR", field);
            assert!(problem["message"] == message || field == "on_conflict", "{problem}");
        }
    }
}

#[actix_web::test]
async fn a_failure_to_store_an_undo_is_reported() {
    for (error, status, code, retry_after) in [
        (|| ChangeRepoError::Stale, 503, "OVERLOADED", "1"),
        (|| ChangeRepoError::NotFound, 404, "NOT_FOUND", ""),
        (|| ChangeRepoError::LeaseLost, 500, "INTERNAL_ERROR", ""),
        (|| StorageError::Full("x".into()).into(), 507, "STORAGE_FULL", ""),
    ] as [(fn() -> ChangeRepoError, u16, &str, &str); 4]
    {
        let mut ports = with_entries(vec![renamed(5, "a", "b")], Some(titled(2, "b")));
        ports.changes.expect_commit().returning(move |_, _, _| Err(error()));
        let response = ports.send(signed_in(Method::POST, CHANGE)).await;
        response.problem(status, code, "");
        assert_eq!(response.header("retry-after"), retry_after);
    }
}
