//! How well sentences were understood: row by row, against what they ask for.
//!
//! Titles are compared without case, punctuation and a leading article; "the second one", "task 2" and "2" are the same
//! place.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use super::row::{Argument, NONE, Row};

/// What was done about a sentence.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Prediction {
    /// The calls, as tool and arguments.
    pub calls: Vec<(String, Value)>,
    /// What was said.
    pub words: String,
}

impl Prediction {
    /// The tool of its first call.
    pub fn tool(&self) -> &str {
        self.calls.first().map_or(NONE, |(tool, _)| tool)
    }

    fn argument(&self, parameter: &str) -> Option<&str> {
        self.calls.first().and_then(|(_, arguments)| arguments[parameter].as_str())
    }

    /// It as a line of a predictions file.
    pub fn json(&self, id: &str) -> Value {
        let mut line = json!({ "id": id, "tool": self.tool() });
        for (name, parameter) in
            [("title", "title"), ("identifier", "task_identifier"), ("new_title", "new_title"), ("status", "status")]
        {
            if let Some(value) = self.argument(parameter) {
                line[name] = value.into();
            }
        }
        line
    }
}

/// How many rows there were and how many of them were right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// The rows.
    pub rows: u32,
    /// Those with the right tool.
    pub tool: u32,
    /// Those with the right tool and the right arguments.
    pub all: u32,
}

/// A row that was not understood.
#[derive(Clone, Debug)]
pub(super) struct Wrong {
    /// What was expected.
    pub row: Row,
    /// What came.
    pub prediction: Prediction,
    /// Whether a task was, or could have been, changed that was not to be: see [`is_harmful`].
    pub harmful: bool,
}

/// The score over many rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Evaluation {
    /// By group: `all`, `tool …`, `kind …`, `tag …`, in the order in which they are printed.
    pub tallies: BTreeMap<(u8, String), Tally>,
    /// How often a tool was called where another was expected, by (expected, called).
    pub confusion: BTreeMap<(String, String), u32>,
    /// The rows that were not understood, in the file's order.
    pub wrong: Vec<Wrong>,
}

impl Evaluation {
    /// Scores a row.
    pub fn take_in(&mut self, row: Row, prediction: Prediction) {
        let tool_is_right = is_right_tool(&row, prediction.tool());
        let all_right = tool_is_right && prediction.calls.len() <= 1 && are_right_arguments(&row, &prediction);
        let mut groups = vec![(0, "all".to_owned()), (1, format!("tool {}", row.expect.tool))];
        groups.extend(row.expect.kind.iter().map(|kind| (2, format!("kind {kind}"))));
        groups.extend(row.tags.iter().map(|tag| (3, format!("tag {tag}"))));
        for group in groups {
            let tally = self.tallies.entry(group).or_default();
            tally.rows += 1;
            tally.tool += u32::from(tool_is_right);
            tally.all += u32::from(all_right);
        }
        *self.confusion.entry((row.expect.tool.clone(), prediction.tool().to_owned())).or_default() += 1;
        if !all_right {
            let harmful = is_harmful(&row, &prediction);
            self.wrong.push(Wrong { row, prediction, harmful });
        }
    }
}

fn is_right_tool(row: &Row, tool: &str) -> bool {
    tool == row.expect.tool || row.accept_tools.iter().any(|other| other == tool)
}

fn are_right_arguments(row: &Row, prediction: &Prediction) -> bool {
    let is_other_tool = prediction.tool() != row.expect.tool;
    match prediction.tool() {
        NONE | "list_tasks" if is_other_tool => true,
        _ => row
            .expect
            .arguments()
            .filter(|argument| !is_other_tool || argument.parameter == "task_identifier")
            .all(|argument| is_right(&argument, prediction.argument(argument.parameter))),
    }
}

/// Whether a task is completed, deleted or renamed where nothing, something else or another task was asked for. A row
/// that asks for such a change and has another title for it counts too: the wrong task might have been hit.
fn is_harmful(row: &Row, prediction: &Prediction) -> bool {
    let changes = |tool: &str| matches!(tool, "complete_task" | "delete_task" | "update_task");
    prediction.calls.iter().any(|(tool, _)| changes(tool))
        && !(prediction.calls.len() == 1
            && is_right_tool(row, prediction.tool())
            && are_right_arguments(row, prediction))
}

fn is_right(argument: &Argument<'_>, value: Option<&str>) -> bool {
    let value = value.map(normalized);
    match argument.value {
        None => value.is_none_or(|value| {
            ["", "it", "that", "this", "title", "name", "task", "event", "subject", "content", "topic"]
                .contains(&value.as_str())
        }),
        Some(expected) => {
            let others = argument.others.iter().map(String::as_str);
            value.is_some_and(|value| std::iter::once(expected).chain(others).any(|right| normalized(right) == value))
        }
    }
}

/// A value without what does not matter.
fn normalized(value: &str) -> String {
    static MARKS: LazyLock<Regex> = LazyLock::new(|| pattern(r"[^\w\s#']"));
    static ARTICLE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:the|a|an|my|some)\s+"));
    static NOUN_BEHIND: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"\s+(?:task|item|one|todo|to do|row|reminder|entry|on the list|in the list)$"));
    static NOUN_BEFORE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:task|item|todo|to do|number|no)\s+(\S+)$"));
    let marks_gone = MARKS.replace_all(&value.to_lowercase(), " ").replace('\'', "");
    let spaced = marks_gone.split_whitespace().collect::<Vec<_>>().join(" ");
    let plain = ARTICLE.replace(&spaced, "").into_owned();
    let bare = NOUN_BEHIND.replace(&plain, "").into_owned();
    let bare = NOUN_BEFORE.replace(&bare, "$1").into_owned();
    let place = match bare.as_str() {
        "first" | "1st" | "one" => "1",
        "second" | "2nd" | "two" => "2",
        "third" | "3rd" | "three" => "3",
        "fourth" | "4th" | "four" => "4",
        "fifth" | "5th" | "five" => "5",
        "-1" => "last",
        other => other,
    };
    if place == "last" || (!place.is_empty() && place.bytes().all(|b| b.is_ascii_digit())) {
        place.to_owned()
    } else {
        plain
    }
}

#[expect(clippy::expect_used, reason = "the patterns are part of the program, and a test uses each of them")]
fn pattern(regex: &str) -> Regex {
    Regex::new(regex).expect("the pattern is sound")
}

#[cfg(test)]
mod tests {
    use super::super::row::rows;
    use super::*;

    fn judged(row: &str, calls: &[(&str, Value)]) -> (Tally, bool) {
        let mut evaluation = Evaluation::default();
        let calls = calls.iter().map(|(tool, arguments)| ((*tool).to_owned(), arguments.clone())).collect();
        evaluation.take_in(rows(row).unwrap().remove(0), Prediction { calls, words: String::new() });
        let harmful = evaluation.wrong.iter().any(|wrong| wrong.harmful);
        (*evaluation.tallies.values().next().unwrap(), harmful)
    }

    #[test]
    fn the_tool_and_the_arguments_are_counted_apart() {
        let row = r#"{"id":"1","text":"","expect":{"tool":"add_task","title":"the milk","title_alts":["buy milk"]}}"#;
        let score = |title: &str| judged(row, &[("add_task", json!({ "title": title }))]).0;
        for right in ["milk", "Milk!", "Buy milk"] {
            assert_eq!(score(right), Tally { rows: 1, tool: 1, all: 1 }, "{right}");
        }
        assert_eq!(score("bread"), Tally { rows: 1, tool: 1, all: 0 });
        assert_eq!(judged(row, &[]).0, Tally { rows: 1, tool: 0, all: 0 });
    }

    #[test]
    fn places_are_the_same_however_they_are_said() {
        let row = |value: &str| {
            format!(r#"{{"id":"1","text":"","expect":{{"tool":"complete_task","identifier":"{value}"}}}}"#)
        };
        for said in ["2", "second", "the second one", "task 2", "2nd", "number two"] {
            let call = ("complete_task", json!({ "task_identifier": said }));
            assert_eq!(judged(&row("2"), &[call]).0.all, 1, "{said}");
        }
    }

    #[test]
    fn what_is_null_need_not_be_named() {
        let row = r#"{"id":"1","text":"","expect":{"tool":"update_task","identifier":null,"new_title":"tea"},
            "accept_tools":["none"]}"#
            .replace('\n', "");
        let call = |task: &str| [("update_task", json!({ "task_identifier": task, "new_title": "tea" }))];
        assert_eq!(judged(&row, &call("it")).0.all, 1);
        assert_eq!(judged(&row, &call("milk")).0.all, 0);
        assert_eq!(judged(&row, &[]).0.all, 1);
    }

    #[test]
    fn a_change_that_was_not_asked_for_is_harmful() {
        let delete = |task: &str| ("delete_task", json!({ "task_identifier": task }));
        let none = r#"{"id":"1","text":"","expect":{"tool":"none","kind":"oos"}}"#;
        let milk = r#"{"id":"1","text":"","expect":{"tool":"delete_task","identifier":"milk"},
            "accept_tools":["complete_task"]}"#
            .replace('\n', "");
        assert!(judged(none, &[delete("milk")]).1);
        assert!(judged(&milk, &[delete("oat milk")]).1);
        assert!(judged(&milk, &[delete("milk"), delete("tea")]).1);
        assert!(!judged(&milk, &[delete("milk")]).1);
        assert!(!judged(&milk, &[("complete_task", json!({ "task_identifier": "milk" }))]).1);
        assert!(!judged(none, &[("add_task", json!({ "title": "milk" }))]).1);
        assert!(!judged(&milk, &[]).1);
    }

    #[test]
    fn the_prediction_has_the_names_of_the_rows() {
        let call = ("update_task".to_owned(), json!({ "task_identifier": "2", "new_title": "tea" }));
        let prediction = Prediction { calls: vec![call], words: String::new() };
        assert_eq!(
            prediction.json("7"),
            json!({ "id": "7", "tool": "update_task", "identifier": "2", "new_title": "tea" })
        );
    }
}
