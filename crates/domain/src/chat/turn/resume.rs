//! What is left of a turn that was cut short.

use super::calls::ran;
use super::confirmation::is_waiting;
use super::work::{Draft, Failure, Ran, TurnContext};
use crate::message::{Part, tool_calls};

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

/// Completes the calls on record that have no result: with what the ledger knows that they did, or else as not done, for
/// the model to make again. None is run here: whether a confirmation was the whole reply, for one, is not on record. Calls
/// that waited for confirmation were not done either.
pub(super) async fn complete_calls(context: &TurnContext, draft: &mut Draft) -> Result<(), Failure> {
    for place in 0..draft.parts.len() {
        let Part::ToolCall(call) = &draft.parts[place] else { continue };
        let (round, tool) = (call.round, call.tool.clone());
        let settled = match &call.result {
            Some(result) if is_waiting(result) => Ran::failed(NOT_DONE),
            Some(_) => continue,
            None => {
                let index = tool_calls(&draft.parts[..place]).filter(|other| other.round == round).count();
                let of_call = context.tool_context(round, index);
                match context.ports.tools.find_effect(&of_call, &tool).await {
                    Ok(Some(outcome)) => ran(Ok(outcome))?,
                    Ok(None) => Ran::failed(NOT_DONE),
                    Err(error) => ran(Err(error))?,
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
