//! A scripted answer: text, calls, pieces, pace and fault.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use super::Fault;

/// A scripted answer.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub(super) plan: Vec<String>,
    pub(super) thoughts: Vec<String>,
    pub(super) text: Vec<String>,
    pub(super) calls: Vec<Call>,
    pub(super) usage: Tokens,
    pub(super) finish_reason: Option<String>,
    pub(super) fault: Option<Fault>,
    pub(super) latency: Option<Duration>,
    pub(super) piece_gap: Option<Duration>,
    pub(super) gates: Vec<(usize, Gate)>,
    pub(super) in_bytes: bool,
}

/// A tool call of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    /// The call's id; a new one if `None`.
    pub id: Option<String>,
    pub name: String,
    /// The arguments' text, in the fragments that are sent.
    pub arguments: Vec<String>,
    pub signature: Option<String>,
}

/// The usage that a reply reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tokens {
    /// A quarter of the characters.
    #[default]
    Estimated,
    Exact {
        input: u64,
        output: u64,
    },
    Omitted,
}

/// Characters per fragment of arguments.
const FRAGMENT_CHARS: usize = 5;

impl Reply {
    /// Answers with text, one word per piece.
    pub fn says(text: &str) -> Self {
        Self { text: words(text), ..Self::default() }
    }

    /// Answers with text in these pieces.
    pub fn pieces<'a>(pieces: impl IntoIterator<Item = &'a str>) -> Self {
        Self { text: pieces.into_iter().map(str::to_owned).collect(), ..Self::default() }
    }

    /// Calls a tool.
    pub fn calls(name: &str, arguments: &Value) -> Self {
        Self::default().and_calls(name, arguments)
    }

    /// Calls a tool with arguments that need not be JSON.
    pub fn calls_raw(name: &str, arguments: &str) -> Self {
        Self::default().and_calls_raw(name, arguments)
    }

    /// Calls one more tool.
    #[must_use]
    pub fn and_calls(self, name: &str, arguments: &Value) -> Self {
        self.and_calls_raw(name, &arguments.to_string())
    }

    /// Calls one more tool, with arguments that need not be JSON.
    #[must_use]
    pub fn and_calls_raw(mut self, name: &str, arguments: &str) -> Self {
        self.calls.push(Call { id: None, name: name.to_owned(), arguments: fragments(arguments), signature: None });
        self
    }

    /// Sets the id of the newest call; it need not be unique.
    #[must_use]
    pub fn call_id(mut self, id: &str) -> Self {
        if let Some(call) = self.calls.last_mut() {
            call.id = Some(id.to_owned());
        }
        self
    }

    /// Adds thoughts before everything else: `reasoning_content` in OpenAI's answers, a block of the content in Cohere's.
    #[must_use]
    pub fn thoughts(self, thoughts: &str) -> Self {
        Self { thoughts: words(thoughts), ..self }
    }

    /// Sets the signature of the newest call, which follows the calls, as in Gemini's answers in OpenAI's format.
    #[must_use]
    pub fn signature(mut self, signature: &str) -> Self {
        if let Some(call) = self.calls.last_mut() {
            call.signature = Some(signature.to_owned());
        }
        self
    }

    /// Adds a plan before the calls. OpenAI's answers have no field for it and omit it.
    #[must_use]
    pub fn plan(self, plan: &str) -> Self {
        Self { plan: words(plan), ..self }
    }

    /// Reports this usage in tokens.
    #[must_use]
    pub fn usage(self, input: u64, output: u64) -> Self {
        Self { usage: Tokens::Exact { input, output }, ..self }
    }

    /// Reports no usage.
    #[must_use]
    pub fn without_usage(self) -> Self {
        Self { usage: Tokens::Omitted, ..self }
    }

    /// Sets the finish reason in the spelling of the provider.
    #[must_use]
    pub fn finish_reason(self, reason: &str) -> Self {
        Self { finish_reason: Some(reason.to_owned()), ..self }
    }

    /// Adds a fault.
    #[must_use]
    pub fn fault(self, fault: Fault) -> Self {
        Self { fault: Some(fault), ..self }
    }

    /// Sets the delay before the first byte.
    #[must_use]
    pub fn latency(self, latency: Duration) -> Self {
        Self { latency: Some(latency), ..self }
    }

    /// Sets the delay between two pieces.
    #[must_use]
    pub fn piece_gap(self, gap: Duration) -> Self {
        Self { piece_gap: Some(gap), ..self }
    }

    /// Sends each character of text as a piece, and each byte on its own.
    #[must_use]
    pub fn in_single_bytes(self) -> Self {
        let text = self.text.concat().chars().map(String::from).collect();
        Self { text, in_bytes: true, ..self }
    }

    /// Waits at the gate before the first byte.
    #[must_use]
    pub fn held(self, gate: &Gate) -> Self {
        self.held_after(0, gate)
    }

    /// Waits at the gate after this many pieces; before the first byte if 0.
    #[must_use]
    pub fn held_after(mut self, pieces: usize, gate: &Gate) -> Self {
        self.gates.push((pieces, gate.clone()));
        self
    }

    /// Summary for a log line.
    pub(super) fn summary(&self) -> String {
        if let Some(fault) = &self.fault {
            return format!("{fault:?}");
        }
        let calls = self.calls.iter().map(|call| format!("{}({})", call.name, call.arguments.concat()));
        let text = self.text.concat();
        let text = (!text.is_empty()).then(|| format!("{text:?}"));
        calls.chain(text).collect::<Vec<_>>().join(" ")
    }
}

/// A gate that holds an answer until a test opens it. Clones share it.
#[derive(Clone, Debug)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Opens the gate permanently.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Waits until the gate is open.
    pub(super) async fn passed(&self) {
        // `self` holds the sender, so the wait cannot fail.
        drop(self.0.subscribe().wait_for(|open| *open).await);
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

/// Splits text into words, each with its trailing space.
fn words(text: &str) -> Vec<String> {
    text.split_inclusive(' ').map(str::to_owned).collect()
}

fn fragments(arguments: &str) -> Vec<String> {
    let characters: Vec<char> = arguments.chars().collect();
    characters.chunks(FRAGMENT_CHARS).map(|fragment| fragment.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pieces_concatenate_to_the_original_text_and_arguments() {
        let text = " Zwei  Wörter,\n\nund 👩‍👩‍👧 mehr ";
        let reply = Reply::says(text).and_calls("add_task", &json!({"title": text}));
        assert!(reply.text.len() > 3 && reply.calls[0].arguments.len() > 3);
        assert_eq!(reply.text.concat(), text);
        assert_eq!(reply.calls[0].arguments.concat(), json!({"title": text}).to_string());
    }
}
