//! What a turn does before it asks a model: what the user's yes has agreed to, and what is left of a turn that was cut
//! short.

use serde_json::json;

use super::turn_loop::{Failure, TurnLoop, failed, is_waiting};
use crate::conversation::PendingAction;
use crate::id::TaskId;
use crate::message::{Part, ToolCall, ToolResult, tool_calls};
use crate::task::Version;
use crate::tool::ToolContext;

/// What is told of a call that a turn did not come to before it was cut short.
const NOT_DONE: &str =
    "This was not done before the turn was cut short. Call the tool again if it still has to be done.";

impl TurnLoop {
    /// Does what the user's message has agreed to, before any model is asked.
    pub async fn agree(&mut self, action: &PendingAction) -> Result<(), Failure> {
        let call = |(index, (task, _)): (usize, &(TaskId, Version))| {
            Part::ToolCall(ToolCall {
                id: format!("agreed_{index}"),
                round: 0,
                tool: action.tool.clone(),
                parameters: json!({"task_identifier": task}),
                agreed: true,
                result: None,
            })
        };
        self.parts.extend(action.tasks.iter().enumerate().map(call));
        self.save().await?;
        let context = ToolContext { agreed: true, ..self.context(0, 0) };
        let outcomes = match self.ports.tools.run_agreed(&context, action).await {
            Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        };
        let ran = outcomes.into_iter().map(|outcome| self.ran(&action.tool, outcome)).collect::<Result<Vec<_>, _>>();
        let mut ran = ran?.into_iter();
        for part in &mut self.parts {
            if let Part::ToolCall(call) = part {
                let missing = || failed("It was not done.".to_owned());
                call.result = Some(ran.next().map_or_else(missing, |ran| ran.result));
            }
        }
        self.tell();
        self.save().await
    }

    /// Takes up what is on record of a turn that was cut short. Nothing is asked for this, so that whatever fails next
    /// fails with the record in hand. Words that no call followed will be said anew.
    pub fn take_up(&mut self, mut parts: Vec<Part>) {
        let calls = parts.iter().rposition(|part| matches!(part, Part::ToolCall(_))).map_or(0, |last| last + 1);
        parts.truncate(calls);
        parts.retain(|part| !matches!(part, Part::Notice { .. }));
        let tools = self.ports.tools.tools();
        self.changed = tool_calls(&parts).any(|call| {
            let read_only = tools.iter().any(|known| known.name == call.tool && known.read_only);
            !read_only && call.result.as_ref().is_some_and(did_change)
        });
        self.parts = parts;
    }

    /// Settles the calls on record that have no result: those that have happened get theirs, and the others are told as
    /// not done, for the model to make again. So are those that only asked for consent.
    pub async fn settle(&mut self) -> Result<(), Failure> {
        for place in 0..self.parts.len() {
            let Part::ToolCall(call) = &self.parts[place] else { continue };
            let (round, tool) = (call.round, call.tool.clone());
            let result = match &call.result {
                Some(result) if is_waiting(result) => failed(NOT_DONE.to_owned()),
                Some(_) => continue,
                None => {
                    let index = tool_calls(&self.parts[..place]).filter(|other| other.round == round).count();
                    match self.ports.tools.done_before(&self.context(round, index)).await {
                        Ok(Some(outcome)) => self.ran(&tool, Ok(outcome))?.result,
                        Ok(None) => failed(NOT_DONE.to_owned()),
                        Err(error) => self.ran(&tool, Err(error))?.result,
                    }
                }
            };
            if let Part::ToolCall(call) = &mut self.parts[place] {
                call.result = Some(result);
            }
        }
        self.tell();
        self.save().await
    }
}

/// Whether a tool that may change something did, by what it told.
fn did_change(result: &ToolResult) -> bool {
    let data = &result.data;
    let same_title = data["previous_title"].is_string() && data["previous_title"] == data["task"]["title"];
    result.success && data["already_completed"] != true && !same_title
}
