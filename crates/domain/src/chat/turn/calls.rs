//! The rounds of a turn: call the model, run the requested tools, and repeat with their results until it answers with text.
//!
//! The loop always terminates: rounds, calls, corrections and time are limited.

use std::sync::Arc;

use futures_util::FutureExt as _;

use super::arguments::parameters;
use super::confirmation::{Allowance, DeferredItems, OwnChanges, deferred_result};
use super::reply::{ModelRun, Prompt, call_model};
use super::work::{CallResult, Draft, Failure, TurnContext, on_tool_error};
use crate::conversation::PendingAction;
use crate::conversation::message::{Part, ToolCall, ToolResult, tool_calls};
use crate::llm::{LlmError, LlmToolCall};
use crate::tool::{
    CONFIRM_PENDING, ResolvedCall, TaskMatch, ToolContext, ToolError, ToolOutcome, ToolSpec, confirm_pending_spec,
};

/// Maximum number of model calls in a turn.
pub(super) const MAX_ROUNDS: u8 = 8;
/// Maximum number of tool calls in a round.
pub const MAX_CALLS: usize = 32;
/// Maximum number of invalid calls that a model may correct.
pub(super) const MAX_CORRECTIONS: u8 = 2;
/// Number of identical calls that ends a turn.
pub(super) const MAX_REPEATS: usize = 3;
/// Maximum length of a provider's call id that becomes the id of the call in the API.
const MAX_CALL_ID_BYTES: usize = 40;

/// What the system prompt asks for after a reply without words and calls. It is not a message of the user, which would be
/// stored, and which some models refuse behind a tool's result.
const REQUEST_FOR_WORDS: &str = "\n\nYour last reply had no words. Answer the person now, in words, or call a tool if something remains to be done.";

/// How the turn continues after a round.
enum Next {
    CallModel,
    End,
}

/// The rounds of one turn.
pub(super) struct Rounds<'t> {
    pub context: &'t TurnContext,
    pub draft: &'t mut Draft,
    pub model: &'t mut ModelRun,
    pub deferred: &'t mut DeferredItems,
    /// The pending action, which the model may confirm in the first round only.
    pub pending: Option<&'t PendingAction>,
    pub corrections: u8,
    pub own_changes: OwnChanges,
}

impl Rounds<'_> {
    /// Runs until the draft contains an answer.
    pub async fn run(mut self, mut prompt: Prompt) -> Result<(), Failure> {
        let tools = self.context.ports.tools.tools();
        let first = tool_calls(&self.draft.parts).last().map_or(0, |call| call.round.saturating_add(1));
        // The limit covers all attempts, but every attempt has at least one round to answer.
        let end = MAX_ROUNDS.max(first.saturating_add(1));
        let (system_bytes, mut asked_for_words) = (prompt.system.len(), false);
        for round in first..end {
            if round > 0 {
                self.pending = None;
            }
            let confirm = self.pending.map(|_| confirm_pending_spec());
            prompt.tools = tools.iter().cloned().chain(confirm).collect();
            let calls = call_model(self.context, self.draft, self.model, &prompt, round).await?;
            if calls.is_empty() {
                let has_only_thoughts = self.model.has_thought && !self.has_text(round);
                if has_only_thoughts && !asked_for_words && round + 1 < end {
                    asked_for_words = true;
                    prompt.system.push_str(REQUEST_FOR_WORDS);
                    continue;
                }
                return self.conclude();
            }
            if calls.len() > MAX_CALLS {
                self.stop_because("it was asked to do too much at once");
                return Ok(());
            }
            if matches!(self.run_calls(round, calls, &prompt.tools).await?, Next::End) {
                return Ok(());
            }
            self.draft.is_unsaved = true;
            prompt.system.truncate(system_bytes);
        }
        self.stop_because("it took too many steps");
        Ok(())
    }

    async fn run_calls(
        &mut self,
        round: u8,
        calls: Vec<LlmToolCall>,
        tools: &Arc<[ToolSpec]>,
    ) -> Result<Next, Failure> {
        let mut made: Vec<ToolCall> = Vec::with_capacity(calls.len());
        for (index, call) in calls.into_iter().enumerate() {
            let id = self.unique_id(&call.id, &made, round, index);
            let parameters = parameters(&call.arguments);
            made.push(ToolCall { id, round, tool: call.tool, parameters, result: None, changes: Vec::new() });
        }
        let mut allowance = Allowance::of(self.context, self.draft);
        let resolved = self.resolve(&self.context.tool_context(round, 0), &made).await?;
        // Once an item is deferred, all further deletions and edits of the turn are deferred, too.
        let allowed =
            self.deferred.is_empty() && allowance.admit(resolved.iter().filter_map(|call| call.overwrites.as_ref()));
        let alone = made.len() == 1 && !self.has_text(round);
        let mut has_written = false;
        for (index, (call, mut resolved)) in made.into_iter().zip(resolved).enumerate() {
            if let Some(reason) = self.context.stopped.clone().now_or_never() {
                return Err(Failure::Stopped(reason));
            }
            let times = self.count_identical(&call) + 1;
            self.draft.push_call(self.context, call.clone());
            if times >= MAX_REPEATS {
                let result = CallResult::failed("The same call was already made twice and was not run again.");
                self.draft.answer_call(self.context, result).await?;
                self.stop_because("it kept asking for the same step");
                return Ok(Next::End);
            }
            // The call is stored with its effect, which fails if the turn has lost its lease.
            let mut context = self.context.recording_context(round, index, self.draft);
            let spec = tools.iter().find(|spec| spec.name == call.tool);
            let mut allowed = allowed;
            // An earlier call of the round may have created or renamed the identified task.
            if has_written && !matches!(resolved.target, Some(TaskMatch::One(_))) {
                resolved = self.resolve(&context, std::slice::from_ref(&call)).await?.pop().unwrap_or_default();
                allowed = allowed && allowance.admit(&resolved.overwrites);
            }
            let mut result = match resolved.overwrites {
                Some(item) if !allowed && allowance.counts(&item) => {
                    let result = deferred_result(self.context, &item);
                    self.deferred.add(self.context, self.own_changes.apply_to_item(item));
                    result
                }
                _ => {
                    context.target = resolved.target.map(|target| self.own_changes.apply_to_match(target));
                    self.run_call(&context, &call, alone).await?
                }
            };
            result.read_only = spec.is_some_and(|spec| spec.read_only);
            has_written |= !result.changes.is_empty();
            allowance.record(&result.changes);
            self.own_changes.record(&result.changes);
            self.deferred.record(&result.changes);
            let is_invalid = result.is_invalid;
            self.draft.answer_call(self.context, result).await?;
            if is_invalid {
                if self.corrections == MAX_CORRECTIONS {
                    self.stop_because("it could not say clearly what to do");
                    return Ok(Next::End);
                }
                self.corrections += 1;
            }
        }
        Ok(Next::CallModel)
    }

    /// Resolves the identifiers of calls. If that fails, each call reports its own error when it runs.
    async fn resolve(&self, context: &ToolContext, calls: &[ToolCall]) -> Result<Vec<ResolvedCall>, Failure> {
        match self.context.ports.tools.resolve(context, calls).await {
            Ok(resolved) => Ok(resolved),
            Err(error) => on_tool_error(error).map(|_| vec![ResolvedCall::default(); calls.len()]),
        }
    }

    async fn run_call(&self, context: &ToolContext, call: &ToolCall, alone: bool) -> Result<CallResult, Failure> {
        if call.parameters.is_string() {
            let result = CallResult::failed("The arguments are not a valid JSON object. Nothing was changed.");
            return Ok(CallResult { is_invalid: true, ..result });
        }
        let tools = &self.context.ports.tools;
        match self.pending.filter(|_| call.tool == CONFIRM_PENDING) {
            Some(_) if call.parameters.as_object().is_none_or(|parameters| !parameters.is_empty()) => {
                on_tool_error(ToolError::BadParameters(format!("{CONFIRM_PENDING} has no parameters")))
            }
            Some(pending) if alone => call_result(tools.run_pending(context, pending).await),
            Some(_) => Ok(CallResult::failed(
                "Nothing was confirmed: confirm_pending must be the only content of the reply. Ask the user again.",
            )),
            None => call_result(tools.run(context, &call.tool, call.parameters.clone()).await),
        }
    }

    fn has_text(&self, round: u8) -> bool {
        self.draft.parts.iter().any(|part| matches!(part, Part::Text { round: other, .. } if *other == round))
    }

    /// The number of identical calls that this turn has already made.
    fn count_identical(&self, call: &ToolCall) -> usize {
        tool_calls(&self.draft.parts)
            .filter(|other| other.tool == call.tool && other.parameters == call.parameters)
            .count()
    }

    /// Returns the provider's call id, or a generated one if it is missing, too long or already used in the message.
    fn unique_id(&self, id: &str, made: &[ToolCall], round: u8, index: usize) -> String {
        let taken = |id: &str| tool_calls(&self.draft.parts).chain(made).any(|call| call.id == id);
        if !id.trim().is_empty() && id.len() <= MAX_CALL_ID_BYTES && !taken(id) {
            return id.to_owned();
        }
        let mut own = format!("call_{round}_{index}");
        while taken(&own) {
            own.push('_');
        }
        own
    }

    /// Ends the turn after a reply without calls. If there is no text either, the messages of the tools are the answer.
    fn conclude(&mut self) -> Result<(), Failure> {
        let after_calls = self.draft.parts.iter().rev().take_while(|part| !matches!(part, Part::ToolCall(_)));
        if after_calls.into_iter().any(|part| matches!(part, Part::Text { .. })) {
            return Ok(());
        }
        let messages: Vec<_> = tool_calls(&self.draft.parts)
            .filter_map(|call| call.result.as_ref())
            .map(|result| result.message.clone())
            .collect();
        if messages.is_empty() {
            return Err(Failure::Model(LlmError::BadReply("the reply is empty".into())));
        }
        self.draft.notice(self.context, messages.join("\n"));
        Ok(())
    }

    /// Adds the notice that ends the message of a turn that reached a limit.
    fn stop_because(&mut self, reason: &str) {
        let so_far = if self.draft.has_changes() { "What was done so far stands." } else { "Nothing was changed." };
        self.draft.notice(self.context, format!("The assistant was stopped because {reason}. {so_far}"));
    }
}

/// Converts a tool's outcome to the result of the call.
pub(super) fn call_result(outcome: Result<ToolOutcome, ToolError>) -> Result<CallResult, Failure> {
    let (result, changes) = match outcome {
        Ok(ToolOutcome::Done { message, data, changes }) => (ToolResult { success: true, message, data }, changes),
        Ok(ToolOutcome::Refused { message, data }) => (ToolResult { success: false, message, data }, Vec::new()),
        Err(error) => return on_tool_error(error),
    };
    Ok(CallResult { result, changes, is_invalid: false, read_only: false })
}
