//! The assistant that needs no key and no network: a program that reads the conversation, understands the ordinary
//! ways of speaking about a task list, and answers with the same events as a language model.
//!
//! | step | module |
//! |---|---|
//! | what has happened so far | `conversation` |
//! | the message's words, with their places in the text | `sentence`, `numbers` |
//! | the ways to understand them | `grammar` (the tables), `notation`, `matching` |
//! | which of them is meant: a command, a question back, a remark | `dialogue`, `reply`, `command` |
//! | the words of the answer | `wording` (without results), `answer` (about results) |
//! | how a sentence was understood, for whoever works on it | `explain` |
//!
//! It keeps nothing between calls: the same request gets the same reply. Deliberately not here: a clock, randomness,
//! I/O, and any task that a tool has not told of.

mod answer;
mod command;
mod conversation;
mod dialogue;
mod explain;
mod grammar;
mod matching;
mod notation;
mod numbers;
mod reply;
mod sentence;
mod wording;

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use domain::llm::{FinishReason, LlmClient, LlmError, LlmEvent, LlmRequest, LlmStream, LlmToolCall};
use domain::tool::CONFIRM_PENDING;
use futures_util::{StreamExt as _, stream};

use self::command::{Action, Command, Decision, Question, Remark, Status, Target};
use self::conversation::{Memory, Outcome, exchanges};
pub use self::explain::{ExplainedOutcome, ExplainedReading, Explanation};

/// Maximum number of tasks that a sweep takes at once: as many as one reply may call tools.
const MAX_SWEPT: usize = domain::chat::MAX_CALLS;

/// The built-in assistant.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuiltInAssistant;

impl BuiltInAssistant {
    /// The built-in assistant. It has no settings.
    pub fn new() -> Self {
        Self
    }

    /// How it understands a sentence that opens a conversation.
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

    /// Never fails. Of the request, the words to the system are not read: this assistant knows its work.
    async fn respond(&self, request: LlmRequest) -> Result<LlmStream, LlmError> {
        Ok(stream::iter(events(&reply(&request))).map(Ok).boxed())
    }
}

/// A reply before it becomes events.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Words(String),
    Question(Question),
    Calls(Vec<Command>),
}

fn reply(request: &LlmRequest) -> Reply {
    let mut exchanges = exchanges(&request.messages);
    let Some(now) = exchanges.pop() else {
        return Reply::Words(wording::remark(Remark::Greeting, 0).to_owned());
    };
    if now.outcomes.iter().any(|outcome| outcome.tool == CONFIRM_PENDING) {
        // It was all that the message asked for, whatever else the words might mean.
        return Reply::Words(answer::answer(&now.outcomes, None));
    }
    let has_tool = |name: &str| request.tools.iter().any(|tool| tool.name == name);
    let turn = exchanges.len();
    let mut memory = Memory::of(exchanges);
    memory.is_pending = has_tool(CONFIRM_PENDING);
    let decision = dialogue::decide(now.said, &memory);
    let there_is = |command: &Command| has_tool(command.tool());
    match decision {
        Decision::Sweep(action, status) => only_with(there_is, sweep(action, status, &now.outcomes)),
        decided if !now.outcomes.is_empty() => {
            let about = match &decided {
                Decision::Act(commands) => commands.iter().find_map(Command::about),
                Decision::Ask(_) | Decision::Say(_) | Decision::Sweep(..) => None,
            };
            Reply::Words(answer::answer(&now.outcomes, about))
        }
        Decision::Act(commands) => only_with(there_is, Reply::Calls(commands)),
        Decision::Ask(question) => Reply::Question(question),
        Decision::Say(remark) => Reply::Words(wording::remark(remark, turn).to_owned()),
    }
}

/// A reply, if every tool that it calls is there.
fn only_with(there_is: impl Fn(&Command) -> bool, reply: Reply) -> Reply {
    match reply {
        Reply::Calls(commands) if !commands.iter().all(there_is) => Reply::Words(wording::NO_TOOL.to_owned()),
        reply => reply,
    }
}

/// Does something to every task there is: looks first, then calls the tool for each of them. Whether so many may be
/// deleted at once is the server's to say.
fn sweep(action: Action, status: Status, outcomes: &[Outcome<'_>]) -> Reply {
    let [list] = outcomes else {
        return match outcomes {
            [] => Reply::Calls(vec![Command::List { status, about: None }]),
            [list, rest @ ..] => Reply::Words(answer::of_sweep(list, rest)),
        };
    };
    if !list.success || !list.data["tasks"].is_array() {
        return Reply::Words(answer::answer(outcomes, None));
    }
    match answer::swept(list) {
        Err(nothing) => Reply::Words(nothing),
        Ok(tasks) => {
            let swept = tasks.iter().take(MAX_SWEPT).map(Target::known);
            match action {
                Action::Complete => Reply::Calls(swept.map(Command::Complete).collect()),
                Action::Delete => Reply::Calls(swept.map(Command::Delete).collect()),
                Action::Rename => Reply::Words(wording::remark(Remark::RenamesOne, 0).to_owned()),
            }
        }
    }
}

/// Returns the events of a reply: text word by word, calls one by one, a question also as a plan, which the conversation
/// keeps for the next message. Usage is unknown: there are no tokens.
fn events(reply: &Reply) -> Vec<LlmEvent> {
    let words = |text: &str| -> Vec<LlmEvent> {
        text.split_inclusive(char::is_whitespace).map(|word| LlmEvent::TextDelta(word.to_owned())).collect()
    };
    let mut events = Vec::new();
    let reason = match reply {
        Reply::Words(text) => {
            events.extend(words(text));
            FinishReason::Stop
        }
        Reply::Question(question) => {
            events.extend(serde_json::to_string(question).ok().map(LlmEvent::PlanDelta));
            events.extend(words(&wording::question(question)));
            FinishReason::Stop
        }
        Reply::Calls(commands) => {
            for (index, command) in commands.iter().enumerate() {
                let call = LlmToolCall {
                    id: format!("call_{index}"),
                    tool: command.tool().to_owned(),
                    arguments: command.arguments().to_string(),
                };
                events.push(LlmEvent::ToolCallStarted { index, id: call.id.clone(), tool: call.tool.clone() });
                events.push(LlmEvent::ToolCallArguments { index, fragment: call.arguments.clone() });
                events.push(LlmEvent::ToolCallComplete { index, call });
            }
            FinishReason::ToolCalls
        }
    };
    events.push(LlmEvent::Finished { reason, usage: None });
    events
}
