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
    #[serde(default)]
    title: Wanted,
    #[serde(default)]
    title_alts: Vec<String>,
    #[serde(default)]
    identifier: Wanted,
    #[serde(default)]
    identifier_alts: Vec<String>,
    #[serde(default)]
    new_title: Wanted,
    #[serde(default)]
    new_title_alts: Vec<String>,
    #[serde(default)]
    status: Wanted,
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
        let fields: [(&'static str, &Wanted, &[String]); 4] = [
            ("title", &self.title, &self.title_alts),
            ("task_identifier", &self.identifier, &self.identifier_alts),
            ("new_title", &self.new_title, &self.new_title_alts),
            ("status", &self.status, &[]),
        ];
        fields.into_iter().filter_map(|(parameter, wanted, others)| {
            let value = match wanted {
                Wanted::Nothing => return None,
                Wanted::Unnamed => None,
                Wanted::Value(value) => Some(value.as_str()),
            };
            Some(Argument { parameter, value, others })
        })
    }
}

/// What is wanted of an argument.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "Option<String>")]
enum Wanted {
    /// Nothing: it is not compared.
    #[default]
    Nothing,
    /// That it is left out, or is a word for the thing at hand.
    Unnamed,
    /// This value.
    Value(String),
}

impl From<Option<String>> for Wanted {
    fn from(value: Option<String>) -> Self {
        value.map_or(Self::Unnamed, Self::Value)
    }
}

/// Reads the rows of a file; empty lines are skipped.
pub(super) fn rows(text: &str) -> anyhow::Result<Vec<Row>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(at, line)| serde_json::from_str(line).with_context(|| format!("line {}", at + 1))).collect()
}
