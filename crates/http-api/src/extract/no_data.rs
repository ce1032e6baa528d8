//! Fields and query parameters that existing frontends send, and that are not supported yet.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, Object, ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

/// A value without data: null, an empty text, `none`, or a list of them. Other values are refused.
#[derive(Debug, Default)]
pub(crate) struct NoData;

impl<'de> Deserialize<'de> for NoData {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let is_empty = match &Value::deserialize(input)? {
            Value::Array(items) => items.iter().all(is_empty),
            value => is_empty(value),
        };
        if is_empty { Ok(Self) } else { Err(D::Error::custom("must be empty: it is not supported yet")) }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => ["", "none"].contains(&text.trim_ascii().to_ascii_lowercase().as_str()),
        _ => false,
    }
}

/// A text without data, or null.
fn empty_text() -> Object {
    let pattern = r"^[ \t\r\n\f]*([nN][oO][nN][eE])?[ \t\r\n\f]*$";
    ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null])).pattern(Some(pattern)).build()
}

impl PartialSchema for NoData {
    fn schema() -> RefOr<Schema> {
        let description =
            "Not supported yet: null, an empty text, `none`, or a list of them. Other values are refused.";
        let list = ArrayBuilder::new().items(empty_text());
        OneOfBuilder::new().item(empty_text()).item(list).description(Some(description)).into()
    }
}

impl ToSchema for NoData {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_values_without_data_are_accepted_and_the_schema_says_so() {
        let schema = jsonschema::validator_for(&json!(NoData::schema())).unwrap();
        let check = |value: Value, is_empty: bool| {
            assert_eq!(serde_json::from_value::<NoData>(value.clone()).is_ok(), is_empty, "{value}");
            assert_eq!(schema.is_valid(&value), is_empty, "{value}");
        };
        for empty in
            [json!(null), json!(""), json!(" \t\n"), json!("none"), json!(" None "), json!([]), json!(["", null])]
        {
            check(empty, true);
        }
        for data in [
            json!("medium"),
            json!("none of it"),
            json!(0),
            json!(false),
            json!({}),
            json!(["a"]),
            json!([[]]),
            json!([0]),
        ] {
            check(data, false);
        }
    }
}
