//! Conversion of values to and from JSON columns.

use domain::storage::StorageError;
use sea_orm::prelude::Json;

use crate::error::corrupt;

/// Serializes `value` without NUL characters, which PostgreSQL cannot store, so that both databases store the same.
pub(crate) fn to_json<T: serde::Serialize + ?Sized>(value: &T) -> Result<Json, StorageError> {
    let json = serde_json::to_value(value).map_err(|error| StorageError::Other(error.into()))?;
    Ok(without_nul(json))
}

/// Deserializes a value that [`to_json`] serialized.
pub(crate) fn from_json<T: serde::de::DeserializeOwned>(json: Json) -> Result<T, StorageError> {
    serde_json::from_value(json).map_err(corrupt)
}

fn without_nul(json: Json) -> Json {
    match json {
        Json::String(text) => Json::String(strip(text)),
        Json::Array(items) => items.into_iter().map(without_nul).collect(),
        Json::Object(fields) => fields.into_iter().map(|(key, value)| (strip(key), without_nul(value))).collect(),
        plain @ (Json::Null | Json::Bool(_) | Json::Number(_)) => plain,
    }
}

fn strip(mut text: String) -> String {
    text.retain(|c| c != '\0');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nul_characters_are_removed_from_keys_and_values() {
        let json = serde_json::json!({"a\0": ["\0b", {"c": "d\0\0e\u{1}", "f": 1.5, "g": null, "h": true}]});
        let expected = serde_json::json!({"a": ["b", {"c": "de\u{1}", "f": 1.5, "g": null, "h": true}]});
        assert_eq!(to_json(&json).unwrap(), expected);
    }
}
