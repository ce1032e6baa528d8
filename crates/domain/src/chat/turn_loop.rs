//! The work of one turn: ask the model, run the tools that it calls, tell it the results, until it answers in words.
//!
//! Whatever a model does, the loop ends: so many rounds, so many calls, so many mistakes, so much time.

use std::sync::Arc;

use chrono::TimeDelta;
use futures_util::future::{self, Either};
use serde_json::{Value, json};

use super::history::replay_parts;
use super::service::ChatPorts;
use crate::change::{EffectId, RequestId};
use crate::conversation::ConversationRepoError;
use crate::llm::{LlmError, LlmMessage, LlmReply, LlmRequest, LlmToolCall, collect};
use crate::message::{Part, ToolCall, ToolResult, content};
use crate::principal::Principal;
use crate::storage::StorageError;
use crate::tool::{ToolContext, ToolError, ToolOutcome, ToolSpec};
use crate::turn::{Turn, Usage};

/// So often the model is asked in one turn.
pub(super) const MAX_ROUNDS: u8 = 8;
/// So many tools may be called in one round.
pub(super) const MAX_CALLS: usize = 32;
/// So often a model may get a call wrong and be told so.
pub(super) const MAX_CORRECTIONS: u8 = 2;
/// The same call, asked for this often in one turn, is a model that runs in circles.
pub(super) const MAX_REPEATS: usize = 3;
/// So long one call of the model may take.
pub(super) const MODEL_DEADLINE: TimeDelta = TimeDelta::seconds(60);

/// Why a turn ends without an answer.
#[derive(Debug)]
pub(super) enum Failure {
    Model(LlmError),
    Storage(StorageError),
    /// The turn was taken away.
    Ended,
    /// Our own code panicked.
    Panicked,
}

/// One turn at work.
pub(super) struct TurnLoop {
    pub ports: ChatPorts,
    pub who: Principal,
    pub request_id: RequestId,
    pub turn: Turn,
    pub user_text: String,
    pub system: String,
    /// The conversation up to the user's message.
    pub history: Vec<LlmMessage>,
    /// What the assistant's message is made of so far.
    pub parts: Vec<Part>,
    pub usage: Usage,
    pub corrections: u8,
}

/// Whether the model is asked again.
enum Next {
    Ask,
    Enough,
}

impl TurnLoop {
    /// Works until there is an answer in [`parts`](Self::parts).
    pub async fn run(&mut self) -> Result<(), Failure> {
        let tools: Arc<[ToolSpec]> = self.ports.tools.tools().into();
        for round in 0..MAX_ROUNDS {
            let reply = self.ask(tools.clone()).await?;
            self.usage += reply.usage;
            let calls = self.note(round, reply);
            if calls.is_empty() {
                return self.conclude();
            }
            if calls.len() > MAX_CALLS {
                self.stop_because("it was asked to do too much at once");
                return Ok(());
            }
            if matches!(self.run_calls(round, calls).await?, Next::Enough) {
                return Ok(());
            }
            self.save().await?;
        }
        self.stop_because("it took too many steps");
        Ok(())
    }

    async fn ask(&self, tools: Arc<[ToolSpec]>) -> Result<LlmReply, Failure> {
        let mut messages = self.history.clone();
        messages.extend(replay_parts(&self.parts));
        let request = LlmRequest { system: self.system.clone(), messages, tools };
        let reply = async { collect(self.ports.llm.respond(request).await?).await };
        let deadline = self.ports.clock.sleep_until(self.ports.clock.now() + MODEL_DEADLINE);
        match future::select(Box::pin(reply), deadline).await {
            Either::Left((reply, _)) => reply.map_err(Failure::Model),
            Either::Right(_) => Err(Failure::Model(LlmError::Timeout("no whole reply within 60 s".into()))),
        }
    }

    /// Takes a reply's words into the message and returns its calls.
    fn note(&mut self, round: u8, reply: LlmReply) -> Vec<LlmToolCall> {
        if let Some(text) = reply.plan.filter(|plan| !plan.trim().is_empty()) {
            self.parts.push(Part::Plan { round, text });
        }
        let text = reply.text.trim();
        if !text.is_empty() {
            self.parts.push(Part::Text { round, text: text.to_owned() });
        }
        reply.calls
    }

    async fn run_calls(&mut self, round: u8, calls: Vec<LlmToolCall>) -> Result<Next, Failure> {
        for (index, call) in calls.into_iter().enumerate() {
            let parameters = parameters(&call.arguments);
            let call = ToolCall { id: call.id, round, tool: call.tool, parameters, result: None };
            let times = self.earlier(&call) + 1;
            self.parts.push(Part::ToolCall(call.clone()));
            if times >= MAX_REPEATS {
                self.stop_because("it kept asking for the same step");
                return Ok(Next::Enough);
            }
            // What is about to be done is on record before it is done, and a turn that was taken away does nothing more.
            self.save().await?;
            let (result, mistaken) = self.run_call(round, index, &call).await.map_err(Failure::Storage)?;
            if let Some(Part::ToolCall(ran)) = self.parts.last_mut() {
                ran.result = Some(result);
            }
            if mistaken {
                if self.corrections == MAX_CORRECTIONS {
                    self.stop_because("it could not say clearly what to do");
                    return Ok(Next::Enough);
                }
                self.corrections += 1;
            }
        }
        Ok(Next::Ask)
    }

    /// Runs one call. The flag says whether the model got the call itself wrong.
    async fn run_call(&self, round: u8, index: usize, call: &ToolCall) -> Result<(ToolResult, bool), StorageError> {
        let index = u8::try_from(index).unwrap_or(u8::MAX);
        let context = ToolContext {
            principal: self.who.clone(),
            conversation: Some(self.turn.conversation),
            turn: Some(self.turn.id),
            effect_id: Some(EffectId { turn: self.turn.id, round, index }),
            user_text: Some(self.user_text.clone()),
            request_id: self.request_id.clone(),
        };
        if call.parameters.is_string() {
            return Ok((failed("The arguments are no valid JSON object. Nothing was changed.".to_owned()), true));
        }
        match self.ports.tools.run(&context, &call.tool, call.parameters.clone()).await {
            Ok(ToolOutcome::Done { message, data, .. }) => Ok((ToolResult { success: true, message, data }, false)),
            Ok(ToolOutcome::Refused { message, data } | ToolOutcome::NeedsConfirmation { message, data, .. }) => {
                Ok((ToolResult { success: false, message, data }, false))
            }
            Err(error @ (ToolError::UnknownTool(_) | ToolError::BadParameters(_))) => {
                Ok((failed(format!("{error}. Nothing was changed.")), true))
            }
            Err(error @ ToolError::InsufficientScope(_)) => {
                Ok((failed(format!("{error}. Nothing was changed.")), false))
            }
            Err(ToolError::Storage(error)) => Err(error),
        }
    }

    /// How often this turn has already asked for the same.
    fn earlier(&self, call: &ToolCall) -> usize {
        let same = |part: &&Part| matches!(part, Part::ToolCall(other) if other.tool == call.tool && other.parameters == call.parameters);
        self.parts.iter().filter(same).count()
    }

    /// A reply without calls ends the turn. If it has no words either, what the tools said has to do.
    fn conclude(&mut self) -> Result<(), Failure> {
        if !content(&self.parts).is_empty() {
            return Ok(());
        }
        let said: Vec<_> = crate::message::tool_calls(&self.parts)
            .filter_map(|call| call.result.as_ref())
            .map(|result| result.message.clone())
            .collect();
        if said.is_empty() {
            return Err(Failure::Model(LlmError::BadReply("the reply is empty".into())));
        }
        self.parts.push(Part::Notice { text: said.join("\n") });
        Ok(())
    }

    /// Ends the message honestly where the assistant is not let go on.
    fn stop_because(&mut self, reason: &str) {
        let any_done =
            crate::message::tool_calls(&self.parts).any(|call| matches!(&call.result, Some(result) if result.success));
        let so_far = if any_done { "What was done so far stands." } else { "Nothing was changed." };
        self.parts.push(Part::Notice { text: format!("The assistant was stopped because {reason}. {so_far}") });
    }

    async fn save(&self) -> Result<(), Failure> {
        match self.ports.conversations.save_progress(self.who.user, self.turn.id, &self.parts).await {
            Ok(()) => Ok(()),
            Err(ConversationRepoError::Storage(error)) => Err(Failure::Storage(error)),
            Err(
                ConversationRepoError::NoTurn | ConversationRepoError::NotFound | ConversationRepoError::TurnInProgress,
            ) => Err(Failure::Ended),
        }
    }
}

fn failed(message: String) -> ToolResult {
    ToolResult { success: false, message, data: json!({}) }
}

/// A call's arguments as JSON; as the text that they are if they are none. No arguments are an empty object.
fn parameters(arguments: &str) -> Value {
    if arguments.trim().is_empty() {
        return json!({});
    }
    let mut parameters = serde_json::from_str(arguments).unwrap_or_else(|_| Value::String(arguments.to_owned()));
    remove_nul(&mut parameters);
    parameters
}

/// Takes NUL characters out: an escape in JSON brings them back after the text was cleaned of them.
fn remove_nul(value: &mut Value) {
    match value {
        Value::String(text) => text.retain(|c| c != '\0'),
        Value::Array(values) => values.iter_mut().for_each(remove_nul),
        Value::Object(fields) => {
            if fields.keys().any(|key| key.contains('\0')) {
                *fields =
                    std::mem::take(fields).into_iter().map(|(key, value)| (key.replace('\0', ""), value)).collect();
            }
            fields.values_mut().for_each(remove_nul);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
