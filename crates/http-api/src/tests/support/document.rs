//! The OpenAPI document, and checks of responses against it.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use actix_web::http::Method;
use jsonschema::Validator;
use serde_json::{Value, json};

use super::stream_reader::events;
use super::test_response::TestResponse;
use crate::{openapi, routes};

pub(crate) static DOCUMENT: LazyLock<Value> = LazyLock::new(|| openapi::document(&routes::table()));

/// The operations of the route table, without aliases, with their descriptions in the document.
pub(crate) fn operations() -> impl Iterator<Item = (&'static str, Method, Value)> {
    let originals = routes::table().into_iter().filter(|endpoint| endpoint.alias_of().is_none());
    originals.flat_map(|endpoint| {
        let (path, item) = DOCUMENT["paths"].as_object().unwrap().get_key_value(endpoint.path()).unwrap();
        let operation = |method: &Method| (path.as_str(), method.clone(), item[method.as_str().to_lowercase()].clone());
        endpoint.methods().map(operation).collect::<Vec<_>>()
    })
}

/// Checks that `response` is described in the document.
#[track_caller]
pub(crate) fn check(response: &TestResponse) {
    let matches = |template: &str| {
        let mut segments = response.path.split('/');
        let matches = |template: &str, segment: &str| {
            if template.starts_with('{') { !segment.is_empty() } else { template == segment }
        };
        template.split('/').all(|part| segments.next().is_some_and(|segment| matches(part, segment)))
            && segments.next().is_none()
    };
    let paths = DOCUMENT["paths"].as_object().unwrap();
    // A path without variables takes precedence.
    let path = paths.keys().filter(|path| matches(path)).min_by_key(|path| path.matches('{').count());
    let operation = path.map(|path| &resolve(&paths[path])[response.method.as_str().to_lowercase()]);
    let description = match operation {
        None if response.method == Method::OPTIONS => return,
        None => &DOCUMENT["components"]["responses"]["NoRoute"],
        Some(Value::Null) if response.method == Method::OPTIONS && response.status != 405 => return,
        Some(Value::Null) => &DOCUMENT["components"]["responses"]["WrongMethod"],
        Some(operation) => resolve(&operation["responses"][response.status.as_str()]),
    };
    assert!(!description.is_null(), "not described: {response:?}");
    check_headers(response, description);
    check_body(response, description);
}

pub(crate) fn resolve(reference: &'static Value) -> &'static Value {
    match reference["$ref"].as_str() {
        Some(path) => DOCUMENT.pointer(&path[1..]).unwrap(),
        None => reference,
    }
}

fn check_headers(response: &TestResponse, description: &'static Value) {
    let described = description["headers"].as_object().unwrap();
    for (name, _) in &response.headers {
        let known = ["content-type", "content-length"].contains(&name.as_str())
            || described.keys().any(|known| known.eq_ignore_ascii_case(name));
        assert!(known, "{name} is not described: {response:?}");
    }
    for (name, header) in described {
        if resolve(header)["required"] == true {
            assert_ne!(response.header(name), "", "{name} is missing: {response:?}");
        }
    }
}

fn check_body(response: &TestResponse, description: &Value) {
    if response.method == Method::HEAD {
        return;
    }
    let Some(content) = description["content"].as_object() else {
        assert_eq!(response.text, "", "no body is described: {response:?}");
        return;
    };
    let media_type = response.header("content-type");
    let problems = &description["content"]["application/problem+json"];
    let content = content.get(media_type).unwrap_or_else(|| panic!("{media_type} is not described: {response:?}"));
    if media_type == "text/event-stream" && response.path.ends_with("/events") {
        for event in events(&response.text) {
            let change = json!({ "$ref": "#/components/schemas/Change" });
            check_schema(&change, &event.data).unwrap_or_else(|error| panic!("{error}: {event:?}"));
        }
    } else if media_type == "text/event-stream" {
        for frame in response.frames() {
            let part = json!({ "$ref": "#/components/schemas/StreamPart" });
            check_schema(&part, &frame).unwrap_or_else(|error| panic!("{error}: {frame}"));
        }
    }
    if media_type.ends_with("json") {
        let body = response.json();
        check_schema(&content["schema"], &body).unwrap_or_else(|error| panic!("{error}: {response:?}"));
        if response.status.as_u16() >= 400 {
            let codes = problems["examples"].as_object().unwrap();
            assert!(codes.contains_key(body["code"].as_str().unwrap()), "the code is not described: {response:?}");
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
