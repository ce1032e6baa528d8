//! The assistant that needs no key and no network: a program that reads the conversation, understands the ordinary
//! ways of speaking about a task list, and answers with the same events as a language model.
//!
//! | step | module |
//! |---|---|
//! | the conversation so far | `conversation` |
//! | the words of the message, and their classes | `sentence`, `numbers`, `lexicon` |
//! | the ways to understand them | `grammar` (the tables), `notation`, `matching` |
//! | its parts, and for each a command, a question or a remark | `dialogue`, `command`, `selection`, `tasks` |
//! | the calls, round by round | `rounds` |
//! | the text of the answer | `wording` (without results), `answer` (about results) |
//! | how a sentence is understood, for developers | `explain` |
//!
//! It keeps nothing between calls: the same request gets the same reply. It uses no clock, no randomness and no I/O.

mod answer;
mod command;
mod conversation;
mod dialogue;
mod explain;
mod grammar;
mod language;
mod lexicon;
mod matching;
mod notation;
mod numbers;
mod rounds;
mod selection;
mod sentence;
mod tasks;
mod wording;

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use domain::llm::{FinishReason, LlmClient, LlmError, LlmEvent, LlmRequest, LlmStream, LlmToolCall};
use domain::tool::CONFIRM_PENDING;
use futures_util::{StreamExt as _, stream};

use self::command::{Command, Decision, Plan, Question, Remark};
use self::conversation::{Memory, exchanges};
pub use self::explain::{ExplainedPart, ExplainedReading, Explanation};

/// The built-in assistant.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuiltInAssistant;

impl BuiltInAssistant {
    /// Creates the assistant. It has no settings.
    pub fn new() -> Self {
        Self
    }

    /// Explains how it understands a sentence that opens a conversation.
    pub fn explain(self, sentence: &str) -> Explanation {
        explain::explain(sentence)
    }
}

#[async_trait]
impl LlmClient for BuiltInAssistant {
    fn provider(&self) -> &'static str {
        "offline"
    }

    fn model(&self) -> &'static str {
        "doable-offline-1"
    }

    fn source(&self) -> String {
        self.provider().to_owned()
    }

    /// Never fails. Ignores the system text of the request.
    async fn respond(&self, request: LlmRequest) -> Result<LlmStream, LlmError> {
        Ok(stream::iter(events(&reply(&request))).map(Ok).boxed())
    }
}

/// A reply before it becomes events.
#[derive(Debug, Default, PartialEq, Eq)]
struct Reply {
    text: String,
    /// A question in the text that the next message may answer.
    question: Option<Question>,
    /// The commands to call first. A reply with calls has no text.
    calls: Vec<Command>,
}

impl Reply {
    fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

fn reply(request: &LlmRequest) -> Reply {
    let mut exchanges = exchanges(&request.messages);
    let Some(current) = exchanges.pop() else { return Reply::text(wording::remark(&Remark::Greeting, 0)) };
    if current.outcomes.iter().any(|outcome| outcome.tool == CONFIRM_PENDING) {
        // It was all that the message asked for, whatever else the words may mean.
        return Reply::text(answer::answer(&[], &current.outcomes));
    }
    let has_tool = |name: &str| request.tools.iter().any(|tool| tool.name == name);
    let turn = exchanges.len();
    let mut memory = Memory::of(exchanges);
    memory.is_pending = has_tool(CONFIRM_PENDING);
    let plan = match dialogue::decide(current.text, &memory) {
        Decision::Act(plan) => plan,
        _ if !current.outcomes.is_empty() => Plan::default(),
        Decision::Ask(question) => Plan { question: Some(question), ..Plan::default() },
        Decision::Say(remark) => return Reply::text(wording::remark(&remark, turn)),
    };
    let calls = rounds::next_calls(&plan.commands, &current.outcomes);
    if !calls.iter().all(|call| has_tool(call.tool())) {
        return Reply::text(wording::NO_TOOL);
    }
    if !calls.is_empty() {
        return Reply { calls, ..Reply::default() };
    }
    let done = (!current.outcomes.is_empty()).then(|| rounds::answer(&plan.commands, &current.outcomes));
    let texts = [done, wording::skipped(&plan.skipped), plan.question.as_ref().map(wording::question)];
    let text = texts.into_iter().flatten().collect::<Vec<_>>().join("\n\n");
    Reply { text, question: plan.question, calls }
}

/// Returns the events of a reply: calls one by one, text word by word, a question also as a plan, which the conversation
/// stores for the next message. Usage is unknown: there are no tokens.
fn events(reply: &Reply) -> Vec<LlmEvent> {
    let mut events = Vec::new();
    for (index, command) in reply.calls.iter().enumerate() {
        let call = LlmToolCall {
            id: format!("call_{index}"),
            tool: command.tool().to_owned(),
            arguments: command.arguments().to_string(),
        };
        events.push(LlmEvent::ToolCallStarted { index, id: call.id.clone(), tool: call.tool.clone() });
        events.push(LlmEvent::ToolCallArguments { index, fragment: call.arguments.clone() });
        events.push(LlmEvent::ToolCallComplete { index, call });
    }
    let plan = reply.question.as_ref().and_then(|question| serde_json::to_string(question).ok());
    events.extend(plan.map(LlmEvent::PlanDelta));
    events.extend(reply.text.split_inclusive(char::is_whitespace).map(|word| LlmEvent::TextDelta(word.to_owned())));
    let reason = if reply.calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolCalls };
    events.push(LlmEvent::Finished { reason, usage: None });
    events
}
