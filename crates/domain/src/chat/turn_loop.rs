//! The work of one turn: ask the model, run the tools that it calls, tell it the results, until it answers in words.
//!
//! Whatever a model does, the loop ends: so many rounds, so many calls, so many mistakes, so much time.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use serde_json::{Value, json};

use super::arguments::parameters;
use super::narration::Narration;
use super::service::{ChatOptions, ChatPorts};
use crate::change::{EffectId, RequestId};
use crate::conversation::{ConversationRepoError, PendingAction};
use crate::llm::{FinishReason, LlmError, LlmMessage, LlmToolCall};
use crate::message::{Part, ToolCall, ToolResult, tool_calls};
use crate::principal::Principal;
use crate::storage::StorageError;
use crate::tool::{ToolContext, ToolError, ToolOutcome, ToolSpec};
use crate::turn::{StopReason, Turn, TurnEvent, Usage};

/// So often the model is asked in one turn.
pub(super) const MAX_ROUNDS: u8 = 8;
/// So many tools may be called in one round.
pub const MAX_CALLS: usize = 32;
/// So often a model may get a call wrong and be told so.
pub(super) const MAX_CORRECTIONS: u8 = 2;
/// The same call, asked for this often in one turn, is a model that runs in circles.
pub(super) const MAX_REPEATS: usize = 3;
/// The longest id of a call that is taken as it is, in bytes: the longest that OpenAI takes back.
const MAX_CALL_ID: usize = 40;

/// Why a turn ends without an answer.
#[derive(Debug)]
pub(super) enum Failure {
    Model(LlmError),
    Storage(StorageError),
    /// Somebody wants the turn to end.
    Stopped(StopReason),
    /// The turn was taken away.
    Ended,
    /// Our own code panicked.
    Panicked,
}

/// One turn at work.
pub(super) struct TurnLoop {
    pub ports: ChatPorts,
    pub options: ChatOptions,
    pub who: Principal,
    pub request_id: RequestId,
    pub turn: Turn,
    pub user_text: String,
    pub system: String,
    /// The conversation up to the user's message.
    pub history: Vec<LlmMessage>,
    /// What the assistant's message is made of so far.
    pub parts: Vec<Part>,
    pub narration: Narration,
    /// Ends when the turn is to end.
    pub stopped: Shared<BoxFuture<'static, StopReason>>,
    pub usage: Usage,
    /// The provider and the model that answer.
    pub answered_by: (String, String),
    pub first_token_at: Option<DateTime<Utc>>,
    /// How long the model was waited for in all.
    pub model_time: TimeDelta,
    /// When the parts were last stored.
    pub saved_at: DateTime<Utc>,
    pub corrections: u8,
    /// Why the model's last reply ended.
    pub finish_reason: FinishReason,
    pub told_of_stand_in: bool,
    /// Whether a tool has changed something.
    pub changed: bool,
    /// What waits for the user's yes.
    pub on_offer: OnOffer,
}

/// What tools would do if the user agreed.
#[derive(Default)]
pub(super) struct OnOffer {
    pub action: Option<PendingAction>,
    pub titles: Vec<String>,
    /// How many more there are than one offer may have.
    pub left_out: usize,
}

/// Whether the model is asked again.
enum Next {
    Ask,
    Enough,
}

/// What came of one call.
pub(super) struct Ran {
    pub result: ToolResult,
    /// The model got the call itself wrong.
    pub mistaken: bool,
}

impl TurnLoop {
    /// Works until there is an answer in [`parts`](Self::parts).
    pub async fn run(&mut self) -> Result<(), Failure> {
        let tools: Arc<[ToolSpec]> = self.ports.tools.tools().into();
        let first = tool_calls(&self.parts).last().map_or(0, |call| call.round.saturating_add(1));
        // Rounds count over all tries, and the one that a yes takes comes on top; a turn that is tried again may always
        // answer.
        let agreed = tool_calls(&self.parts).any(|call| call.agreed);
        let last = (MAX_ROUNDS + u8::from(agreed)).max(first.saturating_add(1));
        for round in first..last {
            let calls = self.ask(round, tools.clone()).await?;
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

    async fn run_calls(&mut self, round: u8, calls: Vec<LlmToolCall>) -> Result<Next, Failure> {
        let calls: Vec<ToolCall> = calls.into_iter().map(|call| made(call, round)).collect();
        for (index, call) in calls.iter().enumerate() {
            if let Some(reason) = self.stopped.clone().now_or_never() {
                return Err(Failure::Stopped(reason));
            }
            let call = ToolCall { id: self.unique(&call.id, round, index), ..call.clone() };
            let times = self.earlier(&call) + 1;
            self.parts.push(Part::ToolCall(call.clone()));
            self.tell();
            if times >= MAX_REPEATS {
                self.answer_call(failed("It was asked for twice before, and was not run again.".to_owned()));
                self.stop_because("it kept asking for the same step");
                return Ok(Next::Enough);
            }
            // What is about to be done is on record before it is done, and a turn that was taken away does nothing more.
            self.save().await?;
            let context = self.context(round, index);
            let context = ToolContext { agreed: self.may_run(&context, &call.tool, &calls[index..]).await?, ..context };
            let ran = self.run_call(&context, &call).await?;
            self.answer_call(ran.result);
            if ran.mistaken {
                if self.corrections == MAX_CORRECTIONS {
                    self.stop_because("it could not say clearly what to do");
                    return Ok(Next::Enough);
                }
                self.corrections += 1;
            }
        }
        Ok(Next::Ask)
    }

    /// Gives the last call its result.
    fn answer_call(&mut self, result: ToolResult) {
        if let Some(Part::ToolCall(call)) = self.parts.last_mut() {
            call.result = Some(result);
        }
        self.tell();
    }

    pub fn context(&self, round: u8, index: usize) -> ToolContext {
        let index = u8::try_from(index).unwrap_or(u8::MAX);
        ToolContext {
            principal: self.who.clone(),
            conversation: Some(self.turn.conversation),
            turn: Some(self.turn.attempt()),
            effect_id: Some(EffectId { turn: self.turn.id, round, index }),
            user_text: Some(self.user_text.clone()),
            agreed: false,
            request_id: self.request_id.clone(),
        }
    }

    async fn run_call(&mut self, context: &ToolContext, call: &ToolCall) -> Result<Ran, Failure> {
        if call.parameters.is_string() {
            let result = failed("The arguments are no valid JSON object. Nothing was changed.".to_owned());
            return Ok(Ran { result, mistaken: true });
        }
        let outcome = self.ports.tools.run(context, &call.tool, call.parameters.clone()).await;
        self.ran(&call.tool, outcome)
    }

    pub fn ran(&mut self, tool: &str, outcome: Result<ToolOutcome, ToolError>) -> Result<Ran, Failure> {
        let (result, mistaken) = match outcome {
            Ok(ToolOutcome::Done { message, data, changed }) => {
                self.changed |= changed;
                (ToolResult { success: true, message, data }, false)
            }
            Ok(ToolOutcome::Refused { message, data }) => (ToolResult { success: false, message, data }, false),
            Ok(ToolOutcome::NeedsConfirmation { message, data, tasks, title }) => {
                self.offer(tool, tasks, title);
                (ToolResult { success: false, message, data: waiting(data) }, false)
            }
            Err(error @ (ToolError::UnknownTool(_) | ToolError::BadParameters(_))) => {
                (failed(format!("{error}. Nothing was changed.")), true)
            }
            Err(error @ ToolError::InsufficientScope(_)) => (failed(format!("{error}. Nothing was changed.")), false),
            Err(ToolError::TurnEnded) => return Err(Failure::Ended),
            Err(ToolError::Storage(error)) => return Err(Failure::Storage(error)),
        };
        Ok(Ran { result, mistaken })
    }

    /// How often this turn has already asked for the same.
    fn earlier(&self, call: &ToolCall) -> usize {
        tool_calls(&self.parts).filter(|other| other.tool == call.tool && other.parameters == call.parameters).count()
    }

    /// Whether `tool` may be called as often as this turn does: where it did something or waits for the user so far, and
    /// in what is left of the round.
    async fn may_run(&self, context: &ToolContext, tool: &str, left: &[ToolCall]) -> Result<bool, Failure> {
        let counts = |result: &ToolResult| result.success || is_waiting(result);
        let before = tool_calls(&self.parts).filter(|call| call.result.as_ref().is_some_and(counts));
        let calls: Vec<ToolCall> = before.chain(left).filter(|call| call.tool == tool).cloned().collect();
        if calls.len() < 2 {
            return Ok(true);
        }
        match self.ports.tools.may_run(context, tool, &calls).await {
            Ok(may) => Ok(may),
            Err(ToolError::Storage(error)) => Err(Failure::Storage(error)),
            Err(ToolError::TurnEnded) => Err(Failure::Ended),
            // The call itself says what is wrong with it.
            Err(ToolError::UnknownTool(_) | ToolError::BadParameters(_) | ToolError::InsufficientScope(_)) => Ok(false),
        }
    }

    /// A call's id that no other call of the message has: providers repeat theirs.
    fn unique(&self, id: &str, round: u8, index: usize) -> String {
        let taken = |id: &str| tool_calls(&self.parts).any(|call| call.id == id);
        if !id.trim().is_empty() && id.len() <= MAX_CALL_ID && !taken(id) {
            return id.to_owned();
        }
        let mut own = format!("call_{round}_{index}");
        while taken(&own) {
            own.push('_');
        }
        own
    }

    /// A reply without calls ends the turn. If it has no words either, what the tools said has to do.
    fn conclude(&mut self) -> Result<(), Failure> {
        let spoken = self.parts.iter().rev().take_while(|part| !matches!(part, Part::ToolCall(_)));
        if spoken.into_iter().any(|part| matches!(part, Part::Text { .. })) {
            return Ok(());
        }
        let said: Vec<_> = tool_calls(&self.parts)
            .filter_map(|call| call.result.as_ref())
            .map(|result| result.message.clone())
            .collect();
        if said.is_empty() {
            return Err(Failure::Model(LlmError::BadReply("the reply is empty".into())));
        }
        self.notice(said.join("\n"));
        Ok(())
    }

    /// Ends the message honestly where the assistant is not let go on.
    fn stop_because(&mut self, reason: &str) {
        let so_far = if self.changed { "What was done so far stands." } else { "Nothing was changed." };
        self.notice(format!("The assistant was stopped because {reason}. {so_far}"));
    }

    /// Says something in the server's own name.
    pub fn notice(&mut self, text: String) {
        self.parts.push(Part::Notice { text });
        self.tell();
    }

    /// Tells whoever follows the turn what is new in the message.
    pub fn tell(&mut self) {
        for event in self.narration.tell(&self.parts) {
            self.publish(event);
        }
    }

    pub fn publish(&self, event: TurnEvent) {
        self.ports.signals.publish(self.turn.attempt(), event);
    }

    pub async fn save(&mut self) -> Result<(), Failure> {
        self.saved_at = self.ports.clock.now();
        let saved = self.ports.conversations.save_progress(self.who.user, self.turn.attempt(), &self.parts).await;
        saved.map_err(Failure::from)
    }
}

impl From<ConversationRepoError> for Failure {
    fn from(error: ConversationRepoError) -> Self {
        error.into_storage().map_or(Self::Ended, Self::Storage)
    }
}

/// The data of a result that waits for the user's yes, marked as such.
fn waiting(mut data: Value) -> Value {
    if let Value::Object(fields) = &mut data {
        fields.insert("needs_confirmation".to_owned(), true.into());
    }
    data
}

pub(super) fn is_waiting(result: &ToolResult) -> bool {
    result.data["needs_confirmation"] == true
}

/// A call as it goes on record.
fn made(call: LlmToolCall, round: u8) -> ToolCall {
    let parameters = parameters(&call.arguments);
    ToolCall { id: call.id, round, tool: call.tool, parameters, agreed: false, result: None }
}

pub(super) fn failed(message: String) -> ToolResult {
    ToolResult { success: false, message, data: json!({}) }
}
