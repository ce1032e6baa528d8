//! Resuming a turn that failed or was interrupted.

use super::calls::call_result;
use super::confirmation::is_deferred;
use super::work::{CallResult, Draft, Failure, TurnContext};
use crate::conversation::message::{Part, tool_calls};

/// The result of a recorded call that was not run.
const NOT_DONE: &str =
    "This was not done before the turn was interrupted. Call the tool again if it still has to be done.";

/// Returns the stored parts that the next attempt continues from. Text after the last call is dropped, because the model
/// generates it again.
pub(super) fn retained_parts(mut parts: Vec<Part>) -> Vec<Part> {
    let calls = parts.iter().rposition(|part| matches!(part, Part::ToolCall(_))).map_or(0, |last| last + 1);
    parts.truncate(calls);
    parts.retain(|part| !matches!(part, Part::Notice { .. }));
    parts
}

/// Adds the missing results of recorded calls: the outcome from the ledger for calls that took effect, and [`NOT_DONE`]
/// for the others, so that the model repeats them. No call runs here; in particular, it is not recorded whether a
/// confirmation was the only content of its reply. Calls that were deferred count as not done.
pub(super) async fn complete_calls(context: &TurnContext, draft: &mut Draft) -> Result<(), Failure> {
    for index in 0..draft.parts.len() {
        let Part::ToolCall(call) = &draft.parts[index] else { continue };
        let (round, tool) = (call.round, call.tool.clone());
        let completed = match &call.result {
            Some(result) if is_deferred(result) => CallResult::failed(NOT_DONE),
            Some(_) => continue,
            None => {
                let call_index = tool_calls(&draft.parts[..index]).filter(|other| other.round == round).count();
                let origin_call = context.tool_context(round, call_index);
                match context.ports.tools.find_effect(&origin_call, &tool).await {
                    Ok(Some(outcome)) => call_result(Ok(outcome))?,
                    Ok(None) => CallResult::failed(NOT_DONE),
                    Err(error) => call_result(Err(error))?,
                }
            }
        };
        if let Part::ToolCall(call) = &mut draft.parts[index] {
            call.result = Some(completed.result);
            call.changes = completed.changes;
        }
    }
    draft.save(context).await?;
    draft.publish(context);
    Ok(())
}
