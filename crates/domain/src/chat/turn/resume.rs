//! What is left of a turn that was cut short.

use super::calls::ran;
use super::confirmation::is_waiting;
use super::work::{Draft, Failure, Ran, TurnContext};
use crate::conversation::PendingAction;
use crate::message::{Part, tool_calls};
use crate::tool::CONFIRM_PENDING;

/// What is told of a call that a turn did not come to before it was cut short.
const NOT_DONE: &str =
    "This was not done before the turn was cut short. Call the tool again if it still has to be done.";

/// The parts on record that the next attempt goes on from. Words that no call followed will be said anew.
pub(super) fn kept_parts(mut parts: Vec<Part>) -> Vec<Part> {
    let calls = parts.iter().rposition(|part| matches!(part, Part::ToolCall(_))).map_or(0, |last| last + 1);
    parts.truncate(calls);
    parts.retain(|part| !matches!(part, Part::Notice { .. }));
    parts
}

/// Gives the calls on record that have no result theirs: those that have happened what they did, a confirmation what it
/// does now, and the others that they were not done, for the model to make again. Those that waited for confirmation
/// were not done either.
pub(super) async fn settle_calls(
    context: &TurnContext,
    draft: &mut Draft,
    pending: Option<&PendingAction>,
) -> Result<(), Failure> {
    for place in 0..draft.parts.len() {
        let Part::ToolCall(call) = &draft.parts[place] else { continue };
        let (round, tool) = (call.round, call.tool.clone());
        let settled = match &call.result {
            Some(result) if is_waiting(result) => Ran::failed(NOT_DONE),
            Some(_) => continue,
            None => {
                let index = tool_calls(&draft.parts[..place]).filter(|other| other.round == round).count();
                let of_call = context.tool_context(round, index);
                match (context.ports.tools.find_effect(&of_call, &tool).await, pending) {
                    (Ok(Some(outcome)), _) => ran(Ok(outcome))?,
                    (Ok(None), Some(pending)) if tool == CONFIRM_PENDING => {
                        ran(context.ports.tools.run_pending(&of_call, &pending.items).await)?
                    }
                    (Ok(None), _) => Ran::failed(NOT_DONE),
                    (Err(error), _) => ran(Err(error))?,
                }
            }
        };
        if let Part::ToolCall(call) = &mut draft.parts[place] {
            call.result = Some(settled.result);
            call.changes = settled.changes;
        }
    }
    draft.save(context).await?;
    draft.publish(context);
    Ok(())
}
