//! The OpenAPI document, and the check of responses against it.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use actix_web::http::Method;
use jsonschema::Validator;
use serde_json::{Value, json};

use super::stream_reader::events;
use super::test_response::TestResponse;
use crate::{openapi, routes};

pub(crate) static DOCUMENT: LazyLock<Value> = LazyLock::new(|| openapi::document(&routes::table()));

/// The operations of the table of routes.
pub(crate) fn operations() -> impl Iterator<Item = (&'static str, Method, Value)> {
    routes::table().into_iter().flat_map(|endpoint| {
        let operation = |method: &Method| {
            let operation = DOCUMENT["paths"][endpoint.path()][method.as_str().to_lowercase()].clone();
            (endpoint.path(), method.clone(), operation)
        };
        endpoint.methods().map(operation).collect::<Vec<_>>()
    })
}

/// Checks that `answer` is described.
#[track_caller]
pub(crate) fn check(answer: &TestResponse) {
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

pub(crate) fn resolve(reference: &'static Value) -> &'static Value {
    match reference["$ref"].as_str() {
        Some(path) => DOCUMENT.pointer(&path[1..]).unwrap(),
        None => reference,
    }
}

fn check_headers(answer: &TestResponse, response: &'static Value) {
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

fn check_body(answer: &TestResponse, response: &Value) {
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
