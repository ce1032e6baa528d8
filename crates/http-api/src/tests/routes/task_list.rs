//! Entity tags and change numbers of the list of tasks.

use std::sync::{Arc, Mutex};

use actix_web::http::{Method, header};
use domain::change::{ChangeRepoError, Head, Seq};
use domain::page::Page;
use domain::storage::StorageError;

use crate::tests::support::{Ports, signed_in, task};

const LIST: &str = "/api/{user_id}/tasks";

/// Ports of a user with this head. Also returns the reads of storage.
fn with_head(seq: u64, zone: &'static str) -> (Ports, Arc<Mutex<Vec<&'static str>>>) {
    let reads: Arc<Mutex<Vec<&str>>> = Arc::default();
    let mut ports = Ports::new();
    let recorded = Arc::clone(&reads);
    ports.changes.expect_head().returning(move |_| {
        recorded.lock().unwrap().push("head");
        Ok(Head { seq: Seq(seq), time_zone: zone.parse().unwrap() })
    });
    let recorded = Arc::clone(&reads);
    ports.tasks.expect_list().returning(move |_, _, _| {
        recorded.lock().unwrap().push("tasks");
        Ok(Page { items: vec![task(1)], next: None })
    });
    (ports, reads)
}

async fn tag(seq: u64, zone: &'static str) -> String {
    with_head(seq, zone).0.send(signed_in(Method::GET, LIST)).await.header("etag").to_owned()
}

#[actix_web::test]
async fn a_list_carries_the_head_that_was_read_before_it() {
    for method in [Method::GET, Method::HEAD] {
        let (ports, reads) = with_head(41, "UTC");
        let response = ports.send(signed_in(method, LIST)).await;
        assert_eq!((response.status.as_u16(), response.header("x-change-seq")), (200, "41"));
        assert!(response.header("etag").starts_with("W/\""), "{response:?}");
        assert_eq!(*reads.lock().unwrap(), ["head", "tasks"]);
    }
}

#[actix_web::test]
async fn an_unchanged_list_reads_only_the_head() {
    let known = tag(41, "Europe/Berlin").await;
    for known in [known.as_str(), known.strip_prefix("W/").unwrap(), "*", &format!("\"x\", {known}")] {
        for method in [Method::GET, Method::HEAD] {
            let (ports, reads) = with_head(41, "Europe/Berlin");
            let request = signed_in(method, &format!("{LIST}?status=pending&search=milk&limit=7"));
            let response = ports.send(request.insert_header((header::IF_NONE_MATCH, known))).await;
            assert_eq!((response.status.as_u16(), response.text.as_str()), (304, ""), "{known}");
            assert_eq!(response.header("x-change-seq"), "41");
            assert!(known == "*" || known.contains(response.header("etag").trim_start_matches("W/")), "{response:?}");
            assert_eq!(*reads.lock().unwrap(), ["head"]);
        }
    }
}

#[actix_web::test]
async fn another_head_or_time_zone_changes_the_etag() {
    let known = tag(41, "UTC").await;
    assert_eq!(known, tag(41, "UTC").await);
    for (seq, zone) in [(42, "UTC"), (4, "UTC"), (41, "Europe/Berlin"), (0, "UTC")] {
        let request = signed_in(Method::GET, LIST).insert_header((header::IF_NONE_MATCH, known.as_str()));
        let response = with_head(seq, zone).0.send(request).await;
        assert_eq!(response.ok(200).as_array().map(Vec::len), Some(1));
        assert_ne!(response.header("etag"), known, "{seq} {zone}");
    }
    for nonsense in ["41", "\"41\"", "W/\"1.41\"", "nonsense"] {
        let request = signed_in(Method::GET, LIST).insert_header((header::IF_NONE_MATCH, nonsense));
        with_head(41, "UTC").0.send(request).await.ok(200);
    }
}

#[actix_web::test]
async fn an_invalid_query_is_refused_before_the_etag_is_compared() {
    let request = signed_in(Method::GET, &format!("{LIST}?limit=0")).insert_header((header::IF_NONE_MATCH, "*"));
    Ports::new().send(request).await.problem(400, "VALIDATION_ERROR", "limit");
}

#[actix_web::test]
async fn a_failure_to_read_the_head_is_reported() {
    for (error, status, code) in [
        (ChangeRepoError::NotFound, 401, "UNAUTHORIZED"),
        (StorageError::Unavailable("x".into()).into(), 503, "DATABASE_UNAVAILABLE"),
    ] {
        let mut ports = Ports::new();
        ports.changes.expect_head().return_once(|_| Err(error));
        ports.send(signed_in(Method::GET, LIST)).await.problem(status, code, "");
    }
}
