//! The OpenAPI document (3.1). What is particular to a route stands beside its handler; what follows from the table of
//! routes is added here for all of them at once: `HEAD`, sign-in, path variables, headers and errors.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use domain::principal::Scope;

use crate::code::Code;
use crate::problem::{self, Problem, ProblemBody};
use crate::route::{self, Endpoint};
use crate::{
    account, api_token, change, chat, conversation, docs, events, health, message, oauth, session, stream, task, trash,
    turn, undo, usage,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "Doable", description = include_str!("openapi.md")),
    paths(
        account::register, account::login, account::refresh, account::logout, account::me, account::update_me,
        account::delete_me, account::change_password, session::list, session::end_all, session::end,
        api_token::create, api_token::list, api_token::delete, oauth::begin, oauth::callback, oauth::link, oauth::exchange,
        task::list, task::create, task::get, task::replace, task::update, task::complete, task::delete,
        trash::restore, trash::list, trash::empty, trash::purge, change::list, events::follow, undo::change,
        undo::operation, undo::turn, chat::send, conversation::list, conversation::get, conversation::update, conversation::delete, message::list,
        turn::follow, turn::stop, usage::list, health::up, health::live, health::ready, docs::openapi, docs::page, docs::file,
    ),
    components(schemas(ProblemBody, stream::frame::Frame)),
    tags(
        (name = "Accounts", description = "Registering, signing in and out, and one's own account."),
        (name = "Tasks", description = "The user's tasks."),
        (name = "Trash", description = "Deleted tasks, until they are restored or removed for good."),
        (name = "Changes", description = "Every change of the user's tasks, whoever made it: to follow and to undo."),
        (name = "Chat", description = "Conversations with the assistant, which works on the user's tasks."),
        (name = "Health", description = "Whether the server does its work."),
        (name = "Documentation", description = "This document."),
    ),
)]
struct Described;

/// What the error responses of every route are described by.
const PROBLEM: &str = "#/components/schemas/Problem";
/// Where shared responses stand.
const RESPONSES: &str = "#/components/responses/";

/// The headers of every answer.
const ALWAYS: [(&str, &str); 6] = [
    ("X-Request-Id", "The request's id: the client's if it was sane, made by the server if not."),
    ("Cache-Control", "`no-store`, save for the documentation."),
    ("Content-Security-Policy", "What a browser may do with the answer."),
    ("Referrer-Policy", "`no-referrer`"),
    ("X-Content-Type-Options", "`nosniff`"),
    ("X-Frame-Options", "`DENY`"),
];

/// The headers of some answers, whichever route gives them.
const SOMETIMES: [(&str, &str); 5] = [
    ("Strict-Transport-Security", "In production only."),
    ("Access-Control-Allow-Origin", "To pages that may use the API."),
    ("Access-Control-Expose-Headers", "What such pages may read."),
    ("Vary", "What the answer depends on beyond the address."),
    ("Date", "When it was answered."),
];

/// The headers of answers of routes that are limited, while a limit is set.
const LIMITED: [(&str, &str); 2] = [
    (
        "RateLimit",
        "What is left: `\"chat\";r=19;t=3` is 19 requests within the next 3 seconds, after which all are there again. \
         Of a refusal: none within so many seconds (draft-ietf-httpapi-ratelimit-headers-11).",
    ),
    (
        "RateLimit-Policy",
        "The limit: `\"chat\";q=20;w=60` is 20 requests within 60 seconds, \
         `\"streams\";q=8;qu=\"concurrent-requests\"` is 8 streams at once.",
    ),
];

/// The whole document.
pub(crate) fn document() -> Value {
    let mut document = json!(Described::openapi());
    document["info"]["license"] = json!({ "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" });
    let mut components = document["components"].take();
    add_components(&mut components);
    for endpoint in route::table() {
        let item = &mut document["paths"][endpoint.path()];
        for method in endpoint.methods().filter(|method| **method != Method::HEAD) {
            complete(&mut item[method.as_str().to_lowercase()], &endpoint, method, &mut components);
        }
        if endpoint.methods().any(|method| *method == Method::HEAD) {
            item["head"] = head(&item["get"], &mut components);
        }
    }
    document["components"] = components;
    document
}

fn add_components(components: &mut Value) {
    components["securitySchemes"]["bearer"] = json!({
        "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
        "description": "The access token that a sign-in gives, or an API token (`dbl_…`) that has the scope.",
    });
    components["parameters"]["X-Request-Id"] = json!({
        "name": "X-Request-Id", "in": "header", "required": false,
        "description": "An id for the request: at most 128 letters, digits and `-_.:/+=@`. Anything else is replaced.",
        "schema": { "type": "string" },
    });
    for (name, description) in ALWAYS {
        components["headers"][name] = header(description, true);
    }
    for (name, description) in SOMETIMES.into_iter().chain(LIMITED) {
        components["headers"][name] = header(description, false);
    }
    let mut wrong_method = failure(StatusCode::METHOD_NOT_ALLOWED, &[Code::MethodNotAllowed], false);
    wrong_method["headers"]["Allow"] = header("The methods that the address takes.", true);
    components["responses"] = json!({
        "NoRoute": failure(StatusCode::NOT_FOUND, &[Code::NotFound], false),
        "WrongMethod": wrong_method,
    });
}

fn header(description: &str, required: bool) -> Value {
    json!({ "description": description, "required": required, "schema": { "type": "string" } })
}

/// Adds to an operation what follows from its route.
fn complete(operation: &mut Value, endpoint: &Endpoint, method: &Method, components: &mut Value) {
    let variables = variables(endpoint.path());
    if let Some(parameters) =
        operation.as_object_mut().map(|operation| operation.entry("parameters").or_insert(json!([])))
        && let Some(parameters) = parameters.as_array_mut()
    {
        // An absent parameter is left out; it cannot be null.
        for schema in parameters.iter_mut().map(|parameter| &mut parameter["schema"]) {
            if let Some(kind) = schema["type"].as_array().and_then(|kinds| kinds.first()).cloned() {
                schema["type"] = kind;
            }
        }
        parameters.splice(0..0, variables);
        parameters.push(json!({ "$ref": "#/components/parameters/X-Request-Id" }));
    }
    operation["security"] = if endpoint.is_protected() {
        // For a scheme of type `http`, 3.1 lets a list say which scopes are needed, though nobody enforces it.
        let scopes: Vec<&str> = endpoint.scope(method).into_iter().map(Scope::as_str).collect();
        json!([{ "bearer": scopes }])
    } else {
        json!([])
    };
    let codes = codes(operation, endpoint, method);
    let mut by_status: BTreeMap<StatusCode, Vec<Code>> = BTreeMap::new();
    for code in codes {
        by_status.entry(code.status()).or_default().push(code);
    }
    let responses = &mut operation["responses"];
    for response in responses.as_object_mut().into_iter().flat_map(Map::values_mut) {
        add_headers(response, endpoint.is_limited());
    }
    for (status, codes) in by_status {
        // Operations that fail alike share a response.
        let names = codes.iter().map(|code| code.as_str()).chain((!endpoint.is_limited()).then_some("UNLIMITED"));
        let name = names.collect::<Vec<_>>().join(".");
        responses[status.as_str()] = json!({ "$ref": format!("{RESPONSES}{name}") });
        components["responses"][name] = failure(status, &codes, endpoint.is_limited());
    }
}

fn add_headers(response: &mut Value, limited: bool) {
    let limits = limited.then_some(LIMITED).into_iter().flatten();
    for (name, _) in ALWAYS.into_iter().chain(SOMETIMES).chain(limits) {
        response["headers"][name] = json!({ "$ref": format!("#/components/headers/{name}") });
    }
}

/// The variables in a path.
fn variables(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let variable = |name: &str| {
        let (description, schema) = match name {
            "user_id" => {
                ("The user's id, exactly as in the token's `sub`.", json!({ "type": "string", "format": "uuid" }))
            }
            "task_id" => ("The task's id.", json!({ "type": "string", "format": "uuid" })),
            "seq" => ("The number of the change.", json!({ "type": "integer", "format": "int64", "minimum": 1 })),
            "operation_id" => ("The operation's id.", json!({ "type": "string", "format": "uuid" })),
            "message_id" => ("The id of the assistant's message.", json!({ "type": "string", "format": "uuid" })),
            "id" if path.starts_with("/auth/sessions/") => {
                ("The session's id.", json!({ "type": "string", "format": "uuid" }))
            }
            "id" if path.starts_with("/auth/tokens/") => {
                ("The token's id.", json!({ "type": "string", "format": "uuid" }))
            }
            "file" => ("The file's name.", json!({ "type": "string", "enum": docs::FILES })),
            _ => ("The conversation's id.", json!({ "type": "string", "format": "uuid" })),
        };
        json!({ "name": name, "in": "path", "required": true, "description": description, "schema": schema })
    };
    names.map(variable).collect()
}

/// The errors that an operation can answer.
fn codes(operation: &Value, endpoint: &Endpoint, method: &Method) -> BTreeSet<Code> {
    let path = endpoint.path();
    // Unknown query parameters are refused everywhere.
    let mut codes = BTreeSet::from([Code::ValidationError]);
    if operation.get("requestBody").is_some() {
        codes.extend([Code::MalformedJson, Code::RequestTimeout, Code::PayloadTooLarge, Code::UnsupportedMediaType]);
    }
    if endpoint.is_protected() {
        codes.extend([Code::Unauthorized, Code::TokenExpired]);
    }
    if path.starts_with("/auth/") || path.starts_with("/api/") {
        codes.extend([Code::InternalError, Code::DatabaseUnavailable, Code::Overloaded]);
        if !method.is_safe() {
            codes.insert(Code::StorageFull);
        }
    }
    if endpoint.is_limited() {
        codes.insert(Code::RateLimited);
    }
    if endpoint.scope(method).is_some() {
        codes.insert(Code::InsufficientScope);
    }
    if path.contains("{user_id}") {
        codes.insert(Code::Forbidden);
    }
    if path.contains("{task_id}") {
        codes.insert(Code::TaskNotFound);
    }
    if path.contains("/conversations/{id}") {
        codes.insert(Code::ConversationNotFound);
    }
    if path.ends_with("/undo") {
        codes.extend([Code::NotFound, Code::UndoConflict]);
    }
    if operation["parameters"].as_array().is_some_and(|all| all.iter().any(|one| one["name"] == "If-Match")) {
        codes.insert(Code::PreconditionFailed);
    }
    codes.extend(particular(operation["operationId"].as_str().unwrap_or_default()));
    codes
}

/// The errors of one operation that do not follow from its route.
fn particular(operation: &str) -> &'static [Code] {
    match operation {
        "register" => &[Code::EmailTaken],
        "login" | "change_password" | "delete_me" => &[Code::InvalidCredentials],
        "end_session" => &[Code::SessionNotFound],
        "delete_token" => &[Code::TokenNotFound],
        "google" | "google_callback" | "google_link" => &[Code::OauthNotConfigured],
        "refresh" => &[Code::Unauthorized, Code::TokenExpired],
        "chat" => &[
            Code::ConversationNotFound,
            Code::TurnInProgress,
            Code::NoTurn,
            Code::NotPending,
            Code::IdempotencyInProgress,
            Code::IdempotencyKeyReused,
            Code::AiError,
            Code::AiUnavailable,
            Code::AiTimeout,
        ],
        "list_changes" | "follow_changes" => &[Code::CursorExpired],
        "stop_turn" => &[Code::NoTurn],
        "health_ready" => &[Code::DatabaseUnavailable, Code::Overloaded],
        "docs_file" => &[Code::NotFound],
        _ => &[],
    }
}

/// An error response: every code that the status can come with.
fn failure(status: StatusCode, codes: &[Code], limited: bool) -> Value {
    let lines: Vec<String> = codes.iter().map(|code| format!("- `{}`: {}", code.as_str(), code.message())).collect();
    let examples: Map<String, Value> = codes
        .iter()
        .map(|code| (code.as_str().to_owned(), json!({ "value": Problem::new(*code).example() })))
        .collect();
    let mut headers = Map::new();
    if status == StatusCode::UNAUTHORIZED {
        headers.insert("WWW-Authenticate".to_owned(), header("How to authenticate (RFC 6750).", true));
    }
    if [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS].contains(&status) {
        // What is not set up does not come by waiting.
        let always = !codes.contains(&Code::OauthNotConfigured);
        headers.insert("Retry-After".to_owned(), header("When to try again, in seconds.", always));
    }
    if codes.contains(&Code::InsufficientScope) {
        let about = "Which scope is needed (RFC 6750), where that is what is missing.";
        headers.insert("WWW-Authenticate".to_owned(), header(about, false));
    }
    let mut response = json!({
        "description": lines.join("\n"),
        "headers": headers,
        "content": { problem::MEDIA_TYPE: { "schema": { "$ref": PROBLEM }, "examples": examples } },
    });
    add_headers(&mut response, limited);
    if status == StatusCode::TOO_MANY_REQUESTS {
        for (name, description) in LIMITED {
            response["headers"][name] = header(description, true);
        }
    }
    response
}

/// The operation that answers as `get` does, without the body.
fn head(get: &Value, components: &mut Value) -> Value {
    let mut head = get.clone();
    for (key, after) in [("operationId", "_head"), ("summary", " (headers only)")] {
        head[key] = json!(format!("{}{after}", get[key].as_str().unwrap_or_default()));
    }
    for response in head["responses"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        let shared = response["$ref"].as_str().and_then(|shared| shared.strip_prefix(RESPONSES)).map(str::to_owned);
        if let Some(shared) = shared {
            let name = format!("{shared}.HEAD");
            components["responses"][&name] = without_body(&components["responses"][&shared]);
            *response = json!({ "$ref": format!("{RESPONSES}{name}") });
        } else {
            *response = without_body(response);
        }
    }
    head
}

fn without_body(response: &Value) -> Value {
    let mut response = response.clone();
    if let Some(response) = response.as_object_mut() {
        response.remove("content");
    }
    response
}
