//! An answer as a script gives it: what is said and called, in which pieces, how fast, and what is wrong with it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use super::Fault;

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub(super) plan: Vec<String>,
    pub(super) text: Vec<String>,
    pub(super) calls: Vec<Call>,
    pub(super) usage: Tokens,
    pub(super) finish_reason: Option<String>,
    pub(super) fault: Option<Fault>,
    pub(super) latency: Option<Duration>,
    pub(super) piece_gap: Option<Duration>,
    pub(super) holds: Vec<(usize, Gate)>,
}

/// A tool call of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    /// The call's id; one that was never given before if there is none.
    pub id: Option<String>,
    pub name: String,
    /// The arguments' text, in the fragments in which it is sent.
    pub arguments: Vec<String>,
}

/// The tokens that a reply says it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tokens {
    /// A quarter of the characters.
    #[default]
    Estimated,
    Exactly {
        input: u64,
        output: u64,
    },
    NotSaid,
}

/// So many characters are in a fragment of arguments.
const FRAGMENT: usize = 5;

impl Reply {
    /// Says this, in pieces of a word.
    pub fn says(text: &str) -> Self {
        Self { text: words(text), ..Self::default() }
    }

    /// Says this, in these pieces.
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
        self.calls.push(Call { id: None, name: name.to_owned(), arguments: fragments(arguments) });
        self
    }

    /// Gives the newest call this id, which another one may have too.
    #[must_use]
    pub fn call_id(mut self, id: &str) -> Self {
        if let Some(call) = self.calls.last_mut() {
            call.id = Some(id.to_owned());
        }
        self
    }

    /// Says first what it means to do. OpenAI's answers have no place for that and leave it out.
    #[must_use]
    pub fn plan(self, plan: &str) -> Self {
        Self { plan: words(plan), ..self }
    }

    /// Says that it took so many tokens.
    #[must_use]
    pub fn usage(self, input: u64, output: u64) -> Self {
        Self { usage: Tokens::Exactly { input, output }, ..self }
    }

    /// Does not say what it took.
    #[must_use]
    pub fn without_usage(self) -> Self {
        Self { usage: Tokens::NotSaid, ..self }
    }

    /// Gives this finish reason, as the provider spells it, whatever the answer is.
    #[must_use]
    pub fn finish_reason(self, reason: &str) -> Self {
        Self { finish_reason: Some(reason.to_owned()), ..self }
    }

    /// Has this fault.
    #[must_use]
    pub fn fault(self, fault: Fault) -> Self {
        Self { fault: Some(fault), ..self }
    }

    /// Takes this long before the first byte.
    #[must_use]
    pub fn latency(self, latency: Duration) -> Self {
        Self { latency: Some(latency), ..self }
    }

    /// Takes this long between two pieces.
    #[must_use]
    pub fn piece_gap(self, gap: Duration) -> Self {
        Self { piece_gap: Some(gap), ..self }
    }

    /// Waits at the gate before the first byte.
    #[must_use]
    pub fn held(self, gate: &Gate) -> Self {
        self.held_after(0, gate)
    }

    /// Waits at the gate after so many pieces; before the first byte if it is 0.
    #[must_use]
    pub fn held_after(mut self, pieces: usize, gate: &Gate) -> Self {
        self.holds.push((pieces, gate.clone()));
        self
    }

    /// A few words for a log.
    pub(super) fn summary(&self) -> String {
        if let Some(fault) = &self.fault {
            return format!("{fault:?}");
        }
        let calls = self.calls.iter().map(|call| format!("{}({})", call.name, call.arguments.concat()));
        let text = self.text.concat();
        let said = (!text.is_empty()).then(|| format!("{text:?}"));
        calls.chain(said).collect::<Vec<_>>().join(" ")
    }
}

/// What an answer waits at until a test lets it go on. Its clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Opens it for good.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Waits until it is open.
    pub(super) async fn passed(&self) {
        // The sender is held here, so the wait ends with the gate open and in no other way.
        drop(self.0.subscribe().wait_for(|open| *open).await);
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

/// The text in pieces of a word each, the space before the next word with it.
fn words(text: &str) -> Vec<String> {
    text.split_inclusive(' ').map(str::to_owned).collect()
}

fn fragments(arguments: &str) -> Vec<String> {
    let characters: Vec<char> = arguments.chars().collect();
    characters.chunks(FRAGMENT).map(|fragment| fragment.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_is_lost_when_texts_and_arguments_are_cut_to_pieces() {
        let text = " Zwei  Wörter,\n\nund 👩‍👩‍👧 mehr ";
        let reply = Reply::says(text).and_calls("add_task", &json!({"title": text}));
        assert!(reply.text.len() > 3 && reply.calls[0].arguments.len() > 3);
        assert_eq!(reply.text.concat(), text);
        assert_eq!(reply.calls[0].arguments.concat(), json!({"title": text}).to_string());
    }
}
