//! Thoughts and tool calls that a model writes into its text, because the server does not separate them.
//!
//! Thoughts are hidden at the beginning of a reply only, so that an answer can be about such markers. Calls are read only
//! if the whole reply consists of them, thoughts aside, all of them are of known tools, the reply has no other calls, and no
//! call of such a tool stands in a text of the user or in a tool's result, which the model may just repeat. Everything else
//! is text, and only a beginning that can become a marker is held back.

mod calls;
mod echo;
mod markers;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::llm::{FinishReason, LlmError, LlmEvent, LlmRequest, LlmStream, MAX_REPLY_BYTES};
use futures_util::{StreamExt as _, stream};

use crate::tool_calls::ToolCalls;
use calls::{TextCall, parse_calls};
use echo::WrittenText;
use markers::{Beginning, EndFinder, classify};

/// Whether replies begin within a thought, because the prompt's template has begun it: only its end is in the reply.
///
/// It is assumed of models with a telling name, and learned from the last reply that shows it. If it is assumed, a reply is
/// held back up to the end of the thought; if there is none, it was text.
#[derive(Clone, Debug)]
pub(crate) struct OpenThoughts(Arc<AtomicBool>);

impl OpenThoughts {
    /// The assumption about a model.
    pub fn of_model(name: &str) -> Self {
        let name = name.to_lowercase();
        let assumed = ["r1", "qwq", "thinking"].iter().any(|part| name.contains(part));
        Self(Arc::new(AtomicBool::new(assumed)))
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, is_open: bool) {
        self.0.store(is_open, Ordering::Relaxed);
    }
}

/// Returns the reply to `request` with its thoughts hidden and the calls in its text read.
pub(crate) fn separate(reply: LlmStream, request: LlmRequest, open_thoughts: OpenThoughts) -> LlmStream {
    let state = (reply, MarkedText::new(request, open_thoughts), VecDeque::new());
    stream::unfold(state, |(mut reply, mut text, mut ready)| async move {
        loop {
            if let Some(event) = ready.pop_front() {
                return Some((event, (reply, text, ready)));
            }
            match reply.next().await? {
                Ok(event) => {
                    let mut out = Vec::new();
                    let result = text.take(event, &mut out);
                    ready.extend(out.into_iter().map(Ok).chain(result.err().map(Err)));
                }
                // What is held back of a reply that failed is neither a whole thought nor a whole call.
                Err(error) => ready.push_back(Err(error)),
            }
        }
    })
    .boxed()
}

/// Where a reply is.
#[derive(Debug)]
enum State {
    /// At a beginning: of the reply, or behind a thought. The text is held back, and can still become a marker.
    Beginning(String),
    /// In a thought. `held` is the text since the beginning of the reply if it is only assumed to be a thought.
    Thought { end: EndFinder, held: Option<String> },
    /// In what may be a call. Everything is held back.
    Call(String),
    /// In text.
    Text(EndFinder),
}

/// Separates the thoughts and calls of one reply from its text.
struct MarkedText {
    request: LlmRequest,
    open_thoughts: OpenThoughts,
    written: Option<WrittenText>,
    state: State,
    /// Whether text was emitted.
    has_text: bool,
    /// Whether the reply has calls that do not stand in the text.
    has_calls: bool,
}

impl MarkedText {
    fn new(request: LlmRequest, open_thoughts: OpenThoughts) -> Self {
        let state = State::Beginning(String::new());
        let mut text = Self { request, open_thoughts, written: None, state, has_text: false, has_calls: false };
        if text.open_thoughts.get() && !text.written().has_thought_end {
            text.state = State::Thought { end: EndFinder::default(), held: Some(String::new()) };
        }
        text
    }

    /// What users and tools have written, which is needed rarely.
    fn written(&mut self) -> &WrittenText {
        self.written.get_or_insert_with(|| WrittenText::of(&self.request.messages))
    }

    fn take(&mut self, event: LlmEvent, out: &mut Vec<LlmEvent>) -> Result<(), LlmError> {
        match event {
            LlmEvent::TextDelta(delta) => {
                self.push(&delta, out);
                if out.is_empty() {
                    out.push(LlmEvent::Thinking);
                }
            }
            LlmEvent::Thinking => {
                // The server separates thoughts itself.
                self.end_assumption(out);
                out.push(event);
            }
            LlmEvent::ToolCallStarted { .. }
            | LlmEvent::ToolCallArguments { .. }
            | LlmEvent::ToolCallComplete { .. } => {
                self.has_calls = true;
                self.release(out);
                out.push(event);
            }
            LlmEvent::Finished { reason, usage } => {
                let reason = self.finish(reason, out)?;
                out.push(LlmEvent::Finished { reason, usage });
            }
            other => out.push(other),
        }
        Ok(())
    }

    /// Reads more text. Each step consumes some of it or enters a state that does.
    fn push(&mut self, delta: &str, out: &mut Vec<LlmEvent>) {
        let joined;
        let mut rest = delta;
        if let State::Beginning(held) = &mut self.state
            && !held.is_empty()
        {
            joined = std::mem::take(held) + delta;
            rest = &joined;
        }
        while !rest.is_empty() {
            rest = match self.state {
                State::Beginning(_) => self.begin(rest, out),
                State::Thought { .. } => self.skip_thought(rest),
                State::Call(ref mut held) => {
                    held.push_str(rest);
                    if held.len() > MAX_REPLY_BYTES {
                        self.release(out);
                    }
                    ""
                }
                State::Text(_) => self.emit_text(rest, out),
            };
        }
    }

    fn begin<'t>(&mut self, text: &'t str, out: &mut Vec<LlmEvent>) -> &'t str {
        let begun = text.trim_start();
        if self.has_text && begun.len() < text.len() {
            out.push(LlmEvent::TextDelta(text[..text.len() - begun.len()].to_owned()));
        }
        if begun.is_empty() {
            return "";
        }
        match classify(begun) {
            Beginning::Thought { rest, end } => {
                self.state = State::Thought { end: EndFinder::of(end), held: None };
                rest
            }
            Beginning::Call if !self.has_calls => {
                self.state = State::Call(String::new());
                begun
            }
            Beginning::Undecided => {
                self.state = State::Beginning(begun.to_owned());
                ""
            }
            Beginning::Call | Beginning::Text => {
                self.state = State::Text(EndFinder::default());
                begun
            }
        }
    }

    fn skip_thought<'t>(&mut self, text: &'t str) -> &'t str {
        let State::Thought { end, held } = &mut self.state else { return text };
        if let Some(behind) = end.find(text) {
            self.state = State::Beginning(String::new());
            return &text[behind..];
        }
        // A reply of that length would be refused if it were not a thought.
        if held.as_ref().is_some_and(|held| held.len() + text.len() > MAX_REPLY_BYTES) {
            *held = None;
        }
        if let Some(held) = held {
            held.push_str(text);
        }
        ""
    }

    /// Emits text up to the end of a thought that did not begin in the reply. A thought that was not emitted yet is hidden;
    /// in any case, the reply begins anew behind it.
    fn emit_text<'t>(&mut self, text: &'t str, out: &mut Vec<LlmEvent>) -> &'t str {
        let State::Text(end) = &mut self.state else { return text };
        let found = end.find(text);
        let Some(behind) = found.filter(|_| !self.written().has_thought_end) else {
            return self.emit(text, out);
        };
        self.open_thoughts.set(true);
        self.state = State::Beginning(String::new());
        if self.has_text {
            self.emit(&text[..behind], out);
        }
        &text[behind..]
    }

    fn emit(&mut self, text: &str, out: &mut Vec<LlmEvent>) -> &'static str {
        self.has_text = true;
        out.push(LlmEvent::TextDelta(text.to_owned()));
        ""
    }

    /// Emits what is held back as text, except in a thought.
    fn release(&mut self, out: &mut Vec<LlmEvent>) {
        self.end_assumption(out);
        let (State::Beginning(held) | State::Call(held)) = &mut self.state else { return };
        let held = std::mem::take(held);
        if !held.is_empty() {
            self.state = State::Text(EndFinder::default());
            self.emit(&held, out);
        }
    }

    /// Takes what was assumed to be a thought as the beginning of the reply.
    fn end_assumption(&mut self, out: &mut Vec<LlmEvent>) {
        if let State::Thought { held: held @ Some(_), .. } = &mut self.state {
            let held = held.take().unwrap_or_default();
            self.open_thoughts.set(false);
            self.state = State::Beginning(String::new());
            self.push(&held, out);
        }
    }

    fn finish(&mut self, reason: FinishReason, out: &mut Vec<LlmEvent>) -> Result<FinishReason, LlmError> {
        if reason == FinishReason::Length && matches!(self.state, State::Thought { .. }) {
            // It was cut off before its end.
            return Ok(reason);
        }
        self.end_assumption(out);
        let calls = match &self.state {
            State::Call(held) => parse_calls(held),
            State::Beginning(_) | State::Thought { .. } | State::Text(_) => None,
        };
        let Some(calls) = calls.filter(|calls| self.can_run(calls)) else {
            self.release(out);
            return Ok(reason);
        };
        tracing::info!(
            calls = calls.len(),
            "a reply's text was read as tool calls: does the server lack a tool parser?"
        );
        let mut read = ToolCalls::default();
        for call in &calls {
            let position = read.start(None, &call.tool, out);
            read.append_arguments(position, &call.arguments, out);
        }
        read.complete_all(out)?;
        Ok(FinishReason::ToolCalls)
    }

    fn can_run(&mut self, calls: &[TextCall]) -> bool {
        let tools = self.request.tools.clone();
        let is_known = |call: &TextCall| tools.iter().any(|tool| tool.name == call.tool);
        calls.iter().all(is_known) && !calls.iter().any(|call| self.written().contains_call(call))
    }
}
