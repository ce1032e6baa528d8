//! A scripted model, for tests.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_channel::oneshot;
use futures_util::{StreamExt as _, stream};
use serde_json::Value;

use super::{FinishReason, LlmClient, LlmError, LlmEvent, LlmRequest, LlmStream, LlmToolCall};
use crate::conversation::turn::Usage;

/// A response of a [`ScriptedLlm`].
pub enum Step {
    /// Sends these events.
    Events(Vec<LlmEvent>),
    /// Fails before the first event.
    Fail(LlmError),
    /// Sends these events and then fails.
    Cut(Vec<LlmEvent>, LlmError),
    /// Sends these events once the sender of the gate is used or dropped.
    Gated(oneshot::Receiver<()>, Vec<LlmEvent>),
    /// Sends these events and continues with another step.
    Then(Vec<LlmEvent>, Box<Step>),
    /// Never sends an event.
    Hang,
}

impl Step {
    /// Replies with `text`.
    pub fn says(text: &str) -> Self {
        Self::Events(vec![LlmEvent::TextDelta(text.to_owned()), finished(FinishReason::Stop)])
    }

    /// Calls one tool.
    pub fn calls(tool: &str, arguments: &Value) -> Self {
        Self::calls_raw([(tool, arguments.to_string().as_str())])
    }

    /// Calls tools with arguments that may be invalid JSON.
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

    fn stream(self) -> LlmStream {
        match self {
            Self::Events(events) => stream::iter(events.into_iter().map(Ok)).boxed(),
            Self::Fail(error) => stream::iter([Err(error)]).boxed(),
            Self::Cut(events, error) => stream::iter(events.into_iter().map(Ok).chain([Err(error)])).boxed(),
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

/// A model that replies from a script and records its requests.
#[derive(Default)]
pub struct ScriptedLlm {
    steps: Mutex<VecDeque<Step>>,
    requests: Mutex<Vec<LlmRequest>>,
}

impl ScriptedLlm {
    /// Creates a model that runs one of `steps` per request, and fails after the last one.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: Mutex::new(steps.into_iter().collect()), requests: Mutex::default() }
    }

    /// Adds a step.
    pub fn then(&self, step: Step) {
        lock(&self.steps).push_back(step);
    }

    /// Returns the requests so far.
    pub fn requests(&self) -> Vec<LlmRequest> {
        lock(&self.requests).clone()
    }
}

/// A poisoned lock means that another thread of the test has panicked, which the test reports itself.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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

    fn source(&self) -> String {
        "scripted script".to_owned()
    }

    async fn respond(&self, request: LlmRequest) -> Result<LlmStream, LlmError> {
        lock(&self.requests).push(request);
        let step = lock(&self.steps).pop_front();
        match step {
            Some(Step::Fail(error)) => Err(error),
            Some(step) => Ok(step.stream()),
            None => Err(LlmError::BadReply("the script has ended".into())),
        }
    }
}
