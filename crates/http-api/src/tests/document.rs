//! The document: it is what the server does, no more and no less.

use std::collections::{BTreeSet, HashMap};
use std::sync::{LazyLock, Mutex};

use actix_web::http::Method;
use jsonschema::Validator;
use serde_json::{Value, json};

use super::follower::events;
use super::{Answer, Ports, anonymous};
use crate::{openapi, route};

pub(super) static DOCUMENT: LazyLock<Value> = LazyLock::new(openapi::document);

/// The operations of the table of routes.
pub(super) fn operations() -> impl Iterator<Item = (&'static str, Method, Value)> {
    route::table().into_iter().flat_map(|endpoint| {
        let operation = |method: &Method| {
            let operation = DOCUMENT["paths"][endpoint.path()][method.as_str().to_lowercase()].clone();
            (endpoint.path(), method.clone(), operation)
        };
        endpoint.methods().map(operation).collect::<Vec<_>>()
    })
}

/// Checks that `answer` is described.
#[track_caller]
pub(super) fn check(answer: &Answer) {
    let fits = |template: &str| {
        let mut given = answer.path.split('/');
        let fits = |want: &str, have: &str| if want.starts_with('{') { !have.is_empty() } else { want == have };
        template.split('/').all(|want| given.next().is_some_and(|have| fits(want, have))) && given.next().is_none()
    };
    let paths = DOCUMENT["paths"].as_object().unwrap();
    // A path without variables goes first.
    let path = paths.keys().filter(|path| fits(path)).min_by_key(|path| path.matches('{').count());
    let operation = path.map(|path| &paths[path][answer.method.as_str().to_lowercase()]);
    let response = match operation {
        None if answer.method == Method::OPTIONS => return,
        None => &DOCUMENT["components"]["responses"]["NoRoute"],
        Some(Value::Null) if answer.method == Method::OPTIONS && answer.status != 405 => return,
        Some(Value::Null) => &DOCUMENT["components"]["responses"]["WrongMethod"],
        Some(operation) => resolve(&operation["responses"][answer.status.as_str()]),
    };
    assert!(!response.is_null(), "not described: {answer:?}");
    check_headers(answer, response);
    check_body(answer, response);
}

pub(super) fn resolve(reference: &'static Value) -> &'static Value {
    match reference["$ref"].as_str() {
        Some(path) => DOCUMENT.pointer(&path[1..]).unwrap(),
        None => reference,
    }
}

fn check_headers(answer: &Answer, response: &'static Value) {
    let described = response["headers"].as_object().unwrap();
    for (name, _) in &answer.headers {
        let known = ["content-type", "content-length"].contains(&name.as_str())
            || described.keys().any(|known| known.eq_ignore_ascii_case(name));
        assert!(known, "{name} is not described: {answer:?}");
    }
    for (name, header) in described {
        if resolve(header)["required"] == true {
            assert_ne!(answer.header(name), "", "{name} is missing: {answer:?}");
        }
    }
}

fn check_body(answer: &Answer, response: &Value) {
    if answer.method == Method::HEAD {
        return;
    }
    let Some(content) = response["content"].as_object() else {
        assert_eq!(answer.text, "", "no body is described: {answer:?}");
        return;
    };
    let media_type = answer.header("content-type");
    let content = content.get(media_type).unwrap_or_else(|| panic!("{media_type} is not described: {answer:?}"));
    if media_type == "text/event-stream" && answer.path.ends_with("/events") {
        for event in events(&answer.text) {
            let change = json!({ "$ref": "#/components/schemas/Change" });
            check_schema(&change, &event.data).unwrap_or_else(|error| panic!("{error}: {event:?}"));
        }
    } else if media_type == "text/event-stream" {
        for frame in answer.frames() {
            let part = json!({ "$ref": "#/components/schemas/StreamPart" });
            check_schema(&part, &frame).unwrap_or_else(|error| panic!("{error}: {frame}"));
        }
    }
    if media_type.ends_with("json") {
        let body = answer.json();
        check_schema(&content["schema"], &body).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
        if answer.status.as_u16() >= 400 {
            let codes = content["examples"].as_object().unwrap();
            assert!(codes.contains_key(body["code"].as_str().unwrap()), "the code is not described: {answer:?}");
        }
    }
}

fn check_schema(schema: &Value, body: &Value) -> Result<(), String> {
    static VALIDATORS: LazyLock<Mutex<HashMap<String, Validator>>> = LazyLock::new(Mutex::default);
    let mut validators = VALIDATORS.lock().unwrap();
    let validator = validators.entry(schema.to_string()).or_insert_with(|| {
        let schema = json!({ "allOf": [schema], "components": DOCUMENT["components"] });
        jsonschema::validator_for(&schema).unwrap()
    });
    validator.validate(body).map_err(|error| error.to_string())
}

#[test]
fn the_document_names_every_route_and_nothing_more() {
    let served: BTreeSet<(String, String)> =
        operations().map(|(path, method, _)| (path.to_owned(), method.as_str().to_lowercase())).collect();
    let described: BTreeSet<(String, String)> = DOCUMENT["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(|method| (path.clone(), method.clone())))
        .collect();
    assert_eq!(served, described);
}

#[test]
fn every_operation_has_an_id_a_tag_and_a_summary() {
    let mut ids = HashMap::new();
    for (path, method, operation) in operations() {
        assert!(operation["summary"].is_string() && operation["tags"][0].is_string(), "{method} {path}");
        let earlier = ids.insert(operation["operationId"].to_string(), (path, method.clone()));
        assert_eq!(earlier, None, "{method} {path}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(value: &Value) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    assert!(DOCUMENT.pointer(&reference[1..]).is_some(), "{reference}");
                }
                fields.values().for_each(walk);
            }
            Value::Array(items) => items.iter().for_each(walk),
            _ => {}
        }
    }
    walk(&DOCUMENT);
}

#[test]
fn requests_are_closed_and_answers_open() {
    let closed = |name: &str| DOCUMENT["components"]["schemas"][name]["additionalProperties"] == false;
    for request in ["Registration", "Credentials", "RefreshToken", "UserPatch", "NewTask", "TaskPatch", "Completion"] {
        assert!(closed(request), "{request}");
    }
    for request in ["ChatConfirmation", "Undo"] {
        assert!(closed(request), "{request}");
    }
    for answer in ["StoredTask", "Change", "Undone", "Conflict", "Receipt", "TaskRef", "PendingAction", "PendingItem"] {
        assert!(DOCUMENT["components"]["schemas"][answer].is_object() && !closed(answer), "{answer}");
    }
    for request in ["ChatMessage", "ConversationPatch", "PasswordChange", "Deletion", "NewApiToken", "Exchange"] {
        assert!(closed(request), "{request}");
    }
    for answer in ["Session", "User", "Task", "Turn", "ToolCall", "Conversation", "Message", "MessagePart", "Problem"] {
        assert!(!closed(answer), "{answer}");
    }
    for answer in ["ActiveSession", "ApiToken", "IssuedApiToken", "Link"] {
        assert!(DOCUMENT["components"]["schemas"][answer].is_object() && !closed(answer), "{answer}");
    }
    // A page sends whatever its version of the SDK has.
    for open in ["UiChat", "UiMessage", "StreamPart", "MessageMetadata", "DailyUsage"] {
        assert!(DOCUMENT["components"]["schemas"][open].is_object() && !closed(open), "{open}");
    }
}

#[test]
fn protected_routes_say_so_and_which_scope_they_need() {
    let of_tasks = |path: &str| {
        ["/tasks", "/trash", "/changes", "/events"].iter().any(|noun| path.contains(noun)) || path.ends_with("/undo")
    };
    let open = ["register", "login", "refresh", "logout", "exchange", "google", "google/callback"];
    for (path, method, operation) in operations() {
        let open = !path.starts_with("/api/") && path.strip_prefix("/auth/").is_none_or(|name| open.contains(&name));
        let needed = match (path, method.as_str()) {
            _ if open => json!([]),
            // Whose a token is may be asked with any.
            ("/auth/me", "GET" | "HEAD") => json!([{ "bearer": [] }]),
            _ if path.starts_with("/auth/") => json!([{ "bearer": ["account"] }]),
            (_, "GET" | "HEAD") if of_tasks(path) => json!([{ "bearer": ["tasks:read"] }]),
            _ if of_tasks(path) => json!([{ "bearer": ["tasks:write"] }]),
            _ => json!([{ "bearer": ["chat"] }]),
        };
        assert_eq!(operation["security"], needed, "{method} {path}");
    }
}

#[actix_web::test]
async fn the_document_is_served_as_openapi_3_1() {
    let answer = Ports::new().ask(anonymous(Method::GET, "/openapi.json")).await;
    let document = answer.ok(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    assert_eq!(document, *DOCUMENT);
    assert_eq!(answer.header("content-type"), "application/json");
}

#[actix_web::test]
async fn the_page_of_the_document_needs_nothing_from_elsewhere_and_no_inline_script() {
    let page = Ports::new().ask(anonymous(Method::GET, "/docs")).await;
    page_is_self_contained(&page);
    let sources = page.text.split(['"']).filter(|value| value.starts_with("/docs/")).map(str::to_owned);
    let sources: Vec<String> = sources.collect();
    assert_eq!(sources.len(), crate::docs::FILES.len(), "{}", page.text);
    let requests = sources.iter().map(|source| anonymous(Method::GET, source));
    for file in Ports::new().ask_all(requests).await {
        assert_eq!(file.status, 200, "{}", file.path);
        assert!(!file.text.is_empty(), "{}", file.path);
    }
    let start = Ports::new().ask(anonymous(Method::GET, "/docs/start.js")).await;
    assert!(start.text.contains(r#"url: "/openapi.json""#) && !start.text.contains("://"), "{}", start.text);
}

fn page_is_self_contained(page: &Answer) {
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(!page.text.contains("://"), "{}", page.text);
    assert!(!page.text.contains("<style") && !page.text.contains("onload"), "{}", page.text);
    for script in page.text.split("<script").skip(1) {
        assert!(script.starts_with(" src=") && script.contains("></script>"), "{script}");
    }
    let policy = page.header("content-security-policy");
    assert!(policy.contains("script-src 'self';") && policy.contains("frame-ancestors 'none'"), "{policy}");
}

#[actix_web::test]
async fn other_files_of_the_page_do_not_exist() {
    for path in
        ["/docs/index.html", "/docs/swagger-initializer.js", "/docs/oauth2-redirect.html", "/docs/..%2Fopenapi.json"]
    {
        Ports::new().ask(anonymous(Method::GET, path)).await.problem(404, "NOT_FOUND", "");
    }
}
