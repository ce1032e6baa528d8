//! The operations of the served OpenAPI document, with valid and invalid bodies for each. They are read from the document,
//! so that the test covers new routes, too.

use anyhow::Context as _;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::marks::{Marks, is_secret};
use super::walk::Account;

/// One operation.
pub struct Operation {
    pub method: Method,
    pub path: String,
    pub protected: bool,
    /// Its query parameters: name and schema.
    pub query: Vec<(String, Value)>,
    /// The schemas of the bodies that it takes, references resolved.
    pub bodies: Vec<Value>,
    /// Whether it can answer with a stream.
    pub streams: bool,
}

pub fn operations(document: &Value) -> anyhow::Result<Vec<Operation>> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().context("paths")? {
        for (method, operation) in item.as_object().context("a path's operations")? {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let query = parameters.map(|parameter| resolved(parameter, document));
            let query = query.filter(|parameter| parameter["in"] == "query");
            let name = |parameter: Value| Some((parameter["name"].as_str()?.to_owned(), parameter["schema"].clone()));
            operations.push(Operation {
                method: method.to_uppercase().parse()?,
                path: path.clone(),
                protected: operation["security"][0].is_object(),
                query: query.filter_map(name).collect(),
                bodies: alternatives(&operation["requestBody"]["content"]["application/json"]["schema"], document),
                streams: operation["responses"].to_string().contains("text/event-stream"),
            });
        }
    }
    Ok(operations)
}

impl Operation {
    /// The variables of its path.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.path.split('/').filter(|segment| segment.starts_with('{'))
    }
}

/// The objects that a schema allows.
fn alternatives(schema: &Value, document: &Value) -> Vec<Value> {
    let schema = resolved(schema, document);
    for choice in ["oneOf", "anyOf"] {
        if let Some(choices) = schema[choice].as_array() {
            return choices.iter().flat_map(|schema| alternatives(schema, document)).collect();
        }
    }
    if schema["properties"].is_object() { vec![schema] } else { Vec::new() }
}

fn resolved(schema: &Value, document: &Value) -> Value {
    match schema["$ref"].as_str() {
        Some(target) => document.pointer(target.trim_start_matches('#')).cloned().unwrap_or_default(),
        None => schema.clone(),
    }
}

/// A body of this schema, from somebody who knows what `account` knows. Secrets of others are made up.
pub fn fitting(schema: &Value, account: &Account, marks: &mut Marks) -> Map<String, Value> {
    let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.contains(&json!(name)));
    let fields = schema["properties"].as_object().into_iter().flatten();
    let fields = fields.filter(|(name, schema)| required(name) || is_secret(name, schema));
    fields
        .map(|(name, schema)| {
            let value = match name.as_str() {
                "email" => json!(account.email),
                "password" | "current_password" => json!(account.password),
                "refresh_token" => json!(account.refresh),
                name if is_secret(name, schema) => json!(marks.make(name)),
                _ => sample(schema),
            };
            (name.clone(), value)
        })
        .collect()
}

fn sample(schema: &Value) -> Value {
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or_default();
    match (schema.get("example"), schema["enum"][0].clone(), kind) {
        (Some(example), ..) => example.clone(),
        (_, first @ Value::String(_), _) => first,
        (.., "array") => json!([sample(&schema["items"])]),
        (.., "boolean") => json!(true),
        (.., "integer" | "number") => json!(1),
        (.., "object") => json!({}),
        _ => json!("a text"),
    }
}

/// Bodies that do not fit, each with a secret in it.
pub fn misfits(schema: &Value, fitting: &Map<String, Value>, marks: &mut Marks) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let mut with = |value: Value| {
            let mut body = fitting.clone();
            body.insert(name.clone(), value);
            bodies.push(json!(body).to_string().into_bytes());
        };
        with(json!([marks.make(name)]));
        with(json!({ "x": marks.make(name) }));
        let free = field["type"].to_string().contains("string") && field["format"].is_null() && field["enum"].is_null();
        if is_secret(name, field) || !free {
            with(json!(marks.make(name)));
            // What a message about one of them may be cut at.
            with(json!(format!("{}, expected `x` at line 1", marks.make(name))));
            with(json!(format!("`{}`{}`", marks.make(name), marks.make(name))));
            with(json!(format!("{}{}", marks.make(name), "x".repeat(300))));
            with(json!(format!("{}\0", marks.make(name))));
        }
    }
    let mut unknown = fitting.clone();
    unknown.insert("unexpected".to_owned(), json!({ "password": marks.make("unexpected") }));
    bodies.push(json!(unknown).to_string().into_bytes());
    let name = fitting.keys().next().map_or("password", String::as_str);
    let mark = marks.make("broken");
    for broken in [
        format!(r#"{{"{name}":"{mark}"#),
        format!(r#"{{"{name}":"{mark}",}}"#),
        format!(r#"{{"{name}":{mark}}}"#),
        format!(r#"{{"{name}":"{mark}","{name}":"{mark}"}}"#),
        format!(r#"{{"{name}":"{mark}"}} {mark}"#),
        format!(r#"{{"{name}":"{mark}\ud800"}}"#),
        format!(r#""{mark}""#),
        format!(r#"["{mark}"]"#),
        mark.clone(),
    ] {
        bodies.push(broken.into_bytes());
    }
    bodies.push([br#"{"password":""#, mark.as_bytes(), b"\xff\"}"].concat());
    bodies
}
