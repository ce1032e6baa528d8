//! `/api/{user_id}/changes`.

use std::sync::{Arc, Mutex};

use actix_web::http::Method;
use domain::change::{Action, ChangeRepoError, Entry, EntryPage, Seq};
use domain::principal::Via;
use domain::storage::StorageError;
use domain::task::Task;
use serde_json::{Value, json};

use crate::tests::support::{CONVERSATION, ME, MESSAGE, OPERATION, Ports, TASK, entry, now, renamed, signed_in, task};

const CHANGES: &str = "/api/{user_id}/changes";

type Requested = Arc<Mutex<Vec<(u64, u16)>>>;

/// Ports whose ledger returns this page. Also returns the requested pages: the number before them and the limit.
fn listing(head: u64, entries: Vec<Entry>) -> (Ports, Requested) {
    let requested = Requested::default();
    let recorded = Arc::clone(&requested);
    let mut ports = Ports::new();
    ports.changes.expect_list().returning(move |_, after, limit| {
        recorded.lock().unwrap().push((after.0, limit.get()));
        Ok(EntryPage { head: Seq(head), entries: entries.clone() })
    });
    (ports, requested)
}

fn by_the_assistant() -> Entry {
    Entry {
        via: Via::Chat,
        conversation: Some(CONVERSATION.parse().unwrap()),
        message: Some(MESSAGE.parse().unwrap()),
        undoes: Some(Seq(1)),
        ..entry(2, Action::Deleted, Some(task(1)), Some(Task { deleted_at: Some(now()), ..task(2) }))
    }
}

#[actix_web::test]
async fn a_change_carries_the_row_before_and_after_and_its_origin() {
    let (ports, _) = listing(2, vec![entry(1, Action::Created, None, Some(task(1))), by_the_assistant()]);
    let response = ports.send(signed_in(Method::GET, CHANGES)).await;
    assert_eq!((response.header("x-change-seq"), response.header("link")), ("2", ""));
    let time = "2026-03-01T12:00:00.123456Z";
    let row = |version: u32, deleted_at: Value| {
        json!({
            "id": TASK, "user_id": ME, "title": "Buy milk", "completed": false, "completed_at": null,
            "version": version, "created_at": time, "updated_at": time, "deleted_at": deleted_at,
        })
    };
    assert_eq!(
        response.ok(200),
        json!([
            {
                "seq": 1, "at": time, "operation_id": OPERATION, "entity": "task", "entity_id": TASK,
                "action": "created", "before": null, "after": row(1, Value::Null), "via": "http",
            },
            {
                "seq": 2, "at": time, "operation_id": OPERATION, "entity": "task", "entity_id": TASK,
                "action": "deleted", "before": row(1, Value::Null), "after": row(2, json!(time)), "via": "chat",
                "conversation_id": CONVERSATION, "message_id": MESSAGE, "undoes": 1,
            },
        ])
    );
}

#[actix_web::test]
async fn a_change_of_a_purged_row_has_no_row() {
    let (ports, _) = listing(1, vec![entry(1, Action::Purged, None, None)]);
    let change = ports.send(signed_in(Method::GET, CHANGES)).await.ok(200).remove_first();
    assert_eq!(
        (&change["before"], &change["after"], &change["action"]),
        (&Value::Null, &Value::Null, &json!("purged"))
    );
}

trait RemoveFirst {
    fn remove_first(self) -> Value;
}

impl RemoveFirst for Value {
    fn remove_first(mut self) -> Value {
        self.as_array_mut().unwrap().remove(0)
    }
}

#[actix_web::test]
async fn pages_continue_after_the_last_change_until_the_head() {
    let (ports, requested) = listing(9, vec![renamed(6, "a", "b"), renamed(7, "b", "c")]);
    let response = ports.send(signed_in(Method::GET, &format!("{CHANGES}?limit=2&after=5"))).await;
    let next = format!("</api/{ME}/changes?limit=2&after=7>; rel=\"next\"");
    assert_eq!((response.header("link"), response.header("x-change-seq")), (next.as_str(), "9"));
    assert_eq!(*requested.lock().unwrap(), [(5, 2)]);
}

#[actix_web::test]
async fn listing_starts_at_the_first_change_unless_requested_otherwise() {
    for (query, head, expected) in [
        ("", 0, (0, 50)),
        ("?after=0&limit=100", 0, (0, 100)),
        ("?after=9&limit=1", 9, (9, 1)),
        ("?after=007", 7, (7, 50)),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let (ports, requested) = listing(head, Vec::new());
            let response = ports.send(signed_in(method, &format!("{CHANGES}{query}"))).await;
            assert_eq!((response.status.as_u16(), response.header("x-change-seq")), (200, head.to_string().as_str()));
            assert_eq!(response.text, "[]");
            assert_eq!(*requested.lock().unwrap(), [expected], "{query}");
        }
    }
}

#[actix_web::test]
async fn a_number_beyond_the_head_or_before_the_oldest_change_has_expired() {
    let (beyond, requested) = listing(3, Vec::new());
    let huge = ["4", "9223372036854775807", "9223372036854775808", "18446744073709551616", &"9".repeat(500)];
    let responses =
        beyond.send_all(huge.map(|after| signed_in(Method::GET, &format!("{CHANGES}?after={after}")))).await;
    for response in responses {
        response.problem(410, "CURSOR_EXPIRED", "");
    }
    assert!(
        requested.lock().unwrap().iter().all(|(after, _)| i64::try_from(*after).is_ok()),
        "numbers beyond i64 do not reach storage"
    );

    let (pruned, _) = listing(9, vec![renamed(6, "a", "b")]);
    pruned.send(signed_in(Method::GET, &format!("{CHANGES}?after=2"))).await.problem(410, "CURSOR_EXPIRED", "");
    let (pruned, _) = listing(9, Vec::new());
    pruned.send(signed_in(Method::GET, CHANGES)).await.problem(410, "CURSOR_EXPIRED", "");
}

#[actix_web::test]
async fn an_invalid_query_names_its_parameter() {
    for (query, field, message) in [
        ("after=-1", "after", "after must be a whole number from 0"),
        ("after=", "after", "after must be a whole number from 0"),
        ("after=1.0", "after", "after must be a whole number from 0"),
        ("after=%2B1", "after", "after must be a whole number from 0"),
        ("after=%D9%A1", "after", "after must be a whole number from 0"),
        ("after=x", "after", "after must be a whole number from 0"),
        ("limit=0", "limit", "limit must be a whole number from 1 to 100"),
        ("limit=101", "limit", "limit must be a whole number from 1 to 100"),
        ("after=1&after=2", "after", "after is given more than once"),
        ("cursor=x", "cursor", "Unknown query parameter: 'cursor'"),
    ] {
        let response = Ports::new().send(signed_in(Method::GET, &format!("{CHANGES}?{query}"))).await;
        assert_eq!(response.problem(400, "VALIDATION_ERROR", field)["message"], message, "{query}");
    }
}

#[actix_web::test]
async fn a_failure_to_read_the_ledger_is_reported() {
    for (error, status, code) in [
        (ChangeRepoError::NotFound, 401, "UNAUTHORIZED"),
        (StorageError::Exhausted("x".into()).into(), 503, "OVERLOADED"),
        (StorageError::Unavailable("x".into()).into(), 503, "DATABASE_UNAVAILABLE"),
        (StorageError::Corrupt("x".into()).into(), 500, "INTERNAL_ERROR"),
        // A read does not return this error.
        (ChangeRepoError::LeaseLost, 500, "INTERNAL_ERROR"),
    ] {
        let mut ports = Ports::new();
        ports.changes.expect_list().return_once(|_, _, _| Err(error));
        ports.send(signed_in(Method::GET, CHANGES)).await.problem(status, code, "");
    }
}
