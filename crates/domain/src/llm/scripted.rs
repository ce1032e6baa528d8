//! A model that answers from a script, for tests.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_channel::oneshot;
use futures_util::{StreamExt as _, stream};
use serde_json::Value;

use super::{FinishReason, LlmClient, LlmError, LlmEvent, LlmRequest, LlmStream, LlmToolCall};
use crate::turn::Usage;

/// What a [`ScriptedLlm`] does when it is asked.
pub enum Step {
    /// It sends these events.
    Events(Vec<LlmEvent>),
    /// It fails before the first event.
    Fail(LlmError),
    /// It sends these events and fails then.
    Cut(Vec<LlmEvent>, LlmError),
    /// It sends these events once the gate opens; it hangs as long as the gate's other end is kept.
    Gated(oneshot::Receiver<()>, Vec<LlmEvent>),
    /// It sends these events and goes on with another step.
    Then(Vec<LlmEvent>, Box<Step>),
    /// It never says a word.
    Hang,
}

impl Step {
    /// It says `text`.
    pub fn says(text: &str) -> Self {
        Self::Events(vec![LlmEvent::TextDelta(text.to_owned()), finished(FinishReason::Stop)])
    }

    /// It calls one tool.
    pub fn calls(tool: &str, arguments: &Value) -> Self {
        Self::calls_raw([(tool, arguments.to_string().as_str())])
    }

    /// It calls tools, with arguments that need not be JSON.
    pub fn calls_raw<'a>(calls: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let call = |(index, (tool, arguments)): (usize, (&str, &str))| {
            let call =
                LlmToolCall { id: format!("call_{index}"), tool: tool.to_owned(), arguments: arguments.to_owned() };
            [
                LlmEvent::ToolCallStarted { index, id: call.id.clone(), tool: call.tool.clone() },
                LlmEvent::ToolCallArguments { index, fragment: call.arguments.clone() },
                LlmEvent::ToolCallComplete { index, call },
            ]
        };
        let mut events: Vec<_> = calls.into_iter().enumerate().flat_map(call).collect();
        events.push(finished(FinishReason::ToolCalls));
        Self::Events(events)
    }
}

impl Step {
    fn stream(self) -> LlmStream {
        match self {
            Self::Events(events) => stream::iter(events.into_iter().map(Ok)).boxed(),
            Self::Fail(error) => stream::iter([Err(error)]).boxed(),
            Self::Cut(events, error) => stream::iter(events.into_iter().map(Ok).chain([Err(error)])).boxed(),
            // Whether the gate was opened or its other end dropped, waiting is over.
            Self::Gated(gate, events) => {
                stream::once(gate).flat_map(move |_open| stream::iter(events.clone().into_iter().map(Ok))).boxed()
            }
            Self::Then(events, next) => stream::iter(events.into_iter().map(Ok)).chain(next.stream()).boxed(),
            Self::Hang => stream::pending().boxed(),
        }
    }
}

fn finished(reason: FinishReason) -> LlmEvent {
    LlmEvent::Finished { reason, usage: Some(Usage { tokens_in: 10, tokens_out: 5 }) }
}

/// A model that answers from a script and remembers what it was asked.
#[derive(Default)]
pub struct ScriptedLlm {
    steps: Mutex<VecDeque<Step>>,
    requests: Mutex<Vec<LlmRequest>>,
}

impl ScriptedLlm {
    /// A model that does `steps`, one each time it is asked, and fails when there are no more.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: Mutex::new(steps.into_iter().collect()), requests: Mutex::default() }
    }

    /// Adds a step.
    pub fn then(&self, step: Step) {
        locked(&self.steps).push_back(step);
    }

    /// What it was asked so far.
    pub fn requests(&self) -> Vec<LlmRequest> {
        locked(&self.requests).clone()
    }
}

/// A test that panicked while it held the lock has failed already; the script is still good.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl LlmClient for ScriptedLlm {
    fn provider(&self) -> &'static str {
        "scripted"
    }

    fn model(&self) -> &'static str {
        "script"
    }

    async fn respond(&self, request: LlmRequest) -> Result<LlmStream, LlmError> {
        locked(&self.requests).push(request);
        let step = locked(&self.steps).pop_front();
        match step {
            Some(Step::Fail(error)) => Err(error),
            Some(step) => Ok(step.stream()),
            None => Err(LlmError::BadReply("the script is over".into())),
        }
    }
}
