//! The OpenAPI document describes exactly the routes that the server has.

use std::collections::{BTreeSet, HashMap};

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::tests::support::{DOCUMENT, Ports, TestResponse, anonymous, operations};

#[test]
fn the_document_names_every_route_and_nothing_more() {
    let served: BTreeSet<(String, String)> =
        operations().map(|(path, method, _)| (path.to_owned(), method.as_str().to_lowercase())).collect();
    let described: BTreeSet<(String, String)> = DOCUMENT["paths"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, item)| item.get("$ref").is_none())
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(|method| (path.clone(), method.clone())))
        .collect();
    assert_eq!(served, described);
}

#[test]
fn routes_of_accounts_are_described_under_api_too() {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let aliases: BTreeSet<(&str, &str)> =
        paths.iter().filter_map(|(path, item)| Some((path.as_str(), item["$ref"].as_str()?))).collect();
    let mut expected = BTreeSet::from([
        ("/api/auth/signup".to_owned(), "#/paths/~1auth~1register".to_owned()),
        ("/api/auth/signin".to_owned(), "#/paths/~1auth~1login".to_owned()),
    ]);
    for path in paths.keys().filter(|path| path.starts_with("/auth/")) {
        expected.insert((format!("/api{path}"), format!("#/paths/{}", path.replace('/', "~1"))));
        let of_a_user = format!("/api/{{user_id}}{}", path.strip_prefix("/auth").unwrap());
        assert!(!paths.contains_key(&of_a_user), "{of_a_user} and /api{path} are ambiguous");
    }
    assert_eq!(aliases, expected.iter().map(|(path, target)| (path.as_str(), target.as_str())).collect());
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
fn every_path_parameter_is_required() {
    for (path, method, operation) in operations() {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        for parameter in parameters.filter(|parameter| parameter["in"] == "path") {
            assert_eq!(parameter["required"], true, "{method} {path}: {parameter}");
        }
    }
}

#[test]
fn every_reference_resolves() {
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
fn request_schemas_are_closed_and_response_schemas_open() {
    let closed = |name: &str| DOCUMENT["components"]["schemas"][name]["additionalProperties"] == false;
    for request in ["Registration", "Credentials", "RefreshToken", "UserPatch", "NewTask", "TaskPatch", "Completion"] {
        assert!(closed(request), "{request}");
    }
    for request in ["ChatConfirmation", "Undo"] {
        assert!(closed(request), "{request}");
    }
    for response in ["StoredTask", "Change", "Undone", "Conflict", "Receipt", "TaskRef", "PendingAction", "PendingItem"]
    {
        assert!(DOCUMENT["components"]["schemas"][response].is_object() && !closed(response), "{response}");
    }
    for request in ["ChatMessage", "ConversationPatch", "PasswordChange", "Deletion", "NewApiToken", "Exchange"] {
        assert!(closed(request), "{request}");
    }
    for response in ["Session", "User", "Task", "Turn", "ToolCall", "Conversation", "Message", "MessagePart", "Problem"]
    {
        assert!(!closed(response), "{response}");
    }
    for response in ["ActiveSession", "ApiToken", "IssuedApiToken", "Link"] {
        assert!(DOCUMENT["components"]["schemas"][response].is_object() && !closed(response), "{response}");
    }
    // The fields depend on the version of the SDK.
    for open in ["UiChat", "UiMessage", "StreamPart", "MessageMetadata", "UsageOfDay"] {
        assert!(DOCUMENT["components"]["schemas"][open].is_object() && !closed(open), "{open}");
    }
}

#[test]
fn protected_routes_document_their_scope() {
    let of_tasks = |path: &str| {
        ["/tasks", "/trash", "/changes", "/events"].iter().any(|noun| path.contains(noun)) || path.ends_with("/undo")
    };
    let open = ["register", "login", "refresh", "logout", "exchange", "google", "google/callback"];
    for (path, method, operation) in operations() {
        let open = !path.starts_with("/api/") && path.strip_prefix("/auth/").is_none_or(|name| open.contains(&name));
        let needed = match (path, method.as_str()) {
            _ if open => json!([]),
            // Any token may read its account.
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
    let response = Ports::new().send(anonymous(Method::GET, "/openapi.json")).await;
    let document = response.ok(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    let mut expected = DOCUMENT.clone();
    expected["servers"] = json!([{ "url": "/" }]);
    assert_eq!(document, expected);
    assert_eq!(response.header("content-type"), "application/json");
}

#[actix_web::test]
async fn the_docs_page_is_self_contained_without_inline_scripts() {
    let page = Ports::new().send(anonymous(Method::GET, "/docs")).await;
    page_is_self_contained(&page);
    let sources = page.text.split(['"']).filter(|value| value.starts_with("/docs/")).map(str::to_owned);
    let sources: Vec<String> = sources.collect();
    assert_eq!(sources.len(), crate::routes::docs::FILES.len(), "{}", page.text);
    let requests = sources.iter().map(|source| anonymous(Method::GET, source));
    for file in Ports::new().send_all(requests).await {
        assert_eq!(file.status, 200, "{}", file.path);
        assert!(!file.text.is_empty(), "{}", file.path);
    }
    let start = Ports::new().send(anonymous(Method::GET, "/docs/start.js")).await;
    assert!(start.text.contains(r#"url: "/openapi.json""#) && !start.text.contains("://"), "{}", start.text);
}

#[actix_web::test]
async fn the_documentation_has_the_path_of_the_public_url() {
    let mut ports = Ports::new();
    ports.options.public_url = "https://example.com/todo/".parse().unwrap();
    let paths = ["/openapi.json", "/docs/", "/docs/start.js"];
    let responses = ports.send_all(paths.map(|path| anonymous(Method::GET, path))).await;
    assert_eq!(responses[0].ok(200)["servers"], json!([{ "url": "/todo" }]));
    assert_eq!(responses[1].text.matches("\"/todo/docs/").count(), crate::routes::docs::FILES.len());
    assert!(!responses[1].text.contains("\"/docs/"), "{}", responses[1].text);
    assert!(responses[2].text.contains(r#"url: "/todo/openapi.json""#), "{}", responses[2].text);
}

fn page_is_self_contained(page: &TestResponse) {
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
async fn other_files_of_the_docs_page_do_not_exist() {
    for path in
        ["/docs/index.html", "/docs/swagger-initializer.js", "/docs/oauth2-redirect.html", "/docs/..%2Fopenapi.json"]
    {
        Ports::new().send(anonymous(Method::GET, path)).await.problem(404, "NOT_FOUND", "");
    }
}
