//! The operations of a server's OpenAPI document, each with a valid request body.

use anyhow::Context as _;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::TestUser;

/// One operation of the document.
#[derive(Clone, Debug)]
pub struct Operation {
    /// `operationId`.
    pub id: String,
    /// HTTP method.
    pub method: Method,
    /// Path with variables in braces.
    pub path: String,
    /// Whether it requires a token.
    pub protected: bool,
    /// Scope that the token must have; `None` if any token is accepted.
    pub scope: Option<String>,
    /// A valid body; `None` if it takes none.
    pub body: Option<Value>,
}

/// Fetches the operations of a server's document.
///
/// # Errors
/// If there is no document, or it is invalid.
pub async fn operations(user: &TestUser) -> anyhow::Result<Vec<Operation>> {
    let document = user.get("/openapi.json").await?.expect(200)?;
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().context("no paths")? {
        // A path can be an alias of another one.
        let original = item["$ref"].as_str().and_then(|target| document.pointer(target.trim_start_matches('#')));
        let item = original.unwrap_or(item);
        for (method, operation) in item.as_object().context("no operations")? {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            operations.push(Operation {
                id: operation["operationId"].as_str().context("no operationId")?.to_owned(),
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

/// A value that is valid for a schema: its example, or else the simplest one.
fn sample(schema: &Value, document: &Value) -> Value {
    if let Some(target) = schema["$ref"].as_str() {
        return document.pointer(target.trim_start_matches('#')).map_or(Value::Null, |schema| sample(schema, document));
    }
    if let Some(example) = schema.get("example") {
        return example.clone();
    }
    // `null` is an alternative of an optional body.
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
        "string" => json!("some text"),
        _ => Value::Null,
    }
}
