//! The parameters of the tools. Their JSON Schemas are generated from the same types that deserialize calls.
//!
//! Calls may deviate from the schema where that has one meaning only: models write numbers for strings, other cases of a
//! word, and empty strings for absent fields.

mod lenient;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ToolError;
use crate::task::{TaskStatus, Title};

/// `add_task`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("additionalProperties" = false))]
pub(super) struct AddTask {
    /// What is to be done, in the user's own words and without the command around it: for "Add a task to buy milk"
    /// it is "buy milk". 1 to 500 characters.
    #[serde(deserialize_with = "lenient::text")]
    #[schemars(length(min = 1, max = 500))]
    pub title: String,
}

/// `list_tasks`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("additionalProperties" = false))]
pub(super) struct ListTasks {
    /// Which tasks: "all" (the default), "pending" or "completed".
    #[serde(default, deserialize_with = "lenient::word_or_default")]
    pub status: StatusParameter,
    /// Only tasks whose title contains these words. 1 to 500 characters.
    #[serde(default, deserialize_with = "lenient::text_or_none")]
    #[schemars(with = "Option<String>", length(min = 1, max = 500))]
    pub query: Option<TaskIdentifier>,
}

/// `complete_task` and `delete_task`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("additionalProperties" = false))]
pub(super) struct OneTask {
    /// Which task: its id, its position in the list that the conversation last showed ("2", "#2", "last"), its title,
    /// or a part of its title that no other task has.
    #[schemars(with = "String", length(min = 1, max = 500))]
    pub task_identifier: TaskIdentifier,
}

/// `update_task`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("additionalProperties" = false))]
pub(super) struct UpdateTask {
    /// Which task: its id, its position in the list that the conversation last showed ("2", "#2", "last"), its title,
    /// or a part of its title that no other task has.
    #[schemars(with = "String", length(min = 1, max = 500))]
    pub task_identifier: TaskIdentifier,
    /// What the task is to be called from now on. 1 to 500 characters.
    #[serde(deserialize_with = "lenient::text")]
    #[schemars(length(min = 1, max = 500))]
    pub new_title: String,
}

/// `undo` and `confirm_pending`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("additionalProperties" = false))]
pub(super) struct NoParameters {}

/// An identifier of a task: trimmed, 1 to 500 characters, as a title. A number is a position.
#[derive(Debug, Deserialize)]
#[serde(try_from = "lenient::Text")]
pub(super) struct TaskIdentifier(String);

impl TaskIdentifier {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<lenient::Text> for TaskIdentifier {
    type Error = String;
    fn try_from(raw: lenient::Text) -> Result<Self, String> {
        let raw = raw.into_identifier();
        let identifier = raw.trim();
        if (1..=Title::MAX).contains(&identifier.chars().count()) {
            Ok(Self(identifier.to_owned()))
        } else {
            Err(format!("a task_identifier or query must be 1 to {} characters", Title::MAX))
        }
    }
}

/// A filter by status.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum StatusParameter {
    #[default]
    All,
    Pending,
    Completed,
}

impl StatusParameter {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Pending => "pending",
            Self::Completed => "completed",
        }
    }
}

impl From<StatusParameter> for TaskStatus {
    fn from(status: StatusParameter) -> Self {
        match status {
            StatusParameter::All => Self::All,
            StatusParameter::Pending => Self::Pending,
            StatusParameter::Completed => Self::Completed,
        }
    }
}

/// The JSON Schema (2020-12) of `P`, without metadata that models do not need.
pub(super) fn schema<P: JsonSchema>() -> Value {
    let mut schema: Schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<P>();
    for keyword in ["$schema", "title", "description"] {
        schema.remove(keyword);
    }
    schema.to_value()
}

/// Deserializes a call's parameters. Fields outside the schema are refused; `null` counts as absent.
pub(super) fn read<P: DeserializeOwned>(mut parameters: Value) -> Result<P, ToolError> {
    match &mut parameters {
        Value::Object(fields) => fields.retain(|_, value| !value.is_null()),
        Value::Null => parameters = Value::Object(serde_json::Map::new()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err(ToolError::BadParameters("the parameters must be a JSON object".to_owned()));
        }
    }
    serde_json::from_value(parameters).map_err(|error| ToolError::BadParameters(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn schemas_are_closed_objects_with_their_required_fields() {
        for (schema, required) in [
            (schema::<AddTask>(), json!(["title"])),
            (schema::<ListTasks>(), Value::Null),
            (schema::<OneTask>(), json!(["task_identifier"])),
            (schema::<UpdateTask>(), json!(["task_identifier", "new_title"])),
            (schema::<NoParameters>(), Value::Null),
        ] {
            assert_eq!(schema["type"], "object", "{schema}");
            assert_eq!(schema["additionalProperties"], false, "{schema}");
            assert_eq!(schema["required"], required, "{schema}");
            assert!(schema.get("$defs").is_none(), "{schema}");
        }
        assert_eq!(schema::<ListTasks>()["properties"]["status"]["enum"], json!(["all", "pending", "completed"]));
    }

    #[test]
    fn an_identifier_has_1_to_500_characters() {
        let read = |identifier: String| read::<OneTask>(json!({"task_identifier": identifier}));
        assert_eq!(read(" 2 ".into()).unwrap().task_identifier.as_str(), "2");
        assert!(read("é".repeat(500)).is_ok());
        for identifier in [String::new(), "  ".into(), "é".repeat(501)] {
            assert!(matches!(read(identifier), Err(ToolError::BadParameters(_))));
        }
    }

    #[test]
    fn parameters_outside_the_schema_are_refused() {
        for parameters in [
            json!({"title": "a", "user_id": "0198c0de-0000-7000-8000-000000000001"}),
            json!({"title": true}),
            json!({"title": ["a"]}),
            json!({"title": {"text": "a"}}),
            json!({"Title": "a"}),
            json!({"task": "a"}),
            json!({"arguments": {"title": "a"}}),
            json!({}),
            json!("title"),
            json!(["a"]),
        ] {
            assert!(matches!(read::<AddTask>(parameters.clone()), Err(ToolError::BadParameters(_))), "{parameters}");
        }
        assert!(read::<ListTasks>(Value::Null).is_ok());
        assert!(read::<ListTasks>(json!({"status": null})).is_ok());
        for status in [json!("done"), json!("pend"), json!(["pending"]), json!(1), json!({"pending": null})] {
            assert!(read::<ListTasks>(json!({ "status": status })).is_err(), "{status}");
        }
        assert!(read::<NoParameters>(json!({"input": ""})).is_err());
    }

    #[test]
    fn numbers_are_taken_for_texts() {
        let identifier = |value: Value| read::<OneTask>(json!({"task_identifier": value})).unwrap().task_identifier.0;
        for (value, expected) in [(json!(2), "2"), (json!(2.0), "2"), (json!(-1), "-1"), (json!(2.5), "2.5")] {
            assert_eq!(identifier(value), expected);
        }
        assert_eq!(read::<AddTask>(json!({"title": 1984})).unwrap().title, "1984");
        assert_eq!(read::<AddTask>(json!({"title": 2.0})).unwrap().title, "2.0", "as the model wrote it");
        let update = read::<UpdateTask>(json!({"task_identifier": 1, "new_title": 2})).unwrap();
        assert_eq!((update.task_identifier.as_str(), update.new_title.as_str()), ("1", "2"));
        let list = read::<ListTasks>(json!({"query": 7})).unwrap();
        assert_eq!(list.query.unwrap().as_str(), "7");
    }

    #[test]
    fn a_status_is_taken_in_any_case() {
        for (status, expected) in [
            ("Pending", "pending"),
            (" COMPLETED\n", "completed"),
            ("All", "all"),
            ("", "all"),
            (" ", "all"),
            ("null", "all"),
            ("None", "all"),
        ] {
            let list = read::<ListTasks>(json!({ "status": status })).unwrap();
            assert_eq!(list.status.as_str(), expected, "{status}");
        }
    }

    #[test]
    fn an_empty_text_is_an_absent_field_if_it_is_optional() {
        for query in [json!(""), json!(" \n"), Value::Null] {
            assert!(read::<ListTasks>(json!({ "query": query })).unwrap().query.is_none(), "{query}");
        }
        let none = read::<ListTasks>(json!({"query": "none"})).unwrap();
        assert_eq!(none.query.unwrap().as_str(), "none", "a word that a title may contain");
        assert!(read::<OneTask>(json!({"task_identifier": ""})).is_err());
    }
}
