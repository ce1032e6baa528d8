//! Tool results put into words. Nothing is said of a change but what the result itself says.

use serde_json::Value;

/// What came of a call, as the conversation tells it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outcome {
    pub success: bool,
    message: String,
    data: Value,
}

impl Outcome {
    /// Reads `{"success", "message", "data"}`. Anything else is a failure that says what it says.
    pub fn read(content: &str) -> Self {
        let told: Value = serde_json::from_str(content).unwrap_or_default();
        match told["message"].as_str() {
            Some(message) => {
                Self { success: told["success"] == true, message: message.to_owned(), data: told["data"].clone() }
            }
            None => Self { success: false, message: content.to_owned(), data: Value::Null },
        }
    }

    /// The tasks that a call which wanted one found several of.
    pub fn candidates(&self) -> Vec<Value> {
        self.array("candidates")
    }

    /// The tasks that a list shows.
    pub fn tasks(&self) -> Vec<Value> {
        self.array("tasks")
    }

    fn array(&self, name: &str) -> Vec<Value> {
        self.data[name].as_array().cloned().unwrap_or_default()
    }

    fn words(&self) -> String {
        let message = self.message.trim();
        let end = if message.ends_with(['.', '?', '!']) || message.is_empty() { "" } else { "." };
        // What tells of changes has them in its words.
        let listed = if self.data["changes"].is_array() { Vec::new() } else { self.tasks() };
        let shown = [self.candidates(), listed].concat();
        let nearest: Vec<_> = self.array("nearest").iter().map(title).collect();
        if !shown.is_empty() {
            let colon = if end.is_empty() { "" } else { ":" };
            format!("{message}{colon}\n{}", numbered(&shown))
        } else if !nearest.is_empty() {
            format!("{message}{end} Did you mean {}?", nearest.join(" or "))
        } else {
            format!("{message}{end}")
        }
    }
}

/// What the results say, in order. Those that wait for the user's confirmation become one question at the end.
pub(super) fn report(outcomes: &[&Outcome]) -> String {
    let (waiting, settled): (Vec<&Outcome>, Vec<&Outcome>) =
        outcomes.iter().partition(|outcome| outcome.data["needs_confirmation"] == true);
    let mut said: Vec<_> = settled.iter().map(|outcome| outcome.words()).collect();
    if !waiting.is_empty() {
        let titles: Vec<_> = waiting.iter().map(|outcome| title(&outcome.data["task"])).collect();
        said.push(format!("Shall I go on with these? {}", titles.join(", ")));
    }
    said.join("\n\n")
}

/// What is said where there is nothing to do. None of it sounds like a change.
pub(super) fn small_talk(user: &str) -> &'static str {
    match user.trim().trim_end_matches(['.', '!']).to_lowercase().as_str() {
        "yes" | "no" | "ok" | "okay" | "never mind" | "cancel" => "All right. What would you like me to do next?",
        "thanks" | "thank you" => "You are welcome!",
        "hi" | "hello" | "hey" => "Hello! What would you like to do?",
        _ => "I look after your to-do list: I can add, list, complete, rename or delete tasks, and undo it.",
    }
}

fn numbered(tasks: &[Value]) -> String {
    let line = |(index, task): (usize, &Value)| {
        let done = if task["completed"] == true { " (done)" } else { "" };
        format!("{}. {}{done}", task["position"].as_u64().unwrap_or(index as u64 + 1), title(task))
    };
    tasks.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

fn title(task: &Value) -> String {
    task["title"].as_str().unwrap_or("(without a title)").to_owned()
}
