//! The document that a server serves, as tests walk it: its operations, and for each of them a request that fits.
//!
//! Deliberately not here: a list of routes. Whatever is in the document is walked, so nobody has to remember a new one.

use anyhow::Context as _;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::TestUser;

/// One operation of the document.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its name.
    pub id: String,
    /// Its method.
    pub method: Method,
    /// Its path, with variables in braces.
    pub path: String,
    /// Whether a token is needed.
    pub protected: bool,
    /// The scope that the token needs, if it is a certain one.
    pub scope: Option<String>,
    /// A body that fits its schema, if it takes one.
    pub body: Option<Value>,
}

/// The operations that a server's document describes.
///
/// # Errors
/// If there is no document, or it makes no sense.
pub async fn operations(nobody: &TestUser) -> anyhow::Result<Vec<Operation>> {
    let document = nobody.get("/openapi.json").await?.expect(200)?;
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().context("paths")? {
        for (method, operation) in item.as_object().context("a path's operations")? {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            operations.push(Operation {
                id: operation["operationId"].as_str().context("an operation's id")?.to_owned(),
                method: method.to_uppercase().parse()?,
                path: path.clone(),
                protected: operation["security"][0].is_object(),
                scope: operation["security"][0]["bearer"][0].as_str().map(str::to_owned),
                body: (!schema.is_null()).then(|| sample(schema, &document)),
            });
        }
    }
    Ok(operations)
}

/// A value that fits a schema: the example where there is one, else the simplest.
fn sample(schema: &Value, document: &Value) -> Value {
    if let Some(target) = schema["$ref"].as_str() {
        return document.pointer(target.trim_start_matches('#')).map_or(Value::Null, |schema| sample(schema, document));
    }
    if let Some(example) = schema.get("example") {
        return example.clone();
    }
    // A body that may be left out, or be one of several, is the first of them that is something.
    for choice in ["oneOf", "anyOf", "allOf"] {
        if let Some(choices) = schema[choice].as_array() {
            let mut samples = choices.iter().map(|schema| sample(schema, document));
            return samples.rfind(|sample| !sample.is_null()).unwrap_or_default();
        }
    }
    if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
        return first.clone();
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or_default();
    match kind {
        "object" => {
            let required = |name: &String| schema["required"].as_array().is_some_and(|all| all.contains(&json!(name)));
            let fields = schema["properties"].as_object().into_iter().flatten();
            let fields = fields.filter(|(name, _)| required(name));
            fields.map(|(name, schema)| (name.clone(), sample(schema, document))).collect::<Map<_, _>>().into()
        }
        "array" => json!([sample(&schema["items"], document)]),
        "boolean" => json!(true),
        "integer" | "number" => json!(1),
        "string" if schema["format"] == "uuid" => json!("0198c0de-0000-7000-8000-000000000001"),
        "string" => json!("a text that fits"),
        _ => Value::Null,
    }
}
