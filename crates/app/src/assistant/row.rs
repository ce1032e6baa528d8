//! The rows of an evaluation file: JSON Lines, a sentence and what it asks for in each.
//!
//! ```json
//! {"id": "1", "text": "Add milk", "expect": {"tool": "add_task", "title": "milk"}, "tags": ["short"]}
//! ```

use anyhow::Context as _;
use serde::Deserialize;

/// The tool of a row for which nothing may be called.
pub(super) const NONE: &str = "none";

/// A sentence and what it asks for.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Row {
    /// Its name in the file.
    pub id: String,
    /// The sentence.
    pub text: String,
    /// What it asks for.
    pub expect: Expected,
    /// Other tools that are right as well; `none` is one of them.
    #[serde(default)]
    pub accept_tools: Vec<String>,
    /// What the sentence is an example of.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// The call that a sentence asks for. An argument that is not there is not compared; one that is null may be left out
/// or be a word for the thing at hand.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Expected {
    /// `add_task`, `list_tasks`, `complete_task`, `delete_task`, `update_task` or `none`.
    pub tool: String,
    #[serde(default, deserialize_with = "nullable")]
    title: Option<Option<String>>,
    #[serde(default)]
    title_alts: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    identifier: Option<Option<String>>,
    #[serde(default)]
    identifier_alts: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    new_title: Option<Option<String>>,
    #[serde(default)]
    new_title_alts: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    status: Option<Option<String>>,
    /// What kind of sentence asks for no tool.
    pub kind: Option<String>,
}

/// An argument as a row has it.
pub(super) struct Argument<'r> {
    /// The name that the tools have for it.
    pub parameter: &'static str,
    /// The value; none if it need not be named.
    pub value: Option<&'r str>,
    /// Other values that are right as well.
    pub others: &'r [String],
}

impl Expected {
    /// The arguments that are compared.
    pub fn arguments(&self) -> impl Iterator<Item = Argument<'_>> {
        let fields: [(&'static str, _, &[String]); 4] = [
            ("title", &self.title, &self.title_alts),
            ("task_identifier", &self.identifier, &self.identifier_alts),
            ("new_title", &self.new_title, &self.new_title_alts),
            ("status", &self.status, &[]),
        ];
        fields.into_iter().filter_map(|(parameter, value, others)| {
            value.as_ref().map(|value| Argument { parameter, value: value.as_deref(), others })
        })
    }
}

/// Tells null from nothing at all.
fn nullable<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Reads the rows of a file; empty lines are skipped.
pub(super) fn rows(text: &str) -> anyhow::Result<Vec<Row>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(at, line)| serde_json::from_str(line).with_context(|| format!("line {}", at + 1))).collect()
}
