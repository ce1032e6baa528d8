//! The operations of the served OpenAPI document, with valid and invalid bodies.

use anyhow::Context as _;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::marks::{Marks, is_secret};
use super::walk::Account;

/// An operation of the document.
pub struct Operation {
    pub method: Method,
    pub path: String,
    pub protected: bool,
    /// Query parameters: name and schema.
    pub query: Vec<(String, Value)>,
    /// Schemas of the accepted bodies, with references resolved.
    pub bodies: Vec<Value>,
    /// Whether it can respond with a stream.
    pub streams: bool,
}

pub fn operations(document: &Value) -> anyhow::Result<Vec<Operation>> {
    let mut operations = Vec::new();
    // An alias has the operations of another path.
    let paths = document["paths"].as_object().context("no paths")?;
    for (path, item) in paths.iter().filter(|(_, item)| item.get("$ref").is_none()) {
        for (method, operation) in item.as_object().context("no operations")? {
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
    /// Variables of the path, with braces.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.path.split('/').filter(|segment| segment.starts_with('{'))
    }
}

/// The object schemas that a schema allows.
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

/// A valid body of this schema with the secrets of `account`, and new ones for other secret fields.
pub fn valid_body(schema: &Value, account: &Account, marks: &mut Marks) -> Map<String, Value> {
    let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.contains(&json!(name)));
    let fields = schema["properties"].as_object().into_iter().flatten();
    let fields = fields.filter(|(name, schema)| required(name) || is_secret(name, schema));
    fields
        .map(|(name, schema)| {
            let value = match name.as_str() {
                "email" => json!(account.email),
                "password" | "current_password" => json!(account.password),
                "refresh_token" => json!(account.refresh),
                name if is_secret(name, schema) => json!(marks.create(name)),
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
        _ => json!("some text"),
    }
}

/// Invalid bodies, each with a secret.
pub fn invalid_bodies(schema: &Value, valid: &Map<String, Value>, marks: &mut Marks) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let mut with = |value: Value| {
            let mut body = valid.clone();
            body.insert(name.clone(), value);
            bodies.push(json!(body).to_string().into_bytes());
        };
        with(json!([marks.create(name)]));
        with(json!({ "x": marks.create(name) }));
        let free = field["type"].to_string().contains("string") && field["format"].is_null() && field["enum"].is_null();
        if is_secret(name, field) || !free {
            with(json!(marks.create(name)));
            // Delimiters at which an error message may be cut.
            with(json!(format!("{}, expected `x` at line 1", marks.create(name))));
            with(json!(format!("`{}`{}`", marks.create(name), marks.create(name))));
            with(json!(format!("{}{}", marks.create(name), "x".repeat(300))));
            with(json!(format!("{}\0", marks.create(name))));
        }
    }
    let mut unknown = valid.clone();
    unknown.insert("unexpected".to_owned(), json!({ "password": marks.create("unexpected") }));
    bodies.push(json!(unknown).to_string().into_bytes());
    let name = valid.keys().next().map_or("password", String::as_str);
    let mark = marks.create("broken");
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
