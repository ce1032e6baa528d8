//! The tool calls of one reply while they come in: places, ids that are unique in the reply, arguments in fragments.
//!
//! Deliberately not here: which fragment belongs to which call. Each provider says that in its own way.

use std::collections::HashSet;

use domain::llm::{LlmError, LlmEvent, LlmToolCall};
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::content::bad;

/// The tool calls of one reply.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    calls: Vec<Call>,
}

#[derive(Debug)]
struct Call {
    id: String,
    /// The id as the provider gave it, which is not unique.
    given: Option<String>,
    /// Empty until it is known; until then nothing is told of the call.
    tool: String,
    arguments: String,
    complete: bool,
}

impl Calls {
    /// Begins a call and gives its place. The provider's id is kept if it has one and no other call of the reply has
    /// it too. The tool's name may be empty if it is to come later.
    pub fn begin(&mut self, id: Option<&str>, tool: &str, out: &mut Vec<LlmEvent>) -> usize {
        let place = self.calls.len();
        let given = id.map(str::to_owned);
        let id = self.unique(id, place);
        self.calls.push(Call { id, given, tool: String::new(), arguments: String::new(), complete: false });
        self.name(place, tool, out);
        place
    }

    fn unique(&self, id: Option<&str>, place: usize) -> String {
        let taken = |id: &str| self.calls.iter().any(|call| call.id == id);
        match id {
            Some(id) if !taken(id) => id.to_owned(),
            _ => {
                let numbers = place..=place + self.calls.len();
                numbers.map(|number| format!("call_{number}")).find(|id| !taken(id)).unwrap_or_default()
            }
        }
    }

    /// Names the tool of a call that has no name yet.
    pub fn name(&mut self, place: usize, tool: &str, out: &mut Vec<LlmEvent>) {
        let Some(call) = self.calls.get_mut(place).filter(|call| call.tool.is_empty() && !tool.is_empty()) else {
            return;
        };
        tool.clone_into(&mut call.tool);
        out.push(LlmEvent::ToolCallStarted { index: place, id: call.id.clone(), tool: call.tool.clone() });
        if !call.arguments.is_empty() {
            out.push(LlmEvent::ToolCallArguments { index: place, fragment: call.arguments.clone() });
        }
    }

    /// Adds to a call's arguments.
    pub fn add(&mut self, place: usize, fragment: &str, out: &mut Vec<LlmEvent>) {
        let Some(call) = self.calls.get_mut(place).filter(|call| !call.complete && !fragment.is_empty()) else {
            return;
        };
        call.arguments.push_str(fragment);
        if !call.tool.is_empty() {
            out.push(LlmEvent::ToolCallArguments { index: place, fragment: fragment.to_owned() });
        }
    }

    /// Completes a call, if it is not complete.
    ///
    /// # Errors
    /// [`LlmError::BadReply`] if it never had a name.
    pub fn complete(&mut self, place: usize, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        let Some(call) = self.calls.get_mut(place).filter(|call| !call.complete) else { return Ok(()) };
        if call.tool.is_empty() {
            return Err(bad("a tool call has no name"));
        }
        call.complete = true;
        // A call without arguments comes as an empty text, as `null` or as an empty object.
        let arguments = match call.arguments.trim() {
            "" | "null" => "{}".to_owned(),
            _ => call.arguments.clone(),
        };
        let call = LlmToolCall { id: call.id.clone(), tool: call.tool.clone(), arguments };
        out.push(LlmEvent::ToolCallComplete { index: place, call });
        Ok(())
    }

    /// Completes every call, in order.
    ///
    /// # Errors
    /// As [`complete`](Self::complete).
    pub fn complete_all(&mut self, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        (0..self.calls.len()).try_for_each(|place| self.complete(place, out))
    }

    /// Drops each call that has the provider's id, the tool and the arguments of one before it, though they may be
    /// written differently: servers send a call a second time, and no two calls share an id otherwise.
    pub fn drop_repetitions(&mut self) {
        let mut told = HashSet::new();
        for call in &mut self.calls {
            let Some(id) = call.given.as_deref() else { continue };
            let arguments = serde_json::from_str::<Value>(&call.arguments);
            let arguments = arguments.unwrap_or_else(|_not_json| Value::String(call.arguments.clone()));
            // What is complete is not completed.
            call.complete |= !told.insert((id, &call.tool, arguments));
        }
    }

    /// Drops the last call if nothing of its arguments has come: the reply ended before the model could say them, and
    /// no arguments would be taken for none wanted.
    pub fn drop_speechless_end(&mut self) {
        self.calls.pop_if(|call| !call.complete && call.arguments.trim().is_empty());
    }

    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// The name of a call's tool.
    pub fn tool(&self, place: usize) -> &str {
        self.calls.get(place).map_or("", |call| &call.tool)
    }

    /// The provider's own id of a call.
    pub fn given_id(&self, place: usize) -> Option<&str> {
        self.calls.get(place).and_then(|call| call.given.as_deref())
    }

    /// Whether a fragment cannot continue a call's arguments, because they are a whole object and it begins another.
    /// Only then are they read, so that many fragments do not cost their square.
    pub fn begins_again(&self, place: usize, fragment: &str) -> bool {
        self.calls.get(place).is_some_and(|call| {
            fragment.trim_start().starts_with('{')
                && call.arguments.trim_end().ends_with('}')
                && serde_json::from_str::<IgnoredAny>(&call.arguments).is_ok()
        })
    }

    /// Whether a fragment is the whole of a call's arguments once more.
    pub fn says_again(&self, place: usize, fragment: &str) -> bool {
        let is_same = self.calls.get(place).is_some_and(|call| call.arguments.trim() == fragment.trim());
        is_same && self.begins_again(place, fragment)
    }
}
