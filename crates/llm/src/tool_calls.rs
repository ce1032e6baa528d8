//! Assembles the tool calls of one reply from fragments and gives each an id that is unique in the reply.
//!
//! The decoder of each provider decides which fragment belongs to which call.

use std::collections::HashSet;

use domain::llm::{LlmError, LlmEvent, LlmToolCall};
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::wire::bad_reply;

/// The tool calls of one reply, in order. Methods ignore a position that does not exist.
#[derive(Debug, Default)]
pub(crate) struct ToolCalls {
    calls: Vec<Call>,
    /// The positions of the completed calls, in the order of their events.
    completed: Vec<usize>,
}

#[derive(Debug)]
struct Call {
    id: String,
    /// The id as the provider sent it, which may be missing or not unique.
    provider_id: Option<String>,
    /// Empty until the name arrives. No event of the call is emitted before.
    tool: String,
    arguments: String,
    complete: bool,
}

impl ToolCalls {
    /// Starts a call and returns its position. The call keeps the provider's id unless another call has it. `tool` may
    /// be empty if the name follows later.
    pub fn start(&mut self, id: Option<&str>, tool: &str, out: &mut Vec<LlmEvent>) -> usize {
        let position = self.calls.len();
        let provider_id = id.map(str::to_owned);
        let id = self.unique_id(id, position);
        self.calls.push(Call { id, provider_id, tool: String::new(), arguments: String::new(), complete: false });
        self.set_name(position, tool, out);
        position
    }

    fn unique_id(&self, id: Option<&str>, position: usize) -> String {
        let is_taken = |id: &str| self.calls.iter().any(|call| call.id == id);
        match id {
            Some(id) if !is_taken(id) => id.to_owned(),
            _ => {
                let numbers = position..=position + self.calls.len();
                numbers.map(|number| format!("call_{number}")).find(|id| !is_taken(id)).unwrap_or_default()
            }
        }
    }

    /// Sets the tool of a call that has none yet.
    pub fn set_name(&mut self, position: usize, tool: &str, out: &mut Vec<LlmEvent>) {
        let Some(call) = self.calls.get_mut(position).filter(|call| call.tool.is_empty() && !tool.is_empty()) else {
            return;
        };
        tool.clone_into(&mut call.tool);
        out.push(LlmEvent::ToolCallStarted { index: position, id: call.id.clone(), tool: call.tool.clone() });
        if !call.arguments.is_empty() {
            out.push(LlmEvent::ToolCallArguments { index: position, fragment: call.arguments.clone() });
        }
    }

    /// Appends to the arguments of a call that is not complete.
    pub fn append_arguments(&mut self, position: usize, fragment: &str, out: &mut Vec<LlmEvent>) {
        let Some(call) = self.calls.get_mut(position).filter(|call| !call.complete && !fragment.is_empty()) else {
            return;
        };
        call.arguments.push_str(fragment);
        if !call.tool.is_empty() {
            out.push(LlmEvent::ToolCallArguments { index: position, fragment: fragment.to_owned() });
        }
    }

    /// Completes a call. Does nothing if it is complete.
    ///
    /// # Errors
    /// [`LlmError::BadReply`] if the call has no name.
    pub fn complete(&mut self, position: usize, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        let Some(call) = self.calls.get_mut(position).filter(|call| !call.complete) else { return Ok(()) };
        if call.tool.is_empty() {
            return Err(bad_reply("a tool call has no name"));
        }
        call.complete = true;
        self.completed.push(position);
        // Providers send missing arguments as an empty string, as `null` or as an empty object.
        let arguments = match call.arguments.trim() {
            "" | "null" => "{}".to_owned(),
            _ => call.arguments.clone(),
        };
        let call = LlmToolCall { id: call.id.clone(), tool: call.tool.clone(), arguments };
        out.push(LlmEvent::ToolCallComplete { index: position, call });
        Ok(())
    }

    /// Completes every call, in order.
    ///
    /// # Errors
    /// As [`complete`](Self::complete).
    pub fn complete_all(&mut self, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        (0..self.calls.len()).try_for_each(|position| self.complete(position, out))
    }

    /// Returns the positions of the completed calls in the order of their events, with the provider's ids.
    pub fn completed(&self) -> impl Iterator<Item = (usize, Option<&str>)> {
        self.completed.iter().map(|position| (*position, self.provider_id(*position)))
    }

    /// Drops each call whose provider id, tool and arguments (compared as JSON) equal those of an earlier one: some
    /// servers send a call twice. Calls without a provider id are kept.
    pub fn drop_duplicates(&mut self) {
        let mut seen = HashSet::new();
        for call in &mut self.calls {
            let Some(id) = call.provider_id.as_deref() else { continue };
            let arguments = serde_json::from_str::<Value>(&call.arguments);
            let arguments = arguments.unwrap_or_else(|_not_json| Value::String(call.arguments.clone()));
            // `complete` skips a call that is marked as complete.
            call.complete |= !seen.insert((id, &call.tool, arguments));
        }
    }

    /// Drops the last call if it has no arguments: the reply was truncated before they arrived, and the call must not
    /// run without them.
    pub fn drop_incomplete_last_call(&mut self) {
        self.calls.pop_if(|call| !call.complete && call.arguments.trim().is_empty());
    }

    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Returns the tool of a call, or an empty string.
    pub fn tool(&self, position: usize) -> &str {
        self.calls.get(position).map_or("", |call| &call.tool)
    }

    /// Returns the id of a call as the provider sent it.
    pub fn provider_id(&self, position: usize) -> Option<&str> {
        self.calls.get(position).and_then(|call| call.provider_id.as_deref())
    }

    /// Whether a fragment starts a new object because the arguments of the call are already a complete one. They are
    /// parsed only if the braces match, so that the cost is not quadratic in the number of fragments.
    pub fn starts_new_object(&self, position: usize, fragment: &str) -> bool {
        self.calls.get(position).is_some_and(|call| {
            fragment.trim_start().starts_with('{')
                && call.arguments.trim_end().ends_with('}')
                && serde_json::from_str::<IgnoredAny>(&call.arguments).is_ok()
        })
    }

    /// Whether a fragment repeats the whole arguments of the call.
    pub fn repeats_arguments(&self, position: usize, fragment: &str) -> bool {
        let is_equal = self.calls.get(position).is_some_and(|call| call.arguments.trim() == fragment.trim());
        is_equal && self.starts_new_object(position, fragment)
    }
}
