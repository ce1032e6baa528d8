//! The rounds of a turn: ask the model, run the tools that it calls, tell it the results, until it answers in words.
//!
//! Whatever a model does, the loop ends: rounds, calls, mistakes and time are bounded.

use std::sync::Arc;

use futures_util::FutureExt as _;

use super::arguments::parameters;
use super::confirmation::{Allowance, PutOff, waiting};
use super::reply::{ModelRun, Prompt, ask};
use super::work::{Draft, Failure, Ran, TurnContext, on_tool_error};
use crate::conversation::{PendingAction, PendingItem};
use crate::llm::{LlmError, LlmToolCall};
use crate::message::{Part, ToolCall, ToolResult, tool_calls};
use crate::tool::{CONFIRM_PENDING, ToolContext, ToolError, ToolOutcome, ToolSpec, confirm_pending_spec};

/// Maximum number of times that the model is asked in one turn.
pub(super) const MAX_ROUNDS: u8 = 8;
/// Maximum number of tools that may be called in one round.
pub const MAX_CALLS: usize = 32;
/// Maximum number of wrong calls that a model is told of.
pub(super) const MAX_CORRECTIONS: u8 = 2;
/// The same call, made this often in one turn, ends it.
pub(super) const MAX_REPEATS: usize = 3;
/// Maximum length of a call's id that is taken as it is, in bytes: the longest that OpenAI takes back.
const MAX_CALL_ID: usize = 40;

/// Whether the model is asked again.
enum Next {
    Ask,
    Enough,
}

/// The rounds of one turn.
pub(super) struct Rounds<'t> {
    pub context: &'t TurnContext,
    pub draft: &'t mut Draft,
    pub model: &'t mut ModelRun,
    pub put_off: &'t mut PutOff,
    /// What waits for the user's confirmation, and may be confirmed in the first round.
    pub pending: Option<&'t PendingAction>,
    pub corrections: u8,
}

impl Rounds<'_> {
    /// Works until there is an answer in the draft.
    pub async fn run(mut self, mut prompt: Prompt) -> Result<(), Failure> {
        let tools = self.context.ports.tools.tools();
        let first = tool_calls(&self.draft.parts).last().map_or(0, |call| call.round.saturating_add(1));
        // Rounds count over all attempts; a turn that is tried again may always answer.
        for round in first..MAX_ROUNDS.max(first.saturating_add(1)) {
            if round > 0 {
                self.pending = None;
            }
            let confirm = self.pending.map(|_| confirm_pending_spec());
            prompt.tools = tools.iter().cloned().chain(confirm).collect();
            let calls = ask(self.context, self.draft, self.model, &prompt, round).await?;
            if calls.is_empty() {
                return self.conclude();
            }
            if calls.len() > MAX_CALLS {
                self.stop_because("it was asked to do too much at once");
                return Ok(());
            }
            if matches!(self.run_calls(round, calls, &prompt.tools).await?, Next::Enough) {
                return Ok(());
            }
            self.draft.save(self.context).await?;
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
            let id = self.unique(&call.id, &made, round, index);
            let parameters = parameters(&call.arguments);
            made.push(ToolCall { id, round, tool: call.tool, parameters, result: None, changes: Vec::new() });
        }
        let mut allowance = Allowance::of(self.context, self.draft);
        let targets =
            match self.context.ports.tools.overwrite_targets(&self.context.tool_context(round, 0), &made).await {
                Ok(targets) => targets,
                // Each call says itself what is wrong with it.
                Err(error) => on_tool_error(error).map(|_| vec![None; made.len()])?,
            };
        let allowed = allowance.admit(targets.iter().flatten());
        let alone = made.len() == 1 && !self.spoke_in(round);
        for (index, (call, target)) in made.into_iter().zip(targets).enumerate() {
            if let Some(reason) = self.context.stopped.clone().now_or_never() {
                return Err(Failure::Stopped(reason));
            }
            let times = self.earlier(&call) + 1;
            self.draft.push_call(self.context, call.clone());
            if times >= MAX_REPEATS {
                let ran = Ran::failed("It was asked for twice before, and was not run again.");
                self.draft.answer_call(self.context, ran).await?;
                self.stop_because("it kept asking for the same step");
                return Ok(Next::Enough);
            }
            // What is about to be done is on record before it is done, and a turn that was ended does nothing more.
            self.draft.save(self.context).await?;
            let mut context = self.context.tool_context(round, index);
            let spec = tools.iter().find(|spec| spec.name == call.tool);
            let (target, allowed) = match target {
                Some(target) => (Some(target), allowed),
                // An earlier call of the round may have made clear which task is meant.
                None if spec.is_some_and(|spec| spec.destructive) => {
                    let target = self.overwrite(&context, &call).await?;
                    let admitted = allowed && allowance.admit(&target);
                    (target, admitted)
                }
                None => (None, allowed),
            };
            let mut ran = match target {
                Some(item) if !allowed && allowance.counts(&item) => {
                    let ran = waiting(self.context, &item);
                    self.put_off.add(self.context, item);
                    ran
                }
                target => {
                    context.target = target.map(|item| item.task.id);
                    self.run_call(&context, &call, alone).await?
                }
            };
            ran.read_only = spec.is_some_and(|spec| spec.read_only);
            let mistaken = ran.mistaken;
            self.draft.answer_call(self.context, ran).await?;
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

    /// What the call would delete or overwrite as things stand now.
    async fn overwrite(&self, context: &ToolContext, call: &ToolCall) -> Result<Option<PendingItem>, Failure> {
        match self.context.ports.tools.overwrite_targets(context, std::slice::from_ref(call)).await {
            Ok(mut targets) => Ok(targets.pop().flatten()),
            Err(error) => on_tool_error(error).map(|_| None),
        }
    }

    async fn run_call(&self, context: &ToolContext, call: &ToolCall, alone: bool) -> Result<Ran, Failure> {
        if call.parameters.is_string() {
            let ran = Ran::failed("The arguments are no valid JSON object. Nothing was changed.");
            return Ok(Ran { mistaken: true, ..ran });
        }
        let tools = &self.context.ports.tools;
        match self.pending.filter(|_| call.tool == CONFIRM_PENDING) {
            Some(pending) if alone => ran(tools.run_pending(context, &pending.items).await),
            Some(_) => Ok(Ran::failed(
                "Nothing was confirmed: confirm_pending has to be the whole reply. The user has to be asked again.",
            )),
            None => ran(tools.run(context, &call.tool, call.parameters.clone()).await),
        }
    }

    fn spoke_in(&self, round: u8) -> bool {
        self.draft.parts.iter().any(|part| matches!(part, Part::Text { round: other, .. } if *other == round))
    }

    /// How often this turn has already made the same call.
    fn earlier(&self, call: &ToolCall) -> usize {
        tool_calls(&self.draft.parts)
            .filter(|other| other.tool == call.tool && other.parameters == call.parameters)
            .count()
    }

    /// A call's id that no other call of the message has: providers repeat theirs.
    fn unique(&self, id: &str, made: &[ToolCall], round: u8, index: usize) -> String {
        let taken = |id: &str| tool_calls(&self.draft.parts).chain(made).any(|call| call.id == id);
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
        let spoken = self.draft.parts.iter().rev().take_while(|part| !matches!(part, Part::ToolCall(_)));
        if spoken.into_iter().any(|part| matches!(part, Part::Text { .. })) {
            return Ok(());
        }
        let said: Vec<_> = tool_calls(&self.draft.parts)
            .filter_map(|call| call.result.as_ref())
            .map(|result| result.message.clone())
            .collect();
        if said.is_empty() {
            return Err(Failure::Model(LlmError::BadReply("the reply is empty".into())));
        }
        self.draft.notice(self.context, said.join("\n"));
        Ok(())
    }

    /// Ends the message where the assistant is not let go on.
    fn stop_because(&mut self, reason: &str) {
        let so_far = if self.draft.has_changes() { "What was done so far stands." } else { "Nothing was changed." };
        self.draft.notice(self.context, format!("The assistant was stopped because {reason}. {so_far}"));
    }
}

/// What a tool's outcome means to the turn.
pub(super) fn ran(outcome: Result<ToolOutcome, ToolError>) -> Result<Ran, Failure> {
    let (result, changes) = match outcome {
        Ok(ToolOutcome::Done { message, data, changes }) => (ToolResult { success: true, message, data }, changes),
        Ok(ToolOutcome::Refused { message, data }) => (ToolResult { success: false, message, data }, Vec::new()),
        Err(error) => return on_tool_error(error),
    };
    Ok(Ran { result, changes, mistaken: false, read_only: false })
}
