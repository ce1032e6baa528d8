//! `/api/{user_id}/tasks`.

use std::sync::{Arc, Mutex};

use actix_web::http::{Method, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::change::{ChangeRepoError, Write};
use domain::page::{Page, PageRequest};
use domain::task::{Task, TaskCursor, TaskFilter, TaskStatus, TitleMatch};
use domain::text::NormalizedText;

use crate::tests::support::{ME, Ports, TASK, TestResponse, accept_commits, json, me, now, signed_in, task};

const LIST: &str = "/api/{user_id}/tasks";
const ONE: &str = "/api/{user_id}/tasks/{task_id}";
const COMPLETE: &str = "/api/{user_id}/tasks/{task_id}/complete";

#[actix_web::test]
async fn a_task_is_created_with_its_location_and_version() {
    let mut ports = Ports::new();
    let commits = accept_commits(&mut ports);
    let request = json(signed_in(Method::POST, LIST), r#"{"title":" Buy milk ","completed":true}"#);
    let response = ports.send(request.insert_header(("X-Request-Id", "r-1"))).await;
    let (writes, change) = commits.lock().unwrap().remove(0);
    let [Write::Task { before: None, after: Some(task), undoes: None }] = &writes[..] else { panic!("{writes:?}") };
    assert_eq!((task.user_id, task.title.as_str(), task.completed_at), (me(), "Buy milk", Some(now())));
    assert_eq!((change.actor.user, change.request_id.as_str(), change.call), (me(), "r-1", None));
    let (id, time) = (task.id.to_string(), "2026-03-01T12:00:00.123456Z");
    assert_eq!(
        response.ok(201),
        serde_json::json!({
            "id": id, "user_id": ME, "title": "Buy milk", "completed": true, "completed_at": time, "version": 1,
            "created_at": time, "updated_at": time,
        })
    );
    assert_eq!(response.header("location"), format!("/api/{ME}/tasks/{id}"));
    assert_eq!(response.header("etag"), "\"1\"");
}

#[actix_web::test]
async fn an_empty_missing_or_invisible_title_is_refused() {
    for body in [r#"{"title":""}"#, r#"{"title":"  "}"#, r#"{"title":"\u200b\u200d"}"#, "{}", r#"{"title":null}"#] {
        let response = Ports::new().send(json(signed_in(Method::POST, LIST), body)).await;
        let problem = response.problem(400, "VALIDATION_ERROR", "title");
        assert_eq!(problem["message"], "Task title cannot be empty", "{body}");
    }
    for body in [r#"{"title":""}"#, r#"{"title":"\u200b"}"#] {
        for method in [Method::PUT, Method::PATCH] {
            let response = Ports::new().send(json(signed_in(method, ONE), body)).await;
            assert_eq!(response.problem(400, "VALIDATION_ERROR", "title")["message"], "Task title cannot be empty");
        }
    }
    let long = format!(r#"{{"title":"{}"}}"#, "é".repeat(501));
    Ports::new().send(json(signed_in(Method::POST, LIST), long)).await.problem(400, "VALIDATION_ERROR", "title");
}

type Requested = Arc<Mutex<Vec<(TaskFilter, PageRequest<TaskCursor>)>>>;

fn listing(requested: &Requested, next: Option<TaskCursor>) -> Ports {
    let mut ports = Ports::new();
    let requested = Arc::clone(requested);
    ports.tasks.expect_list().returning(move |_, filter, page| {
        requested.lock().unwrap().push((filter.clone(), page));
        Ok(Page { items: vec![task(1)], next })
    });
    ports
}

#[actix_web::test]
async fn lists_are_filtered_searched_and_limited() {
    let containing = |text| Some(TitleMatch::Containing(NormalizedText::new(text)));
    for (query, status, title, limit) in [
        ("", TaskStatus::All, None, 1000),
        ("?status=pending&limit=1", TaskStatus::Pending, None, 1),
        ("?status=completed&search=&limit=1000", TaskStatus::Completed, None, 1000),
        ("?search=&sort=&order=none&page=&status=pending", TaskStatus::Pending, None, 1000),
        ("?status=all&search=100%25+_Milk%5C", TaskStatus::All, containing("100% _milk\\"), 1000),
    ] {
        let requested = Requested::default();
        let response = listing(&requested, None).send(signed_in(Method::GET, &format!("{LIST}{query}"))).await;
        assert_eq!(response.ok(200).as_array().map(Vec::len), Some(1));
        assert_eq!(response.header("link"), "", "the last page");
        let (filter, page) = requested.lock().unwrap().remove(0);
        assert_eq!(
            (filter.status, filter.title, page.limit.get(), page.after),
            (status, title, limit, None),
            "{query}"
        );
    }
}

#[actix_web::test]
async fn the_next_page_link_keeps_the_query_and_continues_after_the_last_row() {
    let requested = Requested::default();
    let key = TaskCursor(TASK.parse().unwrap());
    let query = "?limit=1&search=a%26b%3E%22+%C3%A9&status=pending";
    let first = listing(&requested, Some(key)).send(signed_in(Method::GET, &format!("{LIST}{query}"))).await;
    let link = first.header("link");
    let next = link.strip_prefix('<').and_then(|rest| rest.strip_suffix(r#">; rel="next""#)).unwrap();
    assert!(
        next.starts_with(&format!("/api/{ME}/tasks?limit=1&search=a%26b%3E%22+%C3%A9&status=pending&cursor=")),
        "{next}"
    );
    let second = listing(&requested, Some(key)).send(signed_in(Method::GET, next)).await;
    let requested = requested.lock().unwrap();
    assert_eq!(requested[0].0, requested[1].0);
    assert_eq!(requested[1].1.after, Some(key));
    assert_eq!(second.header("link"), link, "the old cursor is replaced");
}

#[actix_web::test]
async fn links_and_locations_have_the_path_of_the_public_url() {
    let behind = |mut ports: Ports| {
        ports.options.public_url = "https://example.com/todo/".parse().unwrap();
        ports
    };
    let key = TaskCursor(TASK.parse().unwrap());
    for path in [LIST, &format!("{LIST}/")] {
        let ports = behind(listing(&Requested::default(), Some(key)));
        let response = ports.send(signed_in(Method::GET, &format!("{path}?limit=1"))).await;
        let link = response.header("link");
        assert!(link.starts_with(&format!("</todo/api/{ME}/tasks?limit=1&cursor=")), "{link}");
        let mut ports = behind(Ports::new());
        accept_commits(&mut ports);
        let created = ports.send(json(signed_in(Method::POST, path), r#"{"title":"a"}"#)).await;
        let id = created.ok(201)["id"].as_str().unwrap().to_owned();
        assert_eq!(created.header("location"), format!("/todo/api/{ME}/tasks/{id}"));
    }
}

#[actix_web::test]
async fn an_invalid_query_names_its_parameter() {
    let cursor = |json: &str| format!("cursor={}", URL_SAFE_NO_PAD.encode(json));
    for (query, field, message) in [
        ("status=done", "status", "status must be one of all, pending, completed"),
        ("status=", "status", "status must be one of all, pending, completed"),
        ("limit=0", "limit", "limit must be a whole number from 1 to 1000"),
        ("limit=1001", "limit", "limit must be a whole number from 1 to 1000"),
        ("limit=-1", "limit", "limit must be a whole number from 1 to 1000"),
        ("limit=ten", "limit", "limit must be a whole number from 1 to 1000"),
        ("limit=", "limit", "limit must be a whole number from 1 to 1000"),
        ("limit=1&limit=2", "limit", "limit is given more than once"),
        ("cursor=nonsense", "cursor", "cursor must be taken from the Link of this list"),
        ("cursor=", "cursor", "cursor must be taken from the Link of this list"),
        (&cursor("{}"), "cursor", "cursor must be taken from the Link of this list"),
        (&cursor("\"no-id\""), "cursor", "cursor must be taken from the Link of this list"),
        ("search=a%00b", "search", "search must not contain a NUL character"),
        (&format!("search={}", "x".repeat(501)), "search", "search must be at most 500 characters"),
        ("page=2&status=all&x=1", "page", "Unknown query parameters: 'page', 'x'"),
        ("page=&y=1&x=", "y", "Unknown query parameter: 'y'"),
        ("sort=title&order=", "sort", "sort must be empty: it is not supported yet"),
        ("order=desc", "order", "order must be empty: it is not supported yet"),
        ("sort=&sort=", "sort", "sort is given more than once"),
        ("search=%FF", "", "The query is not valid UTF-8"),
    ] {
        let response = Ports::new().send(signed_in(Method::GET, &format!("{LIST}?{query}"))).await;
        assert_eq!(response.problem(400, "VALIDATION_ERROR", field)["message"], message, "{query}");
    }
}

#[actix_web::test]
async fn an_unchanged_task_is_not_sent_again() {
    for (known, status) in [
        ("\"3\"", 304),
        ("W/\"3\"", 304),
        ("*", 304),
        ("\"1\", W/\"2\" ,\"3\"", 304),
        ("\"a,b\", \"3\"", 304),
        ("W/\"3-gzip\"", 304),
        ("\"3;br\"", 304),
        ("\"3-gzip-gzip\"", 200),
        ("\"3gzip\"", 200),
        ("\"2\"", 200),
        ("3", 200),
        ("\"3", 200),
        ("nonsense, \"3\"", 200),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let mut ports = Ports::new();
            ports.tasks.expect_get().returning(|_, _| Ok(task(3)));
            let response = ports.send(signed_in(method, ONE).insert_header((header::IF_NONE_MATCH, known))).await;
            assert_eq!((response.status.as_u16(), response.header("etag")), (status, "\"3\""), "{known}");
            assert_eq!(response.text.is_empty(), status == 304, "{known}");
        }
    }
}

/// The effect of a request on a task at version 3.
struct Written {
    response: TestResponse,
    /// Number of reads of the task.
    reads: usize,
    /// Committed writes: the task before and after.
    writes: Vec<(Task, Task)>,
}

async fn writing(request: actix_web::test::TestRequest) -> Written {
    let reads: Arc<Mutex<usize>> = Arc::default();
    let mut ports = Ports::new();
    let recorded = Arc::clone(&reads);
    ports.tasks.expect_get().returning(move |_, _| {
        *recorded.lock().unwrap() += 1;
        Ok(task(3))
    });
    let commits = accept_commits(&mut ports);
    let response = ports.send(request).await;
    let writes = commits.lock().unwrap().drain(..).flat_map(|(writes, _)| writes).collect::<Vec<_>>();
    let replaced = |write| match write {
        Write::Task { before: Some(before), after: Some(after), undoes: None } => (before, after),
        write @ Write::Task { .. } => panic!("{write:?}"),
    };
    let reads = *reads.lock().unwrap();
    Written { response, reads, writes: writes.into_iter().map(replaced).collect() }
}

#[actix_web::test]
async fn absent_and_null_fields_are_unchanged() {
    for (body, title, completed_at) in [
        (r#"{"title":" a "}"#, "a", None),
        (r#"{"title":"a","completed":null}"#, "a", None),
        (r#"{"title":null,"completed":true}"#, "Buy milk", Some(now())),
        (r#"{"completed":true}"#, "Buy milk", Some(now())),
    ] {
        for method in [Method::PUT, Method::PATCH] {
            let Written { response, writes, .. } = writing(json(signed_in(method, ONE), body)).await;
            response.ok(200);
            assert_eq!(response.header("etag"), "\"4\"");
            let changed = Task { title: title.parse().unwrap(), completed_at, ..task(4) };
            assert_eq!(writes, [(task(3), changed)], "{body}");
        }
    }
}

#[actix_web::test]
async fn a_patch_that_changes_nothing_writes_nothing() {
    for body in ["{}", r#"{"title":null,"completed":null}"#, r#"{"title":" Buy milk "}"#, r#"{"completed":false}"#] {
        for method in [Method::PUT, Method::PATCH] {
            let Written { response, writes, .. } = writing(json(signed_in(method, ONE), body)).await;
            assert_eq!((response.ok(200)["version"].clone(), response.header("etag")), (3.into(), "\"3\""));
            assert_eq!(writes, [], "{body}");
        }
    }
}

#[actix_web::test]
async fn complete_sets_the_given_state_or_toggles() {
    let completed = || Task { completed_at: Some(now()), ..task(4) };
    for (body, writes) in [
        ("{}", vec![(task(3), completed())]),
        (r#"{"completed":null}"#, vec![(task(3), completed())]),
        (r#"{"completed":true}"#, vec![(task(3), completed())]),
        (r#"{"completed":false}"#, vec![]),
    ] {
        let written = writing(json(signed_in(Method::PATCH, COMPLETE), body)).await;
        written.response.ok(200);
        assert_eq!(written.writes, writes, "{body}");
    }
    for request in [
        signed_in(Method::PATCH, COMPLETE),
        signed_in(Method::PATCH, COMPLETE).insert_header((header::CONTENT_TYPE, "text/plain")),
        json(signed_in(Method::PATCH, COMPLETE), ""),
    ] {
        let Written { response, writes, .. } = writing(request).await;
        response.ok(200);
        assert_eq!(writes, [(task(3), completed())], "without a body its type is ignored");
    }
    for (body, field) in [(r#"{"completed":"yes"}"#, "completed"), (r#"{"done":true}"#, "done")] {
        let Written { response, writes, .. } = writing(json(signed_in(Method::PATCH, COMPLETE), body)).await;
        response.problem(400, "VALIDATION_ERROR", field);
        assert_eq!(writes, []);
    }
}

fn write_requests() -> [(Method, &'static str, &'static str); 5] {
    [
        (Method::PUT, ONE, r#"{"title":"b"}"#),
        (Method::PATCH, ONE, r#"{"title":"b"}"#),
        (Method::PATCH, COMPLETE, ""),
        (Method::PATCH, COMPLETE, r#"{"completed":true}"#),
        (Method::DELETE, ONE, ""),
    ]
}

#[actix_web::test]
async fn a_matching_if_match_allows_the_write() {
    for (method, path, body) in write_requests() {
        let tags = ["\"3\"", "W/\"3\"", "\"3-gzip\"", "W/\"3--gzip\"", "\"3;gzip\"", "\"3-br\"", "\"3-zstd\""];
        let lists = ["*", "\"7\", \"3\"", "W/\"3\" , \"3\"", "\"a,b\",\"3\"", "W/\"2\", W/\"3\""];
        for guard in tags.into_iter().chain(lists) {
            let request = json(signed_in(method.clone(), path), body).insert_header((header::IF_MATCH, guard));
            let Written { response, writes, .. } = writing(request).await;
            assert!(response.status.is_success(), "{method} {path} {guard}: {response:?}");
            assert_eq!(writes.len(), 1, "{method} {path} {guard}: {writes:?}");
            assert_eq!(writes[0].0.version.get(), 3, "{method} {path} {guard}");
        }
    }
}

#[actix_web::test]
async fn a_mismatched_if_match_changes_nothing() {
    for (method, path, body) in write_requests() {
        let coded = ["\"3gzip\"", "\"3-\"", "\"-gzip\"", "\"gzip\"", "\"3-gzip-br\"", "\"2-gzip\"", "\"3-GZIP\""];
        let plain = ["\"2\"", "\"2\", \"4\"", "W/\"2\"", "\"03\"", "\"+3\"", "\"0\"", "\"x\"", "\"\""];
        for guard in plain.into_iter().chain(coded) {
            let request = json(signed_in(method.clone(), path), body).insert_header((header::IF_MATCH, guard));
            let Written { response, writes, .. } = writing(request).await;
            response.problem(412, "PRECONDITION_FAILED", "");
            assert_eq!(writes, [], "{method} {path} {guard}");
        }
    }
}

#[actix_web::test]
async fn an_invalid_if_match_is_refused() {
    for (method, path, body) in write_requests() {
        for guard in ["3", "\"3", "nonsense, \"3\"", "*, \"3\"", "", ",", "\"3\" \"3\"", "w/\"3\""] {
            let request = json(signed_in(method.clone(), path), body).insert_header((header::IF_MATCH, guard));
            let Written { response, reads, writes } = writing(request).await;
            response.problem(400, "VALIDATION_ERROR", "If-Match");
            assert_eq!((reads, writes), (0, vec![]), "{method} {path} {guard}");
        }
    }
    let both = signed_in(Method::DELETE, ONE)
        .append_header((header::IF_MATCH, "\"9\""))
        .append_header((header::IF_MATCH, "\"3\""));
    let Written { response, writes, .. } = writing(both).await;
    assert_eq!(response.status.as_u16(), 204, "several header lines are one list: {writes:?}");
}

#[actix_web::test]
async fn a_stale_write_is_retried_unless_it_has_an_if_match() {
    for (guard, status) in [(None, 200), (Some("\"3\""), 412)] {
        let mut ports = Ports::new();
        ports.tasks.expect_get().times(1).returning(|_, _| Ok(task(3)));
        ports.tasks.expect_get().returning(|_, _| Ok(task(4)));
        ports.changes.expect_commit().times(1).returning(|_, _, _| Err(ChangeRepoError::Stale));
        let commits = accept_commits(&mut ports);
        let mut request = json(signed_in(Method::PATCH, ONE), r#"{"title":"b"}"#);
        if let Some(guard) = guard {
            request = request.insert_header((header::IF_MATCH, guard));
        }
        assert_eq!(ports.send(request).await.status, status, "{guard:?}");
        assert_eq!(commits.lock().unwrap().len(), usize::from(status == 200));
    }
}

#[actix_web::test]
async fn a_write_that_stays_stale_is_refused_as_overloaded() {
    let mut ports = Ports::new();
    ports.tasks.expect_get().returning(|_, _| Ok(task(3)));
    ports.changes.expect_commit().returning(|_, _, _| Err(ChangeRepoError::Stale));
    let response = ports.send(signed_in(Method::DELETE, ONE)).await;
    response.problem(503, "OVERLOADED", "");
    assert_eq!(response.header("retry-after"), "1");
}

#[actix_web::test]
async fn a_deleted_task_is_moved_to_the_trash() {
    let Written { response, writes, .. } = writing(signed_in(Method::DELETE, ONE)).await;
    assert_eq!((response.status.as_u16(), response.text.as_str(), response.header("etag")), (204, "", ""));
    assert_eq!(writes, [(task(3), Task { deleted_at: Some(now()), ..task(4) })]);
}

#[actix_web::test]
async fn a_deleted_user_creates_nothing() {
    let mut ports = Ports::new();
    ports.changes.expect_commit().returning(|_, _, _| Err(ChangeRepoError::NotFound));
    let response = ports.send(json(signed_in(Method::POST, LIST), r#"{"title":"a"}"#)).await;
    response.problem(401, "UNAUTHORIZED", "");
    assert!(response.header("www-authenticate").contains("invalid_token"));
}
