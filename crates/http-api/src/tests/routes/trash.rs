//! `/api/{user_id}/trash` and the restoring of tasks.

use std::sync::{Arc, Mutex};

use actix_web::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::change::{ChangeRepoError, Write};
use domain::page::{Page, PageRequest};
use domain::storage::StorageError;
use domain::task::{Task, TrashCursor};
use serde_json::json;

use crate::tests::support::{ME, Ports, TASK, accept_commits, now, signed_in, task};

const TRASH: &str = "/api/{user_id}/trash";
const ONE: &str = "/api/{user_id}/trash/{task_id}";
const RESTORE: &str = "/api/{user_id}/tasks/{task_id}/restore";

fn deleted() -> Task {
    Task { deleted_at: Some(now()), ..task(3) }
}

fn cursor() -> TrashCursor {
    TrashCursor { deleted_at: now(), id: TASK.parse().unwrap() }
}

/// Ports whose storage has this row.
fn with_row(row: Option<Task>) -> Ports {
    let mut ports = Ports::new();
    ports.tasks.expect_get_many().returning(move |_, _| Ok(row.clone().into_iter().collect()));
    ports
}

#[actix_web::test]
async fn the_trash_is_listed_in_pages_with_the_time_of_deletion() {
    let requested: Arc<Mutex<Vec<PageRequest<TrashCursor>>>> = Arc::default();
    let listing = || {
        let mut ports = Ports::new();
        let requested = Arc::clone(&requested);
        ports.tasks.expect_list_trash().returning(move |_, page| {
            requested.lock().unwrap().push(page);
            Ok(Page { items: vec![deleted()], next: Some(cursor()) })
        });
        ports
    };
    let first = listing().send(signed_in(Method::GET, TRASH)).await;
    let time = "2026-03-01T12:00:00.123456Z";
    assert_eq!(
        first.ok(200),
        json!([{
            "id": TASK, "user_id": ME, "title": "Buy milk", "completed": false, "completed_at": null, "version": 3,
            "created_at": time, "updated_at": time, "deleted_at": time,
        }])
    );
    let next = first.header("link").split(['<', '>']).nth(1).unwrap().to_owned();
    listing().send(signed_in(Method::GET, &format!("{next}&limit=100"))).await.ok(200);
    let requested = requested.lock().unwrap();
    assert_eq!((requested[0].limit.get(), requested[0].after), (50, None));
    assert_eq!((requested[1].limit.get(), requested[1].after), (100, Some(cursor())));
}

#[actix_web::test]
async fn an_invalid_query_names_its_parameter() {
    let ancient = URL_SAFE_NO_PAD.encode(json!({"deleted_at": "-9000-01-01T00:00:00Z", "id": TASK}).to_string());
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("cursor=x", "cursor"),
        (&format!("cursor={ancient}"), "cursor"),
        ("status=all", "status"),
    ] {
        let response = Ports::new().send(signed_in(Method::GET, &format!("{TRASH}?{query}"))).await;
        response.problem(400, "VALIDATION_ERROR", field);
    }
}

#[actix_web::test]
async fn a_restored_task_has_a_higher_version() {
    let mut ports = with_row(Some(deleted()));
    let commits = accept_commits(&mut ports);
    let response = ports.send(signed_in(Method::POST, RESTORE).insert_header(("X-Request-Id", "r-1"))).await;
    assert_eq!((response.ok(200)["version"].clone(), response.header("etag")), (4.into(), "\"4\""));
    assert!(response.json().get("deleted_at").is_none(), "{response:?}");
    let (writes, change) = commits.lock().unwrap().remove(0);
    assert_eq!(writes, [Write::replace(deleted(), task(4))]);
    assert_eq!(change.request_id.as_str(), "r-1");
}

#[actix_web::test]
async fn restoring_a_task_outside_the_trash_changes_nothing() {
    let response = with_row(Some(task(3))).send(signed_in(Method::POST, RESTORE)).await;
    assert_eq!((response.ok(200)["version"].clone(), response.header("etag")), (3.into(), "\"3\""));
}

#[actix_web::test]
async fn a_missing_task_is_neither_restored_nor_purged() {
    for (method, path) in [(Method::POST, RESTORE), (Method::DELETE, ONE)] {
        with_row(None).send(signed_in(method, path)).await.problem(404, "TASK_NOT_FOUND", "");
    }
}

#[actix_web::test]
async fn only_a_task_in_the_trash_can_be_purged() {
    let mut ports = with_row(Some(deleted()));
    let commits = accept_commits(&mut ports);
    let response = ports.send(signed_in(Method::DELETE, ONE)).await;
    assert_eq!((response.status.as_u16(), response.text.as_str()), (204, ""));
    assert_eq!(commits.lock().unwrap()[0].0, [Write::purge(deleted())]);

    let mut ports = with_row(Some(task(3)));
    let commits = accept_commits(&mut ports);
    ports.send(signed_in(Method::DELETE, ONE)).await.problem(404, "TASK_NOT_FOUND", "");
    assert!(commits.lock().unwrap().is_empty());
}

#[actix_web::test]
async fn emptying_the_trash_purges_tasks_deleted_before_the_request() {
    let mut ports = Ports::new();
    let requested: Arc<Mutex<Vec<PageRequest<TrashCursor>>>> = Arc::default();
    let recorded = Arc::clone(&requested);
    ports.tasks.expect_list_trash().returning(move |_, page| {
        let mut requested = recorded.lock().unwrap();
        requested.push(page);
        Ok(Page { items: if requested.len() == 1 { vec![deleted()] } else { Vec::new() }, next: None })
    });
    let commits = accept_commits(&mut ports);
    let response = ports.send(signed_in(Method::DELETE, TRASH)).await;
    assert_eq!((response.status.as_u16(), response.text.as_str()), (204, ""));
    assert_eq!(commits.lock().unwrap()[0].0, [Write::purge(deleted())]);
    assert_eq!(requested.lock().unwrap()[0].after.map(|after| after.deleted_at), Some(now()));
}

#[actix_web::test]
async fn a_failure_to_empty_the_trash_is_reported() {
    for (error, status, code) in
        [(ChangeRepoError::NotFound, 401, "UNAUTHORIZED"), (StorageError::Full("x".into()).into(), 507, "STORAGE_FULL")]
    {
        let mut ports = Ports::new();
        ports.tasks.expect_list_trash().returning(|_, _| Ok(Page { items: vec![deleted()], next: None }));
        ports.changes.expect_commit().return_once(|_, _, _| Err(error));
        ports.send(signed_in(Method::DELETE, TRASH)).await.problem(status, code, "");
    }
}

#[actix_web::test]
async fn routes_without_a_body_ignore_one() {
    let request =
        signed_in(Method::POST, RESTORE).insert_header(("Content-Type", "text/plain")).set_payload("nonsense");
    with_row(Some(task(3))).send(request).await.ok(200);
}
